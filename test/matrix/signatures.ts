import type { Signature, SigningKey } from '../../src/demo/signing/key.ts';
import type { JsonObject, JsonValue } from '../../src/demo/signing/signed-file.ts';
import type { Corruption, Expected, Place, RoleName, Terms } from './corruption.ts';
import { all, delegated, forged, notSigned, roles } from './corruption.ts';
import { put, renamed, replaced, twice } from './document.ts';
import { moreRootKeys, rootStranger, steadyKey, steadyRootKey, strangers } from './fixture.ts';

// Who signed what, how often, and under which name (notary-v1 §5.2, §5.3).

type Change = (honest: Signature) => readonly Signature[];

const signed = (what: string, change: Change, expected: Expected): Corruption =>
  forged(
    what,
    {
      signatures: (signatures) => {
        const [honest] = signatures;
        if (honest === undefined) throw new TypeError('nothing is signed');
        return change(honest);
      },
    },
    expected,
  );

const inBytes = (what: string, change: (file: Buffer) => string, expected: Expected): Corruption =>
  forged(what, { bytes: (file) => Buffer.from(change(file)) }, expected);

const stranger = (role: RoleName): SigningKey => (role === 'root' ? rootStranger : foreign);
const foreign = steadyKey();
const raw = ({ sig }: Signature): Buffer => Buffer.from(sig, 'base64');
const withBytes = (honest: Signature, bytes: Uint8Array): readonly Signature[] => [
  { ...honest, sig: Buffer.from(bytes).toString('base64') },
];
const signers = (count: number): readonly Signature[] =>
  strangers.slice(0, count).map((key) => key.sign(Buffer.from('')));

const numberOf: readonly Corruption[] = [
  signed('no signature', () => [], all('MALFORMED')),
  signed('one signature twice', (honest) => [honest, honest], all('MALFORMED')),
  signed('63 signatures of strangers before its own', (honest) => [...signers(63), honest], all('signed')),
  signed('65 signatures', (honest) => [...signers(64), honest], all('MALFORMED')),
];

const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const bytesOf: readonly Corruption[] = [
  signed('a signature of garbage', (honest) => withBytes(honest, Buffer.alloc(64, 1)), notSigned),
  signed(
    'a signature without its last byte',
    (honest) => withBytes(honest, raw(honest).subarray(0, -1)),
    notSigned,
  ),
  signed(
    'a signature in DER',
    (honest) =>
      withBytes(
        honest,
        Buffer.concat([
          Buffer.from('30440220', 'hex'),
          raw(honest).subarray(0, 32),
          Buffer.from('0220', 'hex'),
          raw(honest).subarray(32),
        ]),
      ),
    notSigned,
  ),
  signed(
    'the other of the two signatures with the same r',
    (honest) => withBytes(honest, twin(raw(honest))),
    all('signed'),
  ),
  forged(
    'a later expiry, put in after the signing',
    { bytes: (file) => Buffer.from(replaced(file.toString(), '"expires":"20', '"expires":"21')) },
    notSigned,
  ),
  signed(
    'a signature in base64 for URLs',
    (honest) => [{ ...honest, sig: `${honest.sig.slice(0, 8)}-_${honest.sig.slice(10)}` }],
    all('MALFORMED'),
  ),
  signed(
    'a signature in base64 without padding',
    (honest) => [{ ...honest, sig: honest.sig.replaceAll('=', '') }],
    all('MALFORMED'),
  ),
  signed(
    'a signature in base64 with a newline',
    (honest) => [{ ...honest, sig: `${honest.sig}\n` }],
    all('MALFORMED'),
  ),
];

const entries: readonly Corruption[] = [
  signed('the method ECDSA', (honest) => [{ ...honest, method: 'ECDSA' }], all('signed')),
  ...['none', 'eddsa'].map((method) =>
    signed(`the method ${JSON.stringify(method)}`, (honest) => [{ ...honest, method }], notSigned),
  ),
  signed(
    'a key id in capitals',
    (honest) => [{ ...honest, keyid: honest.keyid.toUpperCase() }],
    all('MALFORMED'),
  ),
  signed(
    'a key id of 63 digits',
    (honest) => [{ ...honest, keyid: honest.keyid.slice(1) }],
    all('MALFORMED'),
  ),
  ...['keyid', 'method', 'sig'].flatMap((name) => [
    inBytes(
      `signatures[0].${name} twice`,
      (file) => twice(file, ['signatures', '0', name]),
      all('MALFORMED'),
    ),
    inBytes(
      `${name.toUpperCase()} for signatures[0].${name}`,
      (file) => renamed(file, ['signatures', '0', name], name.toUpperCase(), false),
      all('MALFORMED'),
    ),
    ...[undefined].map((value) =>
      inBytes(
        `signatures[0].${name} ${value === undefined ? 'missing' : JSON.stringify(value)}`,
        (file) => changed(file, name, value),
        all('MALFORMED'),
      ),
    ),
  ]),
];

/** The keys of the other four roles, all at once. */
const ofOthers = ({ repository }: Place, role: RoleName): readonly SigningKey[] =>
  roles.filter((other) => other !== role).flatMap((other) => repository.keys(other));

