import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { Digest } from '../../src/oci/reference.ts';
import type { Content } from '../../src/trust/state/content-graph.ts';
import { SqliteContentGraph } from '../../src/trust/state/sqlite-content-graph.ts';
import { StateError } from '../../src/trust/trust-store.ts';
import { describeContentGraph, unordered } from './content-graph-conformance.ts';
import { MemoryContentGraph } from './memory-content-graph.ts';
import { alter, blobs, content, digestOf, digestsOf, disorder, watchStatements } from './state-facts.ts';
import { temporaryDirectory } from './trust-records.ts';

describeContentGraph('memory', () => {
  const contents = new Map<Digest, Content>();
  return () => new MemoryContentGraph(contents);
});
describeContentGraph('SQLite', (t) => {
  const path = join(temporaryDirectory(t), 'not', 'there', 'yet', 'state.db');
  return () => new SqliteContentGraph(path);
});

const image = content('image', blobs('config', 'layer', 'shared'));
const other = content('other', blobs('other config', 'shared'), { isArtifact: true, subject: image.digest });
const truth = [image, other];

/** A closed state with two manifests in its graph; gives its path. */
async function makeState(t: TestContext): Promise<string> {
  const path = join(temporaryDirectory(t), 'state.db');
  const graph = new SqliteContentGraph(path);
  for (const each of truth) await graph.record(each);
  await graph.close();
  return path;
}

async function expectWhole(graph: SqliteContentGraph): Promise<void> {
  assert.deepEqual(await graph.unread([image.digest, other.digest]), []);
  for (const { digest, edges } of truth) {
    assert.deepEqual(await graph.of(digest), digest === image.digest ? image : other);
    for (const { child } of edges) {
      const parents = truth.flatMap((each) =>
        each.edges
          .filter((edge) => edge.child === child)
          .map(({ kind, size }) => ({ digest: each.digest, kind, size })),
      );
      assert.deepEqual(unordered(await graph.above(child, 10)), unordered({ parents, isWhole: true }));
    }
  }
}

/** What is found is true, what is missing is told as unread, and after it is read again all of it is there. */
async function expectTruthOrNothing(graph: SqliteContentGraph): Promise<readonly Digest[]> {
  const unread = await graph.unread(truth.map(({ digest }) => digest));
  for (const each of truth) {
    const found = await graph.of(each.digest);
    assert.ok(found !== undefined || unread.includes(each.digest));
    if (found !== undefined) assert.deepEqual(found, each);
    for (const { child } of each.edges) {
      const { parents } = await graph.above(child, 10);
      for (const { digest, kind, size } of parents) {
        const edges = truth.find((parent) => parent.digest === digest)?.edges ?? [];
        assert.ok(edges.some((edge) => edge.child === child && edge.kind === kind && edge.size === size));
      }
      assert.ok(unread.includes(each.digest) || parents.some(({ digest }) => digest === each.digest));
    }
  }
  for (const each of truth) await graph.record(each);
  await expectWhole(graph);
  return unread;
}

