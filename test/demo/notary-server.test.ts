import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { issueCertificate } from '../../src/demo/certificate.ts';
import type { NotaryServerOptions } from '../../src/demo/notary-server.ts';
import { NotaryServer, parseTrustPath } from '../../src/demo/notary-server.ts';
import { SigningRepository } from '../../src/demo/signing-repository.ts';
import { generatePrivateKey } from '../../src/demo/signing/key.ts';
import { at, send } from '../world/http.ts';

const gun = '127.0.0.1:5000/team/app';
const repository = new SigningRepository(gun);
repository.addDelegation('targets/releases');
repository.sign('v1', { digest: `sha256:${'a'.repeat(64)}`, length: 523 }, 'targets/releases');
repository.publish();
const base = `/v2/${gun}/_trust/tuf`;

async function start(t: TestContext, options: NotaryServerOptions = {}): Promise<NotaryServer> {
  const server = await NotaryServer.start(options);
  t.after(() => server.close());
  server.serve(gun, repository.files);
  return server;
}

function published(role: string): Buffer {
  return repository.files.current(role)?.bytes ?? Buffer.alloc(0);
}

test('each role is served by name, by hash and by version', async (t) => {
  const { url } = await start(t);
  for (const role of ['root', 'timestamp', 'snapshot', 'targets', 'targets/releases']) {
    const bytes = published(role);
    const hash = createHash('sha256').update(bytes).digest('hex');
    for (const name of [
      role,
      `${role}.${hash}`,
      `${repository.version(role)}.${role}`,
      `0${repository.version(role)}.${role}`,
    ])
      assert.deepEqual((await send(url, `${base}/${name}.json`)).body, bytes, name);
  }
});

test('past versions stay served', async (t) => {
  const { url } = await start(t);
  const before = published('timestamp');
  const version = repository.version('timestamp');
  repository.publish();
  assert.deepEqual((await send(url, `${base}/${version}.timestamp.json`)).body, before);
  assert.notDeepEqual((await send(url, `${base}/timestamp.json`)).body, before);
});

test('a current file may be cached for five minutes, a named one for a month', async (t) => {
  const { url } = await start(t);
  const current = await send(url, `${base}/timestamp.json`);
  assert.equal(current.headers['content-type'], 'text/plain; charset=utf-8');
  assert.equal(current.headers['cache-control'], 'public, max-age=300, s-maxage=300, must-revalidate');
  assert.match(current.headers['last-modified'] ?? '', /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d UTC$/);
  const named = await send(url, `${base}/1.root.json`);
  assert.equal(named.headers['cache-control'], 'public, max-age=2592000, s-maxage=2592000');
});

test('what is longer than 2 KiB comes in chunks', async (t) => {
  const { url } = await start(t);
  const short = await send(url, `${base}/timestamp.json`);
  assert.equal(short.headers['content-length'], String(short.body.length));
  const long = await send(url, `${base}/root.json`);
  assert.ok(long.body.length > 2048);
  assert.equal(long.headers['content-length'], undefined);
  assert.equal(long.headers['transfer-encoding'], 'chunked');
});

test('what is not there is METADATA_NOT_FOUND', async (t) => {
  const { url } = await start(t);
  const names = [
    '99.root.json',
    `targets.${'0'.repeat(64)}.json`,
    `root.${'0'.repeat(128)}.json`,
    'targets/none.json',
    'nope.json',
  ];
  for (const target of [
    ...names.map((name) => `${base}/${name}`),
    '/v2/reg.test/unknown/_trust/tuf/root.json',
    '/',
  ]) {
    const answer = await send(url, target);
    assert.equal(answer.status, 404, target);
    assert.equal(at(answer.json, 'errors', 0, 'code'), 'METADATA_NOT_FOUND', target);
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
  }
});

test('HEAD is not routed', async (t) => {
  const { url } = await start(t);
  assert.equal((await send(url, `${base}/root.json`, { method: 'HEAD' })).status, 404);
});

test('every name of a file is read, escaped or not', () => {
  const hash = 'ab'.repeat(32);
  assert.deepEqual(parseTrustPath('/v2/a/b/_trust/tuf/targets%2Freleases.json'), {
    gun: 'a/b',
    role: 'targets/releases',
  });
  assert.deepEqual(parseTrustPath(`/v2/a/_trust/tuf/targets/x.${hash}.json`), {
    gun: 'a',
    role: 'targets/x',
    hash,
  });
  assert.deepEqual(parseTrustPath('/v2/a/_trust/tuf/12.root.json'), { gun: 'a', role: 'root', version: 12 });
  for (const path of [
    '/v2/_trust/tuf/root.json',
    '/v2/a/_trust/tuf/rooty.json',
    '/v2/a/_trust/tuf/root',
    '/v2/a/tags/list',
  ])
    assert.equal(parseTrustPath(path), undefined, path);
});

