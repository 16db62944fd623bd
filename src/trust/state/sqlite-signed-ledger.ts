import { createHash } from 'node:crypto';
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import type { Digest } from '../../oci/reference.ts';
import { StateError } from '../trust-store.ts';
import type { SignedLedger, SignedSpan } from './signed-ledger.ts';
import { mostEnded } from './signed-ledger.ts';
import { guarded, openState, prepareWide, transact } from './sqlite-database.ts';

const digestsAtOnce = 5_000;

type Row = Record<string, SQLOutputValue>;

/**
 * The ledger of a single instance. Every change survives a power cut, as a revocation must.
 *
 * Each row has a seal of its own. One that does not fit is a StateError for whoever asks about that digest, and neither
 * "never signed" nor "kept": what it said is not known, the registry cannot tell it again as it can for the graph, and a
 * row that lost its revocation would be a yes. Other digests are not concerned; one that is signed when the set changes is
 * written anew.
 *
 * What `observe` costs: with the set that was observed last, a hash over it and one look-up, some 1 ms for 5,000
 * digests. With any other, one synchronous transaction with a pass over the scope's rows and a write for each digest
 * that came or went, some 25 ms for 5,000 of them. Signers bound the set by the size of their targets files; one for
 * which this takes seconds, a quarter of a million, has taken longer to be read and verified.
 */
export class SqliteSignedLedger implements SignedLedger {
  readonly #database: DatabaseSync;

  /** Takes the path of the database, which is made if it is not there. Throws StateError. */
  constructor(path: string) {
    const checked = { tables: ['signed_digest', 'signed_set'], disordered: 'refused' } as const;
    this.#database = openState(path, { synchronous: 'FULL', checked });
  }

  async observe(scope: string, digests: ReadonlySet<Digest>, now: number): Promise<void> {
    checkTime(now);
    const fingerprint = hashOf(['tufgate signed set', scope, ...digests]);
    guarded(`cannot write what ${scope} signs`, () => {
      if (this.#fingerprint(scope) === fingerprint) return;
      transact(this.#database, 'BEGIN IMMEDIATE', () => {
        // Anyone may ask for names that nobody ever signed anything of: they leave no trace.
        if (!this.#change(scope, digests, now) && digests.size === 0) return;
        this.#prepare('INSERT OR REPLACE INTO signed_set VALUES (?, ?)').run(scope, fingerprint);
        this.#prepare(
          `DELETE FROM signed_digest WHERE scope = ?1 AND digest IN (
             SELECT digest FROM signed_digest WHERE scope = ?1 AND until IS NOT NULL
             ORDER BY until DESC, digest LIMIT -1 OFFSET ?2)`,
        ).run(scope, mostEnded);
      });
    });
  }

  async until(scope: string, digest: Digest): Promise<SignedSpan | undefined> {
    return guarded(`cannot read when ${scope} signed ${digest}`, () => this.#span(scope, digest));
  }

  async newestFirst(scope: string, digests: readonly Digest[]): Promise<readonly Digest[]> {
    const since = new Map<Digest, number>();
    for (let first = 0; first < digests.length; first += digestsAtOnce) {
      if (first > 0) await setImmediate();
      const rows = guarded(`cannot read what ${scope} signed`, () =>
        this.#prepare(
          `SELECT digest, since FROM json_each(?) AS asked
           CROSS JOIN signed_digest ON scope = ? AND digest = asked.value`,
        ).all(JSON.stringify(digests.slice(first, first + digestsAtOnce)), scope),
      );
      // Without a look at the seals: in which order something is looked for decides nothing.
      for (const row of rows) since.set(row['digest'] as Digest, Number(row['since']));
    }
    const order = (digest: Digest): number => since.get(digest) ?? Infinity;
    return digests.toSorted((a, b) => (order(a) === order(b) ? 0 : order(b) - order(a)));
  }

