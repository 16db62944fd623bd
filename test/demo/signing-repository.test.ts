import assert from 'node:assert/strict';
import { X509Certificate, constants, createHash, createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { SigningRepository } from '../../src/demo/signing-repository.ts';
import type { Algorithm } from '../../src/demo/signing/key.ts';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import type { JsonObject } from '../../src/demo/signing/signed-file.ts';
import {
  canonicalJson,
  describeFile,
  objectAt,
  printTime,
  readSigned,
} from '../../src/demo/signing/signed-file.ts';
import type { TrustFiles } from '../../src/demo/signing/trust-files.ts';
import { at } from '../world/http.ts';

const gun = 'reg.test/team/app';
const good = { digest: `sha256:${'a'.repeat(64)}`, length: 523 };
const other = { digest: `sha256:${'b'.repeat(64)}`, length: 42 };
const now = Date.UTC(2026, 0, 2, 3, 4, 5, 120);

function begin(options = {}): SigningRepository {
  const repository = new SigningRepository(gun, { now: () => now, ...options });
  repository.sign('v1', good);
  repository.publish();
  return repository;
}

function bytes(files: TrustFiles, role: string): Buffer {
  const file = files.current(role);
  assert.ok(file, `${role} is published`);
  return file.bytes;
}

function signed(repository: SigningRepository, role: string): JsonObject {
  return readSigned(bytes(repository.files, role));
}

/** Which of these keys have a good signature on the file, checked by node:crypto from the shown key alone. */
function signers(file: Buffer, keys: readonly SigningKey[]): SigningKey[] {
  const { signatures } = JSON.parse(file.toString()) as {
    signatures: { keyid: string; method: string; sig: string }[];
  };
  const message = Buffer.from(canonicalJson(readSigned(file)));
  return keys.filter((key) => {
    const entry = signatures.find(({ keyid }) => keyid === key.id);
    return entry !== undefined && verifies(key, entry.method, message, Buffer.from(entry.sig, 'base64'));
  });
}

function verifies(
  { keytype, publicBytes }: SigningKey,
  method: string,
  message: Buffer,
  sig: Buffer,
): boolean {
  const key =
    keytype === 'ed25519'
      ? createPublicKey({
          key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicBytes]),
          format: 'der',
          type: 'spki',
        })
      : keytype.endsWith('-x509')
        ? new X509Certificate(publicBytes).publicKey
        : createPublicKey({ key: publicBytes, format: 'der', type: 'spki' });
  if (method === 'eddsa') return verify(null, message, key, sig);
  if (method === 'ecdsa') return verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, sig);
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  return verify('sha256', message, { key, ...(method === 'rsapss' && pss) }, sig);
}

test('a first publish has the versions that docker and the server give', () => {
  const repository = begin();
  const versions = ['root', 'targets', 'snapshot', 'timestamp'].map(
    (role) => signed(repository, role)['version'],
  );
  assert.deepEqual(versions, [1, 2, 1, 1]);
  assert.equal(signed(begin({ snapshotBy: 'client' }), 'snapshot')['version'], 2);
});

test('targets.json is the text that notary writes', () => {
  const file = bytes(begin().files, 'targets').toString();
  const hash = Buffer.from('a'.repeat(64), 'hex').toString('base64');
  const text =
    `{"signed":{"_type":"Targets","delegations":{"keys":{},"roles":[]},"expires":"2029-01-01T03:04:05.12Z",` +
    `"targets":{"v1":{"hashes":{"sha256":"${hash}"},"length":523}},"version":2},"signatures":[{"keyid":"`;
  assert.equal(file.slice(0, text.length), text);
  assert.match(file, /"method":"ecdsa","sig":"[A-Za-z0-9+/]{86}=="\}\]\}$/);
});

test('timestamp names the snapshot, and the snapshot every role, by hash and length of the whole file', () => {
  const { files } = begin();
  const entry = (role: string): JsonObject => describeFile(bytes(files, role));
  assert.deepEqual(at(readSigned(bytes(files, 'timestamp')), 'meta'), { snapshot: entry('snapshot') });
  assert.deepEqual(at(readSigned(bytes(files, 'snapshot')), 'meta'), {
    root: entry('root'),
    targets: entry('targets'),
  });
});

test('the root key is a certificate for the GUN, and its id covers the certificate', () => {
  const repository = begin();
  const [key] = repository.keys('root');
  assert.ok(key);
  assert.equal(new X509Certificate(key.publicBytes).subject, `CN=${gun}`);
  const shown = `{"keytype":"ecdsa-x509","keyval":{"private":null,"public":"${key.publicBytes.toString('base64')}"}}`;
  assert.equal(key.id, createHash('sha256').update(shown).digest('hex'));
  assert.deepEqual(at(signed(repository, 'root'), 'roles', 'root'), { keyids: [key.id], threshold: 1 });
});

