import { LRUCache } from 'lru-cache';
import type { ManifestChild } from '../../oci/manifest.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { Reach } from '../../policy/judge.ts';
import type { SignedTarget } from '../../trust/trust.ts';
import type { Caller } from './headers.ts';
import type { Refusal } from './upstream.ts';
import type { VerifiedManifests } from './verified-manifests.ts';

/** Which digests stand below which: facts about content, true for ever and everywhere. */
export type ChildrenCache = LRUCache<Digest, readonly ManifestChild[]>;

const rememberedManifests = 20_000;
/** Indexes within indexes beyond this are not looked into. */
const deepest = 3;

export function createChildrenCache(): ChildrenCache {
  return new LRUCache({ max: rememberedManifests });
}

/** What `findBelow` found, and the registry's own "no" to this client if that is what stood in the way. */
export interface Search {
  readonly reach: Reach;
  readonly refusal: Refusal | undefined;
}

/**
 * Looks for a digest among the children of what is signed, in the indexes known already and then, for at most `most`
 * manifests, in those that have to be fetched first. What that bound or a failure cuts short is "unknown", never a yes.
 */
export class SignedChildren {
  readonly #manifests: VerifiedManifests;
  readonly #children: ChildrenCache;
  readonly #most: number;

  constructor(manifests: VerifiedManifests, children: ChildrenCache, most: number) {
    this.#manifests = manifests;
    this.#children = children;
    this.#most = most;
  }

  /** Takes a digest and all that is signed; gives the signed target it stands below, or that it is an artifact about. */
  async find(
    repository: RepositoryName,
    digest: Digest,
    signed: readonly SignedTarget[],
    caller: Caller,
  ): Promise<Search> {
    const search = await this.#below(repository, digest, signed, caller);
    return search.reach.kind === 'nowhere' ? this.#about(repository, digest, signed, caller) : search;
  }

  /**
   * A signature, an SBOM or an attestation is no image, and says itself what it is about: its `subject` (image-spec),
   * which has to be signed or below what is. Nobody vouches for the artifact; it only is of no use to a runtime.
   */
  async #about(
    repository: RepositoryName,
    digest: Digest,
    signed: readonly SignedTarget[],
    caller: Caller,
  ): Promise<Search> {
    const nowhere: Search = { reach: { kind: 'nowhere' }, refusal: undefined };
    const answer = await this.#manifests.get(repository, digest, caller);
    switch (answer.kind) {
      case 'missing':
      case 'mismatch':
        return nowhere;
      case 'unavailable':
        return { reach: { kind: 'unknown', finding: answer.cause.message }, refusal: undefined };
      case 'refused':
        return {
          reach: { kind: 'unknown', finding: `the registry does not give ${digest}` },
          refusal: answer,
        };
      case 'found': {
        const { kind, isArtifact, subject } = answer.facts;
        if (kind !== 'image' || !isArtifact || subject === undefined) return nowhere;
        const parent = signed.find((target) => target.digest === subject);
        if (parent !== undefined) return { reach: { kind: 'below', parent }, refusal: undefined };
        return this.#below(repository, subject, signed, caller);
      }
    }
  }

  async #below(
    repository: RepositoryName,
    digest: Digest,
    signed: readonly SignedTarget[],
    caller: Caller,
  ): Promise<Search> {
    const queue = signed.map((parent) => ({ parent, digest: parent.digest, depth: 1 }));
    // Those that need no request come first.
    queue.sort((a, b) => Number(this.#children.has(b.digest)) - Number(this.#children.has(a.digest)));
    const seen = new Set<Digest>();
    let [fetched, obstacle, refusal]: [number, string | undefined, Refusal | undefined] = [
      0,
      undefined,
      undefined,
    ];

    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (seen.has(next.digest)) continue;
      seen.add(next.digest);
      let children = this.#children.get(next.digest);
      if (children === undefined && fetched === this.#most) {
        obstacle ??= `more than ${this.#most} signed manifests would have to be read to find it; ask again`;
        continue;
      }
      if (children === undefined) {
        fetched += 1;
        const answer = await this.#manifests.get(repository, next.digest, caller);
        if (answer.kind === 'missing') continue;
        if (answer.kind !== 'found') {
          obstacle ??= `the signed ${next.digest} could not be read`;
          if (answer.kind === 'refused') refusal ??= answer;
          continue;
        }
        children = answer.facts.children;
        this.#children.set(next.digest, children);
      }
      if (children.some((child) => child.digest === digest)) {
        return { reach: { kind: 'below', parent: next.parent }, refusal: undefined };
      }
      if (next.depth === deepest) continue;
      for (const child of children) {
        if (child.kind === 'index')
          queue.push({ parent: next.parent, digest: child.digest, depth: next.depth + 1 });
      }
    }
    if (obstacle === undefined) return { reach: { kind: 'nowhere' }, refusal: undefined };
    return { reach: { kind: 'unknown', finding: obstacle }, refusal };
  }
}
