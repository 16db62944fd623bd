import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import { answer } from '../world/fault.ts';
import { target, TrustWorld } from './trust-world.ts';

// What was once seen binds what comes after it (decision 4), and what is refused leaves no trace.

const roles = ['timestamp', 'snapshot', 'targets', 'targets/releases'] as const;
type Role = (typeof roles)[number];

/** A world whose GUN has a delegation. */
async function startDelegated(t: TestContext): Promise<TrustWorld> {
  const world = await TrustWorld.start(t);
  world.repository.addSigner('alice');
  world.repository.sign('1.0', target('1'), 'targets/releases');
  world.repository.publish();
  return world;
}

/** Publishes something new in every role. */
function goOn({ repository }: TrustWorld): void {
  repository.sign('1.0', target('2'));
  repository.sign('1.0', target('2'), 'targets/releases');
  repository.sign('more', target('3'), 'targets/releases');
  repository.publish();
}

/** Serves the bytes that a role's file had, under parents signed anew. */
function serveAgain({ repository }: TrustWorld, role: Role, bytes: Buffer): void {
  if (role === 'timestamp') repository.files.setCurrent('timestamp', { bytes, written: 0 });
  else {
    repository.forge(role, { bytes: () => bytes });
    repository.publish();
  }
}

function currentBytes({ repository }: TrustWorld, role: string): Buffer {
  const file = repository.files.current(role);
  assert.ok(file);
  return file.bytes;
}

/** Asks; gives the word, and insists that the state is byte for byte what it was. */
async function askUnchanged(world: TrustWorld): Promise<string> {
  const before = await world.stored();
  const word = await world.ask();
  assert.deepEqual(await world.stored(), before);
  return word;
}

for (const role of roles) {
  test(`an older ${role} under new parents is a rollback, also after a restart, and stores nothing`, async (t) => {
    const world = await startDelegated(t);
    assert.equal(await world.ask(), 'signed');
    const old = currentBytes(world, role);
    goOn(world);
    assert.equal(await world.ask(), 'signed');
    serveAgain(world, role, old);
    assert.equal(await askUnchanged(world), 'ROLLBACK');
    await world.restart();
    assert.equal(await askUnchanged(world), 'ROLLBACK');
    const refused = await world.answer();
    assert.ok(refused.kind === 'invalid');
    assert.match(
      refused.error.message,
      new RegExp(`^${role} is version \\d+, but version \\d+ was already trusted$`),
    );
    world.repository.publish();
    assert.equal(await world.ask(), 'signed', 'the next honest publish is good');
  });

  test(`a second ${role} of a version that was seen is equivocation, and stores nothing`, async (t) => {
    const world = await startDelegated(t);
    assert.equal(await world.ask(), 'signed');
    const { repository } = world;
    repository.setVersion(role, repository.version(role));
    repository.setExpires(role, new Date(world.now() + 3600_000));
    repository.publish();
    assert.equal(await askUnchanged(world), 'EQUIVOCATION');
    await world.restart();
    assert.equal(await askUnchanged(world), 'EQUIVOCATION');
    repository.touch(role);
    repository.publish();
    assert.equal(await world.ask(), 'signed');
  });

  test(`out of a fast-forward of ${role} leads a rotation of its key, and nothing else`, async (t) => {
    const world = await startDelegated(t);
    const { repository } = world;
    repository.setVersion(role, 2 ** 31);
    repository.publish();
    assert.equal(await world.ask(), 'signed');
    repository.setVersion(role, 5);
    repository.publish();
    assert.equal(await askUnchanged(world), 'ROLLBACK');
    repository.rotate(role, { keys: [SigningKey.plain(generatePrivateKey('p256'))] });
    repository.setVersion(role, 5);
    repository.publish();
    await world.restart();
    assert.equal(await world.ask(), 'signed');
    assert.equal((await world.stored())?.files.get(role)?.floor.version, 5);
    repository.setVersion(role, 4);
    repository.publish();
    assert.equal(await askUnchanged(world), 'ROLLBACK', 'the new floor holds');
  });
}