for (const algorithm of ['p256', 'p384', 'p521', 'ed25519', 'rsa2048'] satisfies Algorithm[]) {
  test(`a role may sign with ${algorithm}`, () => {
    const privateKey = generatePrivateKey(algorithm);
    const plain = SigningKey.plain(privateKey);
    const keys = [plain];
    if (algorithm !== 'ed25519') keys.push(SigningKey.forRoot(gun, now, privateKey));
    const repository = begin({ keys: { targets: { keys, threshold: keys.length } } });
    assert.deepEqual(signers(bytes(repository.files, 'targets'), keys), keys);
    assert.equal(new Set(keys.map((key) => key.spkiSha256)).size, 1);
  });
}

test('RSA may sign in the older padding', () => {
  const key = SigningKey.plain(generatePrivateKey('rsa2048'), 'rsapkcs1v15');
  const repository = begin({ keys: { targets: { keys: [key] } } });
  assert.deepEqual(signers(bytes(repository.files, 'targets'), [key]), [key]);
});

test('only what changed is signed anew, and always the timestamp', () => {
  const repository = begin();
  repository.publish();
  const versions = (): number[] =>
    ['root', 'targets', 'snapshot', 'timestamp'].map((role) => repository.version(role));
  assert.deepEqual(versions(), [1, 2, 1, 2]);
  repository.sign('v2', other);
  repository.publish();
  assert.deepEqual(versions(), [1, 3, 2, 3]);
  repository.touch();
  repository.publish();
  assert.deepEqual(versions(), [2, 4, 3, 4]);
});

test('a delegation has no file before it signs something', () => {
  const repository = begin();
  repository.addDelegation('targets/ci', { paths: ['ci-'] });
  repository.publish();
  assert.equal(repository.files.current('targets/ci'), undefined);
  assert.deepEqual(at(signed(repository, 'targets'), 'delegations', 'roles', 0, 'paths'), ['ci-']);
  repository.sign('ci-1', other, 'targets/ci');
  repository.publish();
  assert.equal(repository.version('targets/ci'), 1);
  assert.deepEqual(
    at(signed(repository, 'snapshot'), 'meta', 'targets/ci'),
    describeFile(bytes(repository.files, 'targets/ci')),
  );
});

test('a nested delegation is declared in the role above it', () => {
  const repository = begin();
  repository.addDelegation('targets/a');
  const keys = repository.addDelegation('targets/a/b');
  repository.sign('v3', other, 'targets/a/b');
  repository.publish();
  assert.equal(at(signed(repository, 'targets/a'), 'delegations', 'roles', 0, 'name'), 'targets/a/b');
  assert.deepEqual(signers(bytes(repository.files, 'targets/a/b'), keys), keys);
});

test('a removed delegation leaves null behind, and stays in a snapshot that the server makes', () => {
  for (const snapshotBy of ['server', 'client'] as const) {
    const repository = begin({ snapshotBy });
    repository.addDelegation('targets/ci');
    repository.sign('v2', other, 'targets/ci');
    repository.publish();
    repository.removeDelegation('targets/ci');
    repository.publish();
    assert.equal(at(signed(repository, 'targets'), 'delegations', 'roles'), null);
    assert.equal('targets/ci' in objectAt(signed(repository, 'snapshot'), 'meta'), snapshotBy === 'server');
  }
});

test('every signer has a role of its own and a key in targets/releases', () => {
  const repository = begin();
  repository.addSigner('alice');
  repository.addSigner('bob');
  const own = ['targets/alice', 'targets/bob'].flatMap((role) => repository.keys(role));
  assert.deepEqual(repository.keys('targets/releases'), own);
});

test('a new root is signed by the old key too, and the old key stays listed', () => {
  const repository = begin();
  const [first, second, third] = [repository.keys('root'), [repository.rootKey()], [repository.rootKey()]];
  for (const keys of [second, third]) {
    repository.rotate('root', { keys });
    repository.publish();
  }
  const newest = bytes(repository.files, 'root');
  assert.deepEqual(signers(newest, [...first, ...second, ...third]), [...second, ...third]);
  assert.ok(first.every(({ id }) => id in objectAt(readSigned(newest), 'keys')));
  assert.equal(repository.files.version('root', 1)?.bytes.includes('"version":1'), true);
});

