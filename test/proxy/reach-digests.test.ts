import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { askedDuring, stateFile } from './evidence.ts';
import { ask, assertRefused, assertServed } from './reach-world.ts';

const amd = buildImage('amd');
const arm = buildImage('arm', { architecture: 'arm64' });
const inner = buildIndex([arm]);
const index = buildIndex([amd, inner]);
const evil = buildImage('evil');
const [layer = Buffer.alloc(0)] = amd.layers;
const [deepLayer = Buffer.alloc(0)] = arm.layers;
const [evilLayer = Buffer.alloc(0)] = evil.layers;

async function world(...parameters: Parameters<typeof startWorld>): Promise<World> {
  const made = await startWorld(...parameters);
  made.registry.put('team/app', index, '1.0');
  made.registry.put('team/app', evil, 'unsigned');
  made.notary.sign('team/app', '1.0', index);
  return made;
}

/** Stops the proxy, takes its state away, and starts it again: a fresh replica. */
async function startAfresh({ proxy, directory }: World): Promise<void> {
  await proxy.close();
  for (const suffix of ['', '-wal', '-shm']) await rm(`${stateFile(directory)}${suffix}`, { force: true });
  await proxy.restart();
}

const below = [
  ['the signed index itself', 'manifests', index.digest, index.bytes],
  ['a child', 'manifests', amd.digest, amd.bytes],
  ['an index within it', 'manifests', inner.digest, inner.bytes],
  ['a grandchild', 'manifests', arm.digest, arm.bytes],
  ['a config', 'blobs', digestOf(amd.config), amd.config],
  ['a layer', 'blobs', digestOf(layer), layer],
  ['the config of a grandchild', 'blobs', digestOf(arm.config), arm.config],
  ['the layer of a grandchild', 'blobs', digestOf(deepLayer), deepLayer],
] as const;

for (const [what, endpoint, digest, bytes] of below) {
  test(`${what} comes by its digest as the first thing that is ever asked`, async (t) => {
    const { proxy } = await world(t);
    await assertServed(proxy, endpoint, digest, bytes);
  });

  test(`${what} comes by its digest after a restart, and from a replica that has no state`, async (t) => {
    const made = await world(t);
    await made.proxy.restart();
    await assertServed(made.proxy, endpoint, digest, bytes);
    await startAfresh(made);
    await assertServed(made.proxy, endpoint, digest, bytes);
  });
}

test('a layer alone needs no second look at the manifests above it, not even after a restart', async (t) => {
  const { proxy, registry } = await world(t);
  const path = `/v2/team/app/blobs/${digestOf(deepLayer)}`;
  const cold = await askedDuring(registry, () => ask(proxy, 'blobs', digestOf(deepLayer)));
  assert.deepEqual(
    cold.toSorted(),
    [
      `GET ${path}`,
      ...[index, amd, inner, arm].map(({ digest }) => `GET /v2/team/app/manifests/${digest}`),
    ].toSorted(),
  );
  await proxy.restart();
  const warm = await askedDuring(registry, () => ask(proxy, 'blobs', digestOf(deepLayer)));
  assert.deepEqual(warm, [`GET ${path}`]);
});

test('a signed manifest may also be fetched as the blob that it is, with the same bytes', async (t) => {
  const { proxy, registry } = await world(t);
  for (const { digest, bytes } of [index, amd, inner, arm]) {
    registry.repository('team/app').putBlob(bytes);
    await assertServed(proxy, 'blobs', digest, bytes);
  }
});

test('what nothing signed leads to is refused as manifest and as blob, and nobody asks the registry for the blob', async (t) => {
  const { proxy, registry } = await world(t);
  registry.repository('team/app').putBlob(evil.bytes);
  for (const digest of [evil.digest, digestOf(evil.config), digestOf(evilLayer)]) {
    const requests = await askedDuring(registry, () => assertRefused(proxy, digest));
    assert.ok(!requests.some((request) => request.includes('/blobs/')), String(requests));
  }
});

test('nothing of another repository comes, be it signed there, or nowhere, or known from there already', async (t) => {
  const { proxy, registry, notary } = await world(t);
  registry.put('team/other', evil, '1.0');
  notary.sign('team/other', '1.0', evil);
  registry.put('team/other', index);
  registry.put('team/app', evil);
  await assertServed(proxy, 'blobs', digestOf(layer), layer);
  assert.equal((await proxy.pull('team/other:1.0')).status, 200);
  for (const digest of [evil.digest, digestOf(evil.config), digestOf(evilLayer)])
    await assertRefused(proxy, digest);
  for (const digest of [index.digest, arm.digest, digestOf(layer), digestOf(arm.config)])
    await assertRefused(proxy, digest, { repository: 'team/other' });
});

test('nothing of another registry comes, though both have the same bytes in a repository of the same name', async (t) => {
  const { registry, notary, proxy } = await startWorld(t, {
    config: (tree) => {
      const registries = tree['registries'] as Record<string, Record<string, unknown>>;
      const [rule] = tree['rules'] as readonly Record<string, unknown>[];
      const upstream = String(registries['reg.test']?.['upstream']);
      const other = { upstream, auth: 'anonymous', hosts: ['other.test'] };
      const otherRule = {
        match: 'other.test/**',
        mode: 'enforce',
        notary: 'main',
        gun: 'reg.test/{registry}/{repository}',
        root: structuredClone(rule?.['root']),
      };
      return { ...tree, registries: { ...registries, 'other.test': other }, rules: [rule, otherRule] };
    },
  });
  registry.put('team/app', index, '1.0');
  registry.put('team/app', evil, '2.0');
  notary.sign('team/app', '1.0', index);
  notary.sign('other.test/team/app', '2.0', evil);
  const host = { headers: { host: 'other.test' } };
  assert.equal((await ask(proxy, 'manifests', arm.digest)).status, 200);
  assert.equal((await ask(proxy, 'manifests', evil.digest, host)).status, 200);
  assert.equal((await ask(proxy, 'blobs', digestOf(evilLayer), host)).status, 200);
  for (const endpoint of ['manifests', 'blobs'] as const) {
    for (const digest of [index.digest, arm.digest, digestOf(layer)])
      assert.equal((await ask(proxy, endpoint, digest, host)).reason, 'DIGEST_NOT_SIGNED');
    for (const digest of [evil.digest, digestOf(evilLayer)])
      assert.equal((await ask(proxy, endpoint, digest)).reason, 'DIGEST_NOT_SIGNED');
  }
});

test('a refused blob says why as a refused manifest does, and counts as a pull that was refused', async (t) => {
  const { proxy } = await world(t);
  const { status, json } = await ask(proxy, 'blobs', digestOf(evilLayer));
  const [error] = (json as { errors: { code: string; detail: Record<string, unknown> }[] }).errors;
  assert.equal(status, 403);
  assert.deepEqual(
    [error?.code, error?.detail],
    [
      'DENIED',
      {
        reason: 'DIGEST_NOT_SIGNED',
        registry: 'reg.test',
        repository: 'team/app',
        reference: digestOf(evilLayer),
        gun: 'reg.test/team/app',
        rule: 'reg.test/**',
        explain: `tufgate explain reg.test/team/app@${digestOf(evilLayer)}`,
      },
    ],
  );
  const logged = proxy.logs.filter(({ reason }) => reason === 'DIGEST_NOT_SIGNED');
  assert.deepEqual(
    logged.map(({ verdict, reference }) => [verdict, reference]),
    [['deny', digestOf(evilLayer)]],
  );
});
