import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { sources } from './sources.ts';

// The table of docs/threat-model.md against the tests: each row names tests that exist, and each case of test/attacks
// stands in a row.

interface Row {
  readonly file: string;
  /** What the name of a test begins with: `T-19`, or some of its words. */
  readonly prefix: string;
}
/** Path to text. */
type Texts = ReadonlyMap<string, string>;

const root = join(import.meta.dirname, '..');
const texts: Texts = new Map(sources.map(({ path, text }) => [path, text]));
const page = readFileSync(join(root, 'docs/threat-model.md'), 'utf8');

test('every row of the table of attacks names tests that exist, and every case of an attack stands in a row', () => {
  const rows = rowsOf(page);
  assert.ok(rows.length > 100, `${rows.length} rows`);
  assert.deepEqual(missingTests(rows, texts), []);
  assert.deepEqual(missingRows(rows, texts), []);
});

test('no row stands twice, and each has its attacker, capability and attack', () => {
  const lines = tableLines(page);
  assert.deepEqual(
    lines.filter((line) => cellsOf(line).some((cell) => cell === '')),
    [],
  );
  const names = rowsOf(page).map(({ file, prefix }) => `${file} ${prefix}`);
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  );
});

test('the check sees a row without a test, and a test without a row', () => {
  const files: Texts = new Map([
    [
      'test/attacks/x.test.ts',
      "import { rows } from './y.ts';\nattacks('x', [{ id: 'T-01' }]);\ntest('U-02 warm: …');",
    ],
    ['test/attacks/y.ts', "// 'K-99' is not one\nexport const rows = [{ id: 'K-03' }];"],
    ['test/attacks/z.test.ts', "test('nothing has an id here', () => {});"],
  ]);
  const line = (file: string, prefix: string): string => `| who | can | does | \`${file}\` \`${prefix}\` |`;
  const whole = [
    ...['T-01', 'U-02', 'K-03'].map((id) => line('test/attacks/x.test.ts', id)),
    line('test/attacks/z.test.ts', 'nothing has'),
  ];
  assert.deepEqual(missingTests(rowsOf(whole.join('\n')), files), []);
  assert.deepEqual(missingRows(rowsOf(whole.join('\n')), files), []);

  const wrong = [line('test/attacks/x.test.ts', 'T-02'), line('test/attacks/none.test.ts', 'T-01')];
  assert.deepEqual(missingTests(rowsOf(wrong.join('\n')), files), [
    'test/attacks/x.test.ts has no test T-02',
    'test/attacks/none.test.ts has no test T-01',
  ]);
  assert.deepEqual(missingRows(rowsOf(whole.slice(1).join('\n')), files), ['test/attacks/x.test.ts T-01']);
  const withoutTable = [...whole.slice(0, 2), ...whole.slice(3)];
  assert.deepEqual(missingRows(rowsOf(withoutTable.join('\n')), files), ['test/attacks/y.ts K-03']);
  assert.deepEqual(missingRows(rowsOf(whole.slice(0, 3).join('\n')), files), ['test/attacks/z.test.ts']);
});

/** Lines of tables whose last cell names a test. */
function tableLines(markdown: string): string[] {
  return markdown.split('\n').filter((line) => /^\|.*\| *`test\/[^`|]+`[^|]*\|$/.test(line));
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** One for each prefix: a row may name several tests of one file. */
function rowsOf(markdown: string): Row[] {
  return tableLines(markdown).flatMap((line) => {
    const [file = '', ...prefixes] = [...(cellsOf(line).at(-1) ?? '').matchAll(/`([^`]+)`/g)].map(
      ([, name = '']) => name,
    );
    return prefixes.map((prefix) => ({ file, prefix }));
  });
}

function missingTests(rows: readonly Row[], files: Texts): string[] {
  return rows
    .filter(({ file, prefix }) => {
      const ids = [...reached(file, files)].flatMap((path) => idsIn(files.get(path)));
      return !ids.includes(prefix) && !hasTestNamed(files.get(file) ?? '', prefix);
    })
    .map(({ file, prefix }) => `${file} has no test ${prefix}`);
}

/** A case in a test file by its id; one in a table that test files import, for any of them; a test file without ids by
 * any one of its tests. */
function missingRows(rows: readonly Row[], files: Texts): string[] {
  const named = new Set(rows.map(({ file, prefix }) => `${file} ${prefix}`));
  const attacks = [...files.keys()].filter((file) => file.startsWith('test/attacks/'));
  const tests = attacks.filter((file) => file.endsWith('.test.ts'));
  const unnamed = attacks.flatMap((file) => {
    const by = tests.filter((one) => reached(one, files).has(file));
    return idsIn(files.get(file))
      .filter((id) => !by.some((one) => named.has(`${one} ${id}`)))
      .map((id) => `${file} ${id}`);
  });
  return [...unnamed, ...tests.filter((file) => !rows.some((row) => row.file === file))];
}

/** A test file, and the modules it takes from its own folder, at any remove. */
function reached(file: string, files: Texts, seen = new Set<string>()): Set<string> {
  seen.add(file);
  const folder = file.slice(0, -basename(file).length);
  for (const [, name = ''] of (files.get(file) ?? '').matchAll(/ from '\.\/([^']+)'/g)) {
    const path = folder + name;
    if (!seen.has(path) && files.has(path)) reached(path, files, seen);
  }
  return seen;
}

/** The ids of the cases that stand in a file. Those in comments are talk. */
function idsIn(text = ''): string[] {
  const code = text.replaceAll(/^\s*(?:\/\/|\/\*|\*).*$/gm, '');
  return [...new Set([...code.matchAll(/['"`]([A-Z]{1,2}-\d{2})\b/g)].map(([, id = '']) => id))];
}

/** Says whether a test, or a `describe`, has a name that begins so, as it is written. */
function hasTestNamed(text: string, prefix: string): boolean {
  const names = [...text.matchAll(/\b(?:test|describe|attacks)\(\s*(['"`])(.*?)\1/g)];
  return names.some(([, , name = '']) => name.startsWith(prefix));
}
