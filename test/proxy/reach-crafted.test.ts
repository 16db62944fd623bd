import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ManifestBytes } from '../../src/demo/image.ts';
import { buildArtifact, buildImage, buildIndex } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
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
const [evilLayer = Buffer.alloc(0)] = evil.layers;
const good = buildImage('good');
const index = buildIndex([good]);
const type = 'application/vnd.example.thing';

/** A world in which one manifest is signed, and everything of an evil image is in the registry, as blobs too. */
async function signedWorld(t: Parameters<typeof startWorld>[0], signed: ManifestBytes): Promise<World> {
  const world = await startWorld(t);
  world.registry.put('team/app', evil);
  world.registry.put('team/app', index);
  store(world.registry, signed, { blobs: [evil.bytes, index.bytes], tag: '1.0' });
  world.notary.sign('team/app', '1.0', signed);
  return world;
}

const below = (bytes: Uint8Array, mediaType = ociManifest): object => descriptor(mediaType, bytes);
const { config, layers } = JSON.parse(good.bytes.toString()) as { config: object; layers: object[] };

for (const [what, signed] of [
  [
    'an object that is manifest and index in one',
    manifestOf(ociManifest, { config, layers, manifests: [below(evil.bytes)] }),
  ],
  ['an index that has a config', manifestOf(ociIndex, { config, manifests: [below(evil.bytes)] })],
  ['an index that calls itself a manifest', manifestOf(ociManifest, { manifests: [below(evil.bytes)] })],
  [
    'a manifest that calls itself an index',
    manifestOf(ociIndex, { config: below(evil.config, ociConfig), layers: [below(evilLayer, ociLayer)] }),
  ],
  ['an index of no media type that is any', manifestOf(type, { manifests: [below(evil.bytes)] })],
  ['an index whose list is an object', manifestOf(ociIndex, { manifests: { 0: below(evil.bytes) } })],
  [
    'an index with members in another case',
    manifestOf(ociIndex, { Manifests: [below(evil.bytes)], manifests: [] }),
  ],
  [
    'an index of another schema',
    { ...manifestOf(ociIndex, { schemaVersion: 1, manifests: [below(evil.bytes)] }) },
  ],
] as const) {
  test(`${what} grants nothing, though it is signed`, async (t) => {
    const { proxy } = await signedWorld(t, signed);
    await assertRefused(proxy, evil.digest);
    await assertRefused(proxy, digestOf(evilLayer));
    assert.equal((await ask(proxy, 'manifests', signed.digest)).reason, 'CONTENT_MISMATCH');
  });
}

for (const [what, members] of [
  ['the data of a descriptor', { data: evil.bytes.toString('base64') }],
  ['the urls of a descriptor', { urls: [`https://evil.test/v2/team/app/blobs/${evil.digest}`] }],
  ['an annotation', { annotations: { digest: evil.digest } }],
  ['a descriptor within a descriptor', { manifests: [below(evil.bytes)], layers: [below(evilLayer)] }],
] as const) {
  test(`${what} leads nowhere`, async (t) => {
    const signed = manifestOf(ociIndex, { manifests: [descriptor(ociManifest, good.bytes, members)] });
    const { proxy } = await signedWorld(t, signed);
    await assertServed(proxy, 'manifests', good.digest, good.bytes);
    await assertRefused(proxy, evil.digest);
    await assertRefused(proxy, digestOf(evilLayer));
  });
}

test('the subject of a signed image is not signed by that, and neither are its own annotations', async (t) => {
  const signed = manifestOf(ociManifest, {
    config,
    layers,
    subject: below(evil.bytes),
    annotations: { x: evil.digest },
  });
  const { proxy } = await signedWorld(t, signed);
  await assertServed(proxy, 'manifests', signed.digest, signed.bytes);
  await assertRefused(proxy, evil.digest);
  await assertRefused(proxy, digestOf(evilLayer));
});

test('a layer whose bytes are a manifest comes as the layer that it is, and not as a manifest', async (t) => {
  const signed = manifestOf(ociManifest, {
    config,
    layers: [below(evil.bytes, ociLayer), below(index.bytes, ociManifest)],
  });
  const { proxy } = await signedWorld(t, signed);
  for (const inLayer of [evil, index]) {
    for (let time = 0; time < 2; time += 1) {
      await assertRefused(proxy, inLayer.digest, { endpoints: ['manifests'] });
      await assertServed(proxy, 'blobs', inLayer.digest, inLayer.bytes);
    }
  }
  // And nothing that it would lead to, were it one.
  for (const digest of [digestOf(evilLayer), digestOf(evil.config), good.digest])
    await assertRefused(proxy, digest);
});

test('a layer is never called a manifest, whatever the registry calls it', async (t) => {
  const signed = manifestOf(ociManifest, { config, layers: [below(evil.bytes, ociLayer)] });
  const { proxy, registry } = await signedWorld(t, signed);
  registry.fault('team/app', `blobs/${evil.digest}`, async (honest) => {
    const real = await honest();
    return { ...real, headers: { ...real.headers, 'content-type': ociManifest } };
  });
  for (const method of ['GET', 'HEAD']) {
    const { status, headers } = await ask(proxy, 'blobs', evil.digest, { method });
    assert.deepEqual([status, headers['content-type']], [200, 'application/octet-stream']);
  }
});

test('a child that its index calls something else than it is leads nowhere', async (t) => {
  const nested = buildIndex([evil]);
  const called = manifestOf(ociIndex, {
    manifests: [below(nested.bytes, ociManifest), below(good.bytes, ociIndex)],
  });
  const { proxy, registry } = await signedWorld(t, called);
  registry.put('team/app', nested);
  for (let time = 0; time < 2; time += 1) {
    await assertRefused(proxy, evil.digest);
    // Also once somebody has asked for what is above it.
    await proxy.pull(`team/app@${nested.digest}`);
  }
});

