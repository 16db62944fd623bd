import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { issueCertificate } from '../../src/demo/certificate.ts';
import { buildImage } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { HttpAnswer } from '../world/http.ts';
import { at } from '../world/http.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { withRegistry } from './evidence.ts';
import type { Client } from './push-client.ts';
import { clientOf, next, pushChunked, pushManifest, pushWhole, pushWorld } from './push-client.ts';

const image = buildImage('pushed');
const [layer = Buffer.alloc(0)] = image.layers;

async function pushAndPull(world: World, client: Client): Promise<void> {
  for (const blob of [image.config, layer])
    assert.equal(
      (await client.send(`${client.base}/blobs/${digestOf(blob)}${client.query}`, { method: 'HEAD' })).status,
      404,
    );
  await pushChunked(client, layer);
  await pushWhole(client, image.config);
  await pushManifest(client, image, '1.0');
  assert.deepEqual(world.registry.repository('team/app').find('1.0')?.bytes, image.bytes);

  const pull = (): Promise<HttpAnswer> => client.send(`${client.base}/manifests/1.0${client.query}`);
  assert.equal(at((await pull()).json, 'errors', 0, 'detail', 'reason'), 'REPOSITORY_NOT_SIGNED');
  world.notary.sign('team/app', '1.0', image);
  const pulled = await pull();
  assert.deepEqual([pulled.status, pulled.body], [200, image.bytes]);
  assert.deepEqual((await client.send(`${client.base}/blobs/${digestOf(layer)}${client.query}`)).body, layer);
}

for (const [what, door, uploads] of [
  ['', {}, 'distribution'],
  [' below a prefix', { base: '/v2/reg.test/team/app' }, 'distribution'],
  [' below its name', { base: '/reg.test/v2/team/app' }, 'distribution'],
  [' with ns', { query: '?ns=reg.test' }, 'distribution'],
  [' to a registry with addresses like GitHub', {}, 'github'],
  [' below a prefix to a registry with addresses like GitHub', { base: '/v2/reg.test/team/app' }, 'github'],
  [' with ns to a registry with addresses like GitHub', { query: '?ns=reg.test' }, 'github'],
  [' to a registry with addresses like Google', {}, 'google'],
  [' below a prefix to a registry with addresses like Google', { base: '/v2/reg.test/team/app' }, 'google'],
  [' below its name to a registry with addresses like Google', { base: '/reg.test/v2/team/app' }, 'google'],
  [' with ns to a registry with addresses like Google', { query: '?ns=reg.test' }, 'google'],
] as const) {
  test(`an image is pushed${what}, refused until it is signed, and then served`, async (t) => {
    const world = await pushWorld(t, 'allow', {}, { registry: { uploads } });
    await pushAndPull(world, clientOf(world, door));
  });
}

test('a tag that was just pushed stays refused until it is signed, beside one that is', async (t) => {
  const world = await pushWorld(t, 'allow');
  const client = clientOf(world);
  world.notary.sign('team/app', '0.9', world.registry.put('team/app', buildImage('before'), '0.9'));
  assert.equal((await world.proxy.pull('team/app:0.9')).status, 200);
  await pushChunked(client, layer);
  await pushWhole(client, image.config);
  await pushManifest(client, image, '1.0');
  const refused = await world.proxy.pull('team/app:1.0');
  assert.deepEqual([refused.status, refused.reason], [403, 'TAG_NOT_SIGNED']);
  world.notary.sign('team/app', '1.0', image);
  const pulled = await world.proxy.pull('team/app:1.0');
  assert.deepEqual([pulled.status, pulled.body], [200, image.bytes]);

  const moved = buildImage('pushed over it');
  for (const blob of [moved.config, ...moved.layers]) await pushChunked(client, blob);
  await pushManifest(client, moved, '1.0');
  assert.deepEqual((await world.proxy.pull('team/app:1.0')).body, image.bytes, 'what is signed, still');
  assert.equal((await world.proxy.pull(`team/app@${moved.digest}`)).reason, 'DIGEST_NOT_SIGNED');
  world.notary.sign('team/app', '1.0', moved);
  assert.deepEqual((await world.proxy.pull('team/app:1.0')).body, moved.bytes);
});

for (const [what, config] of [
  ['', { public_url: undefined }],
  [' and a public_url', { public_url: 'https://gate.example' }],
] as const)
  test(`an image is pushed over TLS${what}, refused until it is signed, and then served`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'tufgate-tls-'));
    t.after(() => rm(directory, { recursive: true, force: true }));
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const cert = issueCertificate({
      commonNames: ['gate.test'],
      hosts: ['127.0.0.1'],
      key: privateKey,
      usages: ['serverAuth'],
      notBefore: new Date(Date.now() - 86_400_000),
      notAfter: new Date(Date.now() + 86_400_000),
    });
    const tls = { cert_file: join(directory, 'cert.pem'), key_file: join(directory, 'key.pem') };
    await writeFile(tls.cert_file, cert);
    await writeFile(tls.key_file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const world = await pushWorld(t, 'allow', { tls, ...config });
    await pushAndPull(world, clientOf(world, { ca: cert, origin: config.public_url ?? '' }));
  });

