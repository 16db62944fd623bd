import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import type { Event } from './history.ts';
import { History, roles } from './history.ts';
import { temporaryDirectory } from './trust-records.ts';

const role = fc.constantFrom(...roles);
const tag = fc.constantFrom('v1', 'v2');
const signing = fc.constantFrom('targets' as const, 'targets/releases' as const);
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      tag,
      digit: fc.integer({ min: 1, max: 9 }),
      role: signing,
    }),
  },
  fc.record({ kind: fc.constant('remove' as const), tag }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rotate' as const), role }) },
  fc.record({ kind: fc.constant('wait' as const), days: fc.constantFrom(1, 13, 15, 30) }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('rollback' as const),
      age: fc.nat({ max: 6 }),
      role: fc.oneof(role, fc.constant('all' as const)),
    }),
  },
  fc.record({ kind: fc.constant('omit' as const), role }),
  fc.record({ kind: fc.constant('flip' as const), role, at: fc.nat() }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('forge' as const), role, lost: fc.boolean() }) },
);

test('whatever is published and whatever is attacked, no floor falls, nothing unsigned is resolved, and it recovers', async (t) => {
  const store = new SqliteTrustStore(join(temporaryDirectory(t), 'state.db'));
  t.after(() => store.close());
  const ends = new Set<string>();
  let number = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 14, size: 'max' }), async (events) => {
      number += 1;
      const history = new History(store, `notary ${number}`);
      for (const one of events) await history.live(one);
      await history.heal();
      for (const end of history.ends) ends.add(end);
    }),
    { numRuns: 25, seed: 20261120 },
  );
  // A client that refuses all, or nothing, would not show all of these.
  for (const end of ['verified', 'EXPIRED', 'ROLLBACK', 'BAD_SIGNATURE', 'BAD_HASH']) {
    assert.ok(ends.has(end), `no refresh ended with ${end}: ${[...ends].join(', ')}`);
  }
});
