import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import { StateError } from '../../src/trust/trust-store.ts';
import { Hold } from '../world/fault.ts';
import { gun, tagOf, target, TrustWorld, wordFor } from './trust-world.ts';

// Trust and its state: what cannot be remembered is not served, and what was remembered is not forgotten.

function alter({ statePath }: TrustWorld, sql: string): void {
  const database = new DatabaseSync(statePath);
  database.exec(sql);
  database.close();
}

test('an answer is on the disk before it is given', async (t) => {
  const world = await TrustWorld.start(t);
  const answered = await world.answer();
  assert.ok(answered.kind === 'signed');
  const beside = world.beside(t);
  world.notary.server.remove(gun);
  assert.equal(wordFor(await beside.resolveTag(world.anchor(), answered.tag)), 'ROLLBACK');
});

const refusals: Readonly<Record<string, string>> = {
  'no record': 'CREATE TRIGGER full BEFORE INSERT ON repository',
  'no root': 'CREATE TRIGGER full BEFORE INSERT ON root',
  'no file': 'CREATE TRIGGER full BEFORE INSERT ON file',
  'no deletion': 'CREATE TRIGGER full BEFORE DELETE ON file',
};

for (const [what, trigger] of Object.entries(refusals)) {
  test(`a state that takes ${what} is unavailable: nothing new is served, and nothing is lost`, async (t) => {
    const world = await TrustWorld.start(t);
    assert.equal(await world.ask(), 'signed');
    const before = await world.stored();
    alter(world, `${trigger} BEGIN SELECT RAISE(ABORT, 'no space'); END`);
    world.repository.sign('1.0', target('2'));
    world.repository.publish();
    for (const outageGrace of [0, 3600_000]) {
      const answered = await world.answer({ outageGrace });
      assert.ok(answered.kind === 'unavailable', answered.kind);
      assert.ok(answered.cause instanceof StateError);
      assert.match(answered.cause.message, /cannot write the state of reg\.test\/app: no space/);
    }
    assert.deepEqual(await world.stored(), before);
    alter(world, 'DROP TRIGGER full');
    assert.equal(await world.ask(), 'signed');
  });
}

test('a first answer that cannot be remembered is none', async (t) => {
  const world = await TrustWorld.start(t);
  alter(world, `CREATE TRIGGER full BEFORE INSERT ON file BEGIN SELECT RAISE(ABORT, 'no space'); END`);
  assert.equal(await world.ask({ pin: { kind: 'first-use' } }), 'StateError');
});

const damages: Readonly<Record<string, string>> = {
  'a floor lowered': `UPDATE file SET version = version - 1 WHERE role = 'timestamp'`,
  'a root lost': 'DELETE FROM root',
  'the record lost': 'DELETE FROM repository',
  'the files lost': 'DELETE FROM file',
  'a root altered': `UPDATE root SET bytes = x'7b7d'`,
};

for (const [damage, sql] of Object.entries(damages)) {
  test(`${damage}: unavailable and no fresh start, whatever the pin, and the notary is not even asked`, async (t) => {
    const world = await TrustWorld.start(t);
    assert.equal(await world.ask(), 'signed');
    alter(world, sql);
    world.asked();
    for (const outageGrace of [0, 3600_000]) {
      assert.equal(await world.ask({ outageGrace }), 'StateError');
      assert.equal(await world.ask({ outageGrace, pin: { kind: 'first-use' } }), 'StateError');
    }
    await world.restart();
    assert.equal(await world.ask(), 'StateError');
    assert.deepEqual(world.asked(), []);
    assert.equal(await world.store.forget('main', gun), true);
    assert.equal(await world.ask(), 'signed', 'after an operator wanted it so');
  });
}

test('a closed state is unavailable', async (t) => {
  const world = await TrustWorld.start(t);
  await world.store.close();
  assert.equal(await world.ask(), 'StateError');
  assert.deepEqual(world.asked(), []);
  world.store = new SqliteTrustStore(world.statePath);
});

async function startSigners(t: TestContext): Promise<TrustWorld> {
  const world = await TrustWorld.start(t);
  for (const signer of ['alice', 'bob', 'carol']) {
    world.repository.addSigner(signer);
    world.repository.sign('1.0', target('1'), `targets/${signer}`);
  }
  world.repository.sign('1.0', target('1'), 'targets/releases');
  world.repository.publish();
  return world;
}

test('rules with other signers for one GUN at the same time all get their answer, and no floor is lost', async (t) => {
  const world = await startSigners(t);
  const all = [[], ['targets/alice'], ['targets/bob'], ['targets/alice', 'targets/bob']];
  for (let round = 0; round < 5; round += 1) {
    const words = await Promise.all(all.map((signers) => world.ask({ signers })));
    assert.deepEqual(new Set(words), new Set(['signed']), words.join());
    const versions = new Map(
      [...((await world.stored())?.files ?? [])].map(([role, { floor }]) => [role, floor.version]),
    );
    for (const role of [
      'timestamp',
      'snapshot',
      'targets',
      'targets/releases',
      'targets/alice',
      'targets/bob',
    ])
      assert.equal(versions.get(role), world.repository.version(role), role);
    world.repository.touch();
    world.repository.publish();
  }
});

test('an update that was overtaken by another process decides again on what that one stored', async (t) => {
  const world = await TrustWorld.start(t);
  assert.equal(await world.ask(), 'signed');
  world.repository.sign('1.0', target('2'));
  world.repository.publish();
  const hold = new Hold();
  const takeOff = world.notary.fault('app', 'targets', hold.before);
  const overtaken = world.answer();
  await hold.arrived;
  takeOff();
  const old = world.notary.saveTimestamp();
  world.repository.sign('1.0', target('3'));
  world.repository.publish();
  const beside = world.beside(t);
  const faster = await beside.resolveTag(world.anchor(), tagOf('1.0'));
  assert.ok(faster.kind === 'signed');
  assert.equal(faster.digest, target('3').digest);
  const stored = await world.stored();
  // From now on the notary shows what the overtaken update saw: older than what is stored.
  world.notary.restoreTimestamp(old);
  hold.release();
  assert.equal(wordFor(await overtaken), 'ROLLBACK');
  assert.deepEqual(await world.stored(), stored);
});
