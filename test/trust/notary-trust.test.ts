import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../../src/oci/reference.ts';
import { sha256Digest } from '../../src/oci/reference.ts';
import type { TrustAnchor } from '../../src/trust/trust.ts';
import type { Fault } from '../world/fault.ts';
import { answer, Hold, loginPage } from '../world/fault.ts';
import { day, minute, tagOf, target, TrustWorld, wordFor } from './trust-world.ts';

// How often the notary is asked (decision 5), and what is said of tags and digests.

/** What a digest comes to, in the words of `wordFor`. */
async function askDigest(world: TrustWorld, anchor: TrustAnchor, digest: Digest): Promise<string> {
  const listed = await world.trust.signedTargets(anchor);
  if (listed.kind !== 'listed') return wordFor(listed);
  return listed.targets.some((signed) => signed.digest === digest) ? 'signed' : 'DIGEST_NOT_SIGNED';
}

test('a verified answer serves for check_every, and not a millisecond longer', async (t) => {
  const world = await TrustWorld.start(t);
  const checkEvery = minute;
  await world.ask({ checkEvery });
  world.asked();
  world.repository.sign('1.0', target('2'));
  world.repository.publish();
  world.advance(checkEvery - 1);
  const before = await world.answer({ checkEvery });
  assert.ok(before.kind === 'signed');
  assert.equal(before.digest, target('1').digest);
  assert.deepEqual(world.asked(), []);
  world.advance(1);
  const after = await world.answer({ checkEvery });
  assert.ok(after.kind === 'signed');
  assert.equal(after.digest, target('2').digest);
});

test('an answer does not serve beyond its expiry, however long check_every is', async (t) => {
  const world = await TrustWorld.start(t);
  const changes = { checkEvery: 60 * day };
  assert.equal(await world.ask(changes), 'signed');
  world.advance(14 * day - 1);
  assert.equal(await world.ask(changes), 'signed');
  assert.deepEqual(world.refreshes, ['ok']);
  world.advance(1);
  assert.equal(await world.ask(changes), 'EXPIRED');
  world.repository.publish();
  world.advance(6000);
  assert.equal(await world.ask(changes), 'signed');
});

test('a clock that went back makes nothing fresh', async (t) => {
  const world = await TrustWorld.start(t);
  await world.ask({ checkEvery: minute });
  world.asked();
  world.advance(-1);
  assert.equal(await world.ask({ checkEvery: minute }), 'signed');
  assert.ok(world.asked().includes('timestamp'));
});

test('a hundred questions at once are one refresh', async (t) => {
  const world = await TrustWorld.start(t);
  const anchor = world.anchor();
  const digest = sha256Digest(Buffer.from('1'.repeat(64), 'hex'));
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) => {
      if (index % 3 === 0) return askDigest(world, anchor, digest);
      return world.trust.resolveTag(anchor, tagOf(index % 3 === 1 ? '1.0' : `absent-${index}`));
    }),
  );
  assert.deepEqual(
    world.asked().toSorted(),
    ['root', 'timestamp', '1.root', '2.root', 'snapshot.#', 'targets.#'].toSorted(),
  );
  assert.deepEqual(world.refreshes, ['ok']);
  const words = answers.map((answered) => (typeof answered === 'string' ? answered : wordFor(answered)));
  assert.deepEqual([words.filter((word) => word === 'signed').length, new Set(words).size], [67, 2]);
});

test('a hundred questions at once are one failure too', async (t) => {
  const world = await TrustWorld.start(t);
  world.notary.fault('app', 'timestamp', answer(503));
  const words = await Promise.all(Array.from({ length: 100 }, () => world.ask()));
  assert.deepEqual(new Set(words), new Set(['outage']));
  assert.deepEqual(world.refreshes, ['unavailable']);
});

const failures: readonly (readonly [string, string, Fault])[] = [
  ['an outage', 'outage', answer(503)],
  ['a refusal', 'unauthorized', answer(403)],
  ['a login page', 'MALFORMED', loginPage],
];

for (const [what, word, fault] of failures) {
  test(`${what} is remembered for retry_after, or for check_every where that is less`, async (t) => {
    const world = await TrustWorld.start(t, { limits: { retryAfter: 5000 } });
    world.notary.fault('app', 'timestamp', fault);
    for (const [checkEvery, remembered] of [
      [minute, 5000],
      [2000, 2000],
    ] as const) {
      assert.equal(await world.ask({ checkEvery }), word);
      world.asked();
      world.advance(remembered - 1);
      assert.equal(await world.ask({ checkEvery }), word);
      assert.deepEqual(world.asked(), [], `${what}, check_every ${checkEvery}`);
      world.advance(1);
      assert.equal(await world.ask({ checkEvery }), word);
      assert.ok(world.asked().length > 0);
      world.advance(minute);
    }
    assert.equal(await world.ask(), word);
    world.asked();
    assert.equal(await world.ask(), word);
    assert.ok(world.asked().length > 0, 'with check_every 0 nothing is remembered');
  });
}

