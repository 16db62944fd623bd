import type { Digest, Tag } from '../oci/reference.ts';
import type { SignedTarget } from '../trust/trust.ts';

/** Break glass: what may be pulled although it is not signed, until when, and why (contract §3). */
export interface Exception {
  /** The tag; undefined: by its digest only. */
  readonly reference: Tag | undefined;
  /** What the tag then means; undefined: whatever the registry says. */
  readonly digest: Digest | undefined;
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly why: string;
}

/** By what right content may be pulled: it is one of these, or stands below one, or is an artifact about one. */
export type Standing =
  | { readonly kind: 'signed'; readonly target: SignedTarget }
  /** Signed until a moment, and kept by the rule until another; both in milliseconds since 1970. */
  | { readonly kind: 'kept'; readonly root: Digest; readonly until: number; readonly keptUntil: number }
  | { readonly kind: 'excepted'; readonly exception: Exception };

/** What the content of one repository may stand on. */
export interface Roots {
  /** Another text whenever what is signed is another. */
  readonly identity: string;
  /** Every root there is, those that were signed last first. Throws StateError. */
  digests(): Promise<readonly Digest[]>;
  /** By what right a digest is a root, if it is one. Throws StateError. */
  standing(digest: Digest): Promise<Standing | undefined>;
}

/** What a digest stands on: found, nothing, or not found out. `size` is what its descriptor says, in bytes. */
export type Reach =
  | { readonly kind: 'stands'; readonly standing: Standing; readonly size: number | undefined }
  | { readonly kind: 'nowhere' }
  | { readonly kind: 'unknown'; readonly finding: string }
  /** The state could not be read or written. */
  | { readonly kind: 'no-state'; readonly finding: string };

/** Takes exceptions and the time, in milliseconds since 1970; gives those in force. */
export function inForce(exceptions: readonly Exception[], now: number): readonly Exception[] {
  return exceptions.filter(({ until }) => now < until);
}
