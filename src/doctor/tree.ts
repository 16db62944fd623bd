import { parse as parseToml, TomlError } from 'smol-toml';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import type { TextFile } from './node-files.ts';
import { MalformedFile } from './node-files.ts';

// Configuration files as trees of which nothing is known yet.

/** Takes a TOML file; gives its tree. Throws MalformedFile. */
export function tomlOf({ path, text }: TextFile): unknown {
  try {
    return parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new MalformedFile(path, error.line, 'it is not TOML');
  }
}

/** Takes a JSON file, with or without a byte order mark; gives its tree. Throws MalformedFile. */
export function jsonOf({ path, text }: TextFile): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new MalformedFile(path, null, 'it is not JSON');
  }
}

/** Takes a YAML file; gives its tree. Throws MalformedFile. */
export function yamlOf({ path, text }: TextFile): unknown {
  try {
    return parseYaml(text, { logLevel: 'error' });
  } catch (error) {
    // ReferenceError: aliases that are not there, or that multiply.
    if (!(error instanceof YAMLParseError) && !(error instanceof ReferenceError)) throw error;
    const line = error instanceof YAMLParseError ? (error.linePos?.[0].line ?? null) : null;
    throw new MalformedFile(path, line, 'it is not YAML');
  }
}

/** Gives what stands in a tree under these keys, or undefined. */
export function at(tree: unknown, ...keys: readonly string[]): unknown {
  let here = tree;
  for (const key of keys) {
    if (!isTable(here) || !Object.hasOwn(here, key)) return undefined;
    here = here[key];
  }
  return here;
}

/** Gives the members of a table; none if it is something else. */
export function membersOf(tree: unknown): readonly (readonly [string, unknown])[] {
  return isTable(tree) ? Object.entries(tree) : [];
}

/** Gives the elements of a list; none if it is something else. */
export function elementsOf(tree: unknown): readonly unknown[] {
  return Array.isArray(tree) ? tree : [];
}

/** Gives the texts in a list. */
export function textsOf(tree: unknown): readonly string[] {
  return elementsOf(tree).filter((element) => typeof element === 'string');
}

export function textOf(tree: unknown): string | undefined {
  return typeof tree === 'string' ? tree : undefined;
}

export function isTable(tree: unknown): tree is Readonly<Record<string, unknown>> {
  return typeof tree === 'object' && tree !== null && !Array.isArray(tree);
}
