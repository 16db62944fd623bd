import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import type { Image } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { SqliteContentGraph } from '../../src/trust/state/sqlite-content-graph.ts';
import { answer } from '../world/fault.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { askedDuring, stateFile } from './evidence.ts';
import {
  ask,
  assertRefused,
  assertServed,
  descriptor,
  manifestOf,
  ociConfig,
  ociIndex,
  ociLayer,
  ociManifest,
  store,
} from './reach-world.ts';

const evil = buildImage('evil');
const evilConfig = digestOf(evil.config);
const mebibyte = 1024 * 1024;
const layerOf = ({ layers: [layer = Buffer.alloc(0)] }: Image): Buffer => layer;

async function evilWorld(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(t, options);
  world.registry.put('team/app', evil, 'unsigned');
  return world;
}

const isManifest = (request: string): boolean => request.includes('/manifests/');
/** The requests for manifests that a question leads to. */
async function readDuring({ registry }: World, question: () => Promise<unknown>): Promise<readonly string[]> {
  return (await askedDuring(registry, question)).filter(isManifest);
}

test('an index of 64 platforms: each manifest is read once, for the last layer as for one that is not below it', async (t) => {
  const world = await evilWorld(t);
  const { registry, notary, proxy } = world;
  const images = Array.from({ length: 64 }, (_, at) =>
    buildImage(`platform ${at}`, { architecture: `arch${at}` }),
  );
  const index = registry.put('team/app', buildIndex(images), '1.0');
  notary.sign('team/app', '1.0', index);
  const last = images.at(-1) ?? evil;
  const read = await readDuring(world, async () => {
    await assertServed(proxy, 'blobs', digestOf(layerOf(last)), layerOf(last));
    await assertRefused(proxy, evilConfig, { endpoints: ['blobs'] });
    for (const { digest, bytes } of images) await assertServed(proxy, 'manifests', digest, bytes);
  });
  assert.equal(read.length, 65);
  assert.equal(new Set(read).size, 65);
});

test('an image that is met at two depths is found at the lesser one', async (t) => {
  const { registry, notary, proxy } = await evilWorld(t);
  const images = Array.from({ length: 8 }, (_, at) => buildImage(`image ${at}`));
  // In each, the image stands in an index and in one beside it, so that there is a short way up and a long one.
  for (const [at, image] of images.entries()) {
    const beside = buildIndex([image]);
    const root = buildIndex([buildIndex([buildIndex([beside, image])])].flatMap((middle) => middle.children));
    registry.put('team/app', root);
    notary.repository('team/app').sign(`${at}`, root);
  }
  notary.repository('team/app').publish();
  for (const image of images) {
    await assertServed(proxy, 'manifests', image.digest, image.bytes);
    await assertServed(proxy, 'blobs', digestOf(layerOf(image)), layerOf(image));
  }
});

test('a registry that sends an index for what stands below it is not followed in circles', async (t) => {
  const world = await evilWorld(t);
  const { registry, notary, proxy } = world;
  const child = buildIndex([evil]);
  const index = registry.put('team/app', buildIndex([child]));
  notary.sign('team/app', '1.0', index);
  registry
    .repository('team/app')
    .manifests.set(child.digest, { bytes: index.bytes, mediaType: index.mediaType });
  const read = await readDuring(world, async () => {
    const { status, reason } = await ask(proxy, 'blobs', evilConfig);
    assert.deepEqual([status, reason], [503, 'UPSTREAM_UNAVAILABLE']);
  });
  assert.deepEqual(
    read,
    [index, child].map(({ digest }) => `GET /v2/team/app/manifests/${digest}`),
  );
  assert.equal((await ask(proxy, 'manifests', child.digest)).reason, 'CONTENT_MISMATCH');
});

test('what a signed index names and nobody has leads nowhere, and a layer beside it comes', async (t) => {
  const { registry, notary, proxy } = await evilWorld(t);
  const good = buildImage('good');
  const index = buildIndex([buildIndex([evil]), good]);
  registry.put('team/app', good);
  store(registry, index);
  notary.sign('team/app', '1.0', index);
  await assertServed(proxy, 'blobs', digestOf(layerOf(good)), layerOf(good));
  await assertRefused(proxy, evilConfig);
});

