import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { answer } from '../world/fault.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { askedDuring, pullLabels, rise } from './evidence.ts';

const amd = buildImage('amd');
const arm = buildImage('arm', { architecture: 'arm64' });
const index = buildIndex([amd, arm]);
const evil = buildImage('evil');

async function indexWorld(...parameters: Parameters<typeof startWorld>): Promise<World> {
  const world = await startWorld(...parameters);
  world.registry.put('team/app', index, '1.0');
  world.registry.put('team/app', evil, 'unsigned');
  world.notary.sign('team/app', '1.0', index);
  return world;
}

test('a signed digest is served, and says which signature it stands on', async (t) => {
  const { proxy } = await indexWorld(t);
  for (const method of ['GET', 'HEAD']) {
    const pulled = await proxy.pull(`team/app@${index.digest}`, { method });
    assert.deepEqual([pulled.status, pulled.headers['docker-content-digest']], [200, index.digest]);
    assert.match(
      String(pulled.headers['tufgate-trust']),
      /^signed; gun="reg\.test\/team\/app"; role="targets"; /,
    );
  }
});

test('an image below a signed index is served, also as the first thing that is ever asked', async (t) => {
  const { proxy } = await indexWorld(t);
  for (const { digest, bytes } of [arm, amd]) {
    const pulled = await proxy.pull(`team/app@${digest}`);
    assert.deepEqual([pulled.status, pulled.body], [200, bytes]);
    assert.match(String(pulled.headers['tufgate-trust']), /^signed; /);
  }
});

test('an image below an index within a signed index is served, down to the third index', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  const third = buildIndex([arm]);
  const second = buildIndex([third, amd]);
  const first = buildIndex([second]);
  const tooDeep = buildIndex([buildIndex([buildIndex([buildIndex([evil])])])]);
  registry.put('team/app', first);
  registry.put('team/app', tooDeep);
  notary.sign('team/app', '1.0', first);
  for (const { digest } of [arm, third, second, amd])
    assert.equal((await proxy.pull(`team/app@${digest}`)).status, 200);
  notary.sign('team/app', '2.0', tooDeep);
  assert.equal((await proxy.pull(`team/app@${evil.digest}`)).reason, 'DIGEST_NOT_SIGNED');
});

test('an index that two tags lead to, and a child that is named twice, are read once', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  const twice = buildIndex([amd, amd, buildIndex([amd])]);
  registry.put('team/app', twice);
  notary.sign('team/app', '1.0', twice);
  notary.sign('team/app', '2.0', twice);
  const requests = await askedDuring(registry, () => proxy.pull(`team/app@${evil.digest}`));
  assert.equal(requests.length, new Set(requests).size);
});

test('an index that names one index fifteen thousand times, as often as that names a third, is read like any other', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  const third = buildIndex([amd]);
  const second = buildIndex(Array.from({ length: 15_000 }, () => third));
  const first = buildIndex(Array.from({ length: 15_000 }, () => second));
  for (const { bytes, mediaType } of [amd, third, second, first])
    registry.repository('team/app').putManifest(bytes, mediaType);
  registry.put('team/app', evil);
  notary.sign('team/app', '1.0', first);
  assert.equal((await proxy.pull(`team/app@${evil.digest}`)).reason, 'DIGEST_NOT_SIGNED');
  assert.equal((await proxy.pull(`team/app@${amd.digest}`)).status, 200);
});

test('a signed index that the registry has lost vouches for nothing below it, until somebody has pulled it', async (t) => {
  const { registry, proxy } = await indexWorld(t);
  registry.repository('team/app').manifests.delete(index.digest);
  const refused = await proxy.pull(`team/app@${arm.digest}`);
  assert.deepEqual([refused.status, refused.reason], [403, 'DIGEST_NOT_SIGNED']);
  registry.put('team/app', index);
  assert.equal((await proxy.pull(`team/app:1.0`)).status, 200);
  assert.equal((await proxy.pull(`team/app@${arm.digest}`)).status, 200);
});

test('a digest of the same repository that nothing signed leads to is refused, whatever tag has it', async (t) => {
  const { proxy } = await indexWorld(t);
  for (const method of ['GET', 'HEAD']) {
    const refused = await proxy.pull(`team/app@${evil.digest}`, { method });
    assert.equal(refused.status, 403);
    assert.match(refused.statusMessage, /DIGEST_NOT_SIGNED/);
  }
});

test('what is signed in one repository is not signed in another', async (t) => {
  const { notary, registry, proxy } = await indexWorld(t);
  registry.put('team/other', index, '1.0');
  registry.put('team/other', evil, '2.0');
  notary.sign('team/other', '2.0', evil);
  // Also not once the children of the index, and its bytes, are known from the repository where it is signed.
  await proxy.pull(`team/app@${amd.digest}`);
  for (const { digest } of [index, amd])
    assert.equal((await proxy.pull(`team/other@${digest}`)).reason, 'DIGEST_NOT_SIGNED');
  assert.equal((await proxy.pull(`team/app@${evil.digest}`)).reason, 'DIGEST_NOT_SIGNED');
});

test('a child that its index names, but another manifest than the registry sends, is refused', async (t) => {
  const { registry, proxy } = await indexWorld(t);
  registry.repository('team/app').manifests.set(arm.digest, { bytes: evil.bytes, mediaType: evil.mediaType });
  assert.equal((await proxy.pull(`team/app@${arm.digest}`)).reason, 'CONTENT_MISMATCH');
});

