import type { Floor } from '../tuf/floor.ts';

/** The state could not be read or written, or is damaged. Never a reason to start afresh. */
export class StateError extends Error {
  override readonly name = 'StateError';
}

/** Somebody else committed in between: load again and decide again. */
export class StateConflict extends Error {
  override readonly name = 'StateConflict';
}

/** A role's file as it was last accepted, and the floor that it sets. */
export interface TrustedFile {
  readonly floor: Floor;
  readonly bytes: Uint8Array;
}

/** What is trusted of one GUN at one notary. */
export interface TrustRecord {
  /** From the root where trust started to the newest, one version at a time. */
  readonly roots: readonly [Uint8Array, ...Uint8Array[]];
  /** timestamp, snapshot, targets and delegations, by role. */
  readonly files: ReadonlyMap<string, TrustedFile>;
  /** When all of it was last confirmed by the notary, in milliseconds since 1970; 0 for never. */
  readonly confirmedAt: number;
}

export interface StoredRecord extends TrustRecord {
  /** One higher with every commit, and never used again, even after `forget`. */
  readonly revision: number;
}

/** Where trust is kept across restarts and, in a shared implementation, across replicas. */
export interface TrustStore {
  /** Gives the record, or undefined if the GUN was never trusted. Throws StateError if it cannot be read or is damaged. */
  load(notary: string, gun: string): Promise<StoredRecord | undefined>;
  /**
   * Replaces the record as a whole, and returns when it would survive a power cut. `revision` is that of the record the
   * decision was made on, 0 for none; throws StateConflict if that is no longer the stored one, StateError if it cannot
   * be written; either way nothing has changed.
   */
  commit(notary: string, gun: string, revision: number, record: TrustRecord): Promise<void>;
  /** Forgets a GUN; says whether there was anything to forget. Only ever an operator's wish. Throws StateError. */
  forget(notary: string, gun: string): Promise<boolean>;
  /** Throws StateError unless the state could be written now. */
  probe(): Promise<void>;
  close(): Promise<void>;
}
