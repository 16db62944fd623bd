import type { Digest, ImageReference, RepositoryReference, Tag } from '../oci/reference.ts';
import type { SignedTargets, TrustAnswer, TrustSource } from '../trust/trust.ts';
import type { JudgingRule, Rule } from './rule.ts';
import { gunOf, ruleFor } from './rule.ts';
import type { Exception, Reach } from './standing.ts';
import { inForce } from './standing.ts';
import type { Distrusted, Verdict } from './verdict.ts';
import {
  decide,
  noRule,
  ruleDenies,
  stateUnavailable,
  upstreamUnavailable,
  withoutTrust,
} from './verdict.ts';

/** On what the digests of a repository may stand: what is signed, if that is known, what is kept, what is excepted. */
export interface Terms {
  readonly listed: SignedTargets | undefined;
  readonly keep: number;
  /** Those in force. */
  readonly exceptions: readonly Exception[];
}

/** What the judge has to have found out. Neither throws for what a registry or the state did. */
export interface Evidence {
  /** On which of the terms a digest stands. */
  reach(image: ImageReference, digest: Digest, terms: Terms): Promise<Reach>;
  /** What the registry has under a tag. */
  tagged(image: RepositoryReference, tag: Tag): Promise<Tagged>;
}

/** What a registry has under a tag: this, nothing, or not found out. */
export type Tagged =
  | { readonly kind: 'found'; readonly digest: Digest }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unknown'; readonly finding: string };

/** Gives the tags of a repository that could be pulled, or why none could. */
export type PullableTags = () => Promise<ReadonlySet<Tag> | Distrusted>;

export interface Judgement {
  readonly image: ImageReference;
  readonly rule: Rule | undefined;
  readonly gun: string | undefined;
  readonly answer: TrustAnswer | undefined;
  readonly verdict: Verdict;
  /** Of what is asked for by its digest: what was signed, or what the descriptor above it says, in bytes. */
  readonly size?: number | undefined;
}

/** Judges pulls by rules and trust: rule → trust answer → verdict. The same for the proxy and for `explain`. */
export class Judge {
  readonly #rules: readonly Rule[];
  readonly #trust: TrustSource;
  readonly #now: () => number;

  /** Takes the rules, the trust source and a clock, in milliseconds since 1970, for exceptions. */
  constructor(rules: readonly Rule[], trust: TrustSource, now: () => number) {
    this.#rules = rules;
    this.#trust = trust;
    this.#now = now;
  }

  /** Takes an image, and the way to find out what is not trust data; gives the judgement. */
  async judge(image: ImageReference, evidence: Evidence): Promise<Judgement> {
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
        const { identifier } = image;
        if (identifier.kind === 'digest')
          return this.#judgeDigest(image, identifier.digest, rule, gun, evidence);
        const answer = await this.#trust.resolveTag({ ...rule.trust, gun }, identifier.tag);
        const judged = { image, rule, gun, answer, verdict: decide(image, rule, gun, answer) };
        return this.#excepted(judged, identifier.tag, rule, evidence);
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
    const excepted = inForce(rule.exceptions, this.#now()).flatMap(({ reference }) => reference ?? []);
    return async () => {
      const signed = await this.#trust.signedTargets({ ...rule.trust, gun });
      switch (signed.kind) {
        case 'listed':
          return new Set([...signed.targets.map(({ tag }) => tag), ...excepted]);
        case 'unsigned':
          return new Set(excepted);
        case 'invalid':
        case 'unavailable':
          return withoutTrust(asked, signed);
      }
    };
  }

  async #judgeDigest(
    image: ImageReference,
    digest: Digest,
    rule: JudgingRule,
    gun: string,
    evidence: Evidence,
  ): Promise<Judgement> {
    const judged = { image, rule, gun };
    if (rule.digests === 'any') return { ...judged, answer: undefined, verdict: { kind: 'unjudged' } };
    const listed = await this.#trust.signedTargets({ ...rule.trust, gun });
    const isListed = listed.kind === 'listed';
    const answer = isListed
      ? (listed.byDigest.get(digest) ??
        ({ kind: 'unsigned', reason: 'DIGEST_NOT_SIGNED', roles: listed.roles } as const))
      : listed;
    const verdict = decide(image, rule, gun, answer);
    const exceptions = inForce(rule.exceptions, this.#now());
    if (verdict.kind === 'allow') {
      return { ...judged, answer, verdict, size: answer.kind === 'signed' ? answer.length : undefined };
    }
    if (!isListed && exceptions.length === 0) return { ...judged, answer, verdict };

    const terms = { listed: isListed ? listed : undefined, keep: rule.keep, exceptions };
    const reach = await evidence.reach(image, digest, terms);
    switch (reach.kind) {
      case 'stands': {
        const { standing, size } = reach;
        const target = standing.kind === 'signed' ? standing.target : answer;
        return { ...judged, answer: target, verdict: { kind: 'allow', digest, standing }, size };
      }
      case 'nowhere':
        return { ...judged, answer, verdict };
      case 'unknown':
        return { ...judged, answer, verdict: isListed ? upstreamUnavailable(image, reach.finding) : verdict };
      case 'no-state':
        return { ...judged, answer, verdict: stateUnavailable(image, reach.finding) };
    }
  }

  /** Break glass: what trust data does not allow, or nobody can tell of, an exception may. */
  async #excepted(judged: Judgement, tag: Tag, rule: JudgingRule, evidence: Evidence): Promise<Judgement> {
    if (judged.verdict.kind === 'allow') return judged;
    const exception = inForce(rule.exceptions, this.#now()).find(({ reference }) => reference === tag);
    if (exception === undefined) return judged;
    const named: Tagged =
      exception.digest === undefined
        ? await evidence.tagged(judged.image, tag)
        : { kind: 'found', digest: exception.digest };
    switch (named.kind) {
      case 'found': {
        const verdict = {
          kind: 'allow',
          digest: named.digest,
          standing: { kind: 'excepted', exception },
        } as const;
        return { ...judged, verdict };
      }
      case 'missing':
        return judged;
      case 'unknown':
        return { ...judged, verdict: upstreamUnavailable(judged.image, named.finding) };
    }
  }
}
