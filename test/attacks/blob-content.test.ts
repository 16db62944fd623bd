import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { Image } from '../../src/demo/image.ts';
import { buildImage } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { pullLabels, rise } from '../proxy/evidence.ts';
import type { Fault } from '../world/fault.ts';
import { changeBody, changeHeaders, truncated } from '../world/fault.ts';
import type { HttpAnswer } from '../world/http.ts';
import { at } from '../world/http.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import type { Asked, Attack } from './attack.ts';
import { attacks, evil, good } from './attack.ts';
import { refused } from './expected.ts';
import { descriptorOf, manifestOf, resign, signedAs2, types, unsigned, withdraw } from './signed-content.ts';

// What is asked for under /blobs/<digest>: manifests that are there too, layers of images that nobody signed, and bytes
// that are not those of the digest.

const notSigned = refused('DIGEST_NOT_SIGNED');
const [layer = Buffer.alloc(0)] = evil.layers;
const [goodLayer = Buffer.alloc(0)] = good.layers;
/** Its second layer is a manifest: as bytes it is part of the image, and to be run it is not. */
const carrier = manifestOf({
  schemaVersion: 2,
  mediaType: types.image,
  config: descriptorOf(good.config, types.config),
  layers: [descriptorOf(evil.bytes, types.image)],
});

/** GET and HEAD of the blob with the digest that is asked for. */
const asBlob: NonNullable<Attack['ask']> = async ({ world, name }, image) => {
  const asked: Asked[] = [];
  for (const method of ['HEAD', 'GET']) {
    const answer = await world.proxy.request(`/v2/${name}/blobs/${image.slice(1)}`, { method });
    asked.push({ method, answer: { ...answer, reason: reasonOf(answer) } });
  }
  return asked;
};

function reasonOf({ json }: HttpAnswer): string | undefined {
  const reason = at(json, 'errors', 0, 'detail', 'reason');
  return typeof reason === 'string' ? reason : undefined;
}

/** A blob that nobody signed, pulled by its digest. */
function unsignedBlob(id: string, title: string, bytes: Buffer): Attack {
  const put: Parameters<typeof unsigned>[3] = ({ world, name }) => {
    world.registry.repository(name).putBlob(bytes);
  };
  return { ...unsigned(id, title, `@${digestOf(bytes)}`, put, notSigned), ask: asBlob };
}

attacks('content under the blob endpoint', [
  unsignedBlob(
    'M-08',
    'a manifest that nobody signed, pushed as a blob, cannot be fetched as one',
    evil.bytes,
  ),
  unsigned(
    'M-08',
    'nor can it be fetched as the manifest that it is',
    `@${evil.digest}`,
    ({ world, name }) => {
      world.registry.repository(name).putBlob(evil.bytes);
    },
    notSigned,
  ),
  signedAs2(carrier, notSigned, {
    id: 'M-08',
    title: 'a manifest that a signed image has for a layer is not to be pulled as a manifest',
    lie: async ({ world, name }) => {
      assert.equal((await world.proxy.pull(`${name}:2.0`)).status, 200);
      return `@${evil.digest}`;
    },
  }),
  signedAs2(carrier, notSigned, {
    id: 'M-08',
    title: 'and leads to nothing below it',
    lie: async ({ world, name }) => {
      assert.equal((await world.proxy.pull(`${name}:2.0`)).status, 200);
      return `@${digestOf(layer)}`;
    },
    ask: asBlob,
  }),
  unsignedBlob('M-34', 'a layer of an image that nobody signed cannot be fetched', layer),
  unsignedBlob('M-34', 'nor can its config', evil.config),
  unsignedBlob('M-34', 'nor can what no manifest names at all', Buffer.from('#!/bin/sh\n')),
  {
    id: 'M-34',
    title: 'a layer of an image that is signed in another repository cannot be fetched from this one',
    warm: notSigned,
    cold: notSigned,
    lie: async ({ world, name }) => {
      const other = `${name}-other`;
      world.registry.put(other, evil, '1.0');
      world.notary.sign(other, '1.0', evil);
      // It is known there, and by whom it is signed.
      const { status, body } = await world.proxy.request(`/v2/${other}/blobs/${digestOf(layer)}`);
      assert.deepEqual([status, digestOf(body)], [200, digestOf(layer)]);
      return `@${digestOf(layer)}`;
    },
    ask: asBlob,
  },
  {
    id: 'M-34',
    title: 'a layer of an image whose signature was withdrawn cannot be fetched any more',
    warm: notSigned,
    cold: notSigned,
    lie: (scene) => {
      withdraw(scene);
      return `@${digestOf(goodLayer)}`;
    },
    ask: asBlob,
    mend: resign,
  },
]);

