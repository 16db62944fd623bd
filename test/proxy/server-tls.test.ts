import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { connect as connectTls } from 'node:tls';
import type { Certificate } from '../../src/config/config.ts';
import { issueCertificate } from '../../src/demo/certificate.ts';
import type { Door } from './door.ts';
import { exchange, get, open, readUntil } from './door.ts';

const day = 86_400_000;

function certify(hosts: readonly string[], validFor = day): Certificate {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const cert = issueCertificate({
    commonNames: [hosts[0] ?? ''],
    hosts,
    key,
    usages: ['serverAuth'],
    notBefore: new Date(Date.now() - 2 * day),
    notAfter: new Date(Date.now() + validFor),
  });
  return { cert, key: key.export({ type: 'pkcs8', format: 'pem' }) as string };
}

const first = certify(['gate.example']);
const second = certify(['hub.example', '*.wild.example']);

function openTls(t: TestContext): Promise<Door> {
  return open(t, { tls: [first, second] });
}

async function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

/** The common name of the certificate that is shown to who asks for `servername`. */
async function nameShown(port: number, servername?: string): Promise<string> {
  const socket = await handshake(port, servername === undefined ? {} : { servername });
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

test('a request over TLS is answered, and drain ends TLS connections too', async (t) => {
  const { port, drain } = await openTls(t);
  const socket = await handshake(port, { servername: 'gate.example' });
  socket.write(get('Host: gate.example\r\n'));
  assert.match(await readUntil(socket, 'ok'), /^HTTP\/1\.1 200 OK\r\n/);
  const closed = once(socket, 'close');
  await drain();
  await closed;
});

test('the certificate is the one for the name asked for, else the first', async (t) => {
  const { port } = await openTls(t);
  for (const [asked, shown] of [
    ['gate.example', 'gate.example'],
    ['hub.example', 'hub.example'],
    ['HUB.example', 'hub.example'],
    ['a.wild.example', 'hub.example'],
    ['a.b.wild.example', 'gate.example'],
    ['wild.example', 'gate.example'],
    ['elsewhere.example', 'gate.example'],
    [undefined, 'gate.example'],
  ] as const) {
    assert.equal(await nameShown(port, asked), shown, asked);
  }
});

/** Sends a real TLS greeting in which the server name is overwritten by other bytes of the same length. */
async function greetWith(port: number, name: string): Promise<void> {
  const placeholder = 'q'.repeat(name.length);
  const capture = createServer().listen(0, '127.0.0.1');
  await once(capture, 'listening');
  const client = connectTls({ port: (capture.address() as AddressInfo).port, servername: placeholder });
  client.on('error', () => undefined);
  const [inner] = (await once(capture, 'connection')) as [NodeJS.ReadableStream];
  const [greeting] = (await once(inner, 'data')) as [Buffer];
  client.destroy();
  capture.close();
  const at = greeting.indexOf(placeholder);
  assert.ok(at > 0);
  greeting.write(name, at, 'latin1');

  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(greeting);
  // The server hello, or an alert: either way the name has been read.
  await once(socket, 'data');
  socket.destroy();
}

const oddNames = [
  'hub.ex\0mple',
  '\0',
  '.',
  '*',
  '*.wild.example',
  '127.0.0.1',
  'a b',
  '\xff\xfe',
  '../../etc',
  'x'.repeat(255),
];
for (const name of oddNames) {
  test(`an odd server name does no harm: ${JSON.stringify(name.slice(0, 20))}`, async (t) => {
    const { port, errors } = await openTls(t);
    await greetWith(port, name);
    assert.equal(await nameShown(port, 'hub.example'), 'hub.example');
    assert.deepEqual(errors, []);
  });
}

test('HTTP/1.1 is all that is offered', async (t) => {
  const { port } = await openTls(t);
  const socket = await handshake(port, { ALPNProtocols: ['h2', 'http/1.1'] });
  assert.equal(socket.alpnProtocol, 'http/1.1');
  socket.destroy();
  await assert.rejects(handshake(port, { ALPNProtocols: ['h2'] }), {
    code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
  });
});

test('plain HTTP on the TLS port gets no HTTP answer', async (t) => {
  const { port, seen } = await openTls(t);
  assert.doesNotMatch(await exchange(port, get('Host: gate.example\r\n')), /HTTP/);
  assert.deepEqual(seen, []);
});

for (const [name, tls] of [
  ['belongs to another key', { cert: first.cert, key: second.key }],
  ['has no key', { cert: first.cert, key: '' }],
  ['is none', { cert: '', key: first.key }],
  ['has expired', certify(['gate.example'], -day)],
] as const) {
  test(`no start with a certificate that ${name}, wherever it stands`, async (t) => {
    await assert.rejects(open(t, { tls: [tls] }), Error);
    await assert.rejects(open(t, { tls: [second, tls] }), Error);
  });
}
