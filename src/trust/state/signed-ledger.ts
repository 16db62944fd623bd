import type { Digest } from '../../oci/reference.ts';

/** When a digest was signed, in milliseconds since 1970, as far as it was observed. */
export interface SignedSpan {
  /** When it was seen signed first, after it was not. */
  readonly from: number;
  /** When it was seen to be signed no longer; undefined for one that is. */
  readonly until: number | undefined;
  /** Whether an operator wants it kept no longer. Never set while it is signed. */
  readonly revoked: boolean;
}

/** How many digests that are no longer signed are remembered of a scope: the newest ones. */
export const mostEnded = 50_000;

/**
 * Which digests trust data signed, from when until when, as it was observed: what `keep` is decided on. `scope` is the
 * caller's text for whose signatures count: a GUN, and the signers that a rule asks for. Times are whole milliseconds.
 *
 * What is not here is not kept, so that an entry that was lost, or dropped as too old or too many, denies. An author of
 * the state can write what he likes. Any number of instances, in any number of processes, may use one state at once.
 * All methods throw StateError if the state cannot be read or written, or is closed, and RangeError for a time that is
 * no safe integer from 0 on.
 */
export interface SignedLedger {
  /**
   * Takes all that a scope signs now: begins a span for each digest that is new or signed again, which takes back a
   * revocation, and ends, now, that of each one that is signed no longer; all at once or not at all, and lasting. Two
   * that observe at the same time come one after the other. If nothing has changed, nothing is written.
   */
  observe(scope: string, digests: ReadonlySet<Digest>, now: number): Promise<void>;
  /** Gives when a digest was signed, newest span; undefined if never. Throws StateError if its entry is damaged. */
  until(scope: string, digest: Digest): Promise<SignedSpan | undefined>;
  /**
   * Gives the digests ordered by when they were seen signed first, newest first; those never observed come before all
   * others, as they are newer still, and else the order given is kept. An order, and no judgement.
   */
  newestFirst(scope: string, digests: readonly Digest[]): Promise<readonly Digest[]>;
  /** Gives what is signed no longer, was so at `after` or later, and is not revoked, newest first. */
  kept(scope: string, after: number): Promise<readonly Digest[]>;
  /**
   * Marks a digest that is no longer signed as not to be kept, lasting, until it is signed again; says so also if it
   * was marked before. Nothing changes for one that is signed, or unknown. Throws StateError if its entry is damaged:
   * until it is signed again, nobody gets a yes for it then.
   */
  revoke(scope: string, digest: Digest): Promise<'revoked' | 'still-signed' | 'unknown'>;
  /** Forgets all that a scope signed: nothing of it is kept. An operator's wish. */
  forget(scope: string): Promise<void>;
  /** Forgets, in all scopes, what was signed no longer before a time. It lets others have their turn between scopes. */
  prune(before: number): Promise<void>;
  close(): Promise<void>;
}
