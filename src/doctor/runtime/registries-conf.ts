import type { Place } from '../finding.ts';
import { placeOf } from '../finding.ts';
import type { NodeFiles, TextFile } from '../node-files.ts';
import { at, elementsOf, textOf, textsOf, tomlOf } from '../tree.ts';

// containers-registries.conf(5) and containers-registries.conf.d(5): what podman, CRI-O, skopeo and buildah read.

const system = '/etc/containers';

/** A `[[registry]]`, and where it stands. */
export interface RegistryEntry {
  readonly prefix: string;
  /** Empty for a wildcard prefix: the name is then left as it is. */
  readonly location: string;
  readonly blocked: boolean;
  readonly mirrors: readonly { readonly location: string; readonly byTag: boolean }[];
  readonly place: Place;
}

/** What one reader's files come to: an entry with the prefix of an earlier one replaces it. */
export interface RegistriesConf {
  /** The file that is the reader's own, or the system's. */
  readonly main: Place;
  readonly isUser: boolean;
  readonly entries: ReadonlyMap<string, RegistryEntry>;
  readonly search: { readonly place: Place; readonly names: readonly string[] } | undefined;
}

/** Reads the system's files as everybody without files of his own does. Throws FileError and MalformedFile. */
export function systemConf(node: NodeFiles): RegistriesConf {
  const main = `${system}/registries.conf`;
  return confOf([node.read(main), ...dropIns(node, system)], { file: main, line: null }, false);
}

/** The same for the user with this home; undefined if he has no files of his own. */
export function userConf(node: NodeFiles, home: string): RegistriesConf | undefined {
  const folder = `${home}/.config/containers`;
  const own = node.read(`${folder}/registries.conf`);
  const added = dropIns(node, folder);
  const first = own ?? added[0];
  if (first === undefined) return undefined;
  // A file of the user's stands in place of the system's and its drop-ins; his drop-ins alone are added to them.
  const before =
    own === undefined ? [node.read(`${system}/registries.conf`), ...dropIns(node, system)] : [own];
  return confOf([...before, ...added], { file: first.path, line: null }, true);
}

/** Gives the entry that counts for a name: the one with the longest prefix as text, a wildcard before its equals. */
export function entryFor({ entries }: RegistriesConf, name: string): RegistryEntry | undefined {
  return [...entries.keys()]
    .filter((prefix) => covers(prefix, name))
    .toSorted()
    .toSorted((a, b) => b.length - a.length)
    .map((prefix) => entries.get(prefix))[0];
}

/** Gives the entries for a part of a registry only, which count before its own. */
export function entriesBelow({ entries }: RegistriesConf, registry: string): readonly RegistryEntry[] {
  return [...entries.values()].filter(({ prefix }) => prefix.startsWith(`${registry}/`));
}

function covers(prefix: string, name: string): boolean {
  if (prefix.startsWith('*.')) {
    const host = name.split('/')[0]?.replace(/:[0-9]+$/, '') ?? '';
    return host.endsWith(prefix.slice(1));
  }
  return name === prefix || name.startsWith(`${prefix}/`) || name.startsWith(`${prefix}:`);
}

function dropIns(node: NodeFiles, folder: string): TextFile[] {
  const below = `${folder}/registries.conf.d`;
  return node
    .list(below)
    .filter((name) => name.endsWith('.conf'))
    .map((name) => node.read(`${below}/${name}`))
    .filter((file) => file !== undefined);
}

function confOf(files: readonly (TextFile | undefined)[], main: Place, isUser: boolean): RegistriesConf {
  const entries = new Map<string, RegistryEntry>();
  let search: RegistriesConf['search'];
  for (const file of files) {
    if (file === undefined) continue;
    const tree = tomlOf(file);
    const names = at(tree, 'unqualified-search-registries');
    if (Array.isArray(names))
      search = { place: placeOf(file, 'unqualified-search-registries'), names: textsOf(names) };
    const lines = linesOf(file);
    for (const [index, entry] of elementsOf(at(tree, 'registry')).entries()) {
      const read = entryOf(entry, { file: file.path, line: lines[index] ?? null });
      entries.set(read.prefix, read);
    }
  }
  return { main, isUser, entries, search };
}

function entryOf(tree: unknown, place: Place): RegistryEntry {
  const location = trimmed(at(tree, 'location'));
  const digestsOnly = at(tree, 'mirror-by-digest-only') === true;
  return {
    prefix: trimmed(at(tree, 'prefix')) || location,
    location,
    blocked: at(tree, 'blocked') === true,
    mirrors: elementsOf(at(tree, 'mirror')).map((mirror) => ({
      location: trimmed(at(mirror, 'location')),
      byTag: !digestsOnly && at(mirror, 'pull-from-mirror') !== 'digest-only',
    })),
    place,
  };
}

function trimmed(tree: unknown): string {
  const text = textOf(tree) ?? '';
  let end = text.length;
  while (text[end - 1] === '/') end -= 1;
  return text.slice(0, end);
}

/** The lines on which the tables of `registry` begin, in their order. */
function linesOf({ text }: TextFile): readonly number[] {
  return text
    .split('\n')
    .flatMap((line, index) => (/^\s*\[\[\s*registry\s*\]\]/.test(line) ? [index + 1] : []));
}