test('a manifest of 4 MiB is read like any other, and of one of a byte more nothing comes', async (t) => {
  const { registry, notary, proxy } = await evilWorld(t);
  for (const [at, size] of [4 * mebibyte, 4 * mebibyte + 1].entries()) {
    const layer = Buffer.from(`layer ${at}`);
    const config = Buffer.from(`{"config":${at}}`);
    const members = (filler: string): object => ({
      config: descriptor(ociConfig, config),
      layers: [descriptor(ociLayer, layer)],
      annotations: { filler },
    });
    const rest = size - manifestOf(ociManifest, members('')).length;
    const manifest = store(registry, manifestOf(ociManifest, members('x'.repeat(rest))), {
      blobs: [config, layer],
    });
    assert.equal(manifest.length, size);
    notary.sign('team/app', `${at}`, manifest);
    if (at === 0) {
      await assertServed(proxy, 'blobs', digestOf(layer), layer);
      await assertServed(proxy, 'manifests', manifest.digest, manifest.bytes);
    } else {
      assert.equal((await ask(proxy, 'manifests', manifest.digest)).reason, 'CONTENT_MISMATCH');
      assert.equal((await ask(proxy, 'blobs', digestOf(layer))).status, 503);
    }
  }
});

test('of a manifest with ten thousand layers each comes, cold and warm, and nothing else', async (t) => {
  const world = await evilWorld(t);
  const { registry, notary, proxy } = world;
  const config = Buffer.from('{}');
  const layers = Array.from({ length: 10_000 }, (_, at) => Buffer.from(`layer ${at}`));
  const manifest = manifestOf(ociManifest, {
    config: descriptor(ociConfig, config),
    layers: layers.map((layer) => descriptor(ociLayer, layer)),
  });
  store(registry, manifest, { blobs: [config, ...layers] });
  notary.sign('team/app', '1.0', manifest);
  const read = await readDuring(world, async () => {
    for (const layer of [layers.at(-1), layers[0], layers[5000]])
      if (layer !== undefined) await assertServed(proxy, 'blobs', digestOf(layer), layer);
    await assertRefused(proxy, evilConfig, { endpoints: ['blobs'] });
  });
  assert.equal(read.length, 1);
});

test('more unread manifests than one question may read: it is not decided, and the next one goes on from there', async (t) => {
  const world = await evilWorld(t, { config: { limits: { expand_manifests: 20 } } });
  const { registry, notary, proxy } = world;
  const images = Array.from({ length: 50 }, (_, at) => registry.put('team/app', buildImage(`image ${at}`)));
  for (const [at, image] of images.entries()) notary.repository('team/app').sign(`${at}`, image);
  notary.repository('team/app').publish();
  const read: number[] = [];
  const outcomes: (string | number | undefined)[] = [];
  for (let question = 0; question < 4; question += 1) {
    const requests = await readDuring(world, async () => {
      const { status, reason } = await ask(proxy, 'blobs', evilConfig);
      outcomes.push(status, reason);
    });
    read.push(requests.length);
  }
  const [undecided, no] = [
    [503, 'UPSTREAM_UNAVAILABLE'],
    [403, 'DIGEST_NOT_SIGNED'],
  ];
  assert.deepEqual(outcomes, [...undecided, ...undecided, ...no, ...no]);
  assert.deepEqual(read, [20, 20, 10, 0]);
  for (const image of images) await assertServed(proxy, 'blobs', digestOf(layerOf(image)), layerOf(image));
});

test('the layer that is wanted is found in the end, however often the bound cut the way to it', async (t) => {
  for (const bound of [1, 3, 7]) {
    const { registry, notary, proxy } = await evilWorld(t, {
      config: { limits: { expand_manifests: bound } },
    });
    const images = Array.from({ length: 10 }, (_, at) => registry.put('team/app', buildImage(`image ${at}`)));
    for (const [at, image] of images.entries()) notary.repository('team/app').sign(`${at}`, image);
    notary.repository('team/app').publish();
    for (const image of images) {
      let status = 503;
      for (let time = 0; status === 503 && time < 11; time += 1)
        ({ status } = await ask(proxy, 'blobs', digestOf(layerOf(image))));
      assert.equal(status, 200, `expand_manifests: ${bound}`);
    }
  }
});

test('two hundred questions at once read each manifest once', async (t) => {
  const world = await evilWorld(t, { rule: { check_every: '10m' } });
  const { registry, notary, proxy } = world;
  const images = Array.from({ length: 40 }, (_, at) => buildImage(`image ${at}`));
  const index = registry.put('team/app', buildIndex(images));
  notary.sign('team/app', '1.0', index);
  const read = await readDuring(world, async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) => {
        const image = images[at % 50];
        return ask(proxy, 'blobs', image === undefined ? evilConfig : digestOf(layerOf(image)));
      }),
    );
    for (const [at, { status }] of answers.entries()) assert.equal(status, at % 50 < 40 ? 200 : 403);
  });
  assert.equal(read.length, 41);
  assert.equal(new Set(read).size, 41);
});

