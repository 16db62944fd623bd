import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { TrustStore } from '../../src/trust/trust-store.ts';
import { StateConflict, StateError } from '../../src/trust/trust-store.ts';
import { recordNumber } from './trust-records.ts';

/** Opens the same state each time: a second store of one place, or the first one again after it was closed. */
export type OpenStore = () => TrustStore;

/** What every TrustStore has to keep. `place` makes an empty one for a test. */
export function describeTrustStore(name: string, place: (t: TestContext) => OpenStore): void {
  const opened = (t: TestContext): TrustStore => {
    const store = place(t)();
    t.after(() => store.close());
    return store;
  };

  test(`${name}: what was never trusted is undefined, and no error`, async (t) => {
    const store = opened(t);
    assert.equal(await store.load('main', 'reg.test/app'), undefined);
    assert.equal(await store.forget('main', 'reg.test/app'), false);
  });

  test(`${name}: what was committed is loaded byte by byte, with a revision`, async (t) => {
    const store = opened(t);
    await store.commit('main', 'reg.test/app', 0, recordNumber(1, 3));
    assert.deepEqual(await store.load('main', 'reg.test/app'), { ...recordNumber(1, 3), revision: 1 });
    await store.commit('main', 'reg.test/app', 1, recordNumber(2, 1));
    assert.deepEqual(await store.load('main', 'reg.test/app'), { ...recordNumber(2, 1), revision: 2 });
  });

  test(`${name}: a root alone is a record, before anything it signs was accepted`, async (t) => {
    const store = opened(t);
    const record = { ...recordNumber(1), files: new Map(), confirmedAt: 0 };
    await store.commit('main', 'reg.test/app', 0, record);
    assert.deepEqual(await store.load('main', 'reg.test/app'), { ...record, revision: 1 });
  });

  test(`${name}: GUNs, and one GUN at two notaries, do not touch each other`, async (t) => {
    const store = opened(t);
    const places = [
      ['main', 'reg.test/app'],
      ['main', 'reg.test/app2'],
      ['main', 'reg.test/ap'],
      ['mai', 'nreg.test/app'],
      ['other', 'reg.test/app'],
    ] as const;
    for (const [index, [notary, gun]] of places.entries())
      await store.commit(notary, gun, 0, recordNumber(index + 1));
    assert.equal(await store.forget('main', 'reg.test/ap'), true);
    for (const [index, [notary, gun]] of places.entries()) {
      const expected = gun === 'reg.test/ap' ? undefined : { ...recordNumber(index + 1), revision: 1 };
      assert.deepEqual(await store.load(notary, gun), expected, `${notary} ${gun}`);
    }
  });

  test(`${name}: a commit on another revision than the stored one is a conflict and changes nothing`, async (t) => {
    const store = opened(t);
    await assert.rejects(store.commit('main', 'reg.test/app', 1, recordNumber(1)), StateConflict);
    assert.equal(await store.load('main', 'reg.test/app'), undefined);
    await store.commit('main', 'reg.test/app', 0, recordNumber(1));
    await store.commit('main', 'reg.test/app', 1, recordNumber(2));
    for (const stale of [0, 1, 3]) {
      await assert.rejects(store.commit('main', 'reg.test/app', stale, recordNumber(9)), StateConflict);
    }
    assert.deepEqual(await store.load('main', 'reg.test/app'), { ...recordNumber(2), revision: 2 });
  });

  test(`${name}: of two stores of one state that commit on the same revision, one wins and one is told`, async (t) => {
    const open = place(t);
    const [one, two] = [open(), open()];
    t.after(() => Promise.all([one.close(), two.close()]));
    for (let revision = 0; revision < 20; revision += 1) {
      const results = await Promise.allSettled([
        one.commit('main', 'reg.test/app', revision, recordNumber(revision * 2 + 1)),
        two.commit('main', 'reg.test/app', revision, recordNumber(revision * 2 + 2)),
      ]);
      const lost = results.filter((result) => result.status === 'rejected');
      assert.deepEqual(
        lost.map(({ reason }) => (reason as Error).name),
        ['StateConflict'],
      );
      const winner = revision * 2 + (results[0].status === 'fulfilled' ? 1 : 2);
      const seen = { ...recordNumber(winner), revision: revision + 1 };
      assert.deepEqual(await one.load('main', 'reg.test/app'), seen);
      assert.deepEqual(await two.load('main', 'reg.test/app'), seen);
    }
  });

  test(`${name}: a commit that fails in the middle leaves the record as it was`, async (t) => {
    const store = opened(t);
    await store.commit('main', 'reg.test/app', 0, recordNumber(1));
    const [role = '', file] = [...recordNumber(2).files][0] ?? [];
    assert.ok(file);
    // No store keeps a version that is no number, and this one is the last row to be written.
    const broken = { ...file, floor: { ...file.floor, version: Number.NaN } };
    const files = new Map([...recordNumber(2).files, [role, broken]]);
    await assert.rejects(store.commit('main', 'reg.test/app', 1, { ...recordNumber(2), files }));
    assert.deepEqual(await store.load('main', 'reg.test/app'), { ...recordNumber(1), revision: 1 });
    await store.commit('main', 'reg.test/app', 1, recordNumber(3));
  });

  test(`${name}: what was forgotten is gone for good, and may be trusted anew`, async (t) => {
    const open = place(t);
    const store = open();
    await store.commit('main', 'reg.test/app', 0, recordNumber(1));
    assert.equal(await store.forget('main', 'reg.test/app'), true);
    assert.equal(await store.load('main', 'reg.test/app'), undefined);
    assert.equal(await store.forget('main', 'reg.test/app'), false);
    await store.commit('main', 'reg.test/app', 0, recordNumber(2));
    const late = store.commit('main', 'reg.test/app', 1, recordNumber(3));
    await assert.rejects(late, StateConflict, 'what was decided on the forgotten record comes too late');
    await store.close();
    const again = open();
    t.after(() => again.close());
    const loaded = await again.load('main', 'reg.test/app');
    assert.deepEqual({ ...loaded, revision: undefined }, { ...recordNumber(2), revision: undefined });
  });

  test(`${name}: a state that is opened again holds what was committed, and its revisions go on`, async (t) => {
    const open = place(t);
    const first = open();
    await first.commit('main', 'reg.test/app', 0, recordNumber(1));
    await first.commit('main', 'reg.test/app', 1, recordNumber(2));
    await first.close();
    const second = open();
    t.after(() => second.close());
    assert.deepEqual(await second.load('main', 'reg.test/app'), { ...recordNumber(2), revision: 2 });
    await assert.rejects(second.commit('main', 'reg.test/app', 1, recordNumber(3)), StateConflict);
    await second.commit('main', 'reg.test/app', 2, recordNumber(3));
  });

  test(`${name}: a probe succeeds on a sound state and changes nothing`, async (t) => {
    const store = opened(t);
    await store.commit('main', 'reg.test/app', 0, recordNumber(1));
    await store.probe();
    assert.deepEqual(await store.load('main', 'reg.test/app'), { ...recordNumber(1), revision: 1 });
  });

  test(`${name}: a closed store gives a StateError, whatever it is asked`, async (t) => {
    const store = place(t)();
    await store.close();
    await assert.rejects(store.load('main', 'reg.test/app'), StateError);
    await assert.rejects(store.commit('main', 'reg.test/app', 0, recordNumber(1)), StateError);
    await assert.rejects(store.forget('main', 'reg.test/app'), StateError);
    await assert.rejects(store.probe(), StateError);
  });
}
