import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Pattern } from '../../src/policy/pattern.ts';
import { compareSpecificity, hasWildcard, matches, overlap, parsePattern } from '../../src/policy/pattern.ts';

function pattern(text: string): Pattern {
  const parsed = parsePattern(text);
  assert.ok(parsed, text);
  return parsed;
}

test('a pattern is a registry and components: literals, *, and ** at the end', () => {
  assert.deepEqual(pattern('reg.example:5000/a/*/c-d/**'), {
    registry: 'reg.example:5000',
    segments: ['a', '*', 'c-d', '**'],
  });
});

test('what is not a pattern is not read as one', () => {
  const wrong = [
    '',
    '/',
    '**',
    '*',
    'reg.example',
    'reg.example/',
    '/a',
    '*/a',
    '**/a',
    'reg.*/a',
    'reg.example//a',
  ];
  const bad = [
    'a*',
    '*a',
    '***',
    '**/a',
    'a/**/b',
    'A',
    'a/',
    'a/../b',
    '.',
    'a:tag',
    'a@sha256:0',
    'a b',
    'a?',
    '[a]',
  ];
  for (const text of [
    ...wrong,
    ...bad.map((name) => `reg.example/${name}`),
    ' reg.example/a',
    'Reg.example/a',
  ]) {
    assert.equal(parsePattern(text), undefined, text);
  }
});

test('a pattern covers whole components only', () => {
  const rows: readonly [text: string, covered: readonly string[], not: readonly string[]][] = [
    [
      'r/team/app',
      ['r/team/app'],
      ['r/team/app-evil', 'r/team/app/x', 'r/team', 'x/team/app', 'r/r/team/app'],
    ],
    ['r/team/*', ['r/team/app'], ['r/team', 'r/team/a/b', 'r/team-evil/app', 'r/x/team/app']],
    [
      'r/team/**',
      ['r/team/app', 'r/team/a/b/c'],
      ['r/team', 'r/team-evil/app', 'x/team/app', 'r/x/team/app'],
    ],
    ['r/*/app', ['r/a/app', 'r/b/app'], ['r/app', 'r/a/b/app', 'r/a/app-evil', 'r/a/app/b']],
    ['r/*/**', ['r/a/b', 'r/a/b/c'], ['r/a']],
    ['r/**', ['r/a', 'r/a/b'], ['r', 'r:5000/a', 'r.x/a']],
    ['r:5000/a', ['r:5000/a'], ['r/a']],
  ];
  for (const [text, covered, not] of rows) {
    for (const name of covered) assert.equal(matches(pattern(text), name), true, `${text} covers ${name}`);
    for (const name of not)
      assert.equal(matches(pattern(text), name), false, `${text} does not cover ${name}`);
  }
});

test('on Docker Hub one component is an official image, as it is in requests', () => {
  assert.deepEqual(pattern('docker.io/alpine'), pattern('docker.io/library/alpine'));
  assert.deepEqual(pattern('docker.io/*'), pattern('docker.io/library/*'));
  assert.deepEqual(pattern('docker.io/**').segments, ['**']);
  assert.deepEqual(pattern('reg.example/alpine').segments, ['alpine']);
});

test('segment by segment, a literal is more specific than *, * than **, and all than nothing', () => {
  const descending = ['r/a/b', 'r/a/*', 'r/a/**', 'r/a', 'r/*/b', 'r/*/*', 'r/*/**', 'r/*', 'r/**'];
  for (const [at, text] of descending.entries()) {
    assert.equal(compareSpecificity(pattern(text), pattern(text)), 0);
    for (const lesser of descending.slice(at + 1)) {
      assert.ok(compareSpecificity(pattern(text), pattern(lesser)) > 0, `${text} over ${lesser}`);
      assert.ok(compareSpecificity(pattern(lesser), pattern(text)) < 0, `${lesser} under ${text}`);
    }
  }
  assert.ok(compareSpecificity(pattern('r/a/*/c'), pattern('r/a/b/*')) < 0);
});

test('only a pattern with a star covers more than one name', () => {
  assert.deepEqual(
    ['r/a', 'r/*', 'r/a/**'].map((text) => hasWildcard(pattern(text))),
    [false, true, true],
  );
});

const component = fc.constantFrom('a', 'b');
const name = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => `r/${parts.join('/')}`);
const anyPattern = fc
  .tuple(fc.array(fc.oneof(component, fc.constant('*')), { maxLength: 4 }), fc.boolean())
  .map(([parts, open]) => (open || parts.length === 0 ? [...parts, '**'] : parts))
  .map((parts) => pattern(`r/${parts.join('/')}`));

test('two patterns overlap exactly when some name is covered by both', () => {
  const names = ['a', 'b'].flatMap((first) => below(`r/${first}`, 5));
  fc.assert(
    fc.property(anyPattern, anyPattern, (a, b) => {
      assert.equal(
        overlap(a, b),
        names.some((each) => matches(a, each) && matches(b, each)),
      );
      assert.equal(overlap(a, b), overlap(b, a));
    }),
  );
  assert.equal(overlap(pattern('r/a'), pattern('s/a')), false);
});

test('of patterns that cover one name, those that tie are the same pattern', () => {
  fc.assert(
    fc.property(anyPattern, anyPattern, name, (a, b, covered) => {
      fc.pre(matches(a, covered) && matches(b, covered) && compareSpecificity(a, b) === 0);
      assert.deepEqual(a, b);
    }),
  );
});

function below(prefix: string, depth: number): string[] {
  return depth === 0 ? [] : [prefix, ...below(`${prefix}/a`, depth - 1), ...below(`${prefix}/b`, depth - 1)];
}
