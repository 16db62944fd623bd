import assert from 'node:assert/strict';
import fc from 'fast-check';
import { issueCertificate, pem } from '../../src/demo/certificate.ts';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import type { JsonObject, JsonValue } from '../../src/demo/signing/signed-file.ts';
import { SigningRepository } from '../../src/demo/signing-repository.ts';
import { chainsTo, isWithinDates, readBundle, rootCertificateFault } from '../../src/tuf/key/certificate.ts';
import { RepositoryError } from '../../src/tuf/error.ts';
import { readRoot, readSnapshot, readTargets, readTimestamp } from '../../src/tuf/metadata.ts';
import { allTargets, resolveTarget } from '../../src/tuf/target.ts';
import { Client, gun, releases, start, target } from '../tuf/client.ts';
import { derOf } from '../tuf/shown-key.ts';
import { damaged, fuzzTarget } from './target.ts';

/** Runs a reading of what strangers wrote; says whether it was read. */
export function isRead(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (!(error instanceof RepositoryError)) throw error;
    return false;
  }
}

const keys = {
  root: { keys: [SigningKey.forRoot(gun, start)] },
  timestamp: { keys: [SigningKey.plain(generatePrivateKey('ed25519'))] },
  snapshot: { keys: [SigningKey.plain(generatePrivateKey('ed25519'))] },
  targets: { keys: [SigningKey.plain(generatePrivateKey('p256'))] },
};
const signer = { keys: [SigningKey.plain(generatePrivateKey('p256'))] };

function repositoryOf(): SigningRepository {
  const repository = new SigningRepository(gun, { now: () => start, keys });
  repository.addDelegation(releases, signer);
  repository.sign('v1', target('1'));
  repository.sign('v1', target('1'), releases);
  return repository;
}

const roles = ['root', 'timestamp', 'snapshot', 'targets', releases] as const;
const readers: readonly ((bytes: Uint8Array) => unknown)[] = [
  readRoot,
  readTimestamp,
  readSnapshot,
  (bytes) => readTargets(bytes, 'targets'),
  (bytes) => readTargets(bytes, releases),
];
const honest = repositoryOf().publish();
const texts = fc.constantFrom(...roles).map((role) => honest.current(role)?.bytes.toString() ?? '');
const pieces = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '\\',
  '\\u0000',
  '\\ud800',
  'null',
  '0',
  '-1',
  '1e9',
  '{}',
  '[]',
  '"_type"',
  '"keys"',
  '"sha256"',
  '__proto__',
];

/** Text damaged anywhere: nothing but a refusal comes of it, whatever file it is taken for. */
export const metadataText = fuzzTarget('metadata as text', damaged(texts, pieces), (text) => {
  for (const read of readers) isRead(() => read(Buffer.from(text)));
});

const deep = (levels: number): JsonValue => (levels === 0 ? 7 : [deep(levels - 1)]);
const strange = fc.constantFrom<JsonValue>(
  null,
  true,
  0,
  1,
  -1,
  2 ** 31,
  Number.MAX_SAFE_INTEGER,
  '',
  'x',
  '\0',
  '\u2028',
  '__proto__',
  'constructor',
  'targets',
  'AAAA',
  'a'.repeat(64),
  '2026-11-20T12:00:00Z',
  '9999-12-31T23:59:59Z',
  [],
  [null],
  {},
  deep(40), // prettier-ignore
);
const change = fc.record({
  path: fc.array(fc.nat(), { minLength: 1, maxLength: 7 }),
  how: fc.constantFrom('replace', 'remove', 'rename', 'add', 'move'),
  value: strange,
});

/** Changes one member of an object, somewhere in it; numbers choose the way. */
function alter(
  object: JsonObject,
  { path, how, value }: { path: readonly number[]; how: string; value: JsonValue },
): void {
  let here: JsonObject | JsonValue[] = object;
  for (const [depth, turn] of path.entries()) {
    const names: readonly string[] = Object.keys(here);
    const name: string | undefined = names[turn % Math.max(names.length, 1)];
    const next: JsonValue | undefined = name === undefined ? undefined : (here as JsonObject)[name];
    if (depth < path.length - 1 && typeof next === 'object' && next !== null) {
      here = next;
      continue;
    }
    // Under a large number for a name, an array would become as long.
    if (Array.isArray(here) && (how === 'add' || name === undefined)) {
      here.push(value);
      return;
    }
    const members = here as JsonObject;
    if (how === 'add' || name === undefined) members[JSON.stringify(value)] = value;
    else if (how === 'replace') members[name] = value;
    else if (how === 'rename') members[name.toUpperCase()] = members[name] ?? null;
    else if (how === 'move') object[name] = members[name] ?? null;
    else delete members[name];
    return;
  }
}

/** Files that their own keys sign, of any content: every step of an update refuses, or goes on. */
export const metadataSigned = fuzzTarget(
  'metadata that is signed',
  fc.tuple(fc.constantFrom(...roles), fc.array(change, { minLength: 1, maxLength: 3 })),
  ([role, changes]) => {
    const repository = repositoryOf();
    repository.forge(role, { signed: (signed) => changes.forEach((one) => alter(signed, one)) });
    const files = repository.publish();
    isRead(() => {
      const result = new Client(files).update();
      for (const tag of ['v1', '__proto__', '']) resolveTarget(result, tag);
      allTargets(result);
    });
  },
);

const key = generatePrivateKey('p256');
const dates = { notBefore: new Date(start), notAfter: new Date(start + 1e9) };
const authority = issueCertificate({ commonNames: ['ca'], key, ...dates, isCa: true, pathLength: 1 });
const leaf = issueCertificate({ commonNames: [gun], key, ...dates, issuer: { commonNames: ['ca'], key } });
const pinned = readBundle(Buffer.from(authority), 'the authority');

function bundleHolds(text: string): void {
  isRead(() => {
    const bundle = readBundle(Buffer.from(text, 'latin1'), 'a key');
    const [first] = bundle;
    rootCertificateFault(bundle, gun);
    isWithinDates(first, dates.notBefore);
    chainsTo(bundle, pinned, dates.notBefore);
    assert.ok(first.validFrom.toISOString() !== '');
  });
}

const byteChange = fc.record({
  at: fc.nat(),
  to: fc.nat({ max: 255 }),
  how: fc.constantFrom('set', 'cut', 'put'),
});

export const certificateBytes = fuzzTarget(
  'certificates in DER',
  fc.tuple(fc.constantFrom(leaf, authority), fc.array(byteChange, { minLength: 1, maxLength: 4 })),
  ([text, changes]) => {
    const bytes = [...derOf(text)];
    for (const { at, to, how } of changes) {
      const place = at % bytes.length;
      if (how === 'set') bytes[place] = to;
      else bytes.splice(place, how === 'cut' ? 1 : 0, ...(how === 'put' ? [to] : []));
    }
    bundleHolds(pem('CERTIFICATE', Uint8Array.from(bytes)));
  },
);

export const certificateText = fuzzTarget(
  'certificates in PEM',
  damaged(fc.constantFrom(leaf, authority, leaf + authority), [
    '-----BEGIN CERTIFICATE-----\n',
    '-----END CERTIFICATE-----\n',
    '\n',
    '=',
    ' ',
    '-',
    '_',
  ]),
  bundleHolds,
);
