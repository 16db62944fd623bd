import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import type { Digest } from '../../src/oci/reference.ts';
import { sha256Digest } from '../../src/oci/reference.ts';
import type { Content, Edge } from '../../src/trust/state/content-graph.ts';

export function digestOf(text: string): Digest {
  return sha256Digest(createHash('sha256').update(text).digest());
}

export function digestsOf(name: string, count: number): Digest[] {
  return Array.from({ length: count }, (_, index) => digestOf(`${name} ${index}`));
}

/** Takes names of blobs; gives edges to them, each of another size. */
export function blobs(...names: readonly string[]): Edge[] {
  return names.map((name, index) => ({ child: digestOf(name), kind: 'blob', size: 1000 + index }));
}

/** Takes a name and edges; gives a manifest that is an index if one of them is a manifest. */
export function content(name: string, edges: readonly Edge[], rest: Partial<Content> = {}): Content {
  const kind = edges.some((edge) => edge.kind === 'blob') ? 'manifest' : 'index';
  return { digest: digestOf(name), kind, isArtifact: false, subject: undefined, edges, ...rest };
}

export function alter(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

/** Alters a byte in the smallest key of a table of one page, so that its rows are no longer in order. */
export function disorder(path: string, table: string, column: string): void {
  const database = new DatabaseSync(path);
  const get = (sql: string): unknown => Object.values(database.prepare(sql).get() ?? {})[0];
  const page = Number(get(`SELECT rootpage FROM sqlite_schema WHERE name = '${table}'`));
  const key = String(get(`SELECT min(${column}) FROM ${table}`));
  database.close();
  const bytes = readFileSync(path);
  const place = bytes.lastIndexOf(key, page * 4096);
  assert.ok(place >= (page - 1) * 4096);
  bytes.write('~', place);
  writeFileSync(path, bytes);
}

/** Gives the SQL of everything that is prepared from now on, and each of its plans. */
export function watchStatements(t: TestContext, path: string) {
  const statements: string[] = [];
  const prepare = Object.getOwnPropertyDescriptor(DatabaseSync.prototype, 'prepare')
    ?.value as DatabaseSync['prepare'];
  const mock = t.mock.method(DatabaseSync.prototype, 'prepare', function (this: DatabaseSync, sql: string) {
    statements.push(sql);
    return prepare.call(this, sql);
  });
  const plans = (): string[][] => {
    mock.mock.restore();
    const database = new DatabaseSync(path);
    try {
      return statements.map((sql) =>
        database
          .prepare(`EXPLAIN QUERY PLAN ${sql}`)
          .all()
          .map((row) => String(row['detail'])),
      );
    } finally {
      database.close();
    }
  };
  return { statements, plans };
}
