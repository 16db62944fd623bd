import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, Hold } from '../world/fault.ts';
import { target, TrustWorld } from './trust-world.ts';

// What the notary is asked, and when (notary-v1 §5). Requests that are made at once may arrive in any order.

const roots = ['root', 'timestamp'];

test('the first update asks for the roots from the first on, and for each file by its hash', async (t) => {
  const world = await TrustWorld.start(t);
  assert.equal(await world.ask(), 'signed');
  assert.deepEqual(
    world.asked().toSorted(),
    [...roots, '1.root', '2.root', 'snapshot.#', 'targets.#'].toSorted(),
  );
});

test('an update that finds nothing new asks for three small files and downloads nothing twice', async (t) => {
  const world = await TrustWorld.start(t);
  await world.ask();
  world.asked();
  assert.equal(await world.ask(), 'signed');
  assert.deepEqual(world.asked().toSorted(), [...roots, '2.root'].toSorted());
  world.repository.publish();
  assert.equal(await world.ask(), 'signed');
  assert.deepEqual(world.asked().toSorted(), [...roots, '2.root'].toSorted(), 'only the timestamp is new');
});

test('after a restart too, only what changed is downloaded', async (t) => {
  const world = await TrustWorld.start(t);
  world.repository.addSigner('alice');
  world.repository.sign('1.0', target('2'), 'targets/releases');
  world.repository.publish();
  await world.ask();
  world.asked();
  await world.restart();
  assert.equal(await world.ask(), 'signed');
  assert.deepEqual(world.asked().toSorted(), [...roots, '2.root'].toSorted());
  world.repository.sign('1.1', target('3'), 'targets/releases');
  world.repository.publish();
  assert.equal(await world.ask({}, '1.1'), 'signed');
  assert.deepEqual(
    world.asked().toSorted(),
    [...roots, '2.root', 'snapshot.#', 'targets/releases.#'].toSorted(),
  );
});

test('only the roles that the question needs are downloaded', async (t) => {
  const world = await TrustWorld.start(t);
  world.repository.addSigner('alice');
  world.repository.addSigner('bob');
  for (const role of ['targets/releases', 'targets/alice', 'targets/bob'])
    world.repository.sign('1.0', target('1'), role);
  world.repository.publish();
  assert.equal(await world.ask({ signers: ['targets/alice'] }), 'signed');
  const files = world.asked().filter((name) => name.includes('#'));
  assert.deepEqual(files.toSorted(), ['snapshot.#', 'targets.#', 'targets/alice.#', 'targets/releases.#']);
});

for (const [held, others] of [
  ['root', ['1.root', 'timestamp']],
  ['timestamp', ['1.root', 'root']],
] as const) {
  test(`the others of root and timestamp are asked for before ${held}.json is answered`, async (t) => {
    const world = await TrustWorld.start(t);
    const hold = new Hold();
    world.notary.fault('app', held, hold.after, ({ version }) => version === undefined);
    const asked = new Set<string>();
    const all = Promise.withResolvers<void>();
    world.notary.intercept(({ path }) => {
      const name = others.find((other) => path.endsWith(`/${other}.json`));
      if (name !== undefined) asked.add(name);
      if (asked.size === others.length) all.resolve();
      return undefined;
    });
    const answered = world.ask();
    await Promise.all([hold.arrived, all.promise]);
    hold.release();
    assert.equal(await answered, 'signed');
  });
}

test('targets and targets/releases are asked for at once', async (t) => {
  const world = await TrustWorld.start(t);
  world.repository.addSigner('alice');
  world.repository.sign('1.0', target('2'), 'targets/releases');
  world.repository.publish();
  const holds = [new Hold(), new Hold()];
  ['targets', 'targets/releases'].forEach((role, index) => {
    const hold = holds[index];
    if (hold !== undefined) world.notary.fault('app', role, hold.after);
  });
  const answered = world.ask();
  await Promise.all(holds.map(({ arrived }) => arrived));
  for (const hold of holds) hold.release();
  assert.equal(await answered, 'signed');
});

test('a listed role that targets.json does not delegate is downloaded for nothing and counts for nothing', async (t) => {
  const world = await TrustWorld.start(t);
  world.repository.addSigner('alice');
  world.repository.sign('1.0', target('2'), 'targets/releases');
  world.repository.publish();
  // The server goes on listing it (notary-v1 §6); that its file is gone by now hurts nobody.
  world.repository.removeDelegation('targets/releases');
  world.repository.publish();
  world.notary.fault('app', 'targets/releases', answer(404));
  const found = await world.answer();
  assert.ok(found.kind === 'signed');
  assert.deepEqual([found.role, found.digest], ['targets', target('1').digest]);
});

test('a delegation that was declared and never signed is waited for', async (t) => {
  const world = await TrustWorld.start(t);
  world.repository.addSigner('alice');
  world.repository.publish();
  assert.equal(await world.ask(), 'signed');
  assert.equal(await world.ask({ signers: ['targets/alice'] }), 'SIGNER_MISSING');
});

test('a file that signed metadata names and the notary does not have cannot be had: nothing is said of the tag', async (t) => {
  for (const role of ['snapshot', 'targets', 'targets/releases']) {
    const world = await TrustWorld.start(t);
    world.repository.addSigner('alice');
    world.repository.sign('1.0', target('2'), 'targets/releases');
    world.repository.publish();
    world.notary.fault('app', role, answer(404));
    assert.equal(await world.ask({ outageGrace: 3600_000 }), 'missing', role);
  }
});

test('the time of an update is the one at which it began', async (t) => {
  const world = await TrustWorld.start(t);
  world.repository.setExpires('timestamp', new Date(world.now() + 60_000));
  world.repository.publish();
  const hold = new Hold();
  world.notary.fault('app', 'snapshot', hold.after);
  const answered = world.ask();
  await hold.arrived;
  world.advance(120_000);
  hold.release();
  assert.equal(await answered, 'signed');
  assert.equal(await world.ask(), 'EXPIRED');
});
