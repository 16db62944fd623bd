// The project's own source files, as text that rules are checked on.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Source {
  readonly path: string;
  readonly text: string;
}

const root = join(import.meta.dirname, '..');

export const sources: readonly Source[] = globSync(['src/**/*.ts', 'test/**/*.ts'], { cwd: root })
  .toSorted()
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

/** Takes a rule and a file that breaks it: the rule must see that one, and nothing in the project. */
export function holds(
  rule: (files: readonly Source[]) => string[],
  broken: Source,
  ...complaints: readonly string[]
): void {
  assert.deepEqual(rule([broken]), complaints, 'the rule does not see what it is for');
  assert.deepEqual(rule(sources), []);
}

/** Takes the text of a file; gives it without comments, and without what stands in quotes. */
export function codeOf(text: string): string {
  const inert = /(?<!:)\/\/.*|\/\*[^]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g;
  return text.replaceAll(inert, (found) => (found.startsWith('/') ? '' : "''"));
}

/** Takes files and what is looked for in what `read` leaves of their text; gives each place where it was found. */
export function everywhere(
  files: readonly Source[],
  pattern: RegExp,
  read: (text: string) => string,
): string[] {
  return files.flatMap(({ path, text }) =>
    [...read(text).matchAll(pattern)].map(([found]) => `${path}: ${found}`),
  );
}
