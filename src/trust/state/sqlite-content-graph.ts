import { createHash } from 'node:crypto';
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/reference.ts';
import { StateError } from '../trust-store.ts';
import type { Content, ContentGraph, ContentKind, Edge, Parent, Parents } from './content-graph.ts';
import { guarded, openState, prepareWide, transact } from './sqlite-database.ts';

/** To be raised when manifests are read otherwise than before: what was recorded until then counts for nothing. */
const reading = 1;
const rememberedContents = 50_000;
const digestsAtOnce = 5_000;
const edgesAtOnce = 2_000;

const allAbove = 'SELECT parent, kind, size, seal FROM content_above WHERE child = ?';
/** Which of many: whoever asks goes on from each by what is sealed, so that damage here leads nowhere. */
const aboveWithin = `
  WITH RECURSIVE within(digest, depth) AS (
    SELECT value, 1 FROM json_each(?)
    UNION
    SELECT below.child, depth + 1 FROM within
      CROSS JOIN content ON content.digest = within.digest AND content.kind = 'index'
      CROSS JOIN content_below AS below ON below.parent = within.digest AND below.kind <> 'blob'
      WHERE depth < 4)
  SELECT DISTINCT parent, kind, size, seal FROM within
    CROSS JOIN content_above ON child = ? AND parent = within.digest`;

type Row = Record<string, SQLOutputValue>;

/** The content graph of a single instance. A commit does not wait for the disk: what is lost is read again. */
export class SqliteContentGraph implements ContentGraph {
  readonly #database: DatabaseSync;
  /**
   * The seals of what is recorded whole, as this process wrote or checked it: nothing that was recorded is ever taken
   * away, so that each manifest is checked once and not with every question.
   */
  readonly #whole = new LRUCache<Digest, string>({ max: rememberedContents });

  /** Takes the path of the database, which is made if it is not there. Throws StateError. */
  constructor(path: string) {
    const tables = ['content', 'content_below', 'content_above'];
    const checked = { tables, disordered: 'emptied' } as const;
    this.#database = openState(path, { synchronous: 'NORMAL', checked });
  }

  async record(content: Content): Promise<void> {
    for (const { child, size } of content.edges) {
      if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`${child} has the size ${size}`);
    }
    const distinct = { ...content, edges: distinctEdges(content.edges) };
    const seal = sealOf(distinct);
    const { digest } = content;
    if (this.#whole.get(digest) === seal) return;
    guarded(`cannot record ${digest}`, () =>
      transact(this.#database, 'BEGIN IMMEDIATE', () => {
        const stored = this.#sound([digest]).get(digest);
        if (stored !== undefined && sealOf(stored) !== seal) {
          throw new StateError(`the state is damaged: something else was recorded of ${digest}`);
        }
        if (stored === undefined || !this.#isFoundFromBelow([stored]).has(digest))
          this.#write(distinct, seal);
      }),
    );
    this.#whole.set(digest, seal);
  }

