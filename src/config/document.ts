import type { ErrorCode, Pair, ParsedNode } from 'yaml';
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { ConfigProblem } from './config-error.ts';
import { ConfigError } from './config-error.ts';
import { decodeUtf8, readFile } from './files.ts';

// The YAML of the configuration as plain values that remember where they stand. Only the plain part of YAML is taken:
// no aliases (so nothing can multiply), no tags, no directives, one document, every key once and as text.
//
// A file cut short must not pass for a shorter policy, and a prefix of YAML is often valid YAML. So: a file must end
// with a line break, unless it is one {…}, whose last brace says the same; and a file that opens with `---` must
// close with `...`, which no cut leaves in place. The second is the file's own choice, made in the line that is lost
// last: without it, a cut exactly between two rules reads as a file with fewer rules.

export type Path = readonly (string | number)[];
export type Environment = Readonly<Record<string, string | undefined>>;

/** A configuration file that has been read: plain values, and the places and problems found so far. */
export interface ConfigDocument {
  readonly text: string;
  readonly tree: unknown;
  readonly problems: Problems;
}

const mostBytes = 1024 ** 2;
/** The schema needs six levels; the bound keeps recursion over the tree shallow. */
const deepest = 16;

/** Takes a configuration file; reads it as far as YAML goes. Throws ConfigError for what is not YAML. */
export function readDocument(file: string, environment: Environment): ConfigDocument {
  const content = readFile(file, mostBytes);
  const decoded = 'problem' in content ? content : decodeUtf8(content.value);
  if ('problem' in decoded) {
    throw new ConfigError(
      [{ file, line: 1, column: 1, message: `the configuration ${decoded.problem}` }],
      '',
    );
  }
  const text = decoded.value;
  const lines = new LineCounter();
  const document = parseDocument<ParsedNode>(text, {
    lineCounter: lines,
    prettyErrors: false, // Its excerpts of the file may show a secret.
    logLevel: 'error', // 'silent' would pass over a second document.
    schema: 'core',
    merge: false,
    uniqueKeys: false, // Checked in the walk below, in linear time.
    resolveKnownTags: false,
  });
  const problems = new Problems(file, lines);
  for (const { code, pos } of [...document.errors, ...document.warnings])
    problems.addAt(pos[0], syntax[code]);
  if (document.directives.yaml.explicit) problems.addAt(0, 'YAML directives are not taken');
  const { docStart, docEnd } = document.directives;
  if (docStart && !docEnd) {
    problems.addAt(text.length, 'the file is cut short: it opens with "---" and does not close with "..."');
  }
  // What else such a file lacks is not the operator's mistake.
  if (problems.list.length > 0) throw new ConfigError(problems.list, text);

  const { contents } = document;
  const braced = (isMap(contents) || isSeq(contents)) && contents.flow === true;
  if (!braced && !docEnd && !text.endsWith('\n')) {
    problems.addAt(text.length, 'the file is cut short: its last line does not end');
  }
  return { text, tree: new Walk(problems, environment).plain(contents, []), problems };
}

/** The problems of one file; the first about any one place stands for those that follow from it. */
export class Problems {
  readonly list: ConfigProblem[] = [];
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #places = new Map<string, { readonly key: number; readonly value: number }>();
  readonly #reported = new Set<string>();

  constructor(file: string, lines: LineCounter) {
    this.#file = file;
    this.#lines = lines;
  }

  /** Remembers where a value and its key begin. */
  place(path: Path, key: number, value: number): void {
    this.#places.set(JSON.stringify(path), { key, value });
  }

