interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Code {
  /** The source with every character in its place, but comments and line ends as spaces, and `_` inside of strings. */
  readonly text: string;
  /** Regular expressions, from one slash to the other. */
  readonly patterns: readonly Span[];
}

/** Takes a source as prettier prints it; gives what of it is code. What stands in `${}` is. */
export function readCode(source: string): Code {
  const patterns: Span[] = [];
  /** Open braces of each template that we are inside of. */
  const templates: number[] = [];
  let text = '';
  const take = (pattern: RegExp, shown: (piece: string) => string): void => {
    pattern.lastIndex = text.length;
    const [piece = ''] = pattern.exec(source) ?? [];
    if (piece === '') throw new RangeError(`cannot read on from ${text.length}`);
    text += shown(piece);
  };
  const filled = (piece: string): string =>
    piece[0] + '_'.repeat(Math.max(piece.length - 2, 0)) + piece.slice(1).slice(-1);
  /** A template up to its end, or to the next `${`. */
  const template = (): void => {
    take(/[`}](?:[^`\\$]|\\.|\$(?!\{))*(?:`|\$\{)/sy, filled);
    if (text.endsWith('{')) templates.push(0);
  };
  while (text.length < source.length) {
    const two = source.slice(text.length, text.length + 2);
    const open = templates.at(-1);
    if (two === '//') take(/.*/y, (piece) => ' '.repeat(piece.length));
    else if (two === '/*') take(/.*?\*\//sy, (piece) => ' '.repeat(piece.length));
    else if (two.startsWith("'")) take(/'(?:[^'\\]|\\.)*'/y, filled);
    else if (two.startsWith('`')) template();
    else if (two.startsWith('}') && open === 0) {
      templates.pop();
      template();
    } else if (two.startsWith('/') && /[(=:,[!&|?{};] *$/.test(text)) {
      const start = text.length;
      take(/\/(?:[^/\\[]|\\.|\[(?:[^\]\\]|\\.)*\])+\//y, filled);
      patterns.push({ start, end: text.length - 1 });
    } else {
      if (open !== undefined && two.startsWith('{')) templates.push((templates.pop() ?? 0) + 1);
      if (open !== undefined && two.startsWith('}')) templates.push((templates.pop() ?? 0) - 1);
      take(/./sy, (piece) => piece.replace('\n', ' '));
    }
  }
  return { text, patterns };
}