test('a blob of a neighbour is mounted, and an upload can be given up', async (t) => {
  const world = await pushWorld(t, 'allow');
  const client = clientOf(world);
  world.registry.repository('team/base').putBlob(layer);
  const start = '/v2/team/app/blobs/uploads/';
  const mounted = await client.send(`${start}?mount=${digestOf(layer)}&from=team/base`, { method: 'POST' });
  assert.equal(mounted.status, 201);
  assert.ok(world.registry.repository('team/app').blobs.has(digestOf(layer)));
  const upload = next(await client.send(start, { method: 'POST' }), client);
  assert.equal((await client.send(upload, { method: 'DELETE' })).status, 204);
  assert.equal((await client.send(upload)).status, 404);
});

test('what the registry says of a bad push reaches the client', async (t) => {
  const world = await pushWorld(t, 'allow');
  const client = clientOf(world);
  const wrong = await client.send(`/v2/team/app/blobs/uploads/?digest=${image.digest}`, {
    method: 'POST',
    body: 'x',
  });
  assert.deepEqual([wrong.status, at(wrong.json, 'errors', 0, 'code')], [400, 'DIGEST_INVALID']);
});

test('with push: deny, nothing that writes reaches the registry', async (t) => {
  const { proxy, registry } = await pushWorld(t, 'deny');
  for (const [method, target, allow] of [
    ['POST', '/v2/team/app/blobs/uploads/', ''],
    ['POST', `/v2/team/app/blobs/uploads/?mount=${image.digest}&from=team/base`, ''],
    ['PATCH', '/v2/team/app/blobs/uploads/session', ''],
    ['PUT', `/v2/team/app/blobs/uploads/session?digest=${image.digest}`, ''],
    ['GET', '/v2/team/app/blobs/uploads/session', ''],
    ['DELETE', '/v2/team/app/blobs/uploads/session', ''],
    ['PUT', '/v2/team/app/manifests/1.0', 'GET, HEAD'],
    ['DELETE', `/v2/team/app/manifests/${image.digest}`, 'GET, HEAD'],
    ['DELETE', `/v2/team/app/blobs/${image.digest}`, 'GET, HEAD'],
  ] as const) {
    const refused = await proxy.request(target, { method, body: method === 'GET' ? '' : 'x' });
    assert.deepEqual([refused.status, refused.headers.allow], [405, allow], `${method} ${target}`);
    assert.equal(at(refused.json, 'errors', 0, 'code'), 'UNSUPPORTED');
  }
  assert.equal(registry.requests.length, 0);
});

test('a method that no endpoint has is 405, whether pushes are carried or not', async (t) => {
  for (const push of ['allow', 'deny'] as const) {
    const { proxy, registry } = await pushWorld(t, push);
    for (const [method, target] of [
      ['POST', '/v2/team/app/manifests/1.0'],
      ['PATCH', '/v2/team/app/manifests/1.0'],
      ['OPTIONS', '/v2/team/app/manifests/1.0'],
      ['TRACE', '/v2/'],
      ['PUT', '/v2/team/app/tags/list'],
      ['DELETE', '/v2/'],
    ] as const) {
      assert.equal((await proxy.request(target, { method })).status, 405, `${method} ${target}`);
    }
    assert.equal(registry.requests.length, 0);
  }
});

test('nothing is pushed into a repository from which nothing is served', async (t) => {
  const rules = [{ match: 'reg.test/closed/**', mode: 'deny' }];
  const world = await startWorld(t, { rules, config: (tree) => withRegistry(tree, { push: 'allow' }) });
  for (const [name, reason] of [
    ['closed/app', 'RULE_DENY'],
    ['elsewhere/app', 'NO_RULE'],
  ] as const) {
    for (const [method, target] of [
      ['POST', `/v2/${name}/blobs/uploads/`],
      ['PUT', `/v2/${name}/manifests/1.0`],
      ['DELETE', `/v2/${name}/blobs/${digestOf(layer)}`],
    ] as const) {
      const answered = await world.proxy.request(target, { method });
      assert.deepEqual([answered.status, at(answered.json, 'errors', 0, 'detail', 'reason')], [403, reason]);
    }
  }
  assert.deepEqual(world.registry.requests, []);
});

test('no blob is mounted out of a repository from which nothing is served', async (t) => {
  const rules = [
    { match: 'reg.test/closed/**', mode: 'deny' },
    { match: 'reg.test/team/**', mode: 'allow' },
  ];
  const world = await startWorld(t, { rules, config: (tree) => withRegistry(tree, { push: 'allow' }) });
  world.registry.put('closed/app', image, '1.0');
  world.registry.put('team/base', image, '1.0');
  const digest = digestOf(layer);
  for (const [from, status] of [
    ['team/base', 201],
    ['closed/app', 202],
    ['elsewhere/app', 202],
    ['..%2Fclosed%2Fapp', 202],
  ] as const) {
    const target = `/v2/team/app/blobs/uploads/?mount=${digest}&from=${from}`;
    assert.equal((await world.proxy.request(target, { method: 'POST' })).status, status, from);
  }
  const anywhere = `/v2/team/app/blobs/uploads/?mount=${digest}`;
  assert.equal(
    (await world.proxy.request(anywhere, { method: 'POST' })).status,
    202,
    'from nowhere in particular',
  );
  const last = world.registry.requests.at(-1);
  assert.equal(last?.url, '/v2/team/app/blobs/uploads/', 'nor is the registry left to look for it');
  const prefixed = `/v2/reg.test/team/app/blobs/uploads/?mount=${digest}&from=`;
  const send = (from: string): Promise<HttpAnswer> =>
    world.proxy.request(prefixed + from, { method: 'POST' });
  assert.equal((await send('reg.test/team/base')).status, 201, 'named as the client names it');
  assert.equal((await send('other.test/team/base')).status, 202, 'of another registry');
});