  /** Reports a value, its key, or (for what is missing) the key of the nearest thing that is there. */
  add(path: Path, message: string, hint?: string, part: 'key' | 'value' = 'value'): void {
    const id = JSON.stringify(path);
    if (this.#reported.has(id)) return;
    this.#reported.add(id);
    const own = this.#places.get(id);
    this.addAt(own ? own[part] : this.#nearestKey(path), message, hint);
  }

  /** Reports an offset in the file. */
  addAt(offset: number, message: string, hint?: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.list.push({
      file: this.#file,
      line: Math.max(line, 1),
      column: Math.max(col, 1),
      message,
      ...(hint && { hint }),
    });
  }

  /** Gives the line a value stands on. */
  lineOf(path: Path): number {
    return this.#lines.linePos(this.#places.get(JSON.stringify(path))?.value ?? 0).line;
  }

  #nearestKey(path: Path): number {
    for (let length = path.length - 1; length > 0; length -= 1) {
      const place = this.#places.get(JSON.stringify(path.slice(0, length)));
      if (place) return place.key;
    }
    return 0;
  }
}

/** Takes text from outside; gives it quoted, bounded and on one line, fit for a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

class Walk {
  readonly #problems: Problems;
  readonly #environment: Environment;

  constructor(problems: Problems, environment: Environment) {
    this.#problems = problems;
    this.#environment = environment;
  }

  /** Takes a node of the document; gives its plain value, undefined where a problem stands instead. */
  plain(node: ParsedNode | null, path: Path): unknown {
    if (node === null) return null;
    if (isAlias(node) || node.anchor !== undefined)
      return this.#refuse(path, 'anchors and aliases are not taken');
    if (node.tag !== undefined) return this.#refuse(path, 'YAML tags are not taken');
    if (path.length > deepest) return this.#refuse(path, `is nested deeper than ${deepest} levels`);
    if (isMap<ParsedNode, ParsedNode | null>(node)) return this.#mapping(node.items, path);
    if (isSeq<ParsedNode>(node)) {
      return node.items.map((item, at) => {
        this.#problems.place([...path, at], item.range[0], item.range[0]);
        return this.plain(item, [...path, at]);
      });
    }
    return isScalar(node) && typeof node.value === 'string' ? this.#expand(node.value, path) : node.value;
  }

  #mapping(pairs: readonly Pair<ParsedNode, ParsedNode | null>[], path: Path): Record<string, unknown> {
    // Without a prototype, no key means more than it says.
    const mapping: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    for (const { key, value } of pairs) {
      const name = isScalar(key) && key.tag === undefined && key.anchor === undefined ? key.value : undefined;
      if (typeof name !== 'string') {
        this.#problems.addAt(key.range[0], 'a key must be plain text; put quotes around a number');
      } else if (name === '__proto__') {
        this.#problems.addAt(key.range[0], `unknown key ${quote(name)}`);
      } else if (name in mapping) {
        const before = this.#problems.lineOf([...path, name]);
        this.#problems.addAt(key.range[0], `duplicate key ${quote(name)}, given before on line ${before}`);
      } else {
        this.#problems.place([...path, name], key.range[0], value?.range[0] ?? key.range[0]);
        mapping[name] = this.plain(value, [...path, name]);
      }
    }
    return mapping;
  }

  /** Fills in `${NAME}`, once: what a variable holds is text, and never read as YAML or as a variable again. */
  #expand(text: string, path: Path): string | undefined {
    let unset: string | undefined;
    const expanded = text.replaceAll(/\$\{([^}]*)(\}?)/g, (_, name: string, closed: string) => {
      const known = closed !== '' && Object.hasOwn(this.#environment, name);
      const value = known ? this.#environment[name] : undefined;
      if (value === undefined || value === '') unset ??= name;
      return value ?? '';
    });
    if (unset === undefined) return expanded;
    this.#problems.add(path, `the environment variable ${quote(unset)} is not set`);
    return undefined;
  }

  #refuse(path: Path, message: string): undefined {
    this.#problems.add(path, message);
  }
}

const unreadable = 'this is not YAML';
const syntax: Record<ErrorCode, string> = {
  ALIAS_PROPS: 'anchors and aliases are not taken',
  BAD_ALIAS: 'anchors and aliases are not taken',
  BAD_COLLECTION_TYPE: 'YAML tags are not taken',
  BAD_DIRECTIVE: 'YAML directives are not taken',
  BAD_DQ_ESCAPE: 'unknown escape in a double-quoted text',
  BAD_INDENT: 'wrong indentation',
  BAD_PROP_ORDER: unreadable,
  BAD_SCALAR_START: 'a text cannot begin with this character; put quotes around it',
  BLOCK_AS_IMPLICIT_KEY: 'a mapping or list cannot begin here',
  BLOCK_IN_FLOW: 'an indented list or mapping cannot stand inside [] or {}',
  DUPLICATE_KEY: 'duplicate key',
  IMPOSSIBLE: unreadable,
  KEY_OVER_1024_CHARS: 'this key is too long',
  MISSING_CHAR: 'something is missing here: a colon, comma, quote or bracket, or a space',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line and be followed by a colon',
  MULTIPLE_ANCHORS: 'anchors and aliases are not taken',
  MULTIPLE_DOCS: 'the file must hold one YAML document',
  MULTIPLE_TAGS: 'YAML tags are not taken',
  NON_STRING_KEY: 'a key must be plain text',
  RESOURCE_EXHAUSTION: 'nested too deep',
  TAB_AS_INDENT: 'indent with spaces, not tabs',
  TAG_RESOLVE_FAILED: 'YAML tags are not taken',
  UNEXPECTED_TOKEN: 'this does not belong here',
};
