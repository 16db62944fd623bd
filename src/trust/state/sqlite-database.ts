import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { StatementSync } from 'node:sqlite';
import { DatabaseSync } from 'node:sqlite';
import { StateConflict, StateError } from '../trust-store.ts';

export const schemaVersion = 1;
const busyTimeout = 5000;
/** How every SQLite database begins. */
const magic = 'SQLite format 3\0';

const schema = `
  CREATE TABLE repository (
    notary TEXT NOT NULL, gun TEXT NOT NULL, revision INTEGER NOT NULL, confirmed_at INTEGER NOT NULL,
    seal TEXT NOT NULL, PRIMARY KEY (notary, gun)) STRICT, WITHOUT ROWID;
  CREATE TABLE root (
    notary TEXT NOT NULL, gun TEXT NOT NULL, position INTEGER NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (notary, gun, position)) STRICT;
  CREATE TABLE file (
    notary TEXT NOT NULL, gun TEXT NOT NULL, role TEXT NOT NULL, version INTEGER NOT NULL, sha256 TEXT NOT NULL,
    keys TEXT NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (notary, gun, role)) STRICT;
  CREATE TABLE IF NOT EXISTS forgotten (
    notary TEXT NOT NULL, gun TEXT NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (notary, gun)) STRICT, WITHOUT ROWID;
`;

/**
 * Tables that came later, and that a database made before gets when it is opened. They leave the version as it is: who
 * does not know them does not need them. Should damage have taken one away, an empty one denies: what is not in the
 * graph is read again, and what is not in the ledger is not kept. None has a second index, as a damaged row would then
 * be an error of SQLite's for whoever wants to replace it.
 */
const laterTables = `
  CREATE TABLE IF NOT EXISTS content (
    digest TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, is_artifact INTEGER NOT NULL, subject TEXT,
    edges INTEGER NOT NULL, seal TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS content_below (
    parent TEXT NOT NULL, position INTEGER NOT NULL, child TEXT NOT NULL, kind TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (parent, position)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS content_above (
    child TEXT NOT NULL, parent TEXT NOT NULL, kind TEXT NOT NULL, size INTEGER NOT NULL, seal TEXT NOT NULL,
    PRIMARY KEY (child, parent, kind, size)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS signed_digest (
    scope TEXT NOT NULL, digest TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER, revoked INTEGER NOT NULL,
    seal TEXT NOT NULL, PRIMARY KEY (scope, digest)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS signed_set (
    scope TEXT NOT NULL PRIMARY KEY, fingerprint TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

interface Checked {
  readonly tables: readonly string[];
  /** What becomes of them if their rows are sound, but out of order, so that a look-up may miss some. */
  readonly disordered: 'refused' | 'emptied';
}

export interface Opening {
  /** FULL: a commit survives a power cut. NORMAL: the last ones may be lost in one, and spare the wait for the disk. */
  readonly synchronous: 'FULL' | 'NORMAL';
  /** Which tables are looked through for damage first; undefined for the whole database. */
  readonly checked: Checked | undefined;
}

/** Opens the state at a path, and makes it whole if it is not there. Throws StateError. */
export function openState(path: string, opening: Opening): DatabaseSync {
  return guarded(`cannot open the state ${path}`, () => open(path, opening));
}

/** Prepares a statement whose integers may be of any size: one that damage made too large for a number is no error. */
export function prepareWide(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  return statement;
}

/** Runs `body` between `begin` and COMMIT; whatever it throws undoes all of it and is thrown on. */
export function transact<Result>(database: DatabaseSync, begin: string, body: () => Result): Result {
  database.exec(begin);
  try {
    const result = body();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // Whatever went wrong, the lock must not stay; SQLite may have rolled back by itself already.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** Everything that SQLite and the disk can say becomes a StateError; our own conflict passes. */
export function guarded<Result>(what: string, body: () => Result): Result {
  try {
    return body();
  } catch (error) {
    if (error instanceof StateError || error instanceof StateConflict || !(error instanceof Error))
      throw error;
    if (!('code' in error)) throw error; // Without a code it is neither SQLite's nor the system's, but ours.
    throw new StateError(`${what}: ${error.message}`, { cause: error });
  }
}

function open(path: string, opening: Opening): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!existsSync(path)) create(path);
  // SQLite takes an empty file for a new database: a fresh start, where once there was trust.
  if (!isDatabase(path)) throw new StateError(`the state ${path} is no SQLite database`);
  chmodSync(path, 0o600); // Before it is opened: the files of the write-ahead log get the same mode.
  const database = new DatabaseSync(path, { timeout: busyTimeout });
  try {
    prepare(database, path, opening);
  } catch (error) {
    // Of any class: nobody else has it, to close it and let go of its locks.
    database.close();
    throw error;
  }
  return database;
}

function prepare(database: DatabaseSync, path: string, { synchronous, checked }: Opening): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  if (version !== schemaVersion) {
    throw new StateError(
      `the state ${path} is of schema ${version}, and this version knows ${schemaVersion}`,
    );
  }
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous};`);
  const own = checked !== undefined && hasTables(database, checked.tables) ? checked : undefined;
  // Before anything is written. What is not there cannot be looked through by itself.
  for (const table of own?.tables ?? ['1']) {
    if (!passes(database, `quick_check(${table})`)) throw new StateError(`the state ${path} is damaged`);
  }
  if (own !== undefined) order(database, path, own);
  // One that has them all is not written to.
  database.exec(laterTables);
}

function order(database: DatabaseSync, path: string, { tables, disordered }: Checked): void {
  if (tables.every((table) => passes(database, `integrity_check(${table})`))) return;
  if (disordered === 'refused') throw new StateError(`the state ${path} is damaged: rows are out of order`);
  transact(database, 'BEGIN IMMEDIATE', () => {
    for (const table of tables) database.exec(`DELETE FROM ${table}`);
  });
}

function passes(database: DatabaseSync, check: string): boolean {
  const [first] = database.prepare(`PRAGMA ${check}`).all();
  return Object.values(first ?? {})[0] === 'ok';
}

function hasTables(database: DatabaseSync, names: readonly string[]): boolean {
  const found = database
    .prepare(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN (SELECT value FROM json_each(?))`,
    )
    .all(JSON.stringify(names));
  return found.length === names.length;
}

function isDatabase(path: string): boolean {
  if (!statSync(path).isFile()) return false;
  const file = openSync(path, 'r');
  try {
    const beginning = Buffer.alloc(magic.length);
    readSync(file, beginning);
    return beginning.toString('latin1') === magic;
  } finally {
    closeSync(file);
  }
}

/** A database comes into being whole, also under kill -9, so that an empty one is always a damaged one. */
function create(path: string): void {
  const workshop = mkdtempSync(`${path}-new-`);
  try {
    const draft = join(workshop, 'state.db');
    const database = new DatabaseSync(draft);
    database.exec(`BEGIN; ${schema} ${laterTables} PRAGMA user_version = ${schemaVersion}; COMMIT;`);
    database.close();
    // A link and no renaming, which would replace what another process has just begun.
    linkSync(draft, path);
  } catch (error) {
    // The other process was faster, and its database is as good.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}
