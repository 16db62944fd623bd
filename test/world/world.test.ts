import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { startWorld } from './world.ts';

const good = buildImage('good');
const evil = buildImage('evil');

test('a world has a notary, a registry and the proxy between them', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  registry.put('team/app', good, '1.0');
  notary.sign('team/app', '1.0', good);
  registry.put('team/app', evil, '1.0');
  const pulled = await proxy.pull('team/app:1.0');
  assert.deepEqual([pulled.status, pulled.headers['docker-content-digest']], [200, good.digest]);
  assert.deepEqual(pulled.body, good.bytes);
  const refused = await proxy.pull(`team/app@${evil.digest}`);
  assert.deepEqual([refused.status, refused.reason], [403, 'DIGEST_NOT_SIGNED']);
  assert.match(await proxy.metrics(), /^tufgate_pulls_total/m);
});

test('a restart keeps the state', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  registry.put('team/app', good, '1.0');
  notary.sign('team/app', '1.0', good);
  const before = notary.saveTimestamp();
  notary.sign('team/app', '1.0', good);
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
  await proxy.restart();
  notary.restoreTimestamp(before);
  assert.equal((await proxy.pull('team/app:1.0')).reason, 'ROLLBACK');
});

test('the clock runs ahead for signers and proxy alike', async (t) => {
  const { notary, registry, proxy, clock } = await startWorld(t);
  registry.put('team/app', good, '1.0');
  notary.sign('team/app', '1.0', good);
  clock.advance(15 * 24 * 3600_000);
  assert.equal((await proxy.pull('team/app:1.0')).reason, 'EXPIRED');
  notary.repository('team/app').publish();
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
});
