// What the graph and the ledger share: one database file, with each other, with the trust store and with other processes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import { SqliteContentGraph } from '../../src/trust/state/sqlite-content-graph.ts';
import { SqliteSignedLedger } from '../../src/trust/state/sqlite-signed-ledger.ts';
import { StateError } from '../../src/trust/trust-store.ts';
import { alter, blobs, content, digestOf } from './state-facts.ts';
import { recordNumber, temporaryDirectory } from './trust-records.ts';

const [now, old] = [digestOf('now'), digestOf('old')];
const ended = { from: 10, until: 20, revoked: false };

/** A closed state whose ledger has a digest that is signed and one that was; gives its path. */
async function makeState(t: TestContext): Promise<string> {
  const path = join(temporaryDirectory(t), 'state.db');
  const ledger = new SqliteSignedLedger(path);
  await ledger.observe('app', new Set([now, old]), 10);
  await ledger.observe('app', new Set([now]), 20);
  await ledger.close();
  return path;
}

function startProcess(path: string, mode: 'once' | 'on and on') {
  const script = join(import.meta.dirname, 'state-process.ts');
  const child = spawn(process.execPath, [script, path, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
  return { child, printed: text(child.stdout), ended: once(child, 'close') };
}

test('a revocation is forced to the disk, and what can be read again is not', async (t) => {
  const path = await makeState(t);
  const databases = new Set<DatabaseSync>();
  const exec = Object.getOwnPropertyDescriptor(DatabaseSync.prototype, 'exec')?.value as DatabaseSync['exec'];
  t.mock.method(DatabaseSync.prototype, 'exec', function (this: DatabaseSync, sql: string) {
    databases.add(this);
    exec.call(this, sql);
  });
  const opened = [new SqliteSignedLedger(path), new SqliteContentGraph(path)];
  t.after(() => Promise.all(opened.map((each) => each.close())));
  const synchronous = [...databases].map((each) => each.prepare('PRAGMA synchronous').get()?.['synchronous']);
  assert.deepEqual(synchronous, [2, 1]);
});

test('another process sees what is written here, and here is seen what it writes until it is killed', async (t) => {
  const path = await makeState(t);
  const [ledger, graph] = [new SqliteSignedLedger(path), new SqliteContentGraph(path)];
  t.after(() => Promise.all([ledger.close(), graph.close()]));
  const image = content('image', blobs('layer'));
  await graph.record(image);
  assert.deepEqual(await ledger.until('app', old), ended);

  const { child, ...other } = startProcess(path, 'once');
  const [printed] = await Promise.all([other.printed, other.ended]);
  const parent = { digest: image.digest, kind: 'blob', size: 1000 };
  assert.deepEqual(JSON.parse(printed), {
    seen: { parents: [parent], isWhole: true },
    revoked: 'revoked',
    span: { from: 10, until: 20, revoked: true },
  });
  assert.equal(child.signalCode, 'SIGKILL');
  assert.deepEqual(await ledger.until('app', old), { from: 10, until: 20, revoked: true });
  const others = content('from the other', blobs('layer'));
  assert.deepEqual(await graph.unread([others.digest]), []);
  assert.equal((await graph.above(digestOf('layer'), 10)).parents.length, 2);
});

test('two processes that write at the same time wait for each other, and none is refused', async (t) => {
  const path = await makeState(t);
  const { printed, ended: childEnded } = startProcess(path, 'on and on');
  const [ledger, graph] = [new SqliteSignedLedger(path), new SqliteContentGraph(path)];
  t.after(() => Promise.all([ledger.close(), graph.close()]));
  let isRunning = true;
  const finished = childEnded.then(() => (isRunning = false));
  for (let round = 0; isRunning; round += 1) {
    await ledger.observe('app', new Set([now, digestOf(`here ${round}`)]), 100 + round);
    await graph.record(content(`here ${round}`, blobs('layer')));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await finished;
  assert.equal(await printed, 'done');
});

const tables = ['content', 'content_below', 'content_above', 'signed_digest', 'signed_set'];

/** A state as it was made before it had a graph and a ledger, with one record; gives its path. */
async function makeOldState(t: TestContext): Promise<string> {
  const path = join(temporaryDirectory(t), 'state.db');
  const store = new SqliteTrustStore(path);
  await store.commit('main', 'reg.test/app', 0, recordNumber(1));
  await store.close();
  alter(path, tables.map((table) => `DROP TABLE ${table};`).join(' '));
  return path;
}

for (const first of [SqliteSignedLedger, SqliteContentGraph, SqliteTrustStore]) {
  test(`a state without a graph and a ledger gets both and keeps its records: ${first.name} opens it`, async (t) => {
    const path = await makeOldState(t);
    await new first(path).close();
    const [ledger, graph, store] = [
      new SqliteSignedLedger(path),
      new SqliteContentGraph(path),
      new SqliteTrustStore(path),
    ];
    t.after(() => Promise.all([ledger.close(), graph.close(), store.close()]));
    await ledger.observe('app', new Set([now]), 10);
    await graph.record(content('image', blobs('layer')));
    await store.probe();
    assert.deepEqual(await store.load('main', 'reg.test/app'), { ...recordNumber(1), revision: 1 });
    assert.deepEqual(await ledger.until('app', now), { from: 10, until: undefined, revoked: false });
    assert.deepEqual(await graph.unread([digestOf('image')]), []);
  });
}

test('a damaged state gets no tables: it is looked through as a whole before, and left as it was', async (t) => {
  const path = await makeOldState(t);
  const bytes = readFileSync(path);
  const root = new DatabaseSync(path);
  const page = Number(
    root.prepare(`SELECT rootpage FROM sqlite_schema WHERE name = 'root'`).get()?.['rootpage'],
  );
  root.close();
  bytes.fill(0xff, (page - 1) * 4096, page * 4096);
  writeFileSync(path, bytes);
  for (const first of [SqliteSignedLedger, SqliteContentGraph, SqliteTrustStore])
    assert.throws(() => new first(path), StateError, first.name);
  assert.ok(bytes.equals(readFileSync(path)));
});

test('a newer schema is refused by the ledger and the graph too', async (t) => {
  const path = await makeState(t);
  alter(path, 'PRAGMA user_version = 2');
  for (const opened of [SqliteSignedLedger, SqliteContentGraph])
    assert.throws(() => new opened(path), { name: 'StateError', message: /schema 2.*knows 1/ });
});
