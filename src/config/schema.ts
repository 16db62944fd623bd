import { z } from 'zod';
import { isRegistryName, parseRepositoryName } from '../oci/reference.ts';
import type { Exception } from '../policy/standing.ts';
import type { RootPin } from '../trust/root-pin.ts';
import type { Clients } from './config.ts';
import type { Files } from './files.ts';
import { filesIn, readPair } from './files.ts';
import type { Reading } from './value.ts';
import {
  durationPattern,
  durationWanted,
  readAddress,
  readBaseUrl,
  readDigest,
  readDuration,
  readGunTemplate,
  readInstant,
  readMatch,
  readOrigin,
  readSize,
  readStatePath,
  readTag,
  readTokenRealm,
  readUsername,
  sizePattern,
} from './value.ts';

// The structure of config/tufgate.yaml, key by key, and what each becomes. Every object is strict. What one key says of
// another (names, two rules for one repository) is checked in names.ts, and the names of registries
// and notaries too, as zod does not look below a key it has refused.

/** Takes a text and how to read it; gives the value, or an issue with what the reader says. */
function text<T>(read: (text: string) => Reading<T>, meta: Record<string, unknown> = {}) {
  return z
    .string()
    .meta(meta)
    .transform((written, context): T => {
      const reading = read(written);
      if ('value' in reading) return reading.value;
      context.addIssue({ code: 'custom', message: reading.problem });
      return z.NEVER;
    });
}

/** A duration, and at most how many hours: a Node timer holds less than 25 days. */
function duration(mostHours?: number) {
  const written = z.union([z.literal(0), z.string().meta({ pattern: durationPattern })], {
    error: durationWanted,
  });
  return written.transform((value, context): number => {
    const reading = readDuration(String(value), mostHours && mostHours * 3_600_000);
    if ('value' in reading) return reading.value;
    context.addIssue({ code: 'custom', message: reading.problem });
    return z.NEVER;
  });
}

const size = () => text(readSize, { pattern: sizePattern });

function count(least: number) {
  const wanted = `must be a whole number from ${least} to 10000`;
  return z.int(wanted).min(least, wanted).max(10_000, wanted);
}

function listOf(item: z.ZodType<string>, least = 0) {
  return least > 0 ? z.array(item).min(least, 'must not be empty') : z.array(item);
}

const limits = z
  .strictObject({
    root_bytes: size().prefault('1MiB'),
    timestamp_bytes: size().prefault('64KiB'),
    snapshot_bytes: size().prefault('16MiB'),
    targets_bytes: size().prefault('32MiB'),
    manifest_bytes: size().prefault('4MiB'),
    manifest_cache_bytes: size().prefault('64MiB'),
    root_rotations: count(1).prefault(256),
    download_timeout: duration(1)
      .refine((value) => value > 0, 'must be more than 0')
      .prefault('10s'),
    retry_after: duration(1).prefault('5s'),
    expand_manifests: count(0).prefault(100),
    drain_timeout: duration(24).prefault('30s'),
  })
  .describe('Bounds on sizes, counts and times; each has a default');

const hostName = z
  .string()
  .refine(isRegistryName, 'must be a host name in lower case, with a port if need be');
const alias = z
  .string()
  .refine(
    (name) => !name.includes('/') && parseRepositoryName(name) !== undefined,
    'must be one path segment in lower case, without a colon',
  );
const keyId = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
const signer = z
  .string()
  .regex(/^targets\/[-a-z0-9_/]+$/, 'must be a delegation such as "targets/alice", in lower case');

function accounts(files: Files) {
  return z
    .strictObject({
      username: text(readUsername),
      password_file: text((name) => files.password(name)),
    })
    .transform(({ username, password_file: password }) => ({ username, password }));
}

function dockerConfigs(files: Files) {
  return z
    .strictObject({ docker_config_file: text((name) => files.dockerConfig(name)) })
    .transform(({ docker_config_file: dockerConfig }) => ({ dockerConfig }));
}

const tokenRealm = text(readTokenRealm)
  .optional()
  .describe('An https token server on another host that may see credentials too');

function registries(files: Files) {
  const error =
    'must be "forward", "anonymous", an account (username and password_file) or a docker_config_file';
  return z.strictObject({
    upstream: text(readOrigin).describe('Origin of the registry: scheme, host and port'),
    hosts: listOf(hostName)
      .prefault([])
      .describe('Host names under which clients reach this proxy as this registry'),
    aliases: listOf(alias).prefault([]).describe('Other first path segments that mean this registry'),
    auth: z
      .union([z.enum(['forward', 'anonymous']), accounts(files), dockerConfigs(files)], { error })
      .prefault('forward'),
    token_realm: tokenRealm,
    push: z.enum(['deny', 'allow']).prefault('deny'),
    blobs: z.enum(['proxy', 'redirect']).prefault('proxy'),
    ca_file: text((name) => files.certificates(name)).optional(),
  });
}

function notaries(files: Files) {
  const error = 'must be "anonymous" or an account: username and password_file';
  return z.strictObject({
    url: text(readBaseUrl).describe('Base address of the Notary server; may have a path'),
    ca_file: text((name) => files.certificates(name)).optional(),
    auth: z.union([z.enum(['anonymous']), accounts(files)], { error }).prefault('anonymous'),
    token_realm: tokenRealm,
  });
}