test('a base path is part of the address', async (t) => {
  const { url } = await start(t, { basePath: '/notary' });
  assert.ok(url.endsWith('/notary'));
  assert.equal((await send(url, `/notary${base}/root.json`)).status, 200);
  assert.equal((await send(url, `${base}/root.json`)).status, 404);
});

test('it can be reached by TLS', async (t) => {
  const key = generatePrivateKey('p256');
  const period = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3600_000) };
  const cert = issueCertificate({
    commonNames: ['notary'],
    key,
    ...period,
    usages: ['serverAuth'],
    hosts: ['127.0.0.1'],
  });
  const { url } = await start(t, {
    tls: { cert, key: key.export({ type: 'pkcs8', format: 'pem' }).toString() },
  });
  assert.equal((await send(url, `${base}/root.json`, { ca: cert })).status, 200);
  await assert.rejects(send(url, `${base}/root.json`), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
});

const users = [
  { username: 'robot', password: 'pass:word', grants: [{ repository: gun, actions: ['pull'] as const }] },
];
const login = `Basic ${Buffer.from('robot:pass:word').toString('base64')}`;

test('Basic: no password is 401, the right one 200, and no right 403', async (t) => {
  const { url } = await start(t, { access: { kind: 'basic', users } });
  const stranger = await send(url, `${base}/root.json`);
  assert.deepEqual([stranger.status, stranger.headers['www-authenticate']], [401, 'Basic realm="demo"']);
  const headers = { authorization: login };
  assert.equal((await send(url, `${base}/root.json`, { headers })).status, 200);
  assert.equal((await send(url, '/v2/reg.test/x/_trust/tuf/root.json', { headers })).status, 403);
});

test('Bearer: the challenge names the whole GUN, and a token for another scope is not enough', async (t) => {
  const { url } = await start(t, { access: { kind: 'bearer', users } });
  const scope = `repository:${gun}:pull`;
  const challenge = (extra = ''): string =>
    `Bearer realm="${url}/token",service="demo",scope="${scope}"${extra}`;
  const get = (token?: string): ReturnType<typeof send> =>
    send(url, `${base}/root.json`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
  const token = async (wanted: string, headers = {}): Promise<string> => {
    const answer = await send(url, `/token?service=demo&scope=${encodeURIComponent(wanted)}`, { headers });
    return String(at(answer.json, 'token'));
  };
  const authorization = login;
  assert.equal((await get()).headers['www-authenticate'], challenge());
  assert.equal((await get('made-up')).headers['www-authenticate'], challenge(',error="invalid_token"'));
  for (const weak of [await token(scope), await token('repository:reg.test/x:pull', { authorization })])
    assert.equal((await get(weak)).headers['www-authenticate'], challenge(',error="insufficient_scope"'));
  assert.equal((await get(await token(scope, { authorization }))).status, 200);
  assert.equal(
    (await send(url, '/v2/')).headers['www-authenticate'],
    `Bearer realm="${url}/token",service="demo",scope="registry:catalog:*"`,
  );
});

test('Bearer: a wrong password is 401, and a token ends', async (t) => {
  let now = 0;
  const server = await start(t, { access: { kind: 'bearer', users, tokenLifetime: 60, now: () => now } });
  const { url } = server;
  const wrong = { authorization: `Basic ${Buffer.from('robot:guess').toString('base64')}` };
  assert.equal((await send(url, '/token?service=demo', { headers: wrong })).status, 401);
  const target = `/token?service=demo&scope=${encodeURIComponent(`repository:${gun}:pull`)}`;
  const issued = await send(url, target, { headers: { authorization: login } });
  assert.equal(at(issued.json, 'expires_in'), 60);
  const headers = { authorization: `Bearer ${String(at(issued.json, 'token'))}` };
  assert.equal((await send(url, `${base}/root.json`, { headers })).status, 200);
  now = 60_000;
  assert.equal((await send(url, `${base}/root.json`, { headers })).status, 401);
});

test('the log has what was asked, as it was asked', async (t) => {
  const server = await start(t);
  await send(server.url, `${base}/root.json?x=%2f`, { headers: { 'x-test': 'yes' } });
  const [{ method, url, headers } = { method: '', url: '', headers: {} }] = server.requests;
  assert.deepEqual([method, url, headers['x-test']], ['GET', `${base}/root.json?x=%2f`, 'yes']);
});
