import type { Digest, Tag } from '../oci/reference.ts';
import type { RepositoryError } from '../tuf/error.ts';
import type { DownloadError } from './download-error.ts';
import type { RootPin } from './root-pin.ts';
import type { StateError } from './trust-store.ts';

/** Whose trust data is asked for, where it is served, and where trust in it starts. Times are in milliseconds. */
export interface TrustAnchor {
  readonly notary: string;
  readonly gun: string;
  readonly pin: RootPin;
  /** Delegations that must each have signed a tag with the same digest before it counts as signed. */
  readonly signers: readonly string[];
  /** How long a verified answer serves before the notary is asked again. */
  readonly checkEvery: number;
  /** How long a verified, unexpired answer may serve while the notary cannot be reached. */
  readonly outageGrace: number;
}

/** One role as it was verified: what `explain` and the `Tufgate-Trust` header show. */
export interface VerifiedRole {
  readonly role: string;
  readonly version: number;
  readonly expires: Date;
  readonly keys: readonly string[];
  readonly threshold: number;
}

/** A tag's target, signed under `role`. `length` is in bytes. */
export interface SignedTarget {
  readonly kind: 'signed';
  readonly tag: Tag;
  readonly digest: Digest;
  readonly sha512: Uint8Array | undefined;
  readonly length: number;
  readonly role: string;
  /** What `targets` says of the tag, where `targets/releases` says otherwise and wins. */
  readonly shadowed: Digest | undefined;
  readonly roles: readonly VerifiedRole[];
  /** Set while the notary cannot be reached and the answer serves within `outageGrace`. */
  readonly outage: DownloadError | undefined;
}

/** No usable trust data: why, in three kinds that stay apart to the status code. */
export type TrustFailure =
  | {
      readonly kind: 'unsigned';
      readonly reason: 'REPOSITORY_NOT_SIGNED';
      readonly roles: readonly VerifiedRole[];
    }
  | { readonly kind: 'invalid'; readonly error: RepositoryError }
  | { readonly kind: 'unavailable'; readonly cause: DownloadError | StateError };

export type TrustAnswer =
  | SignedTarget
  | {
      readonly kind: 'unsigned';
      readonly reason: 'TAG_NOT_SIGNED' | 'DIGEST_NOT_SIGNED';
      readonly roles: readonly VerifiedRole[];
    }
  | {
      readonly kind: 'unsigned';
      readonly reason: 'SIGNER_MISSING';
      readonly missing: readonly string[];
      readonly digest: Digest;
      readonly roles: readonly VerifiedRole[];
    }
  | TrustFailure;

/** Everything that a GUN's trust data signs, by all the signers that the anchor asks for. */
export interface SignedTargets {
  readonly kind: 'listed';
  /** Whose signatures these are: the notary, the GUN, and the signers that had to sign. */
  readonly scope: string;
  /** Another text whenever the trust data is another. */
  readonly identity: string;
  readonly targets: readonly SignedTarget[];
  /** Of the targets with one digest the first. */
  readonly byDigest: ReadonlyMap<Digest, SignedTarget>;
  readonly roles: readonly VerifiedRole[];
}

export interface TrustSource {
  /**
   * Answers what a GUN's trust data says of a tag. Never throws for what the notary or the state did; concurrent
   * questions about one GUN share one refresh. Any `signed` answer is on disk as a floor before it is given.
   */
  resolveTag(anchor: TrustAnchor, tag: Tag): Promise<TrustAnswer>;
  /** All that is signed today, one target a tag: what a digest is looked for in. The same holds for it. */
  signedTargets(anchor: TrustAnchor): Promise<SignedTargets | TrustFailure>;
}
