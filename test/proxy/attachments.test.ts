import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ManifestBytes } from '../../src/demo/image.ts';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { Flood, answer, redirect, reset } from '../world/fault.ts';
import { startWorld } from '../world/world.ts';
import {
  assertNothing,
  attachedWorld,
  disguised,
  evil,
  index,
  manifestOf,
  ociIndex,
  ociManifest,
  referrers,
  schemaTag,
  signature,
  store,
  tags,
} from './attached-world.ts';
import { pullLabels, rise } from './evidence.ts';

// Attachment tags: `sha256-<hex>`, `.sig`, `.att`, `.sbom`. What makes an artifact: test/oci/manifest.test.ts.

test('under each attachment tag an artifact is served with exact headers, the same on HEAD, and as nothing signed', async (t) => {
  const world = await attachedWorld(t);
  for (const tag of tags) {
    for (const manifest of [signature, referrers]) {
      store(world, manifest, tag);
      const get = await world.proxy.pull(`team/app:${tag}`);
      const head = await world.proxy.pull(`team/app:${tag}`, {
        method: 'HEAD',
      });
      const { date: _dateOfGet, ...headers } = get.headers;
      const { date: _dateOfHead, ...ofHead } = head.headers;
      assert.deepEqual([get.status, get.body], [200, manifest.bytes], tag);
      assert.deepEqual([head.status, head.body.length, ofHead], [200, 0, headers], tag);
      const { connection: _connection, 'keep-alive': _keepAlive, ...ours } = headers;
      assert.deepEqual(ours, {
        'docker-distribution-api-version': 'registry/2.0',
        'content-type': manifest.mediaType,
        'content-length': String(manifest.length),
        'docker-content-digest': manifest.digest,
        etag: `"${manifest.digest}"`,
      });
    }
  }
});

test('the digest under an attachment tag is of the bytes, whatever the registry says', async (t) => {
  const world = await attachedWorld(t);
  const claimed = {
    'docker-content-digest': index.digest,
    'content-type': 'text/html',
  };
  world.registry.fault(
    'team/app',
    `manifests/${schemaTag}`,
    answer(200, { headers: claimed, body: signature.bytes }),
  );
  const { headers } = await world.proxy.pull(`team/app:${schemaTag}`);
  assert.deepEqual(
    [headers['docker-content-digest'], headers['content-type']],
    [signature.digest, ociManifest],
  );
});

for (const [what, manifest] of Object.entries<ManifestBytes>({
  'an image': evil,
  "an image of docker's": buildImage('evil', { format: 'docker' }),
  'an index of images': buildIndex([evil]),
  'an image whose config has the media type of an artifact': disguised,
  'what is no manifest': manifestOf('text/html', {}),
})) {
  test(`under an attachment tag, ${what} is 404`, async (t) => {
    const world = await attachedWorld(t);
    for (const tag of tags) {
      store(world, manifest, tag);
      const get = await world.proxy.pull(`team/app:${tag}`);
      assertNothing(get, tag);
      const head = await world.proxy.pull(`team/app:${tag}`, {
        method: 'HEAD',
      });
      assert.deepEqual(
        [head.status, head.headers['content-length'], head.body.length],
        [404, get.headers['content-length'], 0],
      );
    }
  });
}

test('an attachment tag that the registry does not have is 404, also where the repository is not signed', async (t) => {
  const { proxy, registry } = await attachedWorld(t);
  registry.put('team/new', signature, tags[1]);
  for (const tag of tags) assertNothing(await proxy.pull(`team/app:${tag}`), tag);
  assert.equal((await proxy.pull(`team/new:${tags[1]}`)).status, 200);
});

test('an attachment tag that is signed is a tag like any other', async (t) => {
  const world = await attachedWorld(t);
  store(world, signature, schemaTag);
  world.notary.sign('team/app', schemaTag, index);
  const { status, headers } = await world.proxy.pull(`team/app:${schemaTag}`);
  assert.deepEqual([status, headers['docker-content-digest']], [200, index.digest]);
  assert.match(String(headers['tufgate-trust']), /^signed; /);
});

