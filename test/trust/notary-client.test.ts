import assert from 'node:assert/strict';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { issueCertificate } from '../../src/demo/certificate.ts';
import { LocalServer } from '../../src/demo/local-server.ts';
import { generatePrivateKey } from '../../src/demo/signing/key.ts';
import { DownloadError } from '../../src/trust/download-error.ts';
import type { FetchLimit } from '../../src/trust/updater.ts';
import type { Fault } from '../world/fault.ts';
import { answer, gzipped, loginPage, redirect } from '../world/fault.ts';
import type { LyingNotaryOptions } from '../world/lying-notary.ts';
import { LyingNotary } from '../world/lying-notary.ts';
import { clientOf, gun, target } from './trust-world.ts';

const fresh: FetchLimit = { most: 1024 * 1024, excess: 'MALFORMED', fresh: true };

/** A notary with one GUN. */
async function startNotary(t: TestContext, options: LyingNotaryOptions = {}): Promise<LyingNotary> {
  const notary = await LyingNotary.start({ gunPrefix: 'reg.test/', ...options });
  t.after(() => notary.close());
  notary.sign('app', '1.0', target('1'));
  return notary;
}

const fails =
  (failure: DownloadError['failure'], status?: number) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof DownloadError, String(error));
    assert.deepEqual([error.failure, error.status], [failure, status], error.message);
    return true;
  };

test('a file is asked for by its path, uncompressed, and only fresh ones past the caches', async (t) => {
  const notary = await startNotary(t);
  const source = clientOf(t, { url: notary.url }).of(gun);
  const root = await source.fetch('root', fresh);
  const targets = await source.fetch('targets', { ...fresh, fresh: false });
  const { files } = notary.repository('app');
  assert.deepEqual([root, targets], [files.current('root')?.bytes, files.current('targets')?.bytes]);
  const seen = notary.requests.map(({ method, url, headers }) => [
    method,
    url,
    headers['cache-control'],
    headers['accept-encoding'],
    headers.authorization,
  ]);
  assert.deepEqual(seen, [
    ['GET', '/v2/reg.test/app/_trust/tuf/root.json', 'no-cache', 'identity', undefined],
    ['GET', '/v2/reg.test/app/_trust/tuf/targets.json', undefined, 'identity', undefined],
  ]);
});

test('a notary below a path is asked there, whether or not the path ends with a slash', async (t) => {
  const notary = await startNotary(t, { basePath: '/of/notary' });
  for (const url of [notary.url, `${notary.url}/`]) {
    const client = clientOf(t, { url });
    assert.ok((await client.of(gun).fetch('root', fresh)).length > 0);
    assert.equal(await client.ping(), 200);
  }
  const paths = new Set(notary.requests.map(({ url }) => url));
  assert.deepEqual([...paths], ['/of/notary/v2/reg.test/app/_trust/tuf/root.json', '/of/notary/v2/']);
});

test('an account answers a Basic challenge', async (t) => {
  const user = {
    username: 'robot',
    password: 'hunter2',
    grants: [{ repository: gun, actions: ['pull'] as const }],
  };
  const notary = await startNotary(t, { access: { kind: 'basic', users: [user] } });
  assert.ok(await clientOf(t, { url: notary.url, auth: user }).of(gun).fetch('root', fresh));
  const wrong = clientOf(t, { url: notary.url, auth: { ...user, password: 'hunter3' } });
  await assert.rejects(wrong.of(gun).fetch('root', fresh), fails('unauthorized', 401));
  const nobody = clientOf(t, { url: notary.url });
  await assert.rejects(nobody.of(gun).fetch('root', fresh), fails('unauthorized', 401));
  const basic = `Basic ${Buffer.from('robot:hunter2').toString('base64')}`;
  assert.deepEqual(
    notary.requests.slice(0, 2).map(({ headers }) => headers.authorization),
    [undefined, basic],
  );
});

test('a Bearer token is asked for with the scope of the GUN, once for all its files', async (t) => {
  const grants = [{ repository: gun, actions: ['pull'] as const }];
  const user = { username: 'robot', password: 'hunter2', grants };
  const notary = await startNotary(t, { access: { kind: 'bearer', users: [user] } });
  const client = clientOf(t, { url: notary.url, auth: user });
  await client.of(gun).fetch('root', fresh);
  await client.of(gun).fetch('timestamp', fresh);
  assert.deepEqual(
    notary.requests.map(({ url }) => url),
    [
      '/v2/reg.test/app/_trust/tuf/root.json',
      '/token?service=demo&scope=repository%3Areg.test%2Fapp%3Apull',
      '/v2/reg.test/app/_trust/tuf/root.json',
      '/v2/reg.test/app/_trust/tuf/timestamp.json',
    ],
  );
  await assert.rejects(client.of('reg.test/other').fetch('root', fresh), fails('unauthorized', 401));
});