  async kept(scope: string, after: number): Promise<readonly Digest[]> {
    checkTime(after);
    const rows = guarded(`cannot read what ${scope} signed`, () =>
      this.#prepare(
        `SELECT digest, since, until, revoked, seal FROM signed_digest
         WHERE scope = ? AND until >= ? AND NOT revoked ORDER BY until DESC`,
      ).all(scope, after),
    );
    // What is damaged is not kept; who asks for it by its digest hears of the damage.
    return rows.filter((row) => isSound(scope, row)).map((row) => row['digest'] as Digest);
  }

  async revoke(scope: string, digest: Digest): Promise<'revoked' | 'still-signed' | 'unknown'> {
    return guarded(`cannot revoke ${digest} of ${scope}`, () =>
      transact(this.#database, 'BEGIN IMMEDIATE', () => {
        const span = this.#span(scope, digest);
        if (span === undefined) return 'unknown';
        if (span.until === undefined) return 'still-signed';
        this.#write(scope)(digest, { ...span, revoked: true });
        return 'revoked';
      }),
    );
  }

  async forget(scope: string): Promise<void> {
    guarded(`cannot forget what ${scope} signed`, () =>
      transact(this.#database, 'BEGIN IMMEDIATE', () => {
        for (const table of ['signed_digest', 'signed_set'])
          this.#prepare(`DELETE FROM ${table} WHERE scope = ?`).run(scope);
      }),
    );
  }

  async prune(before: number): Promise<void> {
    checkTime(before);
    const what = 'cannot forget what was signed long ago';
    const scopes = guarded(what, () => this.#prepare('SELECT scope FROM signed_set').all());
    for (const { scope } of scopes) {
      guarded(what, () =>
        this.#prepare('DELETE FROM signed_digest WHERE scope = ? AND until < ?').run(scope ?? null, before),
      );
      await setImmediate();
    }
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  /** Writes what is signed, and no longer, to the rows of a scope; says whether anything has changed. */
  #change(scope: string, digests: ReadonlySet<Digest>, now: number): boolean {
    const rows = this.#prepare(
      'SELECT digest, since, until, revoked, seal FROM signed_digest WHERE scope = ? AND until IS NULL',
    ).all(scope);
    // A damaged one is left out: it begins anew if it is signed, and else nobody knows what it was.
    const begun = new Map(
      rows
        .filter((row) => isSound(scope, row))
        .map((row) => [row['digest'] as Digest, readSpan(row)] as const),
    );
    const [added, ended] = [
      // In the order of the table, or very many of them take their time.
      [...digests].filter((digest) => !begun.has(digest)).toSorted(),
      [...begun].filter(([digest]) => !digests.has(digest)),
    ];
    const write = this.#write(scope);
    for (const digest of added) write(digest, { from: now, until: undefined, revoked: false });
    for (const [digest, span] of ended) write(digest, { ...span, until: now });
    return added.length > 0 || ended.length > 0;
  }

  /** Gives what writes the rows of a scope, prepared once for many. */
  #write(scope: string): (digest: Digest, span: SignedSpan) => void {
    const statement = this.#prepare('INSERT OR REPLACE INTO signed_digest VALUES (?, ?, ?, ?, ?, ?)');
    return (digest, span) => {
      const values: SQLInputValue[] = [span.from, span.until ?? null, Number(span.revoked)];
      statement.run(scope, digest, ...values, sealOf(scope, digest, span));
    };
  }

  #span(scope: string, digest: Digest): SignedSpan | undefined {
    const row = this.#prepare(
      'SELECT digest, since, until, revoked, seal FROM signed_digest WHERE scope = ? AND digest = ?',
    ).get(scope, digest);
    if (row === undefined) return undefined;
    if (!isSound(scope, row)) {
      throw new StateError(
        `the state of ${scope} is damaged: when it signed ${digest} does not fit its seal`,
      );
    }
    return readSpan(row);
  }

  #fingerprint(scope: string): SQLOutputValue | undefined {
    return this.#prepare('SELECT fingerprint FROM signed_set WHERE scope = ?').get(scope)?.['fingerprint'];
  }

  #prepare(sql: string): ReturnType<typeof prepareWide> {
    return prepareWide(this.#database, sql);
  }
}

function checkTime(time: number): void {
  if (!Number.isSafeInteger(time) || time < 0) throw new RangeError(`${time} is no time in milliseconds`);
}

function isSound(scope: string, row: Row): boolean {
  return row['seal'] === sealOf(scope, String(row['digest']), readSpan(row));
}

function readSpan(row: Row): SignedSpan {
  const until = row['until'] ?? undefined;
  return {
    from: Number(row['since']),
    until: until === undefined ? undefined : Number(until),
    revoked: Boolean(row['revoked']),
  };
}

/** Ties a row together, and to its scope, so that one that is torn, altered or moved is noticed. */
function sealOf(scope: string, digest: string, { from, until, revoked }: SignedSpan): string {
  return hashOf(['tufgate signed digest', scope, digest, from, until ?? null, revoked]);
}

function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
