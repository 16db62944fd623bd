import assert from 'node:assert/strict';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import type { StoredRecord, TrustRecord } from '../../src/trust/trust-store.ts';
import { stateFile } from '../proxy/evidence.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import type { Scene } from './attack.ts';
import { begin } from './attack.ts';

// What may happen to a state, and the way back.

export interface Place {
  readonly world: World;
  /** Its record is tampered with. */
  readonly app: Scene;
  readonly neighbour: Scene;
}

/** A world with two honest repositories. */
export async function startPlace(t: TestContext, options: WorldOptions = {}): Promise<Place> {
  const world = await startWorld(t, options);
  const [app, neighbour] = ['team/app', 'team/neighbour'].map((name) => begin(world, name, 'warm'));
  assert.ok(app !== undefined && neighbour !== undefined);
  for (const scene of [app, neighbour]) scene.repository.publish();
  return { world, app, neighbour };
}

const app = `gun = 'reg.test/team/app'`;
const neighbour = `gun = 'reg.test/team/neighbour'`;
const exchanged = (table: string, columns: readonly string[], key = 'TRUE'): string =>
  `UPDATE ${table} AS one SET ${columns
    .map((column) => `${column} = (SELECT ${column} FROM ${table} two WHERE two.gun <> one.gun AND ${key})`)
    .join(', ')}`;

/** Done to the record of team/app behind the proxy's back. */
export const damages: readonly (readonly [id: string, what: string, sql: string])[] = [
  ['S-06', 'a stored root that is no root', `UPDATE root SET bytes = x'7b7d' WHERE ${app}`],
  [
    'S-06',
    'the root of another repository',
    `UPDATE root SET bytes = (SELECT bytes FROM root WHERE ${neighbour}) WHERE ${app}`,
  ],
  ['S-06', 'every root lost', `DELETE FROM root WHERE ${app}`],
  [
    'S-07',
    'a cached file cut off',
    `UPDATE file SET bytes = substr(bytes, 1, 100) WHERE ${app} AND role = 'targets'`,
  ],
  ['S-07', 'the floor of a role lost', `DELETE FROM file WHERE ${app} AND role = 'targets/releases'`],
  ['S-08', 'the row that says it was ever trusted lost', `DELETE FROM repository WHERE ${app}`],
  [
    'S-10',
    'the files of two repositories exchanged',
    exchanged('file', ['version', 'sha256', 'keys', 'bytes'], 'two.role = one.role'),
  ],
  ['S-10', 'the seals of two repositories exchanged', exchanged('repository', ['seal'])],
  [
    'S-10',
    'the whole record of the neighbour in its place',
    `DELETE FROM repository WHERE ${app}; DELETE FROM root WHERE ${app}; DELETE FROM file WHERE ${app};
    INSERT INTO repository SELECT notary, 'reg.test/team/app', revision, confirmed_at, seal FROM repository WHERE ${neighbour};
    INSERT INTO root SELECT notary, 'reg.test/team/app', position, bytes FROM root WHERE ${neighbour};
    INSERT INTO file SELECT notary, 'reg.test/team/app', role, version, sha256, keys, bytes FROM file WHERE ${neighbour}`,
  ],
  ['S-35', 'a version lowered', `UPDATE file SET version = version - 1 WHERE ${app} AND role = 'timestamp'`],
  ['S-35', 'a version raised out of reach', `UPDATE file SET version = 2147483647 WHERE ${app}`],
  ['S-35', 'the revision turned back', `UPDATE repository SET revision = 0 WHERE ${app}`],
];

let copies = 0;

/** Gives the path of a copy of the whole state, as a backup makes it. */
export async function keepCopy({ directory }: World): Promise<string> {
  const path = join(directory, `kept-${(copies += 1)}.db`);
  execute(stateFile(directory), `VACUUM INTO '${path}'`);
  return path;
}

/** Stops the proxy, puts a copy in the place of the state, and starts again. */
export async function putBack({ proxy, directory }: World, copy: string): Promise<void> {
  await proxy.close();
  for (const suffix of ['-wal', '-shm']) await rm(stateFile(directory) + suffix, { force: true });
  await copyFile(copy, stateFile(directory));
  await proxy.restart();
}

export async function loadRecord(world: World, gun: string): Promise<StoredRecord> {
  const store = new SqliteTrustStore(stateFile(world.directory));
  try {
    const record = await store.load('main', gun);
    assert.ok(record !== undefined);
    return record;
  } finally {
    await store.close();
  }
}

/** Writes a record as the proxy itself would, with its seal: what anyone can who may write the file. */
export async function forgeRecord(
  world: World,
  gun: string,
  change: (record: TrustRecord) => TrustRecord,
): Promise<void> {
  const record = await loadRecord(world, gun);
  const store = new SqliteTrustStore(stateFile(world.directory));
  try {
    await store.commit('main', gun, record.revision, change(record));
  } finally {
    await store.close();
  }
}

export function execute(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}
