import { z } from 'zod';
import type { ConfigDocument, Path } from './document.ts';
import { quote } from './document.ts';

// What the schema found, in the operator's words and at the place in the file.

const modes = ['enforce', 'audit', 'allow', 'deny'];

type Issue = z.core.$ZodIssue;

/**
 * Takes a document that the schema refuses; reports why. A rule whose mode is unknown is judged a second time as if it
 * were enforced, so that a misspelled mode does not hide what else is wrong with it.
 */
export function reportStructure(schema: z.ZodType, document: ConfigDocument): void {
  const rules = valueAt(document.tree, ['rules']);
  const assumed = Array.isArray(rules) && {
    ...(document.tree as Record<string, unknown>),
    rules: rules.map((rule: unknown, at) =>
      isMapping(rule) && !hasMode(document, at) ? { ...rule, mode: 'enforce' } : rule,
    ),
  };
  for (const tree of assumed ? [document.tree, assumed] : [document.tree]) {
    reportIssues(schema.safeParse(tree).error?.issues ?? [], schema, document);
  }
}

function hasMode({ tree }: ConfigDocument, rule: number): boolean {
  return modes.some((mode) => mode === valueAt(tree, ['rules', rule, 'mode']));
}

function reportIssues(
  issues: readonly Issue[],
  schema: z.ZodType,
  document: ConfigDocument,
  at: Path = [],
): void {
  for (const issue of issues) {
    const path = [...at, ...issue.path.filter((part) => typeof part !== 'symbol')];
    reportIssue(issue, path, schema, document);
  }
}

function reportIssue(issue: Issue, path: Path, schema: z.ZodType, document: ConfigDocument): void {
  const { problems, tree } = document;
  const value = valueAt(tree, path);
  const name = nameOf(path);
  if (value === undefined) {
    // What a rule must have follows from its mode.
    if (path[0] === 'rules' && path.length === 3 && path[2] !== 'mode' && !hasMode(document, Number(path[1])))
      return;
    return problems.add(path, `${name} is missing`);
  }
  switch (issue.code) {
    case 'unrecognized_keys':
      for (const key of issue.keys) reportUnknownKey(key, path, schema, document);
      return;
    case 'invalid_union': {
      if (path.at(-1) === 'mode') return reportChoice(modes);
      const branches = issue.errors.filter((errors) => !errors.some((error) => isWrongType(error)));
      const [branch] = branches.toSorted((a, b) => strangeKeys(a) - strangeKeys(b));
      if (typeof value === 'object' && branch) return reportIssues(branch, schema, document, path);
      const [choice] = issue.errors.flat().filter((error) => error.code === 'invalid_value');
      return problems.add(path, `${name} ${issue.message}`, didYouMean(value, textsOf(choice?.values ?? [])));
    }
    case 'invalid_value':
      return issue.values.every((choice) => typeof choice === 'string')
        ? reportChoice(textsOf(issue.values))
        : problems.add(path, `${name} ${issue.message}`);
    case 'invalid_type':
      if (issue.expected === 'int') return problems.add(path, `${name} ${issue.message}`);
      return problems.add(
        path,
        `${name} must be ${wanted[issue.expected] ?? issue.expected}, not ${kindOf(value)}`,
      );
    case 'custom':
    case 'invalid_element':
    case 'invalid_key':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'too_big':
    case 'too_small':
      return problems.add(path, `${name} ${issue.message}`);
  }

  function reportChoice(choices: readonly string[]): void {
    const listed = choices.map((choice) => `"${choice}"`).join(', ');
    problems.add(
      path,
      `${name} must be ${choices.length > 1 ? 'one of ' : ''}${listed}`,
      didYouMean(value, choices),
    );
  }
}

function reportUnknownKey(
  key: string,
  path: Path,
  schema: z.ZodType,
  { problems, tree }: ConfigDocument,
): void {
  const known = keysAt(schema, path);
  const mode = valueAt(tree, [...path, 'mode']);
  const elsewhere =
    typeof mode === 'string'
      ? `${quote(key)} has no meaning in a rule whose mode is ${mode}`
      : `${quote(key)} cannot stand beside the other keys of ${nameOf(path)}`;
  const message = known.includes(key) ? elsewhere : `unknown key ${quote(key)}`;
  problems.add([...path, key], message, didYouMean(key, known), 'key');
}

/** Takes a word and those that would be right; gives the hint that names the nearest, if one is near. */
export function didYouMean(word: unknown, choices: Iterable<string>): string | undefined {
  if (typeof word !== 'string' || word.length > 100) return undefined;
  let best: { readonly choice: string; readonly distance: number } | undefined;
  for (const choice of choices) {
    const distance = editDistance(word.toLowerCase(), choice.toLowerCase());
    const near = distance <= Math.max(1, Math.floor(choice.length / 3)) && choice !== word;
    if (near && (best === undefined || distance < best.distance)) best = { choice, distance };
  }
  return best && `did you mean "${best.choice}"?`;
}

/** Takes a tree of plain values and a path; gives what is there, else undefined. */
export function valueAt(tree: unknown, path: Path): unknown {
  let value = tree;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** Takes the place of a value; gives what to call it in a message: its key, or that of the list it stands in. */
export function nameOf(path: Path): string {
  const key = path.findLast((part) => typeof part === 'string');
  if (key === undefined) return 'the configuration';
  return typeof path.at(-1) === 'number' ? `each of ${quote(key)}` : quote(key);
}

/** Gives the keys that the schema knows at a path, over all alternatives. */
function keysAt(schema: unknown, path: Path): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault || schema instanceof z.ZodReadonly) {
    return keysAt(schema.unwrap(), path);
  }
  if (schema instanceof z.ZodPipe) return keysAt(schema.in, path);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => keysAt(option, path));
  const [head, ...rest] = path;
  if (schema instanceof z.ZodObject) {
    return head === undefined ? Object.keys(schema.shape) : keysAt(schema.shape[head], rest);
  }
  if (schema instanceof z.ZodRecord) return keysAt(schema.valueType, rest);
  return schema instanceof z.ZodArray ? keysAt(schema.element, rest) : [];
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWrongType(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function strangeKeys(issues: readonly Issue[]): number {
  return issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 0), 0);
}

function textsOf(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string');
}

const wanted: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
};

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return 'a number (put quotes around it if it is text)';
  if (typeof value === 'boolean') return 'true or false';
  return typeof value === 'string' ? 'text' : 'a mapping';
}

/** Gives how many insertions, deletions, changes and swaps of neighbours turn one word into the other. */
function editDistance(a: string, b: string): number {
  let [older, old]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const changed = (old[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (older[j - 2] ?? 0) + 1 : changed;
      row.push(Math.min(changed, swapped, (old[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    [older, old] = [old, row];
  }
  return old[b.length] ?? 0;
}
