import assert from 'node:assert/strict';
import type { SpawnOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import { recordNumber, temporaryDirectory } from './trust-records.ts';

const loop = join(import.meta.dirname, 'commit-loop.ts');

/** Runs the commit loop; gives its lines as they come, and a way to kill it. */
function commitLoop(command: string, args: readonly string[], options: SpawnOptions = {}) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  assert.ok(child.stdout);
  const lines: string[] = [];
  const reader = createInterface(child.stdout).on('line', (line) => lines.push(line));
  return { child, lines, reader, ended: Promise.all([once(child, 'close'), once(reader, 'close')]) };
}

async function load(path: string) {
  const store = new SqliteTrustStore(path);
  const stored = await store.load('main', 'reg.test/app');
  await store.close();
  return stored;
}

test('kill -9 at any moment loses no commit that was acknowledged, and tears none', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db');
  let acknowledged = 0;
  for (let round = 1; round <= 24; round += 1) {
    const { child, lines, reader, ended } = commitLoop(process.execPath, [loop, path]);
    // Some are killed at their first commits, some later; one round dies before it opened anything.
    if (round > 1) await once(reader, 'line');
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    child.kill('SIGKILL');
    await ended;
    const last = Number(lines.at(-1) ?? acknowledged);
    assert.ok(last >= acknowledged, `round ${round} began below what was committed: ${last}`);
    const stored = await load(path);
    const revision = stored?.revision ?? 0;
    assert.ok(revision === last || revision === last + 1, `stored is ${revision}, acknowledged was ${last}`);
    if (revision > 0) assert.deepEqual(stored, { ...recordNumber(revision), revision });
    acknowledged = revision;
  }
  assert.ok(acknowledged > 24, 'the loops did commit');
});

test('when the disk takes no more, a commit is a StateError and the last record stays whole', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db');
  await (async () => {
    const store = new SqliteTrustStore(path);
    await store.commit('main', 'reg.test/app', 0, recordNumber(1));
    await store.close();
  })();
  // A limit on the size of files, in blocks of 512 or 1024 bytes: even root is held to it.
  const limited = commitLoop('/bin/sh', [
    '-c',
    'ulimit -f 192; exec "$@"',
    'sh',
    process.execPath,
    loop,
    path,
    '2000',
  ]);
  await limited.ended;
  assert.equal(limited.lines.at(-1), 'StateError');
  const last = Number(limited.lines.at(-2));
  assert.ok(last > 1, 'some commits fitted');
  assert.deepEqual(await load(path), { ...recordNumber(last), revision: last });
});

test('every commit is forced to the disk: the open database is in WAL mode with synchronous FULL', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db');
  await new SqliteTrustStore(path).close();
  const databases = new Set<DatabaseSync>();
  const exec = Object.getOwnPropertyDescriptor(DatabaseSync.prototype, 'exec')?.value as DatabaseSync['exec'];
  t.mock.method(DatabaseSync.prototype, 'exec', function (this: DatabaseSync, sql: string) {
    databases.add(this);
    exec.call(this, sql);
  });
  const store = new SqliteTrustStore(path);
  t.after(() => store.close());
  await store.commit('main', 'reg.test/app', 0, recordNumber(1));
  const [database, ...others] = databases;
  assert.ok(database);
  assert.equal(others.length, 0);
  assert.deepEqual({ ...database.prepare('PRAGMA journal_mode').get() }, { journal_mode: 'wal' });
  assert.deepEqual({ ...database.prepare('PRAGMA synchronous').get() }, { synchronous: 2 });
});

test('nobody else may read or write the state, also when it was left open to all', async (t) => {
  const directory = join(temporaryDirectory(t), 'made');
  const path = join(directory, 'state.db');
  const modes = (): readonly number[] =>
    [path, `${path}-wal`, `${path}-shm`].map((file) => statSync(file).mode & 0o777);
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const store = new SqliteTrustStore(path);
  await store.commit('main', 'reg.test/app', 0, recordNumber(1));
  assert.deepEqual(modes(), [0o600, 0o600, 0o600]);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  await store.close();
  chmodSync(path, 0o666);
  const again = new SqliteTrustStore(path);
  t.after(() => again.close());
  await again.probe();
  assert.deepEqual(modes(), [0o600, 0o600, 0o600]);
});

/** Root may write everywhere, so then the loop runs as somebody else. */
const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

for (const [what, protect] of [
  ['a file that may only be read', (_directory: string, file: string) => chmodSync(file, 0o444)],
  ['a directory that may only be read', (directory: string) => chmodSync(directory, 0o555)],
] as const) {
  test(`${what} is no state: StateError, and no commit`, async (t) => {
    const outer = temporaryDirectory(t);
    chmodSync(outer, 0o755);
    const directory = join(outer, 'state');
    mkdirSync(directory);
    const path = join(directory, 'state.db');
    const store = new SqliteTrustStore(path);
    await store.commit('main', 'reg.test/app', 0, recordNumber(1));
    await store.close();
    if (what.startsWith('a directory') && nobody.uid !== undefined) chownSync(path, nobody.uid, nobody.gid);
    chmodSync(directory, 0o755);
    protect(directory, path);
    const { lines, ended } = commitLoop(process.execPath, [loop, path, '1'], nobody);
    await ended;
    chmodSync(directory, 0o755);
    assert.deepEqual(lines, ['StateError']);
  });
}
