import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { sha256Hex } from '../tuf/hashes.ts';
import { guarded, openState, schemaVersion, transact } from './state/sqlite-database.ts';
import type { StoredRecord, TrustedFile, TrustRecord, TrustStore } from './trust-store.ts';
import { StateConflict, StateError } from './trust-store.ts';

/** The trust store of a single instance: SQLite with a write-ahead log, and a power cut survived by every commit. */
export class SqliteTrustStore implements TrustStore {
  readonly #database: DatabaseSync;

  /** Takes the path of the database, which is made if it is not there. Throws StateError. */
  constructor(path: string) {
    this.#database = openState(path, { synchronous: 'FULL', checked: undefined });
  }

  async load(notary: string, gun: string): Promise<StoredRecord | undefined> {
    return guarded(`cannot read the state of ${gun}`, () =>
      transact(this.#database, 'BEGIN', () => this.#read(notary, gun)),
    );
  }

  async commit(notary: string, gun: string, revision: number, record: TrustRecord): Promise<void> {
    guarded(`cannot write the state of ${gun}`, () =>
      transact(this.#database, 'BEGIN IMMEDIATE', () => {
        const found = this.#revision(notary, gun);
        if (found !== revision) {
          throw new StateConflict(`the state of ${gun} is at revision ${found}, not ${revision}`);
        }
        this.#delete(notary, gun);
        this.#insert(notary, gun, Math.max(found, this.#revision(notary, gun, 'forgotten')) + 1, record);
      }),
    );
  }

  async forget(notary: string, gun: string): Promise<boolean> {
    return guarded(`cannot write the state of ${gun}`, () =>
      transact(this.#database, 'BEGIN IMMEDIATE', () => {
        // What comes after goes on from here: a refresh that began before must not find its revision again.
        const last = Math.max(this.#revision(notary, gun), this.#revision(notary, gun, 'forgotten'));
        this.#database.prepare('INSERT OR REPLACE INTO forgotten VALUES (?, ?, ?)').run(notary, gun, last);
        return this.#delete(notary, gun);
      }),
    );
  }

  async probe(): Promise<void> {
    // Taking the write lock and changing a page is what a commit needs.
    guarded('cannot write the state', () =>
      transact(this.#database, 'BEGIN IMMEDIATE', () =>
        this.#database.exec(`PRAGMA user_version = ${schemaVersion}`),
      ),
    );
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  #read(notary: string, gun: string): StoredRecord | undefined {
    const row = this.#database
      .prepare('SELECT revision, confirmed_at, seal FROM repository WHERE notary = ? AND gun = ?')
      .get(notary, gun);
    const roots = this.#database
      .prepare('SELECT bytes FROM root WHERE notary = ? AND gun = ? ORDER BY position')
      .all(notary, gun)
      .map((root) => blob(root['bytes']));
    const files = this.#database
      .prepare(
        'SELECT role, version, sha256, keys, bytes FROM file WHERE notary = ? AND gun = ? ORDER BY role',
      )
      .all(notary, gun)
      .map(readFile);
    const [first, ...later] = roots;
    if (row === undefined && first === undefined && files.length === 0) return undefined;
    if (row === undefined || first === undefined)
      throw new StateError(`the state of ${gun} is damaged: rows are missing`);

    const record: TrustRecord = {
      roots: [first, ...later],
      files: new Map(files),
      confirmedAt: Number(row['confirmed_at']),
    };
    const revision = Number(row['revision']);
    if (row['seal'] !== seal(notary, gun, revision, record)) {
      throw new StateError(`the state of ${gun} is damaged: its contents do not match their seal`);
    }
    return { ...record, revision };
  }

  #revision(notary: string, gun: string, table: 'repository' | 'forgotten' = 'repository'): number {
    const row = this.#database
      .prepare(`SELECT revision FROM ${table} WHERE notary = ? AND gun = ?`)
      .get(notary, gun);
    return Number(row?.['revision'] ?? 0);
  }

  /** Says whether there was anything, be it the rest of a damaged record. */
  #delete(notary: string, gun: string): boolean {
    const deleted = ['repository', 'root', 'file'].map((table) =>
      this.#database.prepare(`DELETE FROM ${table} WHERE notary = ? AND gun = ?`).run(notary, gun),
    );
    return deleted.some(({ changes }) => changes > 0);
  }

  #insert(notary: string, gun: string, revision: number, record: TrustRecord): void {
    this.#database
      .prepare('INSERT INTO repository VALUES (?, ?, ?, ?, ?)')
      .run(notary, gun, revision, record.confirmedAt, seal(notary, gun, revision, record));
    const root = this.#database.prepare('INSERT INTO root VALUES (?, ?, ?, ?)');
    record.roots.forEach((bytes, position) => root.run(notary, gun, position, bytes));
    const file = this.#database.prepare('INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?)');
    for (const [role, { floor, bytes }] of record.files) {
      file.run(notary, gun, role, floor.version, floor.sha256, floor.keys.join(' '), bytes);
    }
  }
}

function readFile(row: Record<string, unknown>): [string, TrustedFile] {
  const keys = String(row['keys']);
  const floor = {
    version: Number(row['version']),
    sha256: String(row['sha256']),
    keys: keys === '' ? [] : keys.split(' '),
  };
  return [String(row['role']), { floor, bytes: blob(row['bytes']) }];
}

function blob(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new StateError('the state is damaged: a blob is none');
  return value;
}

/** Ties every row of a record to its GUN and to each other, so that none can be dropped, swapped or lowered unseen. */
function seal(notary: string, gun: string, revision: number, record: TrustRecord): string {
  const hash = createHash('sha256');
  const add = (...parts: readonly (string | number)[]): void => {
    hash.update(`${JSON.stringify(parts)}\n`);
  };
  add('tufgate trust record', notary, gun, revision, record.confirmedAt);
  for (const bytes of record.roots) add('root', sha256Hex(bytes));
  for (const [role, { floor, bytes }] of [...record.files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    add(role, floor.version, floor.sha256, ...floor.keys, sha256Hex(bytes));
  }
  return hash.digest('hex');
}