function roots(files: Files) {
  return z
    .strictObject({
      keys: listOf(keyId, 1).optional(),
      ca_file: text((name) => files.authorities(name)).optional(),
      root_file: text((name) => files.root(name)).optional(),
      first_use: z
        .literal(true, 'must be true; to pin a root instead, give keys, ca_file or root_file')
        .optional(),
    })
    .meta({ description: 'Where trust starts; exactly one of these', minProperties: 1, maxProperties: 1 })
    .transform(({ keys, ca_file: ca, root_file: root, first_use: first }, context): RootPin => {
      const pins: RootPin[] = [];
      if (keys) pins.push({ kind: 'keys', ids: keys });
      if (ca) pins.push({ kind: 'ca', authorities: ca });
      if (root) pins.push({ kind: 'root', bytes: root });
      if (first) pins.push({ kind: 'first-use' });
      const [pin] = pins;
      if (pin !== undefined && pins.length === 1) return pin;
      context.addIssue({
        code: 'custom',
        message: 'must have exactly one of keys, ca_file, root_file, first_use',
      });
      return z.NEVER;
    });
}

const listOfExceptions = z.array(
  z
    .strictObject({
      reference: text(readTag).optional().describe('The tag'),
      digest: text(readDigest)
        .optional()
        .describe('What the tag then means, or what may be pulled by digest'),
      until: text(readInstant).describe('When it ends'),
      why: z.string().min(1, 'must say why').max(500, 'must be at most 500 characters'),
    })
    .transform((exception, context): Exception => {
      const { reference, digest, until, why } = exception;
      if (reference === undefined && digest === undefined) {
        context.addIssue({ code: 'custom', message: 'must have a reference, a digest or both' });
      }
      return { reference, digest, until, why };
    }),
);

function rules(files: Files) {
  const match = text(readMatch).describe('Exact name, * for one segment, trailing /** for everything below');
  return z.discriminatedUnion('mode', [
    z.strictObject({
      match,
      mode: z.enum(['enforce', 'audit']),
      notary: z.string(),
      gun: text(readGunTemplate).prefault('{registry}/{repository}'),
      root: roots(files),
      signers: listOf(signer).prefault([]),
      digests: z.enum(['signed', 'any']).prefault('signed').describe('What may be pulled by digest'),
      keep: duration().prefault(0).describe('How long a digest may be pulled after its tag moved on'),
      exceptions: listOfExceptions
        .prefault([])
        .describe('Break glass: what may be pulled although it is not signed'),
      tags: z.enum(['signed', 'all']).prefault('signed').describe('What the list of tags shows'),
      check_every: duration().prefault('60s').describe('Ask the notary again after this long'),
      outage_grace: duration()
        .prefault(0)
        .describe('How long a verified answer may serve while the notary is unreachable'),
    }),
    z.strictObject({ match, mode: z.enum(['allow', 'deny']) }),
  ]);
}

function clients(files: Files) {
  return z
    .strictObject({
      htpasswd_file: text((name) => files.htpasswd(name)).optional(),
      ca_file: text((name) => files.certificates(name)).optional(),
    })
    .meta({ description: 'Who is served; exactly one of these', minProperties: 1, maxProperties: 1 })
    .transform(({ htpasswd_file: users, ca_file: ca }, context): Clients => {
      if (users && !ca) return { kind: 'htpasswd', users };
      if (ca && !users) return { kind: 'certificates', ca: ca.join('') };
      context.addIssue({ code: 'custom', message: 'must have exactly one of htpasswd_file and ca_file' });
      return z.NEVER;
    });
}

function pairs(files: Files) {
  return z
    .strictObject({
      cert_file: text((name) => files.certificates(name)),
      key_file: text((name) => files.key(name)),
    })
    .transform(({ cert_file: chain, key_file: key }, context) => {
      const pair = readPair(chain, key, new Date());
      if ('value' in pair) return pair.value;
      context.addIssue({ code: 'custom', message: pair.problem, path: ['cert_file'] });
      return z.NEVER;
    });
}

/** Takes the files a configuration may name; gives the schema that reads it, those files included. */
export function configSchema(files: Files) {
  const error = 'must be cert_file and key_file, or a list of such pairs';
  return z
    .strictObject({
      listen: text(readAddress).describe('Address of the registry API'),
      tls: z
        .union(
          [pairs(files).transform((pair) => [pair]), z.array(pairs(files)).min(1, 'must not be empty')],
          { error },
        )
        .optional()
        .describe('Certificate and key, or a list of them, chosen by SNI'),
      public_url: text(readOrigin).optional().describe('How clients reach the proxy'),
      clients: clients(files).optional(),
      admin: text(readAddress)
        .prefault('127.0.0.1:9095')
        .describe('Address of metrics, health and status page'),
      state: text(readStatePath).prefault('sqlite:/var/lib/tufgate/state.db'),
      registries: z.record(z.string(), registries(files)).meta({ minProperties: 1 }),
      default_registry: z.string().optional().describe('The registry of requests that name none'),
      notaries: z.record(z.string(), notaries(files)).prefault({}),
      rsapkcs1v15: z
        .boolean()
        .default(false)
        .describe('Accept RSA PKCS#1 v1.5 signatures of trust data beside RSA-PSS'),
      rules: z.array(rules(files)).max(10_000, 'must be at most 10000 rules'),
      limits: limits.prefault({}),
    })
    .meta({ title: 'tufgate configuration' });
}

/** What the schema gives for a configuration without a mistake. */
export type ConfigTree = z.output<ReturnType<typeof configSchema>>;

/** Gives the JSON Schema (draft 7) of the configuration, for editors and for checks before a roll-out. */
export function jsonSchema(): unknown {
  return z.toJSONSchema(configSchema(filesIn('.')), { target: 'draft-7', io: 'input' });
}
