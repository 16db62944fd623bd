import type { Digest } from '../../src/oci/reference.ts';
import type { SignedLedger, SignedSpan } from '../../src/trust/state/signed-ledger.ts';
import { mostEnded } from '../../src/trust/state/signed-ledger.ts';
import { StateError } from '../../src/trust/trust-store.ts';

export type Spans = Map<string, Map<Digest, SignedSpan>>;

/** A ledger without a disk. What two of them share is one map. */
export class MemorySignedLedger implements SignedLedger {
  readonly #scopes: Spans;
  #isOpen = true;

  constructor(scopes: Spans = new Map()) {
    this.#scopes = scopes;
  }

  async observe(scope: string, digests: ReadonlySet<Digest>, now: number): Promise<void> {
    this.#check(now);
    const spans = this.#spans(scope);
    for (const digest of digests) {
      const span = spans.get(digest);
      if (span === undefined || span.until !== undefined)
        spans.set(digest, { from: now, until: undefined, revoked: false });
    }
    for (const [digest, span] of spans) {
      if (span.until === undefined && !digests.has(digest)) spans.set(digest, { ...span, until: now });
    }
    const ended = [...spans].flatMap(([digest, { until }]) =>
      until === undefined ? [] : [{ digest, until }],
    );
    ended.sort((a, b) => b.until - a.until || (a.digest < b.digest ? -1 : 1));
    for (const { digest } of ended.slice(mostEnded)) spans.delete(digest);
    this.#scopes.set(scope, spans);
  }

  async until(scope: string, digest: Digest): Promise<SignedSpan | undefined> {
    this.#check();
    return this.#spans(scope).get(digest);
  }

  async newestFirst(scope: string, digests: readonly Digest[]): Promise<readonly Digest[]> {
    this.#check();
    const from = (digest: Digest): number => this.#spans(scope).get(digest)?.from ?? Number.MAX_SAFE_INTEGER;
    return digests.toSorted((a, b) => from(b) - from(a));
  }

  async kept(scope: string, after: number): Promise<readonly Digest[]> {
    this.#check(after);
    const ended = [...this.#spans(scope)].flatMap(([digest, { until, revoked }]) =>
      until === undefined || until < after || revoked ? [] : [{ digest, until }],
    );
    return ended.toSorted((a, b) => b.until - a.until).map(({ digest }) => digest);
  }

  async revoke(scope: string, digest: Digest): Promise<'revoked' | 'still-signed' | 'unknown'> {
    this.#check();
    const span = this.#spans(scope).get(digest);
    if (span === undefined) return 'unknown';
    if (span.until === undefined) return 'still-signed';
    this.#spans(scope).set(digest, { ...span, revoked: true });
    return 'revoked';
  }

  async forget(scope: string): Promise<void> {
    this.#check();
    this.#scopes.delete(scope);
  }

  async prune(before: number): Promise<void> {
    this.#check(before);
    for (const spans of this.#scopes.values()) {
      for (const [digest, { until }] of spans)
        if (until !== undefined && until < before) spans.delete(digest);
    }
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  #spans(scope: string): Map<Digest, SignedSpan> {
    return this.#scopes.get(scope) ?? new Map<Digest, SignedSpan>();
  }

  #check(time = 0): void {
    if (!this.#isOpen) throw new StateError('closed');
    if (!Number.isSafeInteger(time) || time < 0) throw new RangeError(`a time of ${time}`);
  }
}
