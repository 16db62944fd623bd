/** One mistake in a configuration. Line and column count from 1. */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint?: string;
}

const mostPrinted = 200;
const widestLine = 160;

/** The operator's fault: everything that is wrong with a configuration, at once, in the order of its lines. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  /** Takes the problems and the text of the file they are in, from which each one's line is shown. */
  constructor(problems: readonly ConfigProblem[], text: string, options?: ErrorOptions) {
    const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
    super(print(sorted, text), options);
    this.problems = sorted;
  }

  override toString(): string {
    return this.message;
  }
}

function print(problems: readonly ConfigProblem[], text: string): string {
  const lines = text.split(/\r?\n/);
  const printed = problems.slice(0, mostPrinted).map((problem) => {
    const { file, line, column, message, hint } = problem;
    const source = lines[line - 1];
    const excerpt = source === undefined || source.trim() === '' ? [] : underline(source, column);
    return [`${file}:${line}:${column}: error: ${message}`, ...excerpt, ...(hint ? [hint] : [])].join('\n');
  });
  if (problems.length > mostPrinted) printed.push(`and ${problems.length - mostPrinted} more`);
  return printed.join('\n');
}

/** Gives a source line, without what may be secret or not fit to print, and a caret under its column. */
function underline(source: string, column: number): string[] {
  const concealed = conceal(source).replaceAll(/[^\t\P{C}]/gu, '?');
  const from = column > widestLine / 2 && concealed.length > widestLine ? column - widestLine / 2 : 0;
  const shown = concealed.slice(from, from + widestLine);
  const before = shown.slice(0, column - 1 - from).replaceAll(/[^\t]/g, ' ');
  return [shown, `${before}^`];
}

/**
 * Takes a line of the file; gives it without a literal that reads as a secret: the account in an address, and whatever
 * follows a key such as `password:`. Both are mistakes that are reported, and a report goes to logs.
 */
function conceal(line: string): string {
  const at = line.lastIndexOf('@');
  const scheme = line.indexOf('://');
  const account = scheme >= 0 && scheme < at ? scheme + 3 : line.lastIndexOf(' ', at) + 1;
  const open = at < 0 ? line : `${line.slice(0, account)}***${line.slice(at)}`;
  for (const word of open.matchAll(/[\w-]+/g)) {
    const end = word.index + word[0].length;
    if (!/pass|secret|token|credential|private/i.test(word[0]) || /_file$|^token_realm$/.test(word[0]))
      continue;
    const colon = /^["']? *:/.exec(open.slice(end, end + 16));
    if (colon) return `${open.slice(0, end)}${colon[0]} ***`;
  }
  return open;
}
