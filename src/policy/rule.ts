import type { TrustAnchor } from '../trust/trust.ts';
import type { Pattern } from './pattern.ts';
import type { Exception } from './standing.ts';
import { compareSpecificity, matches, parsePattern } from './pattern.ts';

export type Mode = 'enforce' | 'audit' | 'allow' | 'deny';

/** What a judged rule says about trust. `gun` is a template: `{registry}` and `{repository}` are filled in. */
export type TrustTerms = Omit<TrustAnchor, 'gun'> & { readonly gunTemplate: string };

/** One entry of `rules`. `match` is kept as it was written: it names the rule in refusals, the log and metrics. */
export type Rule =
  | {
      readonly match: string;
      readonly mode: 'enforce' | 'audit';
      readonly digests: 'signed' | 'any';
      readonly tags: 'signed' | 'all';
      /** How long a digest may be pulled after its tag moved on, in milliseconds. */
      readonly keep: number;
      readonly exceptions: readonly Exception[];
      readonly trust: TrustTerms;
    }
  | { readonly match: string; readonly mode: 'allow' | 'deny' };

/** A rule that judges. */
export type JudgingRule = Extract<Rule, { readonly mode: 'enforce' | 'audit' }>;

/** Takes the rules and a repository; gives the most specific rule that covers it, whatever their order, or undefined. */
export function ruleFor(rules: readonly Rule[], registry: string, repository: string): Rule | undefined {
  const name = `${registry}/${repository}`;
  let best: { readonly rule: Rule; readonly pattern: Pattern } | undefined;
  for (const rule of rules) {
    const pattern = parsePattern(rule.match);
    // To pass over a rule that cannot be read would let a broader, weaker one decide in its place.
    if (pattern === undefined) throw new TypeError(`"${rule.match}" is not a pattern`);
    if (!matches(pattern, name)) continue;
    if (best === undefined || compareSpecificity(pattern, best.pattern) > 0) best = { rule, pattern };
  }
  return best?.rule;
}

/** Takes a judged rule's terms and a repository; gives the GUN whose trust data speaks for it. */
export function gunOf(terms: Pick<TrustTerms, 'gunTemplate'>, registry: string, repository: string): string {
  // In one pass, and by function: nothing that a name contains is read as a placeholder or as `$&`.
  return terms.gunTemplate.replaceAll(/\{(registry|repository)\}/g, (_, placeholder) =>
    placeholder === 'registry' ? registry : repository,
  );
}