const wrongKeys: readonly Corruption[] = [
  forged('signed by a stranger', (role) => ({ keys: [stranger(role)] }), notSigned),
  forged(
    'signed by a stranger under the id of the role’s key',
    (role, { repository }) => ({
      keys: [stranger(role)],
      signatures: (by) =>
        by.map((signature) => ({ ...signature, keyid: repository.keys(role)[0]?.id ?? '' })),
    }),
    notSigned,
  ),
  forged(
    'signed by the keys of all other roles',
    (role, place) => ({ keys: ofOthers(place, role) }),
    notSigned,
  ),
  forged(
    'signed by the keys of all other roles and its own',
    (role, place) => ({ keys: [...ofOthers(place, role), ...place.repository.keys(role)] }),
    all('signed'),
  ),
];

/** Terms that make a file of none take the whole root with them, but not where targets.json has them. */
const inRoot = { rootStands: (role: RoleName) => role === 'targets/releases' };
const own = (honest: SigningKey): readonly SigningKey[] => [honest];

function list({ entry, keys }: Terms, ...listed: readonly SigningKey[]): void {
  entry['keyids'] = listed.map(({ id }) => id);
  for (const key of listed) keys[key.id] = key.shown;
}

const [second, third] = [steadyKey(), steadyKey()];
const others = (role: RoleName): readonly [SigningKey, SigningKey] =>
  role === 'root' ? moreRootKeys : [second, third];

function twoOfThree(terms: Terms): void {
  list(terms, terms.honest, ...others(terms.role));
  terms.entry['threshold'] = 2;
}

const reissues = new Map<SigningKey, SigningKey>();

/** The same private key under another id: in another certificate, or in one where it was plain. */
function reissued(key: SigningKey): SigningKey {
  const made = reissues.get(key) ?? steadyRootKey(key.privateKey, Date.parse('2026-11-01T00:00:00Z'));
  reissues.set(key, made);
  return made;
}

const thresholds: readonly Corruption[] = [
  delegated('threshold 2, and one key', ({ entry }) => void (entry['threshold'] = 2), own, notSigned),
  delegated('threshold 2 of 3, and one signature', twoOfThree, own, notSigned),
  delegated(
    'threshold 2 of 3, and one signature beside two of strangers',
    twoOfThree,
    (honest) => [honest, ...strangers.slice(0, 2)],
    notSigned,
  ),
  delegated(
    'threshold 2 of 3, and two signatures',
    twoOfThree,
    (honest, role) => [honest, others(role)[0]],
    all('signed'),
  ),
  delegated(
    'one key under two ids, and threshold 2',
    (terms) => {
      list(terms, terms.honest, reissued(terms.honest));
      terms.entry['threshold'] = 2;
    },
    (honest) => [honest, reissued(honest)],
    notSigned,
  ),
  delegated(
    'one key under two ids and another key, threshold 2, and signatures under both ids',
    (terms) => {
      list(terms, terms.honest, reissued(terms.honest), others(terms.role)[0]);
      terms.entry['threshold'] = 2;
    },
    (honest) => [honest, reissued(honest)],
    notSigned,
  ),
  delegated('no key at all', ({ entry }) => void (entry['keyids'] = []), own, notSigned),
  ...[0, -1, '1', null, undefined].map((threshold) =>
    delegated(
      `threshold ${threshold === undefined ? 'missing' : JSON.stringify(threshold)}`,
      ({ entry }) => put(entry, ['threshold'], threshold),
      own,
      all('MALFORMED'),
      inRoot,
    ),
  ),
];

const keyObjects: readonly Corruption[] = [
  delegated(
    'a key id listed twice',
    (terms) => list(terms, terms.honest, terms.honest),
    own,
    all('MALFORMED'),
    inRoot,
  ),
  delegated(
    'a key id that is not filed',
    ({ entry, honest }) => void (entry['keyids'] = [honest.id, 'e'.repeat(64)]),
    own,
    all('MALFORMED'),
    inRoot,
  ),
  delegated(
    'a stranger’s key under the id of the role’s',
    (terms) => void (terms.keys[terms.honest.id] = stranger(terms.role).shown),
    own,
    all('MALFORMED'),
    inRoot,
  ),
  delegated(
    'a key with its private half',
    (terms) => put(terms.keys, [terms.honest.id, 'keyval', 'private'], 'AAAA'),
    own,
    all('MALFORMED'),
    inRoot,
  ),
  delegated(
    'a key of another keytype',
    (terms) => put(terms.keys, [terms.honest.id, 'keytype'], 'rsa'),
    own,
    all('MALFORMED'),
    inRoot,
  ),
  delegated(
    'another key in its place, and a file signed by the old one',
    (terms) => list(terms, stranger(terms.role)),
    own,
    notSigned,
  ),
  delegated(
    'another key in its place, which signs the file',
    (terms) => list(terms, stranger(terms.role)),
    (_, role) => [stranger(role)],
    { ...all('signed'), root: notSigned.root ?? {} },
  ),
];

export const signatureRows: readonly Corruption[] = [
  ...numberOf,
  ...bytesOf,
  ...entries,
  ...wrongKeys,
  ...thresholds,
  ...keyObjects,
];

function changed(file: Buffer, name: string, value: JsonValue | undefined): string {
  const parsed = JSON.parse(file.toString()) as JsonObject;
  put(parsed, ['signatures', '0', name], value);
  return JSON.stringify(parsed);
}

/** ECDSA accepts s and its negative alike. */
function twin(signature: Buffer): Buffer {
  const s = order - BigInt(`0x${signature.subarray(32).toString('hex')}`);
  return Buffer.concat([signature.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
}
