import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { Flood, answer, hang, redirect, truncated } from '../world/fault.ts';
import type { World } from '../world/world.ts';
import { at } from '../world/http.ts';
import type { LyingNotary } from '../world/lying-notary.ts';
import { startWorld } from '../world/world.ts';
import { asked, askedDuring, samples, withRegistry } from './evidence.ts';
import { open } from './gate.ts';
import { digest as absent } from './wire.ts';

const image = buildImage('image', { padding: 200_000 });
const layer = image.layers[0] ?? Buffer.alloc(0);
const digest = digestOf(layer);
const target = `/v2/team/app/blobs/${digest}`;

async function blobWorld(
  t: TestContext,
  blobs: 'proxy' | 'redirect' = 'proxy',
  timeout = '2s',
): Promise<World> {
  const world = await startWorld(t, {
    config: (tree) => ({
      ...withRegistry(tree, { blobs }),
      limits: { download_timeout: timeout },
    }),
  });
  world.registry.put('team/app', image, '1.0');
  world.notary.sign('team/app', '1.0', image);
  return world;
}

test('a blob is served whole, and HEAD has its headers', async (t) => {
  const { proxy } = await blobWorld(t);
  const get = await proxy.request(target, { headers: { 'accept-encoding': 'gzip' } });
  const head = await proxy.request(target, { method: 'HEAD' });
  assert.deepEqual([get.status, head.status, head.body.length], [200, 200, 0]);
  assert.deepEqual(get.body, layer);
  for (const { headers } of [get, head]) {
    const { date: _date, connection: _connection, ...rest } = headers;
    assert.deepEqual(rest, {
      'docker-distribution-api-version': 'registry/2.0',
      'content-type': 'application/octet-stream',
      'docker-content-digest': digest,
      'accept-ranges': 'bytes',
      etag: `"${digest}"`,
      'content-length': String(layer.length),
    });
  }
});

for (const [range, from, to] of [
  ['500-1499', 500, 1500],
  ['500-', 500, layer.length],
  ['-500', layer.length - 500, layer.length],
  ['0-0', 0, 1],
] as const) {
  test(`the range ${range} of a blob is 206, as a client that resumes needs it`, async (t) => {
    const { proxy } = await blobWorld(t);
    const { status, headers, body } = await proxy.request(target, { headers: { range: `bytes=${range}` } });
    assert.deepEqual([status, body], [206, layer.subarray(from, to)]);
    assert.equal(headers['content-range'], `bytes ${from}-${to - 1}/${layer.length}`);
    assert.equal(headers['content-length'], String(to - from));
  });
}

test('a range beyond a blob is 416 and says how long the blob is', async (t) => {
  const { proxy } = await blobWorld(t);
  const { status, headers } = await proxy.request(target, { headers: { range: 'bytes=9999999-' } });
  assert.deepEqual([status, headers['content-range']], [416, `bytes */${layer.length}`]);
});

test('a layer that the registry has lost is 404, as it says', async (t) => {
  const { proxy, registry } = await blobWorld(t);
  registry.repository('team/app').blobs.delete(digest);
  const { status, json } = await proxy.request(target);
  assert.deepEqual([status, at(json, 'errors', 0, 'code')], [404, 'BLOB_UNKNOWN']);
});

test('a blob that nothing signed leads to is 403, and the registry is not asked for it', async (t) => {
  const { proxy, registry } = await blobWorld(t);
  const unsigned = registry.put('team/app', buildImage('unsigned'), 'unsigned');
  for (const path of [absent, digestOf(unsigned.config), digestOf(unsigned.bytes)]) {
    const requests = await askedDuring(registry, async () => {
      const { status, statusMessage, json } = await proxy.request(`/v2/team/app/blobs/${path}`);
      assert.deepEqual([status, at(json, 'errors', 0, 'detail', 'reason')], [403, 'DIGEST_NOT_SIGNED']);
      assert.equal(statusMessage, at(json, 'errors', 0, 'message'));
    });
    assert.deepEqual(
      requests.filter((line) => line.includes('/blobs/')),
      [],
    );
  }
});

test('a signed manifest that is asked for as a blob ends at its signed size, where the registry goes on for ever', async (t) => {
  const { proxy, registry } = await blobWorld(t);
  const path = `blobs/${image.digest}`;
  registry.repository('team/app').putBlob(image.bytes);
  assert.deepEqual((await proxy.request(`/v2/team/app/${path}`)).body, image.bytes);
  const flood = new Flood();
  registry.fault('team/app', path, flood.fault);
  const { status, json } = await proxy.request(`/v2/team/app/${path}`);
  assert.deepEqual([status, at(json, 'errors', 0, 'detail', 'reason')], [403, 'CONTENT_MISMATCH']);
  await flood.ended;
});

test('a redirect of a blob within the registry is followed, and the client sees none', async (t) => {
  for (const blobs of ['proxy', 'redirect'] as const) {
    const { proxy, registry } = await blobWorld(t, blobs);
    registry.intercept(({ path }) => (path === target ? redirect('/v2/storage/app/blobs/x') : undefined));
    registry.repository('storage/app').putBlob(layer, 'x');
    const requests = await askedDuring(registry, async () => {
      const { status, body, headers } = await proxy.request(target, { headers: { range: 'bytes=1-2' } });
      assert.deepEqual([status, body, headers.location], [206, layer.subarray(1, 3), undefined]);
    });
    // Nobody has asked for the manifest yet: that it is what the layer stands below is found out first.
    const found = `GET /v2/team/app/manifests/${image.digest}`;
    assert.deepEqual(requests, [found, `GET ${target}`, 'GET /v2/storage/app/blobs/x']);
    assert.equal(registry.requests.at(-1)?.headers.range, 'bytes=1-2');
  }
});