test('a tag that only resembles an attachment tag is refused like any other', async (t) => {
  const world = await attachedWorld(t);
  const hex = schemaTag.slice('sha256-'.length);
  for (const tag of [
    `${schemaTag}0`,
    `sha256-${hex.toUpperCase()}`,
    `${schemaTag}.cosign`,
    `sha512-${hex}.sig`,
  ]) {
    store(world, signature, tag);
    assert.equal((await world.proxy.pull(`team/app:${tag}`)).reason, 'TAG_NOT_SIGNED', tag);
  }
});

test('no rule and the rule deny attach nothing to anything, and the registry is not asked', async (t) => {
  const { registry, proxy } = await startWorld(t, {
    rules: [{ match: 'reg.test/denied/**', mode: 'deny' }],
  });
  for (const name of ['denied/app', 'uncovered/app']) {
    registry.put(name, index, '1.0');
    registry.put(name, signature, schemaTag);
    assertNothing(await proxy.pull(`${name}:${schemaTag}`), name);
    const { status, headers, json } = await proxy.request(
      `/v2/${name}/referrers/${index.digest}?artifactType=a`,
    );
    assert.deepEqual([status, headers['content-type']], [200, ociIndex]);
    assert.deepEqual(json, {
      schemaVersion: 2,
      mediaType: ociIndex,
      manifests: [],
    });
  }
  assert.deepEqual(registry.requests, []);
});

test('bad trust data hides no artifact and shows no image; trust data that cannot be had leaves a tag undecided', async (t) => {
  const world = await attachedWorld(t);
  store(world, signature, tags[0]);
  store(world, evil, tags[1]);
  world.notary.repository('team/app').setExpires('targets', new Date(0));
  world.notary.repository('team/app').publish();
  assert.equal((await world.proxy.pull('team/app:1.0')).reason, 'EXPIRED');
  assert.equal((await world.proxy.pull(`team/app:${tags[0]}`)).status, 200);
  assertNothing(await world.proxy.pull(`team/app:${tags[1]}`), 'image');
  world.notary.intercept(() => answer(503));
  const refused = await world.proxy.pull(`team/app:${tags[0]}`);
  assert.deepEqual([refused.status, refused.reason], [503, 'NOTARY_UNAVAILABLE']);
});

test('a registry that is down leaves an attachment tag undecided; an answer longer than any manifest is 404', async (t) => {
  const world = await attachedWorld(t);
  for (const fault of [reset, answer(500), redirect('ftp://elsewhere.test/')]) {
    world.registry.fault('team/app', `manifests/${schemaTag}`, fault);
    const refused = await world.proxy.pull(`team/app:${schemaTag}`);
    assert.deepEqual([refused.status, refused.reason], [503, 'UPSTREAM_UNAVAILABLE']);
    assert.match(String(refused.headers['retry-after']), /^[1-9]/);
  }
  const flood = new Flood();
  world.registry.fault('team/app', `manifests/${schemaTag}`, flood.fault);
  assertNothing(await world.proxy.pull(`team/app:${schemaTag}`), 'flood');
  await flood.ended;
});

test('an attachment tag counts as unjudged under enforce, and in audit it is no pull that would be denied', async (t) => {
  for (const mode of ['enforce', 'audit']) {
    const world = await attachedWorld(t, { rule: { mode } });
    store(world, signature, schemaTag);
    const counted = await rise(world.proxy, 'tufgate_pulls_total', async () => {
      const pulled = await world.proxy.pull(`team/app:${schemaTag}`);
      assert.deepEqual([pulled.status, pulled.headers.warning], [200, undefined]);
    });
    assert.deepEqual(counted, { [pullLabels(mode, 'unjudged')]: 1 });
  }
});
