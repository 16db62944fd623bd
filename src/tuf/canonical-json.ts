import { RepositoryError } from './error.ts';

// One strict reading of metadata (notary-v1 §5.1) that yields the values and, from the same values, the canonical bytes
// that signatures cover (docker/go canonical JSON, notary-v1 §2.8). Whatever two readers could understand differently is
// refused: duplicate members, numbers that are not plain integers, broken Unicode, trailing bytes.

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** A Map, so that `__proto__` and `constructor` are names like any other. */
export type JsonObject = ReadonlyMap<string, Json>;

const deepest = 32;

/** Takes a file's bytes, and its name for errors; gives its value. Throws RepositoryError MALFORMED, with the offset in
 * characters. */
export function parseStrictJson(bytes: Uint8Array, name = 'this file'): Json {
  return new Parser(decodeUtf8(bytes, name), name).document();
}

/** Takes a value; gives its canonical JSON in UTF-8: keys in byte order, only `"` and `\` escaped, no white space. */
export function canonicalBytes(value: Json): Buffer {
  return Buffer.from(canonicalText(value), 'utf8');
}

function canonicalText(value: Json): string {
  if (typeof value === 'string') return canonicalString(value);
  if (value === null || typeof value !== 'object') return String(value);
  if (value instanceof Map) {
    const members = [...(value as JsonObject)].toSorted(([a], [b]) => compareUtf8(a, b));
    return `{${members.map(([name, member]) => `${canonicalString(name)}:${canonicalText(member)}`).join(',')}}`;
  }
  return `[${(value as readonly Json[]).map(canonicalText).join(',')}]`;
}

function canonicalString(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** UTF-16 order, which strings have, is that of UTF-8 but for surrogates: names with one are compared as bytes. */
function compareUtf8(a: string, b: string): number {
  if (surrogate.test(a) || surrogate.test(b))
    return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
  return a < b ? -1 : 1;
}

const surrogate = /[\ud800-\udfff]/;

function decodeUtf8(bytes: Uint8Array, name: string): string {
  try {
    // With ignoreBOM the mark stays in the text, where no JSON document may have it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    // The decoder's one way to say "not UTF-8".
    if (!(error instanceof TypeError)) throw error;
    throw new RepositoryError('MALFORMED', `${name} is not UTF-8`, { cause: error });
  }
}

const plainText = /[^"\\\u0000-\u001f]*/y;
const escapeSequence = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const integer = /-?(?:0|[1-9][0-9]{0,16})(?![0-9.eE])/y;
const spaces = new Set([0x20, 0x09, 0x0d, 0x0a]);

class Parser {
  readonly #text: string;
  readonly #name: string;
  #at = 0;

  constructor(text: string, name: string) {
    this.#text = text;
    this.#name = name;
  }

  document(): Json {
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) throw this.#malformed('bytes after the document');
    return value;
  }

  #value(depth: number): Json {
    this.#space();
    switch (this.#text.charAt(this.#at)) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#integer();
    }
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, Json>();
    this.#enter(depth);
    if (this.#accept('}')) return members;
    do {
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#malformed('a member name was expected');
      const name = this.#string();
      if (members.has(name))
        throw this.#malformed(`member ${JSON.stringify(name.slice(0, 64))} stands twice`);
      if (!this.#accept(':')) throw this.#malformed('":" was expected');
      members.set(name, this.#value(depth + 1));
    } while (this.#accept(','));
    if (!this.#accept('}')) throw this.#malformed('"," or "}" was expected');
    return members;
  }

  #array(depth: number): readonly Json[] {
    const items: Json[] = [];
    this.#enter(depth);
    if (this.#accept(']')) return items;
    do items.push(this.#value(depth + 1));
    while (this.#accept(','));
    if (!this.#accept(']')) throw this.#malformed('"," or "]" was expected');
    return items;
  }

  /** Steps into an object or array that `depth` others enclose. */
  #enter(depth: number): void {
    if (depth >= deepest) throw this.#malformed(`nested deeper than ${deepest}`);
    this.#at += 1;
  }

  #string(): string {
    this.#at += 1;
    let value = '';
    for (;;) {
      value += this.#match(plainText);
      const mark = this.#text[this.#at];
      if (mark === '"') break;
      if (mark !== '\\')
        throw this.#malformed(mark === undefined ? 'unfinished string' : 'control character');
      value += this.#escape();
    }
    this.#at += 1;
    if (!value.isWellFormed()) throw this.#malformed('a lone surrogate');
    return value;
  }

  #escape(): string {
    const escape = this.#match(escapeSequence);
    if (escape === '') throw this.#malformed('an unknown escape');
    return escape.length > 2
      ? String.fromCharCode(Number.parseInt(escape.slice(2), 16))
      : (shortEscapes.get(escape.slice(1)) ?? escape.slice(1));
  }

  #integer(): number {
    const digits = this.#match(integer);
    const value = Number(digits);
    if (digits === '' || Object.is(value, -0) || !Number.isSafeInteger(value)) {
      throw this.#malformed('a value was expected: integers within 2^53-1 are the only numbers');
    }
    return value;
  }

  #word<Value extends Json>(word: string, value: Value): Value {
    if (!this.#text.startsWith(word, this.#at)) throw this.#malformed('a value was expected');
    this.#at += word.length;
    return value;
  }

  #accept(mark: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #space(): void {
    while (spaces.has(this.#text.charCodeAt(this.#at))) this.#at += 1;
  }

  /** Takes what a sticky pattern matches here, which may be nothing. */
  #match(pattern: RegExp): string {
    const from = this.#at;
    pattern.lastIndex = from;
    if (pattern.test(this.#text)) this.#at = pattern.lastIndex;
    return this.#text.slice(from, this.#at);
  }

  #malformed(what: string): RepositoryError {
    return new RepositoryError(
      'MALFORMED',
      `${this.#name} is not the JSON of metadata at character ${this.#at}: ${what}`,
    );
  }
}

const shortEscapes = new Map([
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);