  async of(digest: Digest): Promise<Content | undefined> {
    return guarded(`cannot read what is recorded of ${digest}`, () => this.#sound([digest]).get(digest));
  }

  async above(digest: Digest, most: number, within?: readonly Digest[]): Promise<Parents> {
    return guarded(`cannot read what stands above ${digest}`, () => {
      const parents: Parent[] = [];
      const rows =
        within === undefined
          ? prepareWide(this.#database, allAbove).iterate(digest)
          : prepareWide(this.#database, aboveWithin).iterate(JSON.stringify(within), digest);
      for (const row of rows) {
        const [edge, parent] = [{ ...readEdge(row), child: digest }, row['parent'] as Digest];
        if (row['seal'] !== edgeSeal(parent, edge)) continue;
        if (parents.length === most) return { parents, isWhole: false };
        parents.push({ digest: parent, kind: edge.kind, size: edge.size });
      }
      return { parents, isWhole: true };
    });
  }

  async unread(digests: readonly Digest[]): Promise<readonly Digest[]> {
    const recorded = new Set(digests.filter((digest) => this.#whole.get(digest) !== undefined));
    const asked = [...new Set(digests).difference(recorded)];
    for (let first = 0; first < asked.length; first += digestsAtOnce) {
      if (first > 0) await setImmediate();
      for (const portion of this.#portions(asked.slice(first, first + digestsAtOnce))) {
        for (const digest of this.#check(portion)) recorded.add(digest);
        await setImmediate();
      }
    }
    return digests.filter((digest) => !recorded.has(digest));
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  /** Takes digests; gives those that are recorded, in portions whose edges can be looked through at one go. */
  #portions(digests: readonly Digest[]): Digest[][] {
    const rows = guarded('cannot read what is recorded', () =>
      this.#rows(
        'SELECT digest, edges FROM json_each(?) AS asked CROSS JOIN content ON content.digest = asked.value',
        JSON.stringify(digests),
      ),
    );
    const portions: Digest[][] = [];
    let edges = Infinity;
    for (const row of rows) {
      edges += Number(row['edges']);
      if (edges > edgesAtOnce) {
        portions.push([]);
        edges = Number(row['edges']);
      }
      portions.at(-1)?.push(row['digest'] as Digest);
    }
    return portions;
  }

  /** Takes digests; gives those that are recorded whole. */
  #check(digests: readonly Digest[]): ReadonlySet<Digest> {
    return guarded('cannot read what is recorded', () => {
      const contents = this.#sound(digests);
      const whole = this.#isFoundFromBelow([...contents.values()]);
      for (const [digest, content] of contents) {
        if (whole.has(digest)) this.#whole.set(digest, sealOf(content));
      }
      return whole;
    });
  }

  /** Takes digests; gives what is recorded of them and fits its seal. */
  #sound(digests: readonly Digest[]): ReadonlyMap<Digest, Content> {
    const asked = JSON.stringify(digests);
    const below = Map.groupBy(
      this.#rows(
        `SELECT below.parent, below.child, below.kind, below.size FROM json_each(?) AS asked
         CROSS JOIN content_below AS below ON below.parent = asked.value ORDER BY below.parent, below.position`,
        asked,
      ),
      (row) => row['parent'],
    );
    const rows = this.#rows(
      `SELECT digest, kind, is_artifact, subject, seal FROM json_each(?) AS asked
       CROSS JOIN content ON content.digest = asked.value`,
      asked,
    );
    const contents = rows.map((row) => readContent(row, below.get(row['digest'] ?? null) ?? []));
    return new Map(
      contents
        .filter((content, index) => rows[index]?.['seal'] === sealOf(content))
        .map((content) => [content.digest, content]),
    );
  }

  /** Takes contents; gives those that `above` finds from each of their children. */
  #isFoundFromBelow(contents: readonly Content[]): ReadonlySet<Digest> {
    const found = this.#rows(
      `SELECT asked.value ->> 0 AS parent, count(*) AS edges FROM json_each(?) AS asked
       CROSS JOIN content_above AS above ON above.parent = asked.value ->> 0 AND above.child = asked.value ->> 1
         AND above.kind = asked.value ->> 2 AND above.size = asked.value ->> 3 AND above.seal = asked.value ->> 4
       GROUP BY 1`,
      JSON.stringify(contents.flatMap((content) => upward(content))),
    );
    const edges = new Map(found.map((row) => [row['parent'] as Digest, Number(row['edges'])]));
    return new Set(
      contents
        .filter((content) => (edges.get(content.digest) ?? 0) === content.edges.length)
        .map(({ digest }) => digest),
    );
  }

  #write(content: Content, seal: string): void {
    const { digest, kind, isArtifact, subject, edges } = content;
    const run = (sql: string, values: readonly SQLInputValue[]): void => {
      this.#database.prepare(sql).run(...values);
    };
    // What damage has left of it goes; what it has moved elsewhere fits no seal, and is never seen.
    run('DELETE FROM content_below WHERE parent = ?', [digest]);
    const row = [digest, kind, Number(isArtifact), subject ?? null, edges.length, seal];
    run('INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?, ?, ?)', row);
    run('INSERT INTO content_below SELECT ?, key, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)', [
      digest,
      JSON.stringify(edges.map((edge) => [edge.child, edge.kind, edge.size])),
    ]);
    // In the order of the table, or ten thousand of them take their time.
    run(
      `INSERT OR REPLACE INTO content_above
       SELECT value ->> 1, value ->> 0, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) ORDER BY 1`,
      [JSON.stringify(upward(content))],
    );
  }

  #rows(sql: string, ...values: SQLInputValue[]): Row[] {
    return prepareWide(this.#database, sql).all(...values);
  }
}

function distinctEdges(edges: readonly Edge[]): Edge[] {
  return [...new Map(edges.map((edge) => [`${edge.child} ${edge.kind} ${edge.size}`, edge])).values()];
}

/** The types are claims until the seal fits: then it is what was written. */
function readContent(row: Row, below: readonly Row[]): Content {
  return {
    digest: row['digest'] as Digest,
    kind: row['kind'] as Content['kind'],
    isArtifact: Boolean(row['is_artifact']),
    subject: (row['subject'] ?? undefined) as Digest | undefined,
    edges: below.map(readEdge),
  };
}

function readEdge(row: Row): Edge {
  return { child: row['child'] as Digest, kind: row['kind'] as ContentKind, size: Number(row['size']) };
}

function upward({ digest, edges }: Content): (string | number)[][] {
  return edges.map((edge) => [digest, edge.child, edge.kind, edge.size, edgeSeal(digest, edge)]);
}

/** Ties all that is recorded of a manifest together, so that a row that is torn, lost or altered is noticed. */
function sealOf({ digest, kind, isArtifact, subject, edges }: Content): string {
  const below = edges.map((edge) => [edge.child, edge.kind, edge.size]);
  return hashOf(['tufgate content', reading, digest, kind, isArtifact, subject ?? null, below]);
}

/** Short, as there are many, and what it is for is damage: 64 bits of it. */
function edgeSeal(parent: Digest, { child, kind, size }: Edge): string {
  return hashOf(['tufgate edge', reading, parent, child, kind, size]).slice(0, 16);
}

function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
