import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import { gun, target, TrustWorld } from '../trust/trust-world.ts';

const loop = fileURLToPath(new URL('./refresh-loop.ts', import.meta.url));
const releases = 'targets/releases';
const roles = ['timestamp', 'snapshot', 'targets', releases];
const rounds = 25;
const mostOfRound = 20;

test('S-01: kill -9 at random points of two hundred refreshes: no floor that was answered with is lower afterwards', async (t) => {
  const world = await TrustWorld.start(t);
  const { repository, notary } = world;
  repository.addDelegation(releases);
  repository.sign('1.0', target('1'), releases);
  repository.publish();
  // Every refresh finds a publish of all roles that nobody has seen.
  notary.intercept(({ path }) => {
    if (!path.endsWith('/timestamp.json')) return undefined;
    repository.touch('targets', releases);
    repository.publish();
    return undefined;
  });
  await world.store.close();

  const answered = new Map<string, number>();
  let refreshes = 0;
  for (let round = 0; round < rounds; round += 1) {
    const child = spawn(process.execPath, [loop, world.statePath, notary.url, notary.rootPin], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const wanted = 1 + ((round * 7) % mostOfRound);
    let seen = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const versions = JSON.parse(line) as [role: string, version: number][];
      assert.ok(Array.isArray(versions), line);
      for (const [role, version] of versions) {
        assert.ok(version >= (answered.get(role) ?? 0), `${role} went back to ${version}`);
        answered.set(role, version);
      }
      seen += 1;
      // Wherever it is by now: what it prints on its way to the end still counts.
      if (seen === wanted) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    refreshes += seen;

    const store = new SqliteTrustStore(world.statePath);
    const stored = await store.load('main', gun);
    await store.close();
    for (const role of roles) {
      const floor = stored?.files.get(role)?.floor.version ?? 0;
      assert.ok(
        floor >= (answered.get(role) ?? 0),
        `${role}: ${floor} is stored, ${answered.get(role)} was answered`,
      );
    }
  }
  t.diagnostic(`${refreshes} refreshes, ${rounds} kills`);
  assert.ok(refreshes >= 200);

  // And what was answered is a floor: the publish before it is a rollback.
  notary.behave();
  for (const role of roles) {
    repository.files.setCurrent(role, repository.files.version(role, (answered.get(role) ?? 0) - 1));
  }
  world.store = new SqliteTrustStore(world.statePath);
  await world.restart();
  assert.equal(await world.ask(), 'ROLLBACK');
});