test('with blobs: redirect, a redirect to a storage is the business of the client', async (t) => {
  const { proxy, registry } = await blobWorld(t, 'redirect');
  const storage = 'https://storage.test/bucket/x?X-Amz-Signature=abc';
  registry.fault('team/app', `blobs/${digest}`, redirect(storage));
  for (const method of ['GET', 'HEAD']) {
    const { status, headers, body } = await proxy.request(target, { method });
    assert.deepEqual([status, headers.location, body.length], [307, storage, 0]);
  }
});

test('neither way leads a redirect of a blob into our network', async (t) => {
  for (const blobs of ['proxy', 'redirect'] as const) {
    const { proxy, registry, notary } = await blobWorld(t, blobs);
    const honest = trustFiles(notary);
    for (const location of [
      notary.url.replace('127.0.0.1', 'localhost'),
      'http://169.254.169.254/',
      'file:///etc/passwd',
    ]) {
      const takeOff = registry.fault('team/app', `blobs/${digest}`, redirect(location));
      const { status, headers } = await proxy.request(target);
      takeOff();
      assert.deepEqual([status, headers.location], [503, undefined]);
    }
    assert.deepEqual([honest, trustFiles(notary)], [0, notary.requests.length]);
  }
});

function trustFiles(notary: LyingNotary): number {
  return asked(notary.requests).filter((line) => line.startsWith('GET /v2/reg.test/team/app/_trust/tuf/'))
    .length;
}

test('a blob that the registry cuts off is cut off for the client, and never ends as if it were whole', async (t) => {
  const { proxy, registry } = await blobWorld(t);
  const takeOff = registry.fault('team/app', `blobs/${digest}`, truncated(150_000));
  await assert.rejects(proxy.request(target), { code: 'ECONNRESET' });
  takeOff();
  // What came of it was one piece, and held back: the client has not got a byte, and may try again.
  registry.fault('team/app', `blobs/${digest}`, truncated(1000));
  const { status, headers } = await proxy.request(target);
  assert.deepEqual([status, headers['retry-after']], [503, '5']);
  registry.behave();
  assert.deepEqual((await proxy.request(target)).body, layer);
});

test('a client that leaves in the middle of a blob ends the transfer at the registry', async (t) => {
  const { proxy, registry } = await blobWorld(t);
  const flood = new Flood();
  registry.fault('team/app', `blobs/${digest}`, flood.fault);
  const incoming = await open(proxy.url, target);
  await once(incoming, 'data');
  incoming.destroy();
  await flood.ended;
});

test(
  'a client that leaves before the registry has answered ends the request there',
  { timeout: 20_000 },
  async (t) => {
    const { proxy, registry } = await blobWorld(t, 'proxy', '1h');
    const [arrived, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    registry.fault('team/app', `blobs/${digest}`, () => (response) => {
      response.once('close', gone.resolve);
      arrived.resolve();
    });
    const { hostname, port } = new URL(proxy.url);
    const leaving = request({ hostname, port, path: target, agent: false })
      .on('error', () => {})
      .end();
    await arrived.promise;
    const answered = await samples(proxy, 'tufgate_upstream_requests_total');
    leaving.destroy();
    await gone.promise;
    // The manifest, from which the layer is known.
    assert.deepEqual([...answered], [['registry="reg.test",code="200"', 1]]);
  },
);

for (const [what, fault] of [
  ['500', answer(500)],
  ['nothing', hang],
  ['401 to nobody in particular', answer(401)],
  ['a status without meaning here', answer(418)],
] as const) {
  test(`a registry that answers ${what} for a blob leaves it for another try`, async (t) => {
    const { proxy, registry } = await blobWorld(t);
    registry.fault('team/app', `blobs/${digest}`, fault);
    const { status, headers, json } = await proxy.request(target);
    assert.deepEqual(
      [status, (json as { errors: { code: string }[] }).errors[0]?.code],
      [503, 'UNAVAILABLE'],
    );
    assert.equal(headers['retry-after'], '5');
  });
}

test('tags and referrers are the registry’s own lists', async (t) => {
  const { proxy, registry } = await blobWorld(t);
  const list = await proxy.request('/v2/team/app/tags/list?n=1&last=0&evil=1');
  assert.deepEqual(list.json, { name: 'team/app', tags: ['1.0'] });
  const referrers = await proxy.request(`/v2/team/app/referrers/${image.digest}?artifactType=a%2Fb`);
  assert.deepEqual([referrers.status, referrers.headers['oci-filters-applied']], [200, 'artifactType']);
  assert.deepEqual(
    asked(registry.requests).filter((request) => request !== 'GET /v2/'),
    [
      'GET /v2/team/app/tags/list?n=1&last=0',
      `GET /v2/team/app/referrers/${image.digest}?artifactType=a%2Fb`,
    ],
  );
});