const [one, two] = [`'${image.digest}'`, `'${other.digest}'`];
const [layer, shared] = [`'${digestOf('layer')}'`, `'${digestOf('shared')}'`];
const damages: readonly (readonly [what: string, sql: string, unread: readonly Digest[]])[] = [
  ['a kind altered', `UPDATE content SET kind = 'index' WHERE digest = ${one}`, [image.digest]],
  ['a kind that is none', `UPDATE content SET kind = 'x' WHERE digest = ${one}`, [image.digest]],
  ['an artifact made of it', `UPDATE content SET is_artifact = 1 WHERE digest = ${one}`, [image.digest]],
  ['a subject lost', `UPDATE content SET subject = NULL WHERE digest = ${two}`, [other.digest]],
  ['a subject altered', `UPDATE content SET subject = ${layer} WHERE digest = ${two}`, [other.digest]],
  ['a seal altered', `UPDATE content SET seal = 'x' WHERE digest = ${one}`, [image.digest]],
  ['a manifest lost', `DELETE FROM content WHERE digest = ${one}`, [image.digest]],
  ['all manifests lost', 'DELETE FROM content', [image.digest, other.digest]],
  [
    'a digest altered',
    `UPDATE content SET digest = '${digestOf('x')}' WHERE digest = ${one}`,
    [image.digest],
  ],
  ['a child altered', `UPDATE content_below SET child = 'x' WHERE parent = ${one}`, [image.digest]],
  [
    'a child of another kind',
    `UPDATE content_below SET kind = 'manifest' WHERE parent = ${one}`,
    [image.digest],
  ],
  [
    'a child of another size',
    `UPDATE content_below SET size = 1 WHERE parent = ${one} AND position = 1`,
    [image.digest],
  ],
  [
    'a size beyond all numbers',
    `UPDATE content_below SET size = 9223372036854775807 WHERE parent = ${one}`,
    [image.digest],
  ],
  ['a child lost', `DELETE FROM content_below WHERE parent = ${one} AND position = 2`, [image.digest]],
  ['a child added', `INSERT INTO content_below VALUES (${one}, 3, ${layer}, 'blob', 9)`, [image.digest]],
  [
    'children in another order',
    `UPDATE content_below SET position = -position WHERE parent = ${one}`,
    [image.digest],
  ],
  [
    'a child given to another',
    `UPDATE content_below SET parent = ${two}, position = 9 WHERE child = ${layer}`,
    [image.digest, other.digest],
  ],
  ['a way up lost', `DELETE FROM content_above WHERE child = ${layer}`, [image.digest]],
  ['a way up from elsewhere', `UPDATE content_above SET child = '${digestOf('other config')}' WHERE child = ${layer}`, [image.digest]], // prettier-ignore
  [
    'a way up to elsewhere',
    `UPDATE content_above SET parent = ${two} WHERE child = ${layer}`,
    [image.digest],
  ],
  [
    'a way up of another size',
    `UPDATE content_above SET size = 9223372036854775807 WHERE child = ${layer}`,
    [image.digest],
  ],
  [
    'a way up of another kind',
    `UPDATE content_above SET kind = 'index' WHERE child = ${layer}`,
    [image.digest],
  ],
  [
    'a way up unsealed',
    `UPDATE content_above SET seal = 'x' WHERE child = ${shared}`,
    [image.digest, other.digest],
  ],
  ['a way up added', `INSERT INTO content_above VALUES (${layer}, ${two}, 'blob', 1001, 'x')`, []],
  ['the number of children altered', `UPDATE content SET edges = 9223372036854775807`, []],
];

for (const [what, sql, unread] of damages) {
  test(`${what}: what is damaged is as if it had never been recorded, and can be recorded again`, async (t) => {
    const path = await makeState(t);
    alter(path, sql);
    const graph = new SqliteContentGraph(path);
    t.after(() => graph.close());
    assert.deepEqual(await expectTruthOrNothing(graph), unread);
  });
}

for (const [table, column] of [
  ['content', 'digest'],
  ['content_below', 'parent'],
  ['content_above', 'child'],
] as const) {
  test(`${table} with rows out of order: the graph begins anew`, async (t) => {
    const path = await makeState(t);
    disorder(path, table, column);
    const graph = new SqliteContentGraph(path);
    t.after(() => graph.close());
    assert.deepEqual(await expectTruthOrNothing(graph), [image.digest, other.digest]);
  });
}

test('a graph in a database with altered bytes tells the truth, or nothing, or is a StateError', async (t) => {
  const path = await makeState(t);
  const sound = readFileSync(path);
  const outcomes = { whole: 0, read: 0, refused: 0 };
  for (let place = 0; place < sound.length; place += 193) {
    const bytes = Buffer.from(sound);
    bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << (place % 8)), place);
    const copy = `${path}.${place}`;
    writeFileSync(copy, bytes);
    try {
      const graph = new SqliteContentGraph(copy);
      try {
        const unread = await expectTruthOrNothing(graph);
        outcomes[unread.length > 0 ? 'read' : 'whole'] += 1;
      } finally {
        await graph.close();
      }
    } catch (error) {
      if (!(error instanceof StateError)) throw new Error(`byte ${place}`, { cause: error });
      outcomes.refused += 1;
    }
  }
  for (const [outcome, count] of Object.entries(outcomes)) assert.ok(count > 0, `none was ${outcome}`);
});

