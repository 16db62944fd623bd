import type { Digest } from '../../oci/reference.ts';
import type { Terms } from '../../policy/judge.ts';
import type { Roots, Standing } from '../../policy/standing.ts';
import type { SignedLedger } from '../../trust/state/signed-ledger.ts';

export interface RootsOptions {
  readonly ledger: SignedLedger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** What each exception that names no digest means now. */
  readonly excepted: ReadonlyMap<Digest, Standing>;
}

/** Takes the terms of a question; gives what the content of the repository may stand on by them. */
export function rootsOf({ listed, keep, exceptions }: Terms, { ledger, now, excepted }: RootsOptions): Roots {
  const byException = new Map<Digest, Standing>(excepted);
  for (const exception of exceptions) {
    if (exception.digest !== undefined) byException.set(exception.digest, { kind: 'excepted', exception });
  }
  const keptSince = (): number => Math.max(0, now() - keep);
  return {
    identity: JSON.stringify([listed?.identity, ...byException.keys()]),
    async digests() {
      const named = [...byException.keys()];
      if (listed === undefined) return named;
      const signed = await ledger.newestFirst(listed.scope, [...listed.byDigest.keys()]);
      const kept = keep > 0 ? await ledger.kept(listed.scope, keptSince()) : [];
      return [...named, ...signed, ...kept];
    },
    async standing(digest) {
      const target = listed?.byDigest.get(digest);
      if (target !== undefined) return { kind: 'signed', target };
      const exception = byException.get(digest);
      if (exception !== undefined || listed === undefined || keep === 0) return exception;
      const span = await ledger.until(listed.scope, digest);
      if (span?.until === undefined || span.revoked || span.until < keptSince()) return undefined;
      return { kind: 'kept', root: digest, until: span.until, keptUntil: span.until + keep };
    },
  };
}
