import { dirname, resolve } from 'node:path';
import type { Rule } from '../policy/rule.ts';
import type { Config } from './config.ts';
import { ConfigError } from './config-error.ts';
import type { Environment } from './document.ts';
import { readDocument } from './document.ts';
import { filesIn } from './files.ts';
import { checkNames } from './names.ts';
import type { ConfigTree } from './schema.ts';
import { configSchema } from './schema.ts';
import { reportStructure } from './structure.ts';

export { ConfigError } from './config-error.ts';
export type { ConfigProblem } from './config-error.ts';

/** The one registry that everybody uses and whose token server is on another host. */
const dockerHub = 'https://registry-1.docker.io';
const dockerHubRealm = 'https://auth.docker.io/token';

/**
 * Takes the path of a configuration file and the environment for `${NAME}`; gives the configuration with every file it
 * names read. Throws ConfigError with all that is wrong; changes nothing, so that a reload may call it at any time.
 */
export function loadConfig(path: string, environment: Environment): Config {
  const document = readDocument(path, environment);
  const folder = dirname(path);
  const schema = configSchema(filesIn(folder));
  const parsed = schema.safeParse(document.tree);
  if (!parsed.success) reportStructure(schema, document);
  checkNames(document);
  if (!parsed.success || document.problems.list.length > 0) {
    throw new ConfigError(document.problems.list, document.text);
  }
  return toConfig(parsed.data, folder);
}

function toConfig(tree: ConfigTree, folder: string): Config {
  return {
    listen: tree.listen,
    tls: tree.tls ?? [],
    publicUrl: tree.public_url,
    clients: tree.clients ?? { kind: 'anyone' },
    admin: tree.admin,
    statePath: resolve(folder, tree.state),
    registries: mapOf(tree.registries, ({ ca_file: ca, token_realm: realm, ...registry }, name) => ({
      name,
      ...registry,
      tokenRealm: realm ?? (registry.upstream === dockerHub ? dockerHubRealm : undefined),
      ca: ca?.join(''),
    })),
    defaultRegistry: tree.default_registry,
    notaries: mapOf(tree.notaries, ({ ca_file: ca, token_realm: tokenRealm, ...notary }, name) => ({
      name,
      ...notary,
      tokenRealm,
      ca: ca?.join(''),
    })),
    pkcs1v15: tree.rsapkcs1v15,
    rules: tree.rules.map(toRule),
    limits: {
      rootBytes: tree.limits.root_bytes,
      timestampBytes: tree.limits.timestamp_bytes,
      snapshotBytes: tree.limits.snapshot_bytes,
      targetsBytes: tree.limits.targets_bytes,
      manifestBytes: tree.limits.manifest_bytes,
      manifestCacheBytes: tree.limits.manifest_cache_bytes,
      rootRotations: tree.limits.root_rotations,
      downloadTimeout: tree.limits.download_timeout,
      retryAfter: tree.limits.retry_after,
      expandManifests: tree.limits.expand_manifests,
      drainTimeout: tree.limits.drain_timeout,
    },
  };
}

function toRule(rule: ConfigTree['rules'][number]): Rule {
  if (!('notary' in rule)) return { match: rule.match, mode: rule.mode };
  return {
    match: rule.match,
    mode: rule.mode,
    digests: rule.digests,
    tags: rule.tags,
    keep: rule.keep,
    exceptions: rule.exceptions,
    trust: {
      notary: rule.notary,
      gunTemplate: rule.gun,
      pin: rule.root,
      signers: rule.signers,
      checkEvery: rule.check_every,
      outageGrace: rule.outage_grace,
    },
  };
}

function mapOf<From, To>(
  entries: Record<string, From>,
  make: (from: From, name: string) => To,
): Map<string, To> {
  return new Map(Object.entries(entries).map(([name, from]) => [name, make(from, name)]));
}