test('a key that joins a role frees targets and delegations from no floor', async (t) => {
  for (const role of ['targets', 'targets/releases'] as const) {
    const world = await startDelegated(t);
    const { repository } = world;
    const keys = repository.keys(role);
    const old = currentBytes(world, role);
    goOn(world);
    assert.equal(await world.ask(), 'signed');
    repository.rotate(role, { keys: [...keys, SigningKey.plain(generatePrivateKey('p256'))] });
    repository.publish();
    if (role === 'targets/releases') serveAgain(world, role, old);
    else {
      repository.setVersion(role, 2);
      repository.publish();
    }
    const refused = await world.answer();
    assert.ok(refused.kind === 'invalid', refused.kind);
    assert.equal(refused.error.code, 'ROLLBACK', role);
  }
});

test('mixing an old timestamp with new files, or an old snapshot under the new name, is refused', async (t) => {
  const world = await startDelegated(t);
  await world.ask();
  for (const role of ['snapshot', 'targets', 'targets/releases']) {
    const old = currentBytes(world, role);
    goOn(world);
    world.repository.touch(role);
    world.repository.publish();
    const takeOff = world.notary.fault('app', role, answer(200, { body: old }));
    assert.equal(await askUnchanged(world), 'BAD_HASH', role);
    takeOff();
    assert.equal(await world.ask(), 'signed', role);
  }
});

test('a delegation that the snapshot hides is a rollback while targets.json delegates it', async (t) => {
  const world = await startDelegated(t);
  assert.equal(await world.ask(), 'signed');
  world.repository.forge('snapshot', {
    signed: (signed) => {
      delete objectAt(signed, 'meta')['targets/releases'];
    },
  });
  world.repository.publish();
  assert.equal(await askUnchanged(world), 'ROLLBACK');
  await world.restart();
  assert.equal(await askUnchanged(world), 'ROLLBACK');
  world.repository.removeDelegation('targets/releases');
  world.repository.publish();
  assert.equal(await world.ask(), 'signed', 'once its publisher removed it, it may go');
});

test('a GUN that was trusted and has no trust data any more is a rollback, and not unsigned', async (t) => {
  const world = await startDelegated(t);
  assert.equal(await world.ask(), 'signed');
  world.notary.server.remove('reg.test/app');
  for (const outageGrace of [0, 3600_000]) assert.equal(await world.ask({ outageGrace }), 'ROLLBACK');
  await world.restart();
  assert.equal(await askUnchanged(world), 'ROLLBACK');
});

test('root.json or timestamp.json alone that vanishes is a rollback too', async (t) => {
  for (const role of ['root', 'timestamp']) {
    const world = await startDelegated(t);
    assert.equal(await world.ask(), 'signed');
    world.repository.files.setCurrent(role, undefined);
    assert.equal(await askUnchanged(world), 'ROLLBACK', role);
  }
});

test('a refresh that is refused raises no floor, whatever came before the fault', async (t) => {
  for (const role of roles) {
    for (const forgery of [
      { keys: [SigningKey.plain(generatePrivateKey('p256'))] },
      { text: (text: string) => text.replace(/"expires":"\d{4}/, '"expires":"2001') },
      { text: (text: string) => text.replace(/"version":\d+/, '"version":"x"') },
    ]) {
      const world = await startDelegated(t);
      assert.equal(await world.ask(), 'signed');
      goOn(world);
      world.repository.forge(role, forgery);
      world.repository.publish();
      const word = await askUnchanged(world);
      assert.ok(['BAD_SIGNATURE', 'EXPIRED', 'MALFORMED'].includes(word), `${role}: ${word}`);
      world.repository.publish();
      assert.equal(await world.ask(), 'signed', role);
    }
  }
});

test('a removed delegation keeps its floor for when it comes back', async (t) => {
  const world = await startDelegated(t);
  const { repository } = world;
  const keys = repository.keys('targets/releases');
  const old = currentBytes(world, 'targets/releases');
  goOn(world);
  assert.equal(await world.ask(), 'signed');
  repository.removeDelegation('targets/releases');
  repository.publish();
  assert.equal(await world.ask(), 'signed');
  repository.addDelegation('targets/releases', { keys });
  repository.publish();
  serveAgain(world, 'targets/releases', old);
  assert.equal(await askUnchanged(world), 'ROLLBACK');
});
