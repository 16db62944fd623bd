import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { reasons } from '../../src/policy/reason.ts';
import { answer } from '../world/fault.ts';
import { startWorld } from '../world/world.ts';
import { decisionTable } from './decision-table.ts';
import { withRegistry } from './evidence.ts';

// The rows without a reason; those with one are in reasons.test.ts.

const child = buildImage('below');
const index = buildIndex([child]);
const allowed = decisionTable.filter(({ reason }) => reason === '').map(({ found }) => found);
const [signedTag = '', signedDigest = '', refusedByRegistry = '', ...others] = allowed;

test('the decision table has a row for every reason, each once, and three rows without one', () => {
  const named = decisionTable.map(({ reason }) => reason).filter((reason) => reason !== '');
  assert.deepEqual(named.toSorted(), [...reasons].toSorted());
  assert.deepEqual([allowed.length, others], [3, []]);
});

test(signedTag, async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  registry.put('team/app', index, '1.0');
  notary.sign('team/app', '1.0', index);
  const pulled = await proxy.pull('team/app:1.0');
  assert.deepEqual([pulled.status, pulled.headers['docker-content-digest']], [200, index.digest]);
});

test(signedDigest, async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  registry.put('team/app', index, '1.0');
  notary.sign('team/app', '1.0', index);
  for (const { digest } of [index, child]) {
    const pulled = await proxy.pull(`team/app@${digest}`);
    assert.deepEqual([pulled.status, pulled.headers['docker-content-digest']], [200, digest]);
  }
});

test(refusedByRegistry, async (t) => {
  const world = await startWorld(t, { config: (tree) => withRegistry(tree, { auth: 'forward' }) });
  world.registry.put('team/app', index, '1.0');
  world.notary.sign('team/app', '1.0', index);
  for (const status of [401, 403, 429]) {
    const body = JSON.stringify({ errors: [{ code: 'NO', message: `no: ${status}` }] });
    world.registry.intercept(() => answer(status, { body }));
    const pulled = await world.proxy.pull('team/app:1.0');
    assert.deepEqual([pulled.status, pulled.body.toString()], [status, body]);
  }
});
