import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { SignedSpan } from '../../src/trust/state/signed-ledger.ts';
import { SqliteSignedLedger } from '../../src/trust/state/sqlite-signed-ledger.ts';
import { StateError } from '../../src/trust/trust-store.ts';
import type { Spans } from './memory-signed-ledger.ts';
import { MemorySignedLedger } from './memory-signed-ledger.ts';
import { describeSignedLedger } from './signed-ledger-conformance.ts';
import { alter, digestOf, digestsOf, disorder, watchStatements } from './state-facts.ts';
import { temporaryDirectory } from './trust-records.ts';

describeSignedLedger('memory', () => {
  const spans: Spans = new Map();
  return () => new MemorySignedLedger(spans);
});
describeSignedLedger('SQLite', (t) => {
  const path = join(temporaryDirectory(t), 'not', 'there', 'yet', 'state.db');
  return () => new SqliteSignedLedger(path);
});

const [now, old, gone] = [digestOf('now'), digestOf('old'), digestOf('gone')];
const truth: ReadonlyMap<typeof now, SignedSpan> = new Map([
  [now, { from: 10, until: undefined, revoked: false }],
  [old, { from: 10, until: 20, revoked: false }],
  [gone, { from: 10, until: 30, revoked: true }],
]);

/** A closed state whose ledger has a digest of each sort, in `app` and in `another`; gives its path. */
async function makeState(t: TestContext): Promise<string> {
  const path = join(temporaryDirectory(t), 'state.db');
  const ledger = new SqliteSignedLedger(path);
  for (const scope of ['app', 'another']) {
    await ledger.observe(scope, new Set([now, old, gone]), 10);
    await ledger.observe(scope, new Set([now, gone]), 20);
    await ledger.observe(scope, new Set([now]), 30);
    await ledger.revoke(scope, gone);
  }
  await ledger.close();
  return path;
}

const of = (digest: string): string => `scope = 'app' AND digest = '${digest}'`;
const damages: readonly (readonly [what: string, sql: string, digest: typeof now])[] = [
  ['the beginning moved', `UPDATE signed_digest SET since = 11 WHERE ${of(old)}`, old],
  ['the end moved', `UPDATE signed_digest SET until = 21 WHERE ${of(old)}`, old],
  [
    'the end beyond all numbers',
    `UPDATE signed_digest SET until = 9223372036854775807 WHERE ${of(old)}`,
    old,
  ],
  ['the end lost', `UPDATE signed_digest SET until = NULL WHERE ${of(gone)}`, gone],
  ['an end that never was', `UPDATE signed_digest SET until = 20 WHERE ${of(now)}`, now],
  ['the revocation lost', `UPDATE signed_digest SET revoked = 0 WHERE ${of(gone)}`, gone],
  ['a revocation that never was', `UPDATE signed_digest SET revoked = 1 WHERE ${of(old)}`, old],
  ['the seal altered', `UPDATE signed_digest SET seal = 'x' WHERE ${of(gone)}`, gone],
  ['the seal of another digest', `UPDATE signed_digest SET seal = (SELECT seal FROM signed_digest WHERE ${of(old)}) WHERE ${of(gone)}`, gone], // prettier-ignore
  ['the entry of another digest', `DELETE FROM signed_digest WHERE ${of(gone)}; UPDATE signed_digest SET digest = '${gone}' WHERE ${of(old)}`, gone], // prettier-ignore
  ['the entry of another scope', `DELETE FROM signed_digest WHERE scope = 'app'; UPDATE signed_digest SET scope = 'app'`, gone], // prettier-ignore
];

for (const [what, sql, digest] of damages) {
  test(`${what}: nobody is told that the digest is kept, nor that it is not`, async (t) => {
    const path = await makeState(t);
    alter(path, sql);
    const ledger = new SqliteSignedLedger(path);
    t.after(() => ledger.close());
    const damaged = (error: unknown): true => {
      assert.ok(error instanceof StateError, String(error));
      assert.match(error.message, /^the state of app is damaged: when it signed sha256:/);
      assert.ok(error.message.includes(digest));
      return true;
    };
    await assert.rejects(ledger.until('app', digest), damaged);
    await assert.rejects(ledger.revoke('app', digest), damaged);
    await ledger.observe('app', new Set([digestOf('next')]), 40);
    await assert.rejects(ledger.until('app', digest), damaged, 'no observation makes it sound');
    await ledger.observe('app', new Set([digest]), 50);
    assert.deepEqual(await ledger.until('app', digest), { from: 50, until: undefined, revoked: false });
  });
}

test('a damaged entry does not spoil the others', async (t) => {
  const path = await makeState(t);
  alter(path, `UPDATE signed_digest SET revoked = 0 WHERE ${of(gone)}`);
  const ledger = new SqliteSignedLedger(path);
  t.after(() => ledger.close());
  assert.deepEqual(await ledger.until('app', now), truth.get(now));
  assert.deepEqual(await ledger.until('another', gone), truth.get(gone));
  assert.deepEqual(await ledger.newestFirst('app', [old, gone, now]), [old, gone, now]);
  assert.equal(await ledger.revoke('app', old), 'revoked');
});