test('a GUN without trust data is not signed, and leaves nothing behind', async (t) => {
  const world = await TrustWorld.start(t);
  const gun = 'reg.test/never';
  assert.equal(await world.ask({ gun, checkEvery: minute }), 'REPOSITORY_NOT_SIGNED');
  const asked = world.asked().filter((name) => name !== 'timestamp'); // It may still be on its way.
  assert.deepEqual(asked.toSorted(), ['1.root', 'root']);
  assert.equal(await world.store.load('main', gun), undefined);
  assert.equal(await world.ask({ gun, checkEvery: minute }), 'REPOSITORY_NOT_SIGNED');
  assert.ok(!world.asked().includes('root'));
});

test('a GUN that has timestamp or later roots but no root.json is no unsigned one', async (t) => {
  const world = await TrustWorld.start(t);
  world.repository.files.setCurrent('root', undefined);
  assert.equal(await world.ask(), 'missing');
});

test('a digest is signed if a tag means it today, and no longer when none does', async (t) => {
  const world = await TrustWorld.start(t);
  const digest = sha256Digest(Buffer.from('1'.repeat(64), 'hex'));
  const ask = async (): Promise<string> => askDigest(world, world.anchor(), digest);
  assert.equal(await ask(), 'signed');
  world.repository.sign('1.0', target('2'));
  world.repository.publish();
  assert.equal(await ask(), 'DIGEST_NOT_SIGNED');
});

test('a signer who signed another digest, or nothing, is missing; all of them together are not', async (t) => {
  const world = await TrustWorld.start(t);
  const signers = ['targets/alice', 'targets/bob'];
  world.repository.addSigner('alice');
  world.repository.addSigner('bob');
  world.repository.sign('1.0', target('1'), 'targets/releases');
  world.repository.sign('1.0', target('1'), 'targets/alice');
  world.repository.sign('1.0', target('2'), 'targets/bob');
  world.repository.publish();
  const answered = await world.answer({ signers });
  assert.ok(answered.kind === 'unsigned' && answered.reason === 'SIGNER_MISSING');
  assert.deepEqual([answered.missing, answered.digest], [['targets/bob'], target('1').digest]);
  const digest = sha256Digest(Buffer.from('1'.repeat(64), 'hex'));
  assert.equal(await askDigest(world, world.anchor({ signers }), digest), 'DIGEST_NOT_SIGNED');
  world.repository.sign('1.0', target('1'), 'targets/bob');
  world.repository.publish();
  assert.equal(await world.ask({ signers }), 'signed');
  assert.equal(await world.ask({ signers: [...signers, 'targets/carol'] }), 'SIGNER_MISSING');
});

test('targets/releases wins over targets, where it may sign the tag', async (t) => {
  const world = await TrustWorld.start(t);
  world.repository.addDelegation('targets/releases', { paths: ['1.'] });
  world.repository.sign('1.0', target('2'), 'targets/releases');
  world.repository.sign('2.0', target('3'), 'targets/releases');
  world.repository.publish();
  const found = await world.answer();
  assert.ok(found.kind === 'signed');
  assert.deepEqual([found.digest, found.role], [target('2').digest, 'targets/releases']);
  assert.equal(await world.ask({}, '2.0'), 'TAG_NOT_SIGNED');
});

test('rules that ask for one GUN under other terms do not share an answer', async (t) => {
  const world = await TrustWorld.start(t);
  const checkEvery = minute;
  world.repository.addSigner('alice');
  world.repository.sign('1.0', target('1'), 'targets/alice');
  world.repository.publish();
  assert.equal(await world.ask({ checkEvery }), 'signed');
  assert.equal(await world.ask({ checkEvery, signers: ['targets/alice'] }), 'signed');
  assert.equal(await world.ask({ checkEvery, signers: ['targets/bob'] }), 'SIGNER_MISSING');
  const pin = { kind: 'keys', ids: ['0'.repeat(64)] } as const;
  assert.equal(await world.ask({ checkEvery, pin }), 'ROOT_NOT_PINNED');
  assert.equal(await world.ask({ checkEvery }), 'signed');
});

test('questions that come while a refresh is under way wait for it', async (t) => {
  const world = await TrustWorld.start(t);
  const hold = new Hold();
  world.notary.fault('app', 'snapshot', hold.after);
  const first = world.ask();
  await hold.arrived;
  const second = world.ask();
  hold.release();
  assert.deepEqual(await Promise.all([first, second]), ['signed', 'signed']);
  assert.deepEqual(world.refreshes, ['ok']);
});
