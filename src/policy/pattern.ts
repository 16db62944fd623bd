import { isRegistryName, officialName, parseRepositoryName } from '../oci/reference.ts';

// What a rule's `match` covers. A pattern is compared component by component, so that `team/app` never covers
// `team/app-evil`, whichever way either is written.

/** `registry/` followed by components, `*` for any one, and a last `**` for one or more of any. */
export interface Pattern {
  readonly registry: string;
  readonly segments: readonly string[];
}

/**
 * Takes a rule's `match`: an exact name, `*` for one component, a trailing `/**` for everything below. Gives the
 * pattern, with Docker Hub's `library/` filled in as in requests, or undefined if it is none of these.
 */
export function parsePattern(text: string): Pattern | undefined {
  const slash = text.indexOf('/');
  const registry = text.slice(0, Math.max(slash, 0));
  const rest = text.slice(slash + 1);
  if (!isRegistryName(registry)) return undefined;

  const segments = (rest === '**' ? rest : officialName(registry, rest)).split('/');
  const valid = segments.every(
    (segment, at) =>
      segment === '*' ||
      (segment === '**' && at === segments.length - 1) ||
      parseRepositoryName(segment) !== undefined,
  );
  return valid ? { registry, segments } : undefined;
}

/** Says whether the pattern covers more than one name. */
export function hasWildcard(pattern: Pattern): boolean {
  return pattern.segments.some((segment) => segment === '*' || segment === '**');
}

/** Takes a whole name, `registry/repository`; says whether the pattern covers it. */
export function matches(pattern: Pattern, name: string): boolean {
  const [registry, ...components] = name.split('/');
  if (registry !== pattern.registry) return false;
  const open = pattern.segments.at(-1) === '**';
  const fixed = open ? pattern.segments.slice(0, -1) : pattern.segments;
  if (open ? components.length <= fixed.length : components.length !== fixed.length) return false;
  return fixed.every((segment, at) => segment === '*' || segment === components[at]);
}

/**
 * Takes two patterns; gives a positive number if the first is more specific, negative if the second is, else 0. At the
 * first component where they differ in kind, a literal beats `*`, `*` beats `**`, and anything beats having ended.
 */
export function compareSpecificity(a: Pattern, b: Pattern): number {
  const longest = Math.max(a.segments.length, b.segments.length);
  for (let at = 0; at < longest; at += 1) {
    const difference = rank(a.segments[at]) - rank(b.segments[at]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Says whether some name is covered by both patterns. */
export function overlap(a: Pattern, b: Pattern): boolean {
  if (a.registry !== b.registry) return false;
  for (let at = 0; ; at += 1) {
    const [ofA, ofB] = [a.segments[at], b.segments[at]];
    if (ofA === undefined || ofB === undefined) return ofA === ofB;
    // The other has a component here, and a last `**` takes it and all that may follow.
    if (ofA === '**' || ofB === '**') return true;
    if (ofA !== ofB && ofA !== '*' && ofB !== '*') return false;
  }
}

function rank(segment: string | undefined): number {
  if (segment === undefined) return 0;
  if (segment === '**') return 1;
  return segment === '*' ? 2 : 3;
}