test('a lost or altered record of what was observed last costs a look, and changes no entry', async (t) => {
  for (const sql of ['DELETE FROM signed_set', `UPDATE signed_set SET fingerprint = 'x'`]) {
    const path = await makeState(t);
    alter(path, sql);
    const ledger = new SqliteSignedLedger(path);
    await ledger.observe('app', new Set([now]), 40);
    for (const [digest, span] of truth) assert.deepEqual(await ledger.until('app', digest), span);
    await ledger.observe('app', new Set(), 50);
    assert.deepEqual(await ledger.until('app', now), { from: 10, until: 50, revoked: false });
    await ledger.close();
  }
});

test('a ledger in a database with altered bytes tells the truth, or nothing, or is a StateError', async (t) => {
  const path = await makeState(t);
  const sound = readFileSync(path);
  const outcomes = { whole: 0, lost: 0, refused: 0 };
  for (let place = 0; place < sound.length; place += 193) {
    const bytes = Buffer.from(sound);
    bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << (place % 8)), place);
    const copy = `${path}.${place}`;
    writeFileSync(copy, bytes);
    try {
      const ledger = new SqliteSignedLedger(copy);
      try {
        for (const [digest, expected] of truth) {
          const span = await ledger.until('app', digest);
          outcomes[span === undefined ? 'lost' : 'whole'] += 1;
          if (span !== undefined) assert.deepEqual(span, expected, `byte ${place}`);
        }
      } finally {
        await ledger.close();
      }
    } catch (error) {
      if (!(error instanceof StateError)) throw new Error(`byte ${place}`, { cause: error });
      outcomes.refused += 1;
    }
  }
  for (const [outcome, count] of Object.entries(outcomes)) assert.ok(count > 0, `none was ${outcome}`);
});

test('an observation that changes nothing writes nothing, be it of a name that nobody ever signed', async (t) => {
  const path = await makeState(t);
  const ledger = new SqliteSignedLedger(path);
  const observer = new DatabaseSync(path);
  t.after(() => observer.close());
  t.after(() => ledger.close());
  const version = () => observer.prepare('PRAGMA data_version').get()?.['data_version'];
  const before = version();
  await ledger.observe('app', new Set([now]), 40);
  await ledger.observe('never signed', new Set(), 40);
  assert.equal(version(), before);
  await ledger.observe('app', new Set([now, old]), 40);
  assert.notEqual(version(), before);
});

test('an observation that fails in the middle changes nothing', async (t) => {
  const path = await makeState(t);
  alter(path, `CREATE TRIGGER full BEFORE INSERT ON signed_set BEGIN SELECT RAISE(ABORT, 'no room'); END`);
  const ledger = new SqliteSignedLedger(path);
  t.after(() => ledger.close());
  await assert.rejects(ledger.observe('app', new Set([old]), 40), { name: 'StateError', message: /no room/ });
  for (const [digest, span] of truth) assert.deepEqual(await ledger.until('app', digest), span);
  alter(path, 'DROP TRIGGER full');
  await ledger.observe('app', new Set([old]), 50);
  assert.deepEqual(await ledger.until('app', now), { from: 10, until: 50, revoked: false });
  assert.deepEqual(await ledger.until('app', old), { from: 50, until: undefined, revoked: false });
});

test('the ledger is asked along its keys only, and five thousand digests with one statement', async (t) => {
  const path = await makeState(t);
  const ledger = new SqliteSignedLedger(path);
  t.after(() => ledger.close());
  const { statements, plans } = watchStatements(t, path);
  await ledger.until('app', old);
  await ledger.newestFirst('app', digestsOf('signed', 5000));
  assert.equal(statements.length, 2);
  assert.deepEqual(plans(), [
    ['SEARCH signed_digest USING PRIMARY KEY (scope=? AND digest=?)'],
    ['SCAN asked VIRTUAL TABLE INDEX 1:', 'SEARCH signed_digest USING PRIMARY KEY (scope=? AND digest=?)'],
  ]);
});

test('a ledger whose rows are out of order is a StateError', async (t) => {
  for (const table of ['signed_digest', 'signed_set']) {
    const path = await makeState(t);
    disorder(path, table, 'scope');
    assert.throws(() => new SqliteSignedLedger(path), { name: 'StateError', message: /out of order/ });
  }
});

test('others have their turn while old entries are forgotten, scope by scope', async (t) => {
  const ledger = new SqliteSignedLedger(await makeState(t));
  t.after(() => ledger.close());
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    waiting = setImmediate(turn);
  };
  let waiting = setImmediate(turn);
  t.after(() => clearImmediate(waiting));
  await ledger.prune(100);
  assert.ok(turns >= 2, `${turns} turns for two scopes`);
});
