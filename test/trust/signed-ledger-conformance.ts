import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { Digest } from '../../src/oci/reference.ts';
import type { SignedLedger } from '../../src/trust/state/signed-ledger.ts';
import { mostEnded } from '../../src/trust/state/signed-ledger.ts';
import { StateError } from '../../src/trust/trust-store.ts';
import { digestOf, digestsOf } from './state-facts.ts';

/** Opens the same ledger each time: a second one of one place, or the first one again after it was closed. */
export type OpenLedger = () => SignedLedger;

const scope = 'main reg.test/app';
const [a, b, c] = [digestOf('a'), digestOf('b'), digestOf('c')];

function set(...digests: Digest[]): ReadonlySet<Digest> {
  return new Set(digests);
}

/** What every SignedLedger has to keep. `place` makes an empty one for a test. */
export function describeSignedLedger(name: string, place: (t: TestContext) => OpenLedger): void {
  const opened = (t: TestContext): SignedLedger => {
    const ledger = place(t)();
    t.after(() => ledger.close());
    return ledger;
  };
  const signed = (from: number) => ({ from, until: undefined, revoked: false });
  const ended = (from: number, until: number) => ({ from, until, revoked: false });

  test(`${name}: what was never observed is undefined, and cannot be revoked`, async (t) => {
    const ledger = opened(t);
    assert.equal(await ledger.until(scope, a), undefined);
    assert.equal(await ledger.revoke(scope, a), 'unknown');
    assert.equal(await ledger.until(scope, a), undefined);
    await ledger.observe(scope, set(), 10);
    await ledger.prune(100);
    assert.equal(await ledger.until(scope, a), undefined);
  });

  test(`${name}: a span begins with the first observation, goes on, and ends where it is missed`, async (t) => {
    const ledger = opened(t);
    await ledger.observe(scope, set(a, b), 10);
    await ledger.observe(scope, set(b, a), 20);
    assert.deepEqual(await ledger.until(scope, a), signed(10));
    await ledger.observe(scope, set(b, c), 30);
    assert.deepEqual(await ledger.until(scope, a), ended(10, 30));
    assert.deepEqual(await ledger.until(scope, b), signed(10));
    assert.deepEqual(await ledger.until(scope, c), signed(30));
    await ledger.observe(scope, set(c), 40);
    assert.deepEqual(await ledger.until(scope, a), ended(10, 30), 'it does not end again');
    assert.deepEqual(await ledger.until(scope, b), ended(10, 40));
    await ledger.observe(scope, set(), 50);
    assert.deepEqual(await ledger.until(scope, c), ended(30, 50));
  });

  test(`${name}: what is signed again begins anew`, async (t) => {
    const ledger = opened(t);
    await ledger.observe(scope, set(a), 10);
    await ledger.observe(scope, set(b), 20);
    await ledger.observe(scope, set(a), 30);
    assert.deepEqual(await ledger.until(scope, a), signed(30));
    await ledger.observe(scope, set(b), 40);
    assert.deepEqual(await ledger.until(scope, a), ended(30, 40));
    assert.deepEqual(await ledger.until(scope, b), signed(40));
  });

  test(`${name}: scopes do not touch each other`, async (t) => {
    const ledger = opened(t);
    await ledger.observe(scope, set(a), 10);
    await ledger.observe(`${scope} targets/alice`, set(a, b), 20);
    await ledger.observe(scope, set(c), 30);
    assert.deepEqual(await ledger.until(scope, a), ended(10, 30));
    assert.equal(await ledger.until(scope, b), undefined);
    assert.deepEqual(await ledger.until(`${scope} targets/alice`, a), signed(20));
    assert.equal(await ledger.revoke(`${scope} targets/alice`, a), 'still-signed');
    assert.equal(await ledger.revoke(scope, a), 'revoked');
    assert.deepEqual(await ledger.until(`${scope} targets/alice`, a), signed(20));
    assert.equal(await ledger.revoke(scope, b), 'unknown');
  });

  test(`${name}: a revocation stays through every observation, until the digest is signed again`, async (t) => {
    const ledger = opened(t);
    await ledger.observe(scope, set(a, b), 10);
    assert.equal(await ledger.revoke(scope, a), 'still-signed');
    assert.deepEqual(await ledger.until(scope, a), signed(10));
    await ledger.observe(scope, set(b), 20);
    for (let time = 30; time < 60; time += 10) {
      assert.equal(await ledger.revoke(scope, a), 'revoked');
      assert.deepEqual(await ledger.until(scope, a), { from: 10, until: 20, revoked: true });
      await ledger.observe(scope, set(b, digestOf(`${time}`)), time);
    }
    assert.deepEqual(await ledger.until(scope, b), signed(10), 'others are not concerned');
    await ledger.observe(scope, set(a, b), 60);
    assert.deepEqual(await ledger.until(scope, a), signed(60));
    await ledger.observe(scope, set(b), 70);
    assert.deepEqual(await ledger.until(scope, a), ended(60, 70));
  });

  test(`${name}: the newest come first, those never observed before all, else as given`, async (t) => {
    const ledger = opened(t);
    const [x, y, z] = [digestOf('x'), digestOf('y'), digestOf('z')];
    await ledger.observe(scope, set(a, x), 10);
    await ledger.observe(scope, set(a, x, b), 20);
    await ledger.observe(scope, set(a, c), 30);
    assert.deepEqual(await ledger.newestFirst(scope, [a, x, b, z, c, y]), [z, y, c, b, a, x]);
    assert.deepEqual(await ledger.newestFirst(scope, [x, y, a, z, b]), [y, z, b, x, a]);
    assert.deepEqual(await ledger.newestFirst('another', [x, y, a]), [x, y, a]);
    const many = digestsOf('many', 6000);
    assert.deepEqual(await ledger.newestFirst(scope, [a, ...many, c]), [...many, c, a]);
  });

  test(`${name}: kept is what ended at a time or later and is not revoked, newest first`, async (t) => {
    const ledger = opened(t);
    const d = digestOf('d');
    await ledger.observe(scope, set(a, b, c, d), 10);
    await ledger.observe(scope, set(b, c, d), 20);
    await ledger.observe(scope, set(c, d), 30);
    await ledger.observe(scope, set(d), 40);
    assert.deepEqual(await ledger.kept(scope, 0), [c, b, a]);
    assert.deepEqual(await ledger.kept(scope, 20), [c, b, a], 'from that very time on');
    assert.deepEqual(await ledger.kept(scope, 21), [c, b]);
    assert.deepEqual(await ledger.kept(scope, 41), []);
    assert.deepEqual(await ledger.kept('another', 0), []);
    await ledger.revoke(scope, b);
    assert.deepEqual(await ledger.kept(scope, 0), [c, a]);
    await ledger.observe(scope, set(a, d), 50);
    assert.deepEqual(await ledger.kept(scope, 0), [c], 'what is signed again is not kept, but signed');
    await ledger.observe(scope, set(d), 60);
    assert.deepEqual(await ledger.kept(scope, 0), [a, c]);
    await ledger.prune(50);
    assert.deepEqual(await ledger.kept(scope, 0), [a]);
  });

  test(`${name}: what ended before a time is forgotten in every scope, and nothing else`, async (t) => {
    const ledger = opened(t);
    for (const each of [scope, 'another']) {
      await ledger.observe(each, set(a, b, c), 10);
      await ledger.observe(each, set(b, c), 20);
      await ledger.observe(each, set(c), 21);
    }
    await ledger.revoke('another', a);
    await ledger.prune(21);
    for (const each of [scope, 'another']) {
      assert.equal(await ledger.until(each, a), undefined);
      assert.deepEqual(await ledger.until(each, b), ended(10, 21));
      assert.deepEqual(await ledger.until(each, c), signed(10));
    }
  });

  test(`${name}: of very many that ended, the newest are remembered`, async (t) => {
    const ledger = opened(t);
    await ledger.observe(scope, set(a, b), 1);
    await ledger.observe(scope, set(b, ...digestsOf('many', mostEnded - 1)), 2);
    await ledger.observe(scope, set(b), 3);
    assert.deepEqual(await ledger.until(scope, a), ended(1, 2), 'as many as there may be');
    await ledger.observe(scope, set(), 4);
    assert.equal(await ledger.until(scope, a), undefined);
    assert.deepEqual(await ledger.until(scope, b), ended(1, 4));
    assert.deepEqual(await ledger.until(scope, digestOf('many 0')), ended(2, 3));
  });

  test(`${name}: a time that is no safe integer from 0 on is refused, and nothing is written`, async (t) => {
    const ledger = opened(t);
    for (const time of [-1, 1.5, Number.NaN, Infinity, 2 ** 53]) {
      await assert.rejects(ledger.observe(scope, set(a), time), RangeError);
      await assert.rejects(ledger.kept(scope, time), RangeError);
      await assert.rejects(ledger.prune(time), RangeError);
    }
    assert.equal(await ledger.until(scope, a), undefined);
  });

  test(`${name}: one may revoke while the other observes and reads, and both see the same`, async (t) => {
    const open = place(t);
    const [serve, command] = [open(), open()];
    await serve.observe(scope, set(a, b), 10);
    await Promise.all([serve.observe(scope, set(b), 20), command.observe(scope, set(b), 21)]);
    assert.deepEqual(await command.until(scope, a), ended(10, 20));
    assert.equal(await command.revoke(scope, a), 'revoked');
    assert.deepEqual(await serve.until(scope, a), { from: 10, until: 20, revoked: true });
    await command.observe(scope, set(b, c), 30);
    await serve.observe(scope, set(b), 40);
    assert.deepEqual(await command.until(scope, c), ended(30, 40), 'not what this one observed last counts');
    await Promise.all([serve.close(), command.close()]);
    const again = open();
    t.after(() => again.close());
    assert.deepEqual(await again.until(scope, a), { from: 10, until: 20, revoked: true });
    assert.deepEqual(await again.until(scope, b), signed(10));
  });

  test(`${name}: what is forgotten of one scope is as if it had never been signed, and of another it stays`, async (t) => {
    const ledger = place(t)();
    t.after(() => ledger.close());
    for (const one of [scope, 'another']) {
      await ledger.observe(one, set(a, b), 10);
      await ledger.observe(one, set(b), 20);
    }
    await ledger.forget(scope);
    assert.deepEqual([await ledger.until(scope, a), await ledger.kept(scope, 0)], [undefined, []]);
    assert.deepEqual(await ledger.until('another', a), ended(10, 20));
    await ledger.observe(scope, set(b), 30);
    assert.deepEqual(await ledger.until(scope, b), signed(30));
  });

  test(`${name}: a closed ledger gives a StateError, whatever it is asked`, async (t) => {
    const ledger = place(t)();
    await ledger.close();
    await assert.rejects(ledger.observe(scope, set(a), 1), StateError);
    await assert.rejects(ledger.until(scope, a), StateError);
    await assert.rejects(ledger.newestFirst(scope, [a]), StateError);
    await assert.rejects(ledger.kept(scope, 1), StateError);
    await assert.rejects(ledger.revoke(scope, a), StateError);
    await assert.rejects(ledger.forget(scope), StateError);
    await assert.rejects(ledger.prune(1), StateError);
  });
}
