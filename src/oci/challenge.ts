// `WWW-Authenticate` (RFC 9110 §11.6.1), read for the two schemes that registries and notaries speak: Basic
// (RFC 7617) and the Docker registry's Bearer, whose realm is the address of a token server.

export interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  readonly realm?: string;
  readonly service?: string;
  readonly scope?: string;
  /** Why the last attempt did not do (RFC 6750 §3.1): `insufficient_scope`, `invalid_token`. */
  readonly error?: string;
}

const longestHeader = 16 * 1024;
const tokenCharacters = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const quotedString = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"';
// Sticky: each is tried at one place only, and no two of its alternatives begin alike, so that reading is linear.
const separators = /[\t ,]*/y;
const scheme = new RegExp(`(${tokenCharacters})(?= |,|$)`, 'y');
const spaces = / */y;
const parameter = new RegExp(
  `(${tokenCharacters})[\\t ]*=[\\t ]*(${tokenCharacters}|${quotedString})[\\t ]*(?=,|$)`,
  'y',
);
const token68 = /([A-Za-z0-9._~+/-]+=*)[\t ]*(?=,|$)/y;

/**
 * Takes the value of `WWW-Authenticate`, several lines joined by commas; gives its Basic and Bearer challenges in the
 * order they stand. A text that is not a list of challenges, names a parameter twice in one of them, or is longer than
 * 16 KiB gives none: half-understood, it could send credentials to the wrong place.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  if (header.length > longestHeader) return [];
  const scanner = new Scanner(header);
  const challenges: Challenge[] = [];
  scanner.read(separators);
  while (!scanner.atEnd) {
    const name = scanner.read(scheme)?.[1]?.toLowerCase();
    const parameters = name === undefined ? undefined : readParameters(scanner);
    if (parameters === undefined) return [];
    if (name === 'basic' || name === 'bearer') challenges.push({ scheme: name, ...pick(parameters) });
  }
  return challenges;
}

/** Takes a challenge; gives it as `WWW-Authenticate` has it. Throws TypeError on what a quoted string cannot hold. */
export function printChallenge({ scheme: name, ...parameters }: Challenge): string {
  const written = Object.entries(parameters).map(([key, value]) => {
    if (!/^[\x20-\x7e]*$/.test(value)) throw new TypeError(`${key} cannot stand in a challenge`);
    return `${key}="${value.replaceAll(/["\\]/g, '\\$&')}"`;
  });
  return [name === 'basic' ? 'Basic' : 'Bearer', written.join(',')].join(' ');
}

/** Every element below ends before a comma or the end, so what follows the separators is a new element. */
function readParameters(scanner: Scanner): ReadonlyMap<string, string> | undefined {
  const parameters = new Map<string, string>();
  scanner.read(spaces);
  let found = scanner.read(parameter);
  // A token68 (`Negotiate abc==`) stands alone, and no scheme we speak uses it in a challenge.
  if (found === undefined && scanner.read(token68) === undefined && !scanner.atElementEnd) return undefined;
  while (found !== undefined) {
    const [, name = '', value = ''] = found;
    if (parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), unquote(value));
    scanner.read(separators);
    found = scanner.read(parameter);
  }
  scanner.read(separators);
  return parameters;
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : text;
}

function pick(parameters: ReadonlyMap<string, string>): Omit<Challenge, 'scheme'> {
  const kept: { realm?: string; service?: string; scope?: string; error?: string } = {};
  for (const name of ['realm', 'service', 'scope', 'error'] as const) {
    const value = parameters.get(name);
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

class Scanner {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#position === this.#text.length;
  }

  get atElementEnd(): boolean {
    return this.atEnd || this.#text[this.#position] === ',';
  }

  /** Takes a sticky pattern; gives what it matches here and steps over it, or undefined. */
  read(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#position += match[0].length;
    return match;
  }
}
