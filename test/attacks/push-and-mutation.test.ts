import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { digestOf } from '../../src/demo/registry/content.ts';
import { withRegistry } from '../proxy/evidence.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { evil, good } from './attack.ts';
import { doorAttacks, requests, requestTo, served } from './door-attack.ts';

// Everything that writes. Where pushes are not carried, nothing of them reaches the registry; where they are, what was
// pushed is not what is pulled before it is signed.

const manifest = (name: string, reference = '1.0'): string => `/v2/${name}/manifests/${reference}`;
const push = (method: string, path: string, type: string, body: Buffer): string =>
  requestTo(path, [`Content-Type: ${type}`, `Content-Length: ${body.length}`], method) +
  body.toString('latin1');
const pushes: WorldOptions = { config: (tree) => withRegistry(tree, { push: 'allow' }) };

doorAttacks('pushes and mutations', [
  requests(
    'P-01',
    'nothing is pushed unless pushes are allowed',
    (name) =>
      ['PUT', 'POST', 'PATCH', 'DELETE'].flatMap((method) =>
        [
          manifest(name, '2.0'),
          `/v2/${name}/blobs/${good.digest}`,
          `/v2/${name}/blobs/uploads/`,
          `/v2/${name}/blobs/uploads/${'a'.repeat(36)}`,
        ].map((path) => requestTo(path, ['Content-Length: 2'], method) + '{}'),
      ),
    405,
  ),
  requests(
    'P-02',
    'a tag is not rewritten through a proxy that only pulls',
    (name) => [push('PUT', manifest(name), evil.mediaType, evil.bytes)],
    405,
  ),
  requests(
    'P-04',
    'no blob is mounted through a proxy that only pulls',
    (name) =>
      ['', `?mount=${digestOf(good.config)}&from=secret/app`].map((query) =>
        requestTo(`/v2/${name}/blobs/uploads/${query}`, ['Content-Length: 0'], 'POST'),
      ),
    405,
  ),
  requests(
    'P-05',
    'nothing is deleted through a proxy that only pulls',
    (name) =>
      [manifest(name), manifest(name, good.digest), `/v2/${name}/blobs/${digestOf(good.config)}`].map(
        (path) => requestTo(path, [], 'DELETE'),
      ),
    405,
  ),
  {
    id: 'P-07',
    title: 'a manifest in the body of a pull is not pushed, not even where pushes are allowed',
    world: pushes,
    send: ({ name }) => [push('GET', manifest(name), evil.mediaType, evil.bytes)],
    comesTo: served,
  },
]);

/** A world with pushes, where `1.0` of team/app is good and signed. */
async function pushWorld(t: TestContext): Promise<World> {
  const world = await startWorld(t, pushes);
  world.registry.put('team/app', good, '1.0');
  world.notary.sign('team/app', '1.0', good);
  return world;
}

for (const [id, title, type] of [
  ['P-02', 'a tag that is pushed anew through the proxy is still pulled as what was signed', evil.mediaType],
  [
    'P-09',
    'a signed manifest that is pushed anew as another type is still pulled as its own',
    'application/vnd.oci.image.index.v1+json',
  ],
] as const) {
  test(`${id} warm: ${title}`, async (t) => {
    const { proxy, registry } = await pushWorld(t);
    const image = id === 'P-02' ? evil : good;
    registry.put('team/app', evil);
    assert.equal((await proxy.pull('team/app:1.0')).status, 200);
    const pushed = await proxy.request('/v2/team/app/manifests/1.0', {
      method: 'PUT',
      headers: { 'content-type': type },
      body: image.bytes,
    });
    assert.equal(pushed.status, 201);
    assert.equal(registry.repository('team/app').find('1.0')?.mediaType, type);
    for (const method of ['HEAD', 'GET']) {
      const { status, headers } = await proxy.pull('team/app:1.0', { method });
      assert.deepEqual(
        [status, headers['docker-content-digest'], headers['content-type']],
        [200, good.digest, good.mediaType],
      );
    }
  });
}
