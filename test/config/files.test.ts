import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import type { Contents } from './folder.ts';
import { certified, folderOf, listed, load, refuse, textOf } from './folder.ts';

const withPassword = textOf({
  registries:
    'registries:\n  reg.example:\n    upstream: https://reg.example\n    auth: { username: me, password_file: pw }\n',
});
const withTls = textOf({ tls: 'tls: { cert_file: crt, key_file: key }\n' });
const withCa = textOf({ notaries: 'notaries: { main: { url: https://notary.example, ca_file: crt } }\n' });
const pinned = (root: string): string =>
  textOf({ rules: `rules: [{ match: reg.example/a, mode: enforce, notary: main, root: { ${root} } }]\n` });
const gate = certified();
const authority = certified({ isCa: true });

test('a password is the only line of its file', (t) => {
  for (const [content, password] of [
    ['s3cret', 's3cret'],
    ['s3cret\n', 's3cret'],
    ['s3cret\r\n', 's3cret'],
    [' s p ä \n', ' s p ä '],
  ] as const) {
    const { registries } = load(t, withPassword, { pw: content });
    assert.deepEqual(registries.get('reg.example')?.auth, { username: 'me', password });
  }
});

test('a file is found beside the configuration, through the links that Kubernetes swaps', (t) => {
  const folder = folderOf(t, { 'gate.yaml': withPassword });
  mkdirSync(join(folder, '..1'));
  writeFileSync(join(folder, '..1', 'pw'), 'first\n');
  symlinkSync('..1', join(folder, '..data'));
  symlinkSync('..data/pw', join(folder, 'pw'));
  const { auth } = loadConfig(join(folder, 'gate.yaml'), {}).registries.get('reg.example') ?? {};
  assert.deepEqual(auth, { username: 'me', password: 'first' });
});

const bad: readonly [what: string, text: string, files: Contents, problem: RegExp][] = [
  ['a password file that is missing', withPassword, {}, /"password_file" names a file that does not exist$/],
  ['a password file that is empty', withPassword, { pw: '' }, /"password_file" names a file that is empty$/],
  ['a password of nothing', withPassword, { pw: '\n' }, /"password_file" names a file that is empty$/],
  ['a password of two lines', withPassword, { pw: 'a\nb\n' }, /names a file that is not one line of text$/],
  [
    'a password that is not text',
    withPassword,
    { pw: Buffer.from([0xff]) },
    /names a file that is not UTF-8 text$/,
  ],
  [
    'a password of 1 MiB',
    withPassword,
    { pw: 'x'.repeat(1024 ** 2) },
    /names a file that is larger than 65536 bytes$/,
  ],
  [
    'a CA file without a certificate',
    withCa,
    { crt: 'hello\n' },
    /"ca_file" names a file without a PEM certificate$/,
  ],
  [
    'a private key for a CA file',
    withCa,
    { crt: gate.key },
    /"ca_file" names a file without a PEM certificate$/,
  ],
  [
    'a CA file with a second certificate that is cut',
    withCa,
    { crt: gate.cert + gate.cert.slice(0, 200) },
    /"ca_file" names a file with a broken certificate, the 2\. in it \(ERR_OSSL_[A-Z0-9_]+\)$/,
  ],
  ['a TLS key that is missing', withTls, { crt: gate.cert }, /"key_file" names a file that does not exist$/],
  [
    'a TLS key of another certificate',
    withTls,
    { crt: gate.cert, key: certified().key },
    /"cert_file" names a certificate of another key$/,
  ],
  [
    'a TLS key that is none',
    withTls,
    { crt: gate.cert, key: 'hello\n' },
    /"cert_file" cannot be used with the key in "key_file" \(ERR_[A-Z0-9_]+\); an encrypted key cannot be used$/,
  ],
  [
    'a TLS certificate that has expired',
    withTls,
    (({ cert, key }) => ({ crt: cert, key }))(certified({ notAfter: new Date('2021-01-01T00:00:00Z') })),
    /"cert_file" names a certificate that expired on 2021-01-01T00:00:00\.000Z$/,
  ],
  [
    'a root that is missing',
    pinned('root_file: root.json'),
    {},
    /"root_file" names a file that does not exist$/,
  ],
  [
    'a root that is not JSON',
    pinned('root_file: r'),
    { r: '<html>' },
    /names a file that is not a TUF root \(/,
  ],
  [
    'a root that is other JSON',
    pinned('root_file: r'),
    { r: '[null]' },
    /names a file that is not a TUF root \(/,
  ],
  [
    'a pinned authority that is none',
    pinned('ca_file: crt'),
    { crt: gate.cert },
    /that is not of an authority$/,
  ],
];

for (const [what, text, files, problem] of bad) {
  test(`refused: ${what}`, (t) => {
    const problems = listed(refuse(t, text, files));
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.match(problems[0] ?? '', problem);
  });
}

test('an encrypted TLS key is refused, as nobody is there to type its passphrase', (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' });
  const [problem] = listed(refuse(t, withTls, { crt: gate.cert, key }));
  assert.match(problem ?? '', /cannot be used with the key in "key_file" \(ERR_[A-Z_]+\); an encrypted key/);
});

test('a TLS key that OpenSSL finds too weak is refused', (t) => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const weak = certified({ privateKey });
  const [problem] = listed(refuse(t, withTls, { crt: weak.cert, key: weak.key }));
  assert.match(problem ?? '', /cannot be used with the key in "key_file" \(ERR_SSL_EE_KEY_TOO_SMALL\)/);
});

test('a pipe or a folder in place of a file is refused and not waited for', (t) => {
  const folder = folderOf(t, { 'gate.yaml': withPassword });
  execFileSync('mkfifo', [join(folder, 'pw')]);
  assert.throws(() => loadConfig(join(folder, 'gate.yaml'), {}), /names a file that is not a regular file/);
  const other = folderOf(t, { 'gate.yaml': withPassword });
  mkdirSync(join(other, 'pw'));
  assert.throws(() => loadConfig(join(other, 'gate.yaml'), {}), /names a file that is not a regular file/);
});

test('certificates, keys and roots are read whole', (t) => {
  const root = '{"signed":{},"signatures":[]}';
  const chain = `a comment\r\n${(gate.cert + authority.cert).replaceAll('\n', '\r\n')}`;
  const text = withTls
    .replace('url: "https', 'ca_file: crt, url: "https')
    .replace('first_use: true', 'root_file: r');
  const config = load(t, text, { crt: chain, key: gate.key, r: root });
  assert.deepEqual(config.tls, [{ cert: gate.cert + authority.cert, key: gate.key }]);
  assert.equal(config.notaries.get('main')?.ca, gate.cert + authority.cert);
  const [rule] = config.rules;
  assert.deepEqual(rule && 'trust' in rule && rule.trust.pin, { kind: 'root', bytes: Buffer.from(root) });
});

test('several certificates are taken in their order, and an authority may pin a root', (t) => {
  const other = certified();
  const text =
    pinned('ca_file: ca') +
    'tls:\n  - { cert_file: crt, key_file: key }\n  - { cert_file: crt2, key_file: key2 }\n';
  const config = load(t, text, {
    crt: gate.cert,
    key: gate.key,
    crt2: other.cert,
    key2: other.key,
    ca: authority.cert,
  });
  assert.deepEqual(config.tls, [gate, other]);
  const [rule] = config.rules;
  const pin = rule && 'trust' in rule ? rule.trust.pin : undefined;
  assert.equal(pin?.kind, 'ca');
  assert.deepEqual(
    pin.authorities.map(({ x509 }) => x509.toString()),
    [authority.cert],
  );
});
