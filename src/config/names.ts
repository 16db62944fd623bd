import { isRegistryName } from '../oci/reference.ts';
import type { Pattern } from '../policy/pattern.ts';
import { compareSpecificity, hasWildcard, overlap, parsePattern } from '../policy/pattern.ts';
import type { ConfigDocument, Path } from './document.ts';
import { quote } from './document.ts';
import { didYouMean, valueAt } from './structure.ts';

// What one part of the configuration says of another. Read from the plain tree, so that these mistakes are found beside
// those of structure, not after them; whatever has no sound structure here is passed over, as it has been reported.

/** Takes the document; reports each name that means nothing or two things, and each pair of rules that tie. */
export function checkNames(document: ConfigDocument): void {
  const { tree, problems } = document;
  const registries = keysOf(tree, ['registries']);
  if (valueAt(tree, ['registries']) !== undefined && registries.length === 0) {
    problems.add(['registries'], '"registries" must name at least one registry');
  }
  checkNamed(
    document,
    'registries',
    isRegistryName,
    'must be a host in lower case, with its port if it has one',
  );
  const notaryName = (name: string): boolean => /^[A-Za-z0-9_.-]{1,64}$/.test(name);
  checkNamed(document, 'notaries', notaryName, 'must be 1 to 64 letters, digits, "_", "." or "-"');
  const listen = textAt(tree, ['listen']);
  if (listen !== undefined && !listen.endsWith(':0') && listen === textAt(tree, ['admin'])) {
    problems.add(['admin'], '"admin" must be another address than "listen"');
  }
  if (valueAt(tree, ['clients', 'ca_file']) !== undefined && valueAt(tree, ['tls']) === undefined) {
    const why = 'clients show their certificates only within TLS';
    problems.add(['clients', 'ca_file'], `"ca_file" needs "tls": ${why}`);
  }
  checkKnown(document, ['default_registry'], 'registry', registries);
  checkClaims(document, registries);
  checkRules(document, registries);
}

function checkNamed(
  { tree, problems }: ConfigDocument,
  section: string,
  valid: (name: string) => boolean,
  wanted: string,
): void {
  for (const name of keysOf(tree, [section])) {
    if (!valid(name)) problems.add([section, name], `${quote(name)} ${wanted}`, undefined, 'key');
  }
}

function checkClaims({ tree, problems }: ConfigDocument, registries: readonly string[]): void {
  for (const kind of ['hosts', 'aliases']) {
    const claimed = new Map<string, string>(kind === 'aliases' ? registries.map((name) => [name, name]) : []);
    for (const registry of registries) {
      for (const at of indexes(tree, ['registries', registry, kind])) {
        const path = ['registries', registry, kind, at];
        const name = textAt(tree, path);
        if (name === undefined) continue;
        const owner = claimed.get(name);
        if (owner !== undefined) problems.add(path, `this already leads to the registry ${quote(owner)}`);
        else claimed.set(name, registry);
      }
    }
  }
}

function checkRules(document: ConfigDocument, registries: readonly string[]): void {
  const { tree, problems } = document;
  const notaries = keysOf(tree, ['notaries']);
  const earlier: { readonly pattern: Pattern; readonly at: number }[] = [];
  for (const at of indexes(tree, ['rules'])) {
    checkKnown(document, ['rules', at, 'notary'], 'notary', notaries);
    const path = ['rules', at, 'match'];
    const match = textAt(tree, path);
    const pattern = match === undefined ? undefined : parsePattern(match);
    if (match === undefined || pattern === undefined) continue;

    if (!registries.includes(pattern.registry)) {
      const hint = didYouMean(pattern.registry, registries);
      problems.add(path, '"match" must begin with the name of a registry under "registries"', hint);
    }
    const gun = textAt(tree, ['rules', at, 'gun']);
    if (gun !== undefined && hasWildcard(pattern) && !gun.includes('{repository}')) {
      const why = 'or one trust data would speak for every repository that the rule covers';
      problems.add(['rules', at, 'gun'], `"gun" must contain {repository}, ${why}`);
    }
    const tie = earlier.find(
      (other) => compareSpecificity(other.pattern, pattern) === 0 && overlap(other.pattern, pattern),
    );
    if (tie) {
      const line = problems.lineOf(['rules', tie.at, 'match']);
      problems.add(
        path,
        `this rule ties with the one on line ${line}: both match the same names equally well`,
      );
    }
    earlier.push({ pattern, at });
  }
}

function checkKnown(
  { tree, problems }: ConfigDocument,
  path: Path,
  noun: string,
  names: readonly string[],
): void {
  const name = textAt(tree, path);
  if (name === undefined || names.includes(name)) return;
  problems.add(path, `"${path.at(-1)}" names no configured ${noun}`, didYouMean(name, names));
}

function textAt(tree: unknown, path: Path): string | undefined {
  const value = valueAt(tree, path);
  return typeof value === 'string' ? value : undefined;
}

function keysOf(tree: unknown, path: Path): string[] {
  const value = valueAt(tree, path);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

function indexes(tree: unknown, path: Path): number[] {
  const value = valueAt(tree, path);
  return Array.isArray(value) ? [...value.keys()] : [];
}