test('rotated keys sign the role anew, unless it is to be left as it was', () => {
  const repository = begin();
  const keys = [1, 2, 3].map(() => SigningKey.plain(generatePrivateKey('p256')));
  repository.rotate('targets', { keys, threshold: 2 });
  repository.publish();
  assert.deepEqual(signers(bytes(repository.files, 'targets'), keys), keys);
  assert.equal(at(signed(repository, 'root'), 'roles', 'targets', 'threshold'), 2);
  const before = repository.files.current('targets');
  repository.rotate('targets', { keys: keys.slice(1) }, { resign: false });
  repository.publish();
  assert.equal(repository.files.current('targets'), before);
});

test('a forgery is signed by the right keys, named by the files above, and gone with the next publish', () => {
  const repository = begin();
  repository.forge('targets', { signed: (file) => void (file['_type'] = 'Root') });
  repository.publish();
  assert.equal(signed(repository, 'targets')['_type'], 'Root');
  assert.equal(signers(bytes(repository.files, 'targets'), repository.keys('targets')).length, 1);
  assert.deepEqual(
    at(signed(repository, 'snapshot'), 'meta', 'targets'),
    describeFile(bytes(repository.files, 'targets')),
  );
  repository.publish();
  assert.equal(signed(repository, 'targets')['_type'], 'Targets');
});

test('a forger can choose text, keys, signatures and bytes', () => {
  const repository = begin();
  const [honest] = repository.keys('targets');
  const stranger = SigningKey.plain(generatePrivateKey('p256'));
  assert.ok(honest);
  const forged = (forgery: Parameters<SigningRepository['forge']>[1]): Buffer => {
    repository.forge('targets', forgery);
    return bytes(repository.publish(), 'targets');
  };
  assert.ok(
    forged({ text: (text) => text.replace(/"version":\d+/, '"version":1e400') }).includes('"version":1e400}'),
  );
  assert.deepEqual(signers(forged({ keys: [stranger] }), [honest, stranger]), [stranger]);
  assert.equal(at(JSON.parse(forged({ signatures: () => [] }).toString()), 'signatures', 'length'), 0);
  assert.ok(
    forged({ bytes: (file) => Buffer.concat([file, Buffer.from(' ')]) })
      .toString()
      .endsWith(' '),
  );
});

test('after a forged root the honest one follows the last honest one', () => {
  const repository = begin();
  const honest = repository.keys('root');
  const stolen = [repository.rootKey()];
  repository.rotate('root', { keys: stolen });
  repository.forge('root', { keys: stolen });
  repository.publish();
  assert.deepEqual(signers(bytes(repository.files, 'root'), [...honest, ...stolen]), stolen);
  repository.setVersion('root', 2);
  repository.publish();
  assert.deepEqual(signers(bytes(repository.files, 'root'), [...honest, ...stolen]), [...honest, ...stolen]);
});

test('version and expiry can be set', () => {
  const repository = begin();
  repository.setVersion('timestamp', 7);
  repository.setExpires('timestamp', new Date(now - 1000));
  repository.publish();
  const timestamp = signed(repository, 'timestamp');
  assert.deepEqual([timestamp['version'], timestamp['expires']], [7, '2026-01-02T03:04:04.12Z']);
  repository.setVersion('timestamp', 7);
  repository.setExpires('timestamp', undefined);
  repository.publish();
  assert.deepEqual(at(signed(repository, 'timestamp'), 'expires'), '2026-01-16T03:04:05.12Z');
});

test('canonical JSON sorts by bytes, escapes only the quote and the backslash, and has no fractions', () => {
  assert.equal(
    canonicalJson({ '\u{1f600}': 1, '\uffff': [true, null], a: 'é\n"\\/<' }),
    '{"a":"é\n\\"\\\\/<","\uffff":[true,null],"\u{1f600}":1}',
  );
  assert.throws(() => canonicalJson(1.5), TypeError);
});

test('a file is JSON even where its message is not', () => {
  const repository = begin();
  repository.sign('<&>\n\u2028', other);
  const file = bytes(repository.publish(), 'targets');
  assert.ok(file.includes(String.raw`"\u003c\u0026\u003e\u000a\u2028"`));
  assert.deepEqual(signers(file, repository.keys('targets')), repository.keys('targets'));
});

test('times are printed as Go prints them', () => {
  assert.equal(printTime(Date.UTC(2026, 0, 1)), '2026-01-01T00:00:00Z');
  assert.equal(printTime(Date.UTC(2026, 0, 1, 10, 20, 30, 100)), '2026-01-01T10:20:30.1Z');
});
