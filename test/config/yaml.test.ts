import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError, loadConfig } from '../../src/config/load.ts';
import { folderOf, listed, load, refuse, textOf } from './folder.ts';

const bomb = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((name, at) => {
    const before = `*${'abcdefgh'[at]}`;
    return `${name}: &${name} [${Array.from({ length: 9 }, () => before).join(', ')}]`;
  }),
  '',
].join('\n');

const refused: readonly [what: string, text: string, problem: RegExp][] = [
  ['an empty file', '', /^1:1 the configuration is empty$/],
  ['a file of comments alone', '# nothing\n', /the configuration must be a mapping, not nothing$/],
  ['a list', '- a\n', /^1:1 the configuration must be a mapping, not a list$/],
  ['anchors that multiply', bomb, /^1:7 anchors and aliases are not taken$/],
  ['an alias', textOf({ listen: 'listen: *a\n' }), /^1:9 anchors and aliases are not taken$/],
  ['a merge key', textOf({ merge: '<<: { limits: {} }\n' }), /^9:1 unknown key "<<"$/],
  [
    'a prototype by merge key',
    textOf({ merge: '<<: { __proto__: { x: 1 } }\n' }),
    /^9:1 unknown key "<<"$|^9:7/,
  ],
  ['a prototype', textOf({ proto: '__proto__: { limits: {} }\n' }), /^9:1 unknown key "__proto__"$/],
  ['a constructor', textOf({ proto: 'constructor: { prototype: {} }\n' }), /^9:1 unknown key "constructor"$/],
  ['a function', textOf({ listen: 'listen: !!js/function "f"\n' }), /YAML tags are not taken$/],
  [
    'a tag that names what is there',
    textOf({ listen: 'listen: !!str "h:1"\n' }),
    /^1:\d+ YAML tags are not taken$/,
  ],
  ['a tag of our own', textOf({ listen: 'listen: !file x\n' }), /YAML tags are not taken$/],
  ['YAML 1.1', `%YAML 1.1\n---\n${textOf()}...\n`, /^1:1 YAML directives are not taken$/],
  ['two documents', `---\n${textOf()}---\n${textOf()}...\n`, /^10:1 the file must hold one YAML document$/],
  [
    'a number for a key',
    textOf({ extra: '5000: x\n' }),
    /^9:1 a key must be plain text; put quotes around a number$/,
  ],
  ['a mapping for a key', textOf({ extra: '? { a: b }\n: x\n' }), /^9:3 a key must be plain text/],
  ['no for false', textOf({ listen: 'listen: no\n' }), /^1:9 "listen" must be host:port/],
  [
    'deep nesting',
    textOf({ extra: `a: ${'['.repeat(20)}${']'.repeat(20)}\n` }),
    /^9:\d+ is nested deeper than 16 levels$/,
  ],
  ['nesting to exhaust the stack', '['.repeat(100_000), /^\d+:\d+ nested too deep$/],
  [
    'a file that is too large',
    `${textOf()}#${'x'.repeat(1024 ** 2)}\n`,
    /^1:1 the configuration is larger than 1048576 bytes$/,
  ],
  [
    'a last line that is cut',
    textOf().trimEnd(),
    /^8:\d+ the file is cut short: its last line does not end$/,
  ],
  [
    'an end that is cut',
    `---\n${textOf()}`,
    /^10:1 the file is cut short: it opens with "---" and does not close with/,
  ],
];

for (const [what, text, problem] of refused) {
  test(`refused: ${what}`, (t) => {
    const problems = listed(refuse(t, text));
    assert.ok(
      problems.some((found) => problem.test(found)),
      problems.join('\n'),
    );
  });
}

test('text that is not UTF-8 is refused', (t) => {
  const path = join(folderOf(t, { 'gate.yaml': Buffer.from(`# \xff\n${textOf()}`, 'latin1') }), 'gate.yaml');
  assert.throws(() => loadConfig(path, {}), {
    message: `${path}:1:1: error: the configuration is not UTF-8 text`,
  });
});

test('a file that is missing, or no file, is a problem like any other', (t) => {
  const folder = folderOf(t, {});
  const missing = join(folder, 'none.yaml');
  assert.throws(() => loadConfig(missing, {}), {
    name: 'ConfigError',
    message: `${missing}:1:1: error: the configuration does not exist`,
  });
  assert.throws(() => loadConfig(folder, {}), { message: /the configuration is not a regular file$/ });
});

test('JSON is YAML: one braced value, whole without a last line break, and refused when cut anywhere', (t) => {
  const text = JSON.stringify({
    listen: '127.0.0.1:0',
    registries: { 'reg.example': { upstream: 'https://reg.example' } },
    rules: [
      { match: 'reg.example/**', mode: 'allow' },
      { match: 'reg.example/a', mode: 'deny' },
    ],
  });
  assert.equal(load(t, text).rules.length, 2);
  const path = join(folderOf(t, {}), 'gate.yaml');
  for (let length = 0; length < text.length; length += 1) {
    writeFileSync(path, text.slice(0, length));
    assert.throws(() => loadConfig(path, {}), ConfigError, `cut at ${length}`);
  }
});

test('a message shows no control character of the file, and not all of a long line', (t) => {
  const error = refuse(t, textOf({ extra: `"\\e[2J\u009b\u202e${'x'.repeat(5000)}": y # \u202e\n` }));
  assert.doesNotMatch(error.message, /[^\n\P{C}]/u);
  assert.ok(error.message.length < 600, error.message);
});

test('whatever the file says, only a ConfigError comes of it', (t) => {
  const path = join(folderOf(t, {}), 'gate.yaml');
  const words =
    'listen rules registries match mode root tls auth __proto__ constructor 0 null enforce reg.example/**'.split(
      ' ',
    );
  const marks = [
    ': ',
    ':\n',
    '\n  ',
    '\n- ',
    '- ',
    '{',
    '}',
    '[',
    ']',
    ', ',
    '"',
    '${',
    '}',
    '&a ',
    '*a',
    '!!str ',
  ];
  const others = ['<<: ', '---\n', '...\n', '%YAML 1.1\n', '#', '\t', '\u0000', '\n'];
  const pieces = fc.constantFrom(...words, ...marks, ...others);
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces, { maxLength: 40 }).map((all) => all.join('')),
    fc
      .tuple(fc.nat(300), pieces)
      .map(([at, piece]) => `${textOf().slice(0, at)}${piece}${textOf().slice(at)}`),
  );
  fc.assert(
    fc.property(text, (written) => {
      writeFileSync(path, written);
      try {
        loadConfig(path, {});
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        assert.ok(error.problems.length > 0 && error.message.startsWith(`${path}:`));
      }
    }),
    { numRuns: 500 },
  );
});