test('the account is not shown to a token server elsewhere', async (t) => {
  const thief = await LocalServer.start(() => ({ status: 200, body: Buffer.from('{"token":"x"}') }));
  t.after(() => thief.close());
  const notary = await startNotary(t);
  const realm = thief.origin.replace('127.0.0.1', 'localhost');
  notary.fault(
    'app',
    'root',
    answer(401, { headers: { 'www-authenticate': `Bearer realm="${realm}/token"` } }),
  );
  const auth = { username: 'robot', password: 'hunter2' };
  await assert.rejects(clientOf(t, { url: notary.url, auth }).of(gun).fetch('root', fresh), (error) => {
    assert.ok(error instanceof DownloadError);
    assert.doesNotMatch(error.message, /hunter2/);
    return true;
  });
  assert.deepEqual(thief.requests, []);
});

/** A TLS key pair for this address, signed by itself. */
function selfSigned(): { readonly cert: string; readonly key: string } {
  const key = generatePrivateKey('p256');
  const notBefore = new Date(Date.now() - 3600_000);
  const notAfter = new Date(Date.now() + 3600_000);
  const hosts = ['127.0.0.1'];
  const cert = issueCertificate({
    commonNames: ['n'],
    key,
    notBefore,
    notAfter,
    hosts,
    usages: ['serverAuth'],
  });
  return { cert, key: key.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

test('only a notary under the configured authority is believed, whatever the environment says', async (t) => {
  const tls = selfSigned();
  const notary = await startNotary(t, { tls });
  assert.ok(await clientOf(t, { url: notary.url, ca: tls.cert }).of(gun).fetch('root', fresh));
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  t.after(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
  });
  const { requests } = notary;
  const answered = requests.length;
  for (const ca of [selfSigned().cert, undefined]) {
    const client = clientOf(t, { url: notary.url, ca });
    // No connection came about: to `outage_grace` that is an outage.
    await assert.rejects(client.of(gun).fetch('root', fresh), fails('outage'));
  }
  const wrongName = clientOf(t, { url: notary.url.replace('127.0.0.1', 'localhost'), ca: tls.cert });
  await assert.rejects(wrongName.of(gun).fetch('root', fresh), fails('outage'));
  assert.equal(requests.length, answered);
});

test('HTTP/1.1 is spoken also with a server that would rather speak HTTP/2', async (t) => {
  const tls = selfSigned();
  const versions: string[] = [];
  const server = createSecureServer({ ...tls, allowHTTP1: true }, (request, response) => {
    versions.push(request.httpVersion);
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await clientOf(t, { url, ca: tls.cert }).of(gun).fetch('root', fresh);
  assert.deepEqual(versions, ['1.1']);
});

const statuses: readonly (readonly [number, DownloadError['failure']])[] = [
  [404, 'missing'],
  [403, 'unauthorized'],
  [401, 'unauthorized'],
  [500, 'outage'],
  [502, 'outage'],
  [503, 'outage'],
  [599, 'outage'],
  [204, 'protocol'],
  [206, 'protocol'],
  [304, 'protocol'],
  [400, 'protocol'],
  [410, 'protocol'],
  [418, 'protocol'],
  [429, 'protocol'],
];

for (const [status, failure] of statuses) {
  test(`${status} is ${failure}`, async (t) => {
    const notary = await startNotary(t);
    notary.fault('app', 'root', answer(status));
    const source = clientOf(t, { url: notary.url }).of(gun);
    await assert.rejects(source.fetch('root', fresh), fails(failure, status));
  });
}

for (const status of [301, 302, 303, 307, 308]) {
  test(`${status} is not followed, also to the same notary`, async (t) => {
    const notary = await startNotary(t);
    notary.fault('app', 'root', redirect('/v2/reg.test/app/_trust/tuf/timestamp.json', status));
    const source = clientOf(t, { url: notary.url }).of(gun);
    await assert.rejects(source.fetch('root', fresh), fails('protocol', status));
    assert.equal(notary.requests.length, 1);
  });
}

test('what comes with 200 is given as it is, for others to judge: a login page, a compressed body', async (t) => {
  const notary = await startNotary(t);
  const source = clientOf(t, { url: notary.url }).of(gun);
  const bytes = async (fault: Fault): Promise<Uint8Array> => {
    const off = notary.fault('app', 'root', fault);
    const body = await source.fetch('root', fresh);
    off();
    return body;
  };
  assert.match(Buffer.from(await bytes(loginPage)).toString(), /^<!doctype html>/);
  assert.deepEqual([...(await bytes(gzipped)).subarray(0, 2)], [0x1f, 0x8b]);
  assert.equal((await bytes(answer(200))).length, 0);
});
