import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { startWorld } from '../world/world.ts';
import { alterState } from './evidence.ts';
import { ask, assertServed } from './reach-world.ts';

const child = buildImage('child');
const index = buildIndex([child]);
const other = buildImage('other');
const evil = buildImage('evil');
const [layer = Buffer.alloc(0)] = child.layers;
const [otherLayer = Buffer.alloc(0)] = other.layers;

for (const table of ['content', 'content_below', 'content_above', 'signed_digest', 'signed_set']) {
  test(`a state that has lost ${table} while it is in use decides nothing that needs it, and never says yes or 500`, async (t) => {
    const { proxy, registry, notary, directory } = await startWorld(t, { rule: { keep: '1h' } });
    for (const image of [index, other, evil]) registry.put('team/app', image);
    notary.sign('team/app', '1.0', index);
    await assertServed(proxy, 'blobs', digestOf(layer), layer);
    alterState(directory, `DROP TABLE ${table}`);
    notary.sign('team/app', '2.0', other);
    const unsigned = [
      await ask(proxy, 'manifests', evil.digest),
      await ask(proxy, 'blobs', digestOf(evil.config)),
      await ask(proxy, 'blobs', digestOf(otherLayer)),
      await proxy.pull('team/app:2.0'),
    ];
    for (const { status, reason } of unsigned)
      assert.deepEqual([status, reason], [503, 'STATE_UNAVAILABLE'], table);
    assert.ok(!proxy.logs.some(({ msg }) => msg === 'unexpected error'));
  });
}

test('what is signed, and when it was, that does not fit its seal any more: nothing of it is kept, and the rest comes', async (t) => {
  const { proxy, registry, notary, directory } = await startWorld(t, { rule: { keep: '1h' } });
  for (const image of [index, other]) registry.put('team/app', image);
  notary.sign('team/app', '1.0', index);
  await assertServed(proxy, 'blobs', digestOf(layer), layer);
  notary.sign('team/app', '1.0', other);
  await assertServed(proxy, 'blobs', digestOf(layer), layer);
  alterState(directory, `UPDATE signed_digest SET until = until + 1000000 WHERE until IS NOT NULL`);
  for (const [endpoint, digest] of [
    ['manifests', index.digest],
    ['manifests', child.digest],
    ['blobs', digestOf(layer)],
  ] as const)
    assert.equal((await ask(proxy, endpoint, digest)).reason, 'STATE_UNAVAILABLE');
  await assertServed(proxy, 'blobs', digestOf(otherLayer), otherLayer);
  await assertServed(proxy, 'manifests', other.digest, other.bytes);
});
