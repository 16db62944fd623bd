import type { Digest } from '../../oci/reference.ts';

export type ContentKind = 'manifest' | 'index' | 'blob';

/** What stands directly below a manifest, as its descriptor there says. `size` is in bytes. */
export interface Edge {
  readonly child: Digest;
  readonly kind: ContentKind;
  readonly size: number;
}

/** What was read of a manifest's verified bytes. */
export interface Content {
  readonly digest: Digest;
  readonly kind: 'manifest' | 'index';
  readonly isArtifact: boolean;
  readonly subject: Digest | undefined;
  /** In the order of the manifest; the same edge counts once. */
  readonly edges: readonly Edge[];
}

/** A manifest that has something directly below it, and what its descriptor there says. `size` is in bytes. */
export interface Parent {
  readonly digest: Digest;
  readonly kind: ContentKind;
  readonly size: number;
}

export interface Parents {
  /** In no order that means anything. A manifest stands here once for each of its descriptors that differ. */
  readonly parents: readonly Parent[];
  /** Whether these are all that are recorded. */
  readonly isWhole: boolean;
}

/**
 * Which content stands below which: facts that a hash proves, true for ever and in every repository. That something
 * stands here says nothing of whether it may be pulled: only what trust data signs now does, with a way from there.
 *
 * What damage has touched is as if it had never been recorded, as it can be read again. Nothing keeps an author of the
 * state from writing what he likes. Any number of instances, in any number of processes, may use one state at once; what
 * one has recorded the others see. All methods throw StateError if the state cannot be read or written, or is closed.
 */
export interface ContentGraph {
  /**
   * Records a manifest; a second time changes nothing. Throws StateError if something else is recorded of this digest,
   * which no reading of the same bytes gives, and RangeError for a size that is no safe integer from 0 on.
   * Returns when every instance sees it; a power cut may lose it.
   */
  record(content: Content): Promise<void>;
  /** Gives what is recorded of a manifest, or undefined. */
  of(digest: Digest): Promise<Content | undefined>;
  /**
   * Gives the manifests that have a digest directly below them, at most `most` rows of them. Costs one indexed look-up.
   * With `within`, of too many those come first that are one of these, or stand below one as far as is recorded; then
   * it costs some look-ups for each of them, and `isWhole` says whether these are all of those.
   */
  above(digest: Digest, most: number, within?: readonly Digest[]): Promise<Parents>;
  /**
   * Gives those of `digests` that are not recorded, in the order given. Takes as many as there are: between some
   * thousand of them it lets others have their turn.
   */
  unread(digests: readonly Digest[]): Promise<readonly Digest[]>;
  close(): Promise<void>;
}