const large = buildImage('large', { padding: 300_000 });

function layerOf(image: Image): Buffer {
  const [first] = image.layers;
  assert.ok(first);
  return first;
}

async function signedWorld(t: TestContext, image: Image): Promise<World> {
  const world = await startWorld(t);
  world.registry.put('team/app', image, '1.0');
  world.notary.sign('team/app', '1.0', image);
  return world;
}

/** Counted from the end where it is negative. */
const flipped = (place: number): Fault =>
  changeBody((body) => {
    const at = place < 0 ? body.length + place : place;
    return body.fill(body.readUInt8(at) ^ 1, at, at + 1);
  });
const longer = changeBody((body) => Buffer.concat([body, Buffer.alloc(100_000)]));
const shorter = changeBody((body) => body.subarray(0, -1));
const unmeasured: Fault = async (honest, request) => {
  const streamed = await changeHeaders({ 'content-length': undefined })(honest, request);
  return typeof streamed === 'function'
    ? streamed
    : (response) => {
        response.writeHead(200, streamed.headers);
        response.end(Buffer.concat([streamed.body ?? Buffer.alloc(0), Buffer.alloc(100_000)]));
      };
};

for (const [what, fault] of [
  ['whose first bit is flipped', flipped(0)],
  ['whose last bit is flipped', flipped(-1)],
  ['that goes on beyond its size, without a length', unmeasured],
] as const) {
  test(`U-31 warm: a large blob ${what} never completes, and is counted as what it is`, async (t) => {
    const { proxy, registry } = await signedWorld(t, large);
    const digest = digestOf(layerOf(large));
    assert.equal((await proxy.pull('team/app:1.0')).status, 200);
    registry.fault('team/app', `blobs/${digest}`, fault);
    const counted = await rise(proxy, 'tufgate_pulls_total', () =>
      assert.rejects(proxy.request(`/v2/team/app/blobs/${digest}`), { code: 'ECONNRESET' }),
    );
    assert.deepEqual(counted, { [pullLabels('enforce', 'deny', 'CONTENT_MISMATCH')]: 1 });
    registry.behave();
    const { status, body } = await proxy.request(`/v2/team/app/blobs/${digest}`);
    assert.deepEqual([status, digestOf(body)], [200, digest]);
  });
}

for (const [what, fault, image] of [
  ['whose bit is flipped', flipped(7), good],
  ['that is longer than its descriptor says', longer, large],
  ['that is shorter than its descriptor says', shorter, large],
] as const) {
  test(`U-31 cold: a blob ${what} is refused before a byte of it has left`, async (t) => {
    const { proxy, registry } = await signedWorld(t, image);
    const digest = digestOf(layerOf(image));
    registry.fault('team/app', `blobs/${digest}`, fault);
    const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
      const answered = await proxy.request(`/v2/team/app/blobs/${digest}`);
      assert.deepEqual([answered.status, reasonOf(answered)], [403, 'CONTENT_MISMATCH']);
    });
    assert.deepEqual(counted, { [pullLabels('enforce', 'deny', 'CONTENT_MISMATCH')]: 1 });
  });
}

test('U-31 cold: a blob that the registry cuts off never ends as if it were whole', async (t) => {
  const { proxy, registry } = await signedWorld(t, large);
  const digest = digestOf(layerOf(large));
  registry.fault('team/app', `blobs/${digest}`, truncated(250_000));
  await assert.rejects(proxy.request(`/v2/team/app/blobs/${digest}`), { code: 'ECONNRESET' });
});