test('a child that its signed index names and the registry has lost is missing, not denied', async (t) => {
  const { registry, proxy } = await indexWorld(t);
  registry.repository('team/app').manifests.delete(arm.digest);
  const refused = await proxy.pull(`team/app@${arm.digest}`);
  assert.deepEqual([refused.status, refused.reason], [404, 'CONTENT_MISSING']);
});

test('what pulled a digest yesterday does so no longer once no tag means it', async (t) => {
  const { notary, registry, proxy } = await indexWorld(t);
  assert.equal((await proxy.pull(`team/app@${arm.digest}`)).status, 200);
  registry.put('team/app', evil);
  notary.sign('team/app', '1.0', evil);
  for (const { digest } of [index, arm])
    assert.equal((await proxy.pull(`team/app@${digest}`)).reason, 'DIGEST_NOT_SIGNED');
});

test('a digest signed only by those whom the rule does not ask is refused', async (t) => {
  const { notary, registry, proxy } = await indexWorld(t, { rule: { signers: ['targets/alice'] } });
  assert.equal((await proxy.pull(`team/app@${index.digest}`)).reason, 'DIGEST_NOT_SIGNED');
  notary.repository('team/app').addSigner('alice');
  notary.sign('team/app', '1.0', index, 'targets/alice');
  assert.equal((await proxy.pull(`team/app@${index.digest}`)).status, 200);
  assert.equal((await proxy.pull(`team/app@${arm.digest}`)).status, 200);
  assert.equal(registry.requests.length, 2);
});

test('with digests: any, a digest needs no signature, and a tag does', async (t) => {
  const { notary, registry, proxy } = await indexWorld(t, { rule: { digests: 'any' } });
  notary.intercept(() => answer(503));
  const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
    const pulled = await proxy.pull(`team/app@${evil.digest}`);
    assert.deepEqual([pulled.status, pulled.body], [200, evil.bytes]);
    assert.equal(pulled.headers['tufgate-trust'], undefined);
  });
  assert.deepEqual(counted, { [pullLabels('enforce', 'unjudged')]: 1 });
  registry.repository('team/app').manifests.set(amd.digest, { bytes: evil.bytes, mediaType: evil.mediaType });
  assert.equal((await proxy.pull(`team/app@${amd.digest}`)).reason, 'CONTENT_MISMATCH');
  notary.behave();
  assert.equal((await proxy.pull('team/app:unsigned')).reason, 'TAG_NOT_SIGNED');
});

test('a manifest can be below a signed index by its SHA-512', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  const digest = `sha512:${createHash('sha512').update(arm.bytes).digest('hex')}`;
  registry.repository('team/app').putManifest(arm.bytes, arm.mediaType, undefined, digest);
  const bytes = Buffer.from(index.bytes.toString().replace(arm.digest, digest));
  const signed = registry.repository('team/app').putManifest(bytes, index.mediaType);
  notary.sign('team/app', '1.0', { digest: signed, length: bytes.length });
  const pulled = await proxy.pull(`team/app@${digest}`);
  assert.deepEqual([pulled.status, pulled.headers['docker-content-digest']], [200, digest]);
  registry.repository('team/app').manifests.set(digest, { bytes: evil.bytes, mediaType: evil.mediaType });
  await proxy.restart();
  assert.equal((await proxy.pull(`team/app@${digest}`)).reason, 'CONTENT_MISMATCH');
  assert.equal(
    (await proxy.pull(`team/app@${digest.replace(/[0-9a-f]$/, '')}0`)).reason,
    'DIGEST_NOT_SIGNED',
  );
});

test('more signed manifests than one question may read leave it undecided, and the next question goes on from there', async (t) => {
  const { notary, registry, proxy } = await startWorld(t, { config: { limits: { expand_manifests: 2 } } });
  for (let at = 0; at < 5; at += 1) {
    const each = registry.put('team/app', buildIndex([buildImage(`image ${at}`)]));
    notary.repository('team/app').sign(`tag-${at}`, each);
  }
  notary.repository('team/app').publish();
  const read: number[] = [];
  const reasons: (string | undefined)[] = [];
  for (let question = 0; question < 4; question += 1) {
    const requests = await askedDuring(registry, async () => {
      reasons.push((await proxy.pull(`team/app@${evil.digest}`)).reason);
    });
    read.push(requests.length);
  }
  const undecided = 'UPSTREAM_UNAVAILABLE';
  assert.deepEqual(reasons, [undecided, undecided, 'DIGEST_NOT_SIGNED', 'DIGEST_NOT_SIGNED']);
  // Once all are read, the digest itself is asked for: it might be an artifact.
  assert.deepEqual(read, [2, 2, 2, 1]);
});

test('a signed index that cannot be read leaves a digest undecided, and one that is found elsewhere is served', async (t) => {
  const { notary, registry, proxy } = await indexWorld(t);
  const broken = registry.put('team/app', buildIndex([evil]));
  notary.sign('team/app', '0.9', broken);
  registry.fault('team/app', `manifests/${broken.digest}`, answer(500));
  const refused = await proxy.pull(`team/app@${evil.digest}`);
  assert.deepEqual([refused.status, refused.reason], [503, 'UPSTREAM_UNAVAILABLE']);
  assert.equal((await proxy.pull(`team/app@${arm.digest}`)).status, 200);
});