test('a layer on which thousands of images of other repositories stand comes here too, and only where it is signed', async (t) => {
  const { registry, notary, proxy, directory } = await evilWorld(t);
  // Of all that stands above the layer, ours is found last.
  const candidates = Array.from({ length: 2_000 }, (_, at) => buildImage(`popular base ${at}`));
  const [image = evil] = candidates.toSorted((a, b) => (a.digest < b.digest ? 1 : -1));
  registry.put('team/app', image);
  const index = registry.put('team/app', buildIndex([image]));
  notary.sign('team/app', '1.0', index);
  registry.put('team/other', image);
  registry.put('team/other', evil);
  notary.sign('team/other', '1.0', evil);
  const base = digestOf(layerOf(image));
  const graph = new SqliteContentGraph(stateFile(directory));
  for (let at = 0; at < 5_200; at += 1) {
    await graph.record({
      digest: digestOf(Buffer.from(`${at}`)),
      kind: 'manifest',
      isArtifact: false,
      subject: undefined,
      edges: [{ child: base, kind: 'blob', size: layerOf(image).length }],
    });
  }
  await graph.close();
  await assertServed(proxy, 'blobs', base, layerOf(image));
  assert.notEqual((await ask(proxy, 'blobs', base, { repository: 'team/other' })).status, 200);
});

test('of a repository with 5,000 signed tags each question is bounded, and what was read is not read again', async (t) => {
  const world = await evilWorld(t, { rule: { check_every: '10m' } });
  const { registry, notary, proxy } = world;
  const images = Array.from({ length: 5_000 }, (_, at) => registry.put('team/app', buildImage(`${at}`)));
  for (const [at, image] of images.entries()) notary.repository('team/app').sign(`tag-${at}`, image);
  notary.repository('team/app').publish();
  const first = await readDuring(world, async () => {
    assert.equal((await ask(proxy, 'blobs', evilConfig)).status, 503);
  });
  assert.equal(first.length, 100);
  let status = 503;
  const rest = await readDuring(world, async () => {
    for (let question = 1; status === 503 && question < 60; question += 1)
      ({ status } = await ask(proxy, 'blobs', evilConfig));
  });
  assert.deepEqual([status, rest.length], [403, 4_900]);
  const toNotary = notary.requests.length;
  const later = await askedDuring(registry, async () => {
    for (const image of images.filter((_, at) => at % 500 === 0))
      assert.equal((await ask(proxy, 'blobs', digestOf(layerOf(image)))).status, 200);
    assert.equal((await ask(proxy, 'blobs', evilConfig)).status, 403);
  });
  assert.deepEqual([later.length, later.filter(isManifest).length], [10, 0]);
  assert.equal(notary.requests.length, toNotary);
});

test('a signed manifest that cannot be had leaves only what nothing else leads to undecided', async (t) => {
  const { registry, notary, proxy } = await evilWorld(t);
  const [good, lost] = ['good', 'lost'].map((text) => registry.put('team/app', buildImage(text)));
  if (good === undefined || lost === undefined) throw new TypeError('two images');
  for (const image of [good, lost])
    notary.repository('team/app').sign(image === good ? 'good' : 'lost', image);
  notary.repository('team/app').publish();
  const takeOff = registry.fault('team/app', `manifests/${lost.digest}`, answer(500));
  await assertServed(proxy, 'blobs', digestOf(layerOf(good)), layerOf(good));
  for (const digest of [digestOf(layerOf(lost)), evilConfig])
    assert.equal((await ask(proxy, 'blobs', digest)).reason, 'UPSTREAM_UNAVAILABLE');
  takeOff();
  await assertServed(proxy, 'blobs', digestOf(layerOf(lost)), layerOf(lost));
  await assertRefused(proxy, evilConfig);
});

test('an index that names itself under a digest that nobody has leads nowhere', async (t) => {
  const { registry, notary, proxy } = await evilWorld(t);
  const nobody = { mediaType: ociIndex, digest: `sha256:${'0'.repeat(64)}`, size: 500 };
  const index = store(registry, manifestOf(ociIndex, { manifests: [nobody, nobody] }));
  notary.sign('team/app', '1.0', index);
  await assertServed(proxy, 'manifests', index.digest, index.bytes);
  await assertRefused(proxy, evilConfig);
  assert.equal((await ask(proxy, 'manifests', nobody.digest)).reason, 'CONTENT_MISSING');
});
