import { stripTypeScriptTypes } from 'node:module';
import { readCode } from './code.ts';

/** One change of one check in a source: what stands there, and what stands there instead. */
export interface Mutant {
  readonly line: number;
  readonly from: string;
  readonly to: string;
  /** The whole changed source. */
  readonly source: string;
}

interface Edit {
  readonly at: number;
  readonly from: string;
  readonly to: string;
}

// Prettier puts a space around every operator, which sets comparisons apart from type parameters and arrows.
const swaps: Readonly<Record<string, string>> = {
  ' < ': ' <= ',
  ' <= ': ' < ',
  ' > ': ' >= ',
  ' >= ': ' > ',
  ' === ': ' !== ',
  ' !== ': ' === ',
  ' && ': ' || ',
  ' || ': ' && ',
  ' ?? ': ' && ',
  ' + ': ' - ',
  '.some(': '.every(',
  '.every(': '.some(',
  'return true': 'return false',
  'return false': 'return true',
};

/** Takes a source as prettier prints it; gives every mutant of it that is still TypeScript. */
export function mutantsOf(source: string): readonly Mutant[] {
  const { text, patterns } = readCode(source);
  const at = (start: number, end: number, to: (from: string) => string): Edit => {
    const from = source.slice(start, end);
    return { at: start, from, to: to(from) };
  };

  /** Each condition negated, and what it guards taken away. */
  const conditions = [...text.matchAll(/\b(if|while) \(/g)].flatMap(({ 0: head, 1: word, index }) => {
    const [start, end] = [index + head.length, closing(text, index + head.length - 1)];
    const negated = at(start, end, (from) => `!(${from})`);
    // A single comparison or negation is turned round as an operator.
    const round = /^!?[^&|]* (?:===|!==) [^&|]*$|^![^&|]*$/.test(text.slice(start, end)) ? [] : [negated];
    return word === 'if' ? [...round, at(start, end, (from) => `false && (${from})`)] : round;
  });

  /** Each throw, and each call for its effect, left out. A throw that a condition guards goes with the condition. */
  const statements = [
    ...text.matchAll(/(?<=[;{}] +|else +)(?:throw |(?:this\.)?#?[a-zA-Z]+(?:\.[a-zA-Z]+)?\()/g),
  ].flatMap(({ 0: head, index }) => {
    if (head === 'throw ' && /\bif \([^;{}]*\) \{ *$/.test(text.slice(0, index))) return [];
    const end = endOfStatement(text, index);
    return end === undefined ? [] : [at(index, end, () => ';')];
  });

  const operators = Object.entries(swaps).flatMap(([from, to]) =>
    occurrences(text, from).map((start) => at(start, start + from.length, () => to)),
  );
  const negations = [...text.matchAll(/!(?=[a-zA-Z(/])/g)].map(({ index }) => at(index, index + 1, () => ''));

  /** Each limit that has a name, one higher and one lower. */
  const limits = [...text.matchAll(/(?<=\bconst [a-zA-Z]+ = )[0-9]+(?=;)/g)].flatMap(({ 0: digits, index }) =>
    [1, -1].map((by) => at(index, index + digits.length, (number) => String(Number(number) + by))),
  );

  /** Each string in a list, as another one: names of members and of what is refused. */
  const members = [...text.matchAll(/\[ *'/g)].flatMap(({ index }) => {
    const list = text.slice(index, closing(text, index));
    return [...list.matchAll(/(?<=[[,] *)'_*'(?= *,? *(?:,|$))/g)].map((item) =>
      at(index + item.index, index + item.index + item[0].length, () => "'another'"),
    );
  });

  /** Each anchor of a pattern, left out. */
  const anchors = patterns.flatMap(({ start, end }) => [
    ...(source[start + 1] === '^' ? [at(start + 1, start + 2, () => '')] : []),
    ...(source[end - 1] === '$' ? [at(end - 1, end, () => '')] : []),
  ]);

  return [...conditions, ...statements, ...operators, ...negations, ...limits, ...members, ...anchors]
    .toSorted((a, b) => a.at - b.at)
    .map((edit) => ({
      line: source.slice(0, edit.at).split('\n').length,
      from: oneLine(edit.from),
      to: oneLine(edit.to),
      source: source.slice(0, edit.at) + edit.to + source.slice(edit.at + edit.from.length),
    }))
    .filter((mutant) => isTypeScript(mutant.source));
}

function occurrences(text: string, part: string): number[] {
  const found: number[] = [];
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + 1)) found.push(at);
  return found;
}

/** Takes the place of an opening bracket; gives that of the closing one. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if ('([{'.includes(text.charAt(at))) depth += 1;
    if (')]}'.includes(text.charAt(at))) depth -= 1;
    if (depth === 0) return at;
  }
  throw new RangeError(`no end of the bracket at ${open}`);
}

/** Gives the place after a statement's semicolon; undefined for what is a declaration or an expression. */
function endOfStatement(text: string, start: number): number | undefined {
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === ';') return at + 1;
    if ('{})]'.includes(text.charAt(at))) return undefined;
    if ('(['.includes(text.charAt(at))) at = closing(text, at);
  }
  return undefined;
}

function isTypeScript(source: string): boolean {
  try {
    stripTypeScriptTypes(source);
    return true;
  } catch (error) {
    // The one way to say that a mutant makes no sense, such as `a && b ?? c`.
    if (!(error instanceof SyntaxError)) throw error;
    return false;
  }
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 100 ? `${line.slice(0, 97)}...` : line;
}
