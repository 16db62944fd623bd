import assert from 'node:assert/strict';
import { rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import type { TrustRecord } from '../../src/trust/trust-store.ts';
import { StateError } from '../../src/trust/trust-store.ts';
import { alterState, asked, stateFile, storedRows } from '../proxy/evidence.ts';
import type { Scene } from './attack.ts';
import { evil, getAndHead, good, outdated } from './attack.ts';
import { assertReceived, refused } from './expected.ts';
import type { Place } from './state-damage.ts';
import { damages, execute, forgeRecord, keepCopy, loadRecord, putBack, startPlace } from './state-damage.ts';

// State tampering: what was trusted is changed, exchanged, lost or put back behind the proxy. What every damage does to
// the store itself is in test/trust/sqlite-damage.test.ts; here it is seen from the door.

async function assertServed({ world, name }: Scene): Promise<void> {
  const { status, reason, body } = await world.proxy.pull(`${name}:1.0`);
  assert.deepEqual([status, reason], [200, undefined]);
  assert.deepEqual(body, good.bytes);
}

/** The pull is undecided, nobody is asked for anything, and the state is left as it was found. */
async function assertStateUnavailable(scene: Scene): Promise<void> {
  const { world, name } = scene;
  const rows = storedRows(world.directory);
  const before = [world.notary, world.registry].map(({ requests }) => requests.length);
  assertReceived(await getAndHead(scene, ':1.0'), refused('STATE_UNAVAILABLE'), { name, image: ':1.0' });
  for (const [index, { requests }] of [world.notary, world.registry].entries())
    assert.deepEqual(asked(requests.slice(before[index])), []);
  assert.deepEqual(storedRows(world.directory), rows);
}

for (const [id, what, sql] of damages) {
  test(`${id} warm: ${what}: no pull is decided, no neighbour is harmed, and only an operator ends it`, async (t) => {
    const { world, ...scenes } = await startPlace(t);
    for (const scene of [scenes.app, scenes.neighbour]) await assertServed(scene);
    const before = storedRows(world.directory);
    const kept = await keepCopy(world);
    alterState(world.directory, sql);
    assert.notDeepEqual(storedRows(world.directory), before);
    await assertStateUnavailable(scenes.app);
    await world.proxy.restart();
    await assertStateUnavailable(scenes.app);
    // Exchanged, both are wrong.
    if (!sql.startsWith('UPDATE repository AS') && !sql.startsWith('UPDATE file AS'))
      await assertServed(scenes.neighbour);
    await putBack(world, kept);
    await assertServed(scenes.app);
  });
}

test('S-10 cold: the record of a neighbour under a name that was never asked for is no trust', async (t) => {
  const { world, ...scenes } = await startPlace(t);
  await assertServed(scenes.neighbour);
  const [, , sql = ''] = damages.find(([, what]) => what.startsWith('the whole record')) ?? [];
  alterState(world.directory, sql);
  await assertStateUnavailable(scenes.app);
  await assertServed(scenes.neighbour);
});

test('S-06 warm: a damaged record that is sealed as a sound one is still no trust', async (t) => {
  const { world, ...scenes } = await startPlace(t);
  for (const scene of [scenes.app, scenes.neighbour]) await assertServed(scene);
  const neighbour = await loadRecord(world, scenes.neighbour.gun);
  const forged = (roots: TrustRecord['roots']) => (record: TrustRecord) => ({ ...record, roots });
  await forgeRecord(world, scenes.app.gun, forged([Buffer.from('{}')]));
  await assertStateUnavailable(scenes.app);
  await forgeRecord(world, scenes.app.gun, forged(neighbour.roots));
  const pull = await world.proxy.pull('team/app:1.0');
  assert.deepEqual([pull.status, pull.reason], [403, 'ROOT_NOT_PINNED']);
});

test('S-12 warm: a disk that takes nothing leaves new trust data undecided, and what was trusted as it was', async (t) => {
  const { world, ...scenes } = await startPlace(t);
  await assertServed(scenes.app);
  const rows = storedRows(world.directory);
  alterState(
    world.directory,
    `CREATE TRIGGER full BEFORE INSERT ON file BEGIN SELECT RAISE(ABORT, 'disk is full'); END`,
  );
  scenes.app.repository.publish();
  assertReceived(await getAndHead(scenes.app, ':1.0'), refused('STATE_UNAVAILABLE'), {
    name: 'team/app',
    image: ':1.0',
  });
  assert.deepEqual(storedRows(world.directory), rows);
  alterState(world.directory, 'DROP TRIGGER full');
  await assertServed(scenes.app);
});

test('S-12 cold: what cannot be remembered is not served for the first time either', async (t) => {
  const { world, ...scenes } = await startPlace(t, { rule: { root: { first_use: true } } });
  alterState(
    world.directory,
    `CREATE TRIGGER full BEFORE INSERT ON root BEGIN SELECT RAISE(ABORT, 'disk is full'); END`,
  );
  assertReceived(await getAndHead(scenes.app, ':1.0'), refused('STATE_UNAVAILABLE'), {
    name: 'team/app',
    image: ':1.0',
  });
  assert.deepEqual(storedRows(world.directory), [[], [], []]);
});

test('S-20 warm: a state whose tables are gone is unavailable, and no fresh start', async (t) => {
  const { world, ...scenes } = await startPlace(t);
  await assertServed(scenes.app);
  alterState(world.directory, 'DROP TABLE repository');
  assertReceived(await getAndHead(scenes.app, ':1.0'), refused('STATE_UNAVAILABLE'), {
    name: 'team/app',
    image: ':1.0',
  });
});

for (const [id, what, damage] of [
  [
    'S-04',
    'cut off in the middle',
    async (path: string) => truncate(path, Math.floor((await stat(path)).size / 2)),
  ],
  ['S-04', 'cut off to nothing', (path: string) => truncate(path, 0)],
  ['S-25', 'of a newer version', async (path: string) => execute(path, 'PRAGMA user_version = 99')],
] as const) {
  test(`${id} warm: with a state that is ${what} the proxy does not start, rather than start afresh`, async (t) => {
    const { world, ...scenes } = await startPlace(t);
    await assertServed(scenes.app);
    const kept = await keepCopy(world);
    await world.proxy.close();
    await damage(stateFile(world.directory));
    await assert.rejects(world.proxy.restart(), StateError);
    await putBack(world, kept);
    await assertServed(scenes.app);
  });
}

test('S-15 cold: the state is for nobody else to read', async (t) => {
  const { world } = await startPlace(t);
  for (const name of ['state.db', 'state.db-wal', 'state.db-shm']) {
    const { mode } = await stat(join(world.directory, name));
    assert.equal(mode & 0o777, 0o600, name);
  }
});

// An older copy of the whole database says nothing of what came after it, and nobody else remembers. What the notary shows
// is compared with the copy: older than that is refused; between the copy and what was lost, nothing can tell (S-08).

async function publishThrice(
  place: Place,
): Promise<{ second: string; saved: ReturnType<Scene['repository']['files']['copy']>[] }> {
  const { repository } = place.app;
  const saved = [];
  let second = '';
  for (const image of [outdated, evil, good]) {
    repository.sign('1.0', image, 'targets/releases');
    repository.publish();
    saved.push(repository.files.copy());
    assert.equal((await place.world.proxy.pull('team/app:1.0')).status, 200);
    if (image === evil) second = await keepCopy(place.world);
  }
  return { second, saved };
}

for (const { id, title, shown, expected } of [
  { id: 'S-08', title: 'what is older than the copy is a rollback', shown: 0, expected: [403, 'ROLLBACK'] },
  {
    id: 'S-08',
    title: 'what is as old as the copy cannot be told from the truth, and is served',
    shown: 1,
    expected: [200, evil.digest],
  },
  {
    id: 'S-08',
    title: 'what is newer is served, and remembered again',
    shown: 2,
    expected: [200, good.digest],
  },
]) {
  test(`${id} warm: an older copy of the state was put back: ${title}`, async (t) => {
    const place = await startPlace(t);
    const { second, saved } = await publishThrice(place);
    const { repository } = place.app;
    await putBack(place.world, second);
    const old = saved[shown];
    assert.ok(old !== undefined);
    repository.files.restore(old);
    const { status, reason, headers } = await place.world.proxy.pull('team/app:1.0');
    assert.deepEqual([status, reason ?? headers['docker-content-digest']], expected);
    // The truth ends it, and is never forgotten again.
    const newest = saved[2];
    assert.ok(newest !== undefined);
    repository.files.restore(newest);
    await assertServed(place.app);
    repository.files.restore(old);
    if (shown < 2) assert.equal((await place.world.proxy.pull('team/app:1.0')).reason, 'ROLLBACK');
  });
}

test('S-08 warm: a state that is lost whole is a first start: a pin still holds, and first use has to be told from it by its operator', async (t) => {
  for (const root of [undefined, { first_use: true }]) {
    const place = await startPlace(t, root && { rule: { root } });
    await assertServed(place.app);
    await place.world.proxy.close();
    for (const file of ['state.db', 'state.db-wal', 'state.db-shm'])
      await rm(join(place.world.directory, file), { force: true });
    await place.world.proxy.restart();
    const thief = place.world.notary.repository('stolen', {
      keys: {
        root: { keys: [SigningKey.forRoot('reg.test/team/app', Date.now(), generatePrivateKey('p256'))] },
      },
    });
    thief.sign('1.0', evil);
    thief.publish();
    const honest = place.app.repository.files.copy();
    place.app.repository.files.restore(thief.files);
    const { status, reason } = await place.world.proxy.pull('team/app:1.0');
    assert.deepEqual([status, reason], root === undefined ? [403, 'ROOT_NOT_PINNED'] : [200, undefined]);
    place.app.repository.files.restore(honest);
    if (root === undefined) await assertServed(place.app);
  }
});
