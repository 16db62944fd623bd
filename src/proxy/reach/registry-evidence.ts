import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Digest, ImageReference, RepositoryReference, Tag } from '../../oci/reference.ts';
import { sha256Digest } from '../../oci/reference.ts';
import type { Evidence, Tagged, Terms } from '../../policy/judge.ts';
import type { Standing } from '../../policy/standing.ts';
import type { SignedLedger } from '../../trust/state/signed-ledger.ts';
import { StateError } from '../../trust/trust-store.ts';
import type { Caller } from '../upstream/headers.ts';
import type { As } from './ascent.ts';
import type { Reachability, Search } from './reachability.ts';
import type { Refusal } from '../upstream/registry-answer.ts';
import { rootsOf } from './repository-roots.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** How long what a registry has under a tag of an exception is taken for granted, in milliseconds. */
const taggedLifetime = 60_000;

export interface EvidenceOptions {
  readonly reachability: Reachability;
  readonly upstream: Upstream;
  readonly ledger: SignedLedger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What the judge asks of one registry. */
export class RegistryEvidence {
  readonly #options: EvidenceOptions;
  readonly #known = new LRUCache<string, Digest>({ max: 1000, ttl: taggedLifetime });

  constructor(options: EvidenceOptions) {
    this.#options = options;
  }

  /** Takes who asks, and as what: manifest or blob; gives the evidence for one judgement. */
  for(caller: Caller, as: As): Evidence & { readonly refusal: () => Refusal | undefined } {
    let refusal: Refusal | undefined;
    return {
      reach: async (image, digest, terms) => {
        const found = await this.#reach(image, digest, terms, caller, as);
        refusal = found.refusal;
        return found.reach;
      },
      tagged: async (image, tag) => {
        const found = await this.#tagged(image, tag, caller);
        refusal = found.refusal;
        return found.tagged;
      },
      refusal: () => refusal,
    };
  }

  async #reach(
    { repository }: ImageReference,
    digest: Digest,
    terms: Terms,
    caller: Caller,
    as: As,
  ): Promise<Search> {
    const { reachability, ledger, now } = this.#options;
    const asked = { repository, digest, as, caller };
    try {
      const roots = rootsOf(terms, { ledger, now, excepted: new Map() });
      const tags = terms.exceptions.filter(({ digest: named }) => named === undefined);
      if (tags.length === 0) return await reachability.find({ ...asked, roots });
      // Nobody who pulls what is signed waits for what the registry has under the tags of exceptions.
      const known = await reachability.recorded({ ...asked, roots });
      if (known.kind === 'stands') return { reach: known, refusal: undefined };
      const excepted = new Map<Digest, Standing>();
      let untold: Search | undefined;
      for (const exception of tags) {
        if (exception.reference === undefined) continue;
        const { tagged, refusal } = await this.#tagged({ repository }, exception.reference, caller);
        if (tagged.kind === 'found') excepted.set(tagged.digest, { kind: 'excepted', exception });
        else if (tagged.kind === 'unknown') untold ??= { reach: tagged, refusal };
      }
      const search = await reachability.find({ ...asked, roots: rootsOf(terms, { ledger, now, excepted }) });
      return search.reach.kind === 'nowhere' ? (untold ?? search) : search;
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      return { reach: { kind: 'no-state', finding: error.message }, refusal: undefined };
    }
  }

  /** The digest of the bytes that the registry has under a tag, whatever it says itself. */
  async #tagged(
    { repository }: Pick<RepositoryReference, 'repository'>,
    tag: Tag,
    caller: Caller,
  ): Promise<{ readonly tagged: Tagged; readonly refusal: Refusal | undefined }> {
    const credential = createHash('sha256')
      .update(caller.authorization ?? '')
      .digest('base64');
    const key = `${repository} ${tag} ${credential}`;
    const known = this.#known.get(key);
    if (known !== undefined) return { tagged: { kind: 'found', digest: known }, refusal: undefined };
    const answer = await this.#options.upstream.taggedManifest(repository, tag, caller);
    switch (answer.kind) {
      case 'found': {
        const digest = sha256Digest(createHash('sha256').update(answer.bytes).digest());
        this.#known.set(key, digest);
        return { tagged: { kind: 'found', digest }, refusal: undefined };
      }
      case 'missing':
        return { tagged: answer, refusal: undefined };
      case 'refused':
        return { tagged: { kind: 'unknown', finding: `the registry does not give ${tag}` }, refusal: answer };
      case 'unavailable':
        return { tagged: { kind: 'unknown', finding: answer.cause.message }, refusal: undefined };
    }
  }
}