test('a child of a media type that no runtime knows comes as the blob that it is, and not as a manifest', async (t) => {
  const { proxy } = await signedWorld(t, manifestOf(ociIndex, { manifests: [below(evil.bytes, type)] }));
  for (let time = 0; time < 2; time += 1) {
    await assertRefused(proxy, evil.digest, { endpoints: ['manifests'] });
    await assertServed(proxy, 'blobs', evil.digest, evil.bytes);
    await assertRefused(proxy, digestOf(evilLayer));
  }
});

test('an image about a signed one that is signed elsewhere is signed only there', async (t) => {
  const { proxy, registry, notary } = await signedWorld(t, index);
  const subject = below(index.bytes, ociIndex);
  const image = manifestOf(ociManifest, {
    config: below(evil.config, ociConfig),
    layers: [below(evilLayer, ociLayer)],
    subject,
  });
  for (const repository of ['team/app', 'team/other'])
    store(registry, image, { repository, blobs: [evil.config, evilLayer] });
  notary.sign('team/other', '1.0', image);
  assert.equal((await ask(proxy, 'manifests', image.digest, { repository: 'team/other' })).status, 200);
  for (const digest of [image.digest, digestOf(evilLayer), digestOf(evil.config)])
    await assertRefused(proxy, digest);
});

test('an artifact that says it is about a signed image comes, with its own blobs and no others', async (t) => {
  const { proxy, registry } = await signedWorld(t, index);
  for (const about of [index, good]) {
    const artifact = registry.put('team/app', buildArtifact(type, `about ${about.digest}`, about));
    const [payload = Buffer.alloc(0)] = artifact.layers;
    await assertServed(proxy, 'manifests', artifact.digest, artifact.bytes);
    await assertServed(proxy, 'blobs', digestOf(payload), payload);
    await assertServed(proxy, 'blobs', digestOf(artifact.config), artifact.config);
  }
  await assertRefused(proxy, evil.digest);
});

test('an artifact about an artifact about a signed image comes, and one about nothing signed does not', async (t) => {
  const { proxy, registry } = await signedWorld(t, index);
  const sbom = registry.put('team/app', buildArtifact(type, 'sbom', index));
  const signature = registry.put('team/app', buildArtifact(type, 'signature', sbom));
  const stray = registry.put('team/app', buildArtifact(type, 'stray', evil));
  await assertServed(proxy, 'manifests', sbom.digest, sbom.bytes);
  await assertServed(proxy, 'manifests', signature.digest, signature.bytes);
  await assertRefused(proxy, stray.digest);
  await assertRefused(proxy, digestOf(stray.layers[0] ?? Buffer.alloc(0)));
});

for (const [what, members] of [
  ['an image', { config: below(evil.config, ociConfig), layers: [below(evilLayer, ociLayer)] }],
  [
    'an image that calls itself an artifact',
    { artifactType: type, config: below(evil.config, type), layers: [below(evilLayer, ociLayer)] },
  ],
  ['an index', { manifests: [below(evil.bytes)] }],
  [
    'an index that calls itself an artifact',
    { artifactType: type, manifests: [descriptor(ociManifest, evil.bytes, { artifactType: type })] },
  ],
] as const) {
  test(`${what} is not signed by saying that it is about a signed one, before and after that is read`, async (t) => {
    const { proxy, registry } = await signedWorld(t, index);
    const subject = below(index.bytes, ociIndex);
    const lying = store(
      registry,
      manifestOf('manifests' in members ? ociIndex : ociManifest, { ...members, subject }),
    );
    for (let time = 0; time < 2; time += 1) {
      await assertRefused(proxy, lying.digest, { endpoints: ['manifests'] });
      await assertRefused(proxy, digestOf(evilLayer));
      await assertRefused(proxy, evil.digest);
      assert.equal((await proxy.pull('team/app:1.0')).status, 200);
    }
  });
}

test('what an artifact claims of the size of a layer changes nothing for the image that it is about', async (t) => {
  const { proxy, registry } = await signedWorld(t, index);
  const [layer = Buffer.alloc(0)] = good.layers;
  const claim = { mediaType: ociLayer, digest: digestOf(layer), size: 3 };
  for (let at = 0; at < 8; at += 1) {
    const empty = Buffer.from('{}');
    const liar = manifestOf(ociManifest, {
      artifactType: `${type}${at}`,
      config: below(empty, 'application/vnd.oci.empty.v1+json'),
      layers: [claim],
      subject: below(index.bytes, ociIndex),
    });
    store(registry, liar, { blobs: [empty] });
    await assertServed(proxy, 'manifests', liar.digest, liar.bytes);
  }
  await assertServed(proxy, 'blobs', digestOf(layer), layer);
});

for (const suffix of ['', '.sig', '.sbom']) {
  test(`an artifact that came by its attachment tag, *${suffix}, comes with its blobs`, async (t) => {
    const { proxy, registry } = await signedWorld(t, index);
    const tag = `${index.digest.replace(':', '-')}${suffix}`;
    const artifact = registry.put('team/app', buildArtifact(type, 'attached', index), tag);
    const [payload = Buffer.alloc(0)] = artifact.layers;
    assert.equal((await proxy.pull(`team/app:${tag}`)).status, 200);
    await assertServed(proxy, 'blobs', digestOf(payload), payload);
  });
}