test('the graph is asked along its keys only, however much it holds', async (t) => {
  const path = await makeState(t);
  const graph = new SqliteContentGraph(path);
  t.after(() => graph.close());
  const { plans } = watchStatements(t, path);
  await graph.above(digestOf('shared'), 10);
  await graph.of(image.digest);
  await graph.unread([image.digest, digestOf('x')]);
  await graph.record(content('new', blobs('layer')));
  const [above, ...others] = plans();
  assert.deepEqual(above, ['SEARCH content_above USING PRIMARY KEY (child=?)']);
  for (const step of others.flat()) {
    assert.match(
      step,
      /^(?:SCAN (?:asked|json_each) VIRTUAL TABLE |SEARCH \w+ USING PRIMARY KEY \(|USE TEMP B-TREE FOR (?:GROUP|ORDER) BY)/,
    );
  }
});

test('five thousand digests cost few statements, and none for what this process knows', async (t) => {
  const path = await makeState(t);
  const recorded = digestsOf('recorded', 500);
  const signed = [...recorded, ...digestsOf('unread', 4500)];
  const writer = new SqliteContentGraph(path);
  for (const digest of recorded) await writer.record({ ...content('', blobs('config', 'layer')), digest });
  await writer.close();
  const graph = new SqliteContentGraph(path);
  t.after(() => graph.close());
  const { statements } = watchStatements(t, path);
  assert.deepEqual(await graph.unread(signed), signed.slice(500));
  assert.equal(statements.length, 4, 'one for all, and three for up to two thousand edges');
  assert.deepEqual(await graph.unread(signed), signed.slice(500));
  assert.equal(statements.length, 5);
  assert.deepEqual(await graph.unread(recorded), []);
  assert.equal(statements.length, 5);
});

test('others have their turn while very many digests are looked up', async (t) => {
  const path = await makeState(t);
  const writer = new SqliteContentGraph(path);
  const large = ['one', 'two', 'three'].map(
    (name) =>
    content(name, digestsOf(name, 1_500).map((child) => ({ child, kind: 'blob', size: 0 }))), // prettier-ignore
  );
  for (const each of large) await writer.record(each);
  await writer.close();
  const graph = new SqliteContentGraph(path);
  t.after(() => graph.close());
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    waiting = setImmediate(turn);
  };
  let waiting = setImmediate(turn);
  t.after(() => clearImmediate(waiting));
  await graph.unread(digestsOf('signed', 15_001));
  assert.ok(turns >= 3, `${turns} turns`);
  assert.deepEqual(await graph.unread(large.map(({ digest }) => digest)), []);
  assert.ok(turns >= 6, `${turns} turns`);
});

test('recording what is recorded writes nothing', async (t) => {
  const path = await makeState(t);
  const graph = new SqliteContentGraph(path);
  const observer = new DatabaseSync(path);
  t.after(() => observer.close());
  t.after(() => graph.close());
  const version = () => observer.prepare('PRAGMA data_version').get()?.['data_version'];
  const before = version();
  for (const each of truth) await graph.record(each);
  const { statements } = watchStatements(t, path);
  for (const each of truth) await graph.record(each);
  assert.deepEqual(statements, [], 'what this process knows is not even looked up');
  assert.equal(version(), before);
  await graph.record(content('new', blobs('layer')));
  assert.notEqual(version(), before);
});

test('ten thousand layers are recorded, found and checked like one', async (t) => {
  const path = join(temporaryDirectory(t), 'state.db');
  const graph = new SqliteContentGraph(path);
  const layers = digestsOf('layer', 10_000);
  const large = content('large', layers.map((child, size) => ({ child, kind: 'blob', size }))); // prettier-ignore
  await graph.record(large);
  await graph.close();
  const again = new SqliteContentGraph(path);
  t.after(() => again.close());
  assert.deepEqual(await again.unread([large.digest]), []);
  assert.deepEqual(await again.of(large.digest), large);
  const parents = [{ digest: large.digest, kind: 'blob', size: 9_999 }];
  assert.deepEqual(await again.above(digestOf('layer 9999'), 1), { parents, isWhole: true });
});

test('a graph that is cut off is a StateError', async (t) => {
  const path = await makeState(t);
  const { size } = statSync(path);
  for (let length = 0; length < size; length += 4096) {
    const cut = `${path}.${length}`;
    copyFileSync(path, cut);
    writeFileSync(cut, readFileSync(cut).subarray(0, length));
    assert.throws(() => new SqliteContentGraph(cut), StateError, `${length} of ${size} bytes`);
  }
});
