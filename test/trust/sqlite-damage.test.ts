import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import type { StoredRecord } from '../../src/trust/trust-store.ts';
import { StateError } from '../../src/trust/trust-store.ts';
import { recordNumber, temporaryDirectory } from './trust-records.ts';

const guns = ['reg.test/app', 'reg.test/evil'] as const;

/** A closed state with a record for each of two GUNs; gives its path. */
async function makeState(t: TestContext): Promise<string> {
  const path = join(temporaryDirectory(t), 'state.db');
  const store = new SqliteTrustStore(path);
  await store.commit('main', guns[0], 0, recordNumber(2));
  await store.commit('main', guns[1], 0, recordNumber(1));
  await store.close();
  return path;
}

function alter(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

async function load(path: string, gun: string): Promise<StoredRecord | undefined> {
  const store = new SqliteTrustStore(path);
  try {
    return await store.load('main', gun);
  } finally {
    await store.close();
  }
}

const app = `gun = 'reg.test/app'`;
const exchange = (table: string, columns: readonly string[], key: string): string =>
  `UPDATE ${table} AS one SET ${columns
    .map((column) => `${column} = (SELECT ${column} FROM ${table} two WHERE two.gun <> one.gun AND ${key})`)
    .join(', ')}`;

const damages: Readonly<Record<string, string>> = {
  'the time of the confirmation moved': `UPDATE repository SET confirmed_at = confirmed_at + 1 WHERE ${app}`,
  'the revision moved': `UPDATE repository SET revision = 7 WHERE ${app}`,
  'the seal replaced': `UPDATE repository SET seal = 'x' WHERE ${app}`,
  'the seals exchanged': exchange('repository', ['seal'], 'TRUE'),
  'the row of the repository lost': `DELETE FROM repository WHERE ${app}`,
  'a root altered': `UPDATE root SET bytes = x'7b7d' WHERE ${app} AND position = 1`,
  'the newest root lost': `DELETE FROM root WHERE ${app} AND position = 1`,
  'the oldest root lost': `DELETE FROM root WHERE ${app} AND position = 0`,
  'every root lost': `DELETE FROM root WHERE ${app}`,
  'a root added': `INSERT INTO root VALUES ('main', 'reg.test/app', 2, x'7b7d')`,
  'the roots in another order': `UPDATE root SET position = -position WHERE ${app}`,
  'the roots of two GUNs exchanged': exchange('root', ['bytes'], 'two.position = one.position'),
  'a version lowered': `UPDATE file SET version = 1 WHERE ${app} AND role = 'targets/releases'`,
  'a hash altered': `UPDATE file SET sha256 = 'x' WHERE ${app} AND role = 'timestamp'`,
  'the keys of a floor altered': `UPDATE file SET keys = '' WHERE ${app} AND role = 'timestamp'`,
  'the bytes of a file altered': `UPDATE file SET bytes = x'7b7d' WHERE ${app} AND role = 'snapshot'`,
  'the floor of a role lost': `DELETE FROM file WHERE ${app} AND role = 'targets/releases'`,
  'every file lost': `DELETE FROM file WHERE ${app}`,
  'a role renamed': `UPDATE file SET role = 'targets/other' WHERE ${app} AND role = 'targets/releases'`,
  'a role added': `INSERT INTO file VALUES ('main', 'reg.test/app', 'targets/x', 1, 'x', '', x'7b7d')`,
  'the files of two GUNs exchanged': exchange(
    'file',
    ['version', 'sha256', 'keys', 'bytes'],
    'two.role = one.role',
  ),
  'a whole older record put in its place': `
    DELETE FROM repository WHERE ${app}; DELETE FROM root WHERE ${app}; DELETE FROM file WHERE ${app};
    UPDATE repository SET gun = 'reg.test/app'; UPDATE root SET gun = 'reg.test/app';
    UPDATE file SET gun = 'reg.test/app';`,
  'a table dropped': 'DROP TABLE file; CREATE TABLE file (notary TEXT, gun TEXT)',
};

for (const [damage, sql] of Object.entries(damages)) {
  test(`${damage}: the record is damaged, never another one and never absent`, async (t) => {
    const path = await makeState(t);
    alter(path, sql);
    await assert.rejects(load(path, guns[0]), (error) => {
      assert.ok(error instanceof StateError, String(error));
      assert.match(error.message, /reg\.test\/app/);
      return true;
    });
  });
}

test('a damaged record does not spoil the others, and can be forgotten', async (t) => {
  const path = await makeState(t);
  alter(path, `UPDATE file SET version = 1 WHERE ${app}`);
  const store = new SqliteTrustStore(path);
  t.after(() => store.close());
  assert.deepEqual(await store.load('main', guns[1]), { ...recordNumber(1), revision: 1 });
  await assert.rejects(store.load('main', guns[0]), StateError);
  assert.equal(await store.forget('main', guns[0]), true);
  assert.equal(await store.load('main', guns[0]), undefined);
});

test('what is left of a record without its first row can be forgotten too', async (t) => {
  const path = await makeState(t);
  alter(path, `DELETE FROM repository WHERE ${app}`);
  const store = new SqliteTrustStore(path);
  t.after(() => store.close());
  assert.equal(await store.forget('main', guns[0]), true);
  assert.equal(await store.load('main', guns[0]), undefined);
});

test('a database cut off anywhere is a StateError, also when nothing of it is left', async (t) => {
  const path = await makeState(t);
  const { size } = statSync(path);
  const page = 4096; // a cut in the last page may leave all that was written on it
  for (let length = 0; length <= size - page; length += 512) {
    const cut = `${path}.${length}`;
    copyFileSync(path, cut);
    truncateSync(cut, length);
    await assert.rejects(load(cut, guns[0]), StateError, `${length} of ${size} bytes`);
  }
});

test('a database with altered bytes gives the record or a StateError, and nothing else', async (t) => {
  const path = await makeState(t);
  const sound = readFileSync(path);
  const expected = { ...recordNumber(2), revision: 1 };
  let refused = 0;
  for (let place = 0; place < sound.length; place += 97) {
    const bytes = Buffer.from(sound);
    bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << (place % 8)), place);
    const copy = `${path}.${place}`;
    writeFileSync(copy, bytes);
    try {
      assert.deepEqual(await load(copy, guns[0]), expected, `byte ${place}`);
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      refused += 1;
    }
  }
  assert.ok(refused > 0, 'some of them matter');
});

test('what is no database is a StateError, and stays as it was', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'hosts');
  writeFileSync(file, '127.0.0.1 localhost\n'.repeat(400), { mode: 0o644 });
  const link = join(directory, 'state.db');
  symlinkSync(file, link);
  const before = statSync(file);
  assert.throws(() => new SqliteTrustStore(link), StateError);
  assert.throws(() => new SqliteTrustStore(directory), StateError);
  assert.throws(() => new SqliteTrustStore('/dev/null'), StateError);
  assert.throws(() => new SqliteTrustStore(join(file, 'state.db')), StateError);
  assert.equal(readFileSync(file, 'utf8'), '127.0.0.1 localhost\n'.repeat(400));
  assert.equal(statSync(file).mode, before.mode);
});

test('a state of a newer schema is refused and not touched', async (t) => {
  const path = await makeState(t);
  alter(path, 'PRAGMA user_version = 2');
  const before = readFileSync(path);
  assert.throws(() => new SqliteTrustStore(path), { name: 'StateError', message: /schema 2.*knows 1/ });
  assert.ok(before.equals(readFileSync(path)));
});
