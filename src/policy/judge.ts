import type { Digest, ImageReference, RepositoryReference, Tag } from '../oci/reference.ts';
import type { SignedTarget, TrustAnchor, TrustAnswer, TrustSource } from '../trust/trust.ts';
import type { Rule } from './rule.ts';
import { gunOf, ruleFor } from './rule.ts';
import type { Distrusted, Verdict } from './verdict.ts';
import { decide, noRule, ruleDenies, upstreamUnavailable, withoutTrust } from './verdict.ts';

/** Whether a digest is below a signed index, or an artifact about what is signed: found, not there, or not found out. */
export type Reach =
  | { readonly kind: 'below'; readonly parent: SignedTarget }
  | { readonly kind: 'nowhere' }
  | { readonly kind: 'unknown'; readonly finding: string };

/** Looks for a digest among the children of what is signed, and what is attached to them. Never throws for what the registry did. */
export type FindBelow = (
  image: ImageReference,
  digest: Digest,
  signed: readonly SignedTarget[],
) => Promise<Reach>;

/** Gives the tags of a repository that could be pulled, or why none could. */
export type PullableTags = () => Promise<ReadonlySet<Tag> | Distrusted>;

export interface Judgement {
  readonly image: ImageReference;
  readonly rule: Rule | undefined;
  readonly gun: string | undefined;
  readonly answer: TrustAnswer | undefined;
  readonly verdict: Verdict;
}

/** Judges pulls by rules and trust: rule → trust answer → verdict. The same for the proxy and for `explain`. */
export class Judge {
  readonly #rules: readonly Rule[];
  readonly #trust: TrustSource;

  constructor(rules: readonly Rule[], trust: TrustSource) {
    this.#rules = rules;
    this.#trust = trust;
  }

  /** Takes an image and a way to look below signed indexes; gives the judgement. */
  async judge(image: ImageReference, findBelow: FindBelow): Promise<Judgement> {
    const rule = ruleFor(this.#rules, image.registry, image.repository);
    const unasked = { image, rule, gun: undefined, answer: undefined };
    if (rule === undefined) return { ...unasked, verdict: noRule(image) };
    switch (rule.mode) {
      case 'deny':
        return { ...unasked, verdict: ruleDenies(image, rule) };
      case 'allow':
        return { ...unasked, verdict: { kind: 'unjudged' } };
      case 'enforce':
      case 'audit': {
        const gun = gunOf(rule.trust, image.registry, image.repository);
        if (image.identifier.kind === 'digest' && rule.digests === 'any') {
          return { ...unasked, gun, verdict: { kind: 'unjudged' } };
        }
        const anchor = { ...rule.trust, gun };
        if (image.identifier.kind === 'tag') {
          const answer = await this.#trust.resolveTag(anchor, image.identifier.tag);
          return { image, rule, gun, answer, verdict: decide(image, rule, gun, answer) };
        }
        return this.#judgeDigest(image, image.identifier.digest, rule, anchor, findBelow);
      }
    }
  }

  /** Whether anything of a repository may be served at all: for blobs, tags and referrers, which name no tag. */
  coverage(asked: RepositoryReference): Verdict {
    const rule = ruleFor(this.#rules, asked.registry, asked.repository);
    if (rule === undefined) return noRule(asked);
    return rule.mode === 'deny' ? ruleDenies(asked, rule) : { kind: 'unjudged' };
  }

  /**
   * Takes a repository; gives the way to ask which of its tags a list may name, or undefined where its rule does not say.
   * It is for the caller to find out first whether the client may see a list at all.
   */
  pullableTags(asked: RepositoryReference): PullableTags | undefined {
    const rule = ruleFor(this.#rules, asked.registry, asked.repository);
    if (rule?.mode !== 'enforce' || rule.tags === 'all') return undefined;
    const gun = gunOf(rule.trust, asked.registry, asked.repository);
    return async () => {
      const signed = await this.#trust.signedTargets({ ...rule.trust, gun });
      switch (signed.kind) {
        case 'listed':
          return new Set(signed.targets.map(({ tag }) => tag));
        case 'unsigned':
          return new Set();
        case 'invalid':
        case 'unavailable':
          return withoutTrust(asked, signed);
      }
    };
  }

  async #judgeDigest(
    image: ImageReference,
    digest: Digest,
    rule: Rule,
    anchor: TrustAnchor,
    findBelow: FindBelow,
  ): Promise<Judgement> {
    const { gun } = anchor;
    const decided = (answer: TrustAnswer): Judgement => ({
      image,
      rule,
      gun,
      answer,
      verdict: decide(image, rule, gun, answer),
    });
    const listed = await this.#trust.signedTargets(anchor);
    if (listed.kind !== 'listed') return decided(listed);
    const direct = listed.targets.find((target) => target.digest === digest);
    if (direct !== undefined) return decided(direct);

    const notSigned = decided({ kind: 'unsigned', reason: 'DIGEST_NOT_SIGNED', roles: listed.roles });
    const reach = await findBelow(image, digest, listed.targets);
    switch (reach.kind) {
      case 'below':
        return decided(reach.parent);
      case 'nowhere':
        return notSigned;
      case 'unknown':
        return { ...notSigned, verdict: upstreamUnavailable(image, reach.finding) };
    }
  }
}
