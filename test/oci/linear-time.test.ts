import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

// A clock would say how fast this machine is. Here the steps of a backtracking matcher are counted instead, one that
// takes no short cuts: a pattern whose steps grow with the square of the text is seen on every machine.

type Step =
  | { readonly op: 'character'; readonly accepts: RegExp }
  | { readonly op: 'either'; readonly first: number; readonly second: number } // relative to this step
  | { readonly op: 'jump'; readonly by: number }
  | { readonly op: 'end' };
type Program = readonly Step[];

const length = 15_000;
const mostPerCharacter = 50;

/** Takes the source of an anchored pattern without look-around or back reference; gives its steps. */
function compile(source: string): Program {
  const tokens = source.match(/\\.|\[(?:\\.|[^\]\\])+\]|\(\?:|\{[0-9]+(?:,[0-9]*)?\}|[^]/g) ?? [];
  assert.equal(tokens.shift(), '^', `${source} is not anchored`);
  const program = alternatives();
  assert.equal(tokens.length, 0, `${source} has a part that is not understood: ${tokens.join('')}`);
  return program;

  function alternatives(): Program {
    let program = sequence();
    while (tokens[0] === '|') {
      tokens.shift();
      const other = sequence();
      const leave: Step = { op: 'jump', by: other.length + 1 };
      program = [{ op: 'either', first: 1, second: program.length + 2 }, ...program, leave, ...other];
    }
    return program;
  }

  function sequence(): Program {
    const program: Step[] = [];
    while (tokens.length > 0 && tokens[0] !== '|' && tokens[0] !== ')') program.push(...quantified(atom()));
    return program;
  }

  function atom(): Program {
    const token = tokens.shift() ?? '';
    assert.ok(!/^(?:[*+?^{(]|\\[1-9bBkpP])$/.test(token), `${token} in ${source} is not understood`);
    if (token === '$') return [{ op: 'end' }];
    if (token !== '(?:') return [{ op: 'character', accepts: new RegExp(`^${token}$`) }];
    const program = alternatives();
    assert.equal(tokens.shift(), ')');
    return program;
  }

  function quantified(once: Program): Program {
    const [, least = '', most] = /^\{([0-9]+)(,[0-9]*)?\}$/.exec(tokens[0] ?? '') ?? [];
    const range = { '*': [0, Infinity], '+': [1, Infinity], '?': [0, 1] }[tokens[0] ?? ''];
    if (range === undefined && least === '') return once;
    tokens.shift();
    const [low = 0, high = 0] = range ?? [Number(least), Number(most?.slice(1) ?? least) || Infinity];
    let tail: Program = [];
    if (high === Infinity) {
      const again: Step = { op: 'jump', by: -once.length - 1 };
      tail = [{ op: 'either', first: 1, second: once.length + 2 }, ...once, again];
    } else {
      for (let count = low; count < high; count += 1) {
        const skip: Step = { op: 'either', first: 1, second: once.length + tail.length + 1 };
        tail = [skip, ...once, ...tail];
      }
    }
    return [...Array.from({ length: low }, () => once).flat(), ...tail];
  }
}

/** Takes a program and a text; gives whether it matches, and after how many steps (at most `most`) that was known. */
function run(
  program: Program,
  text: string,
  most: number,
): { readonly matches: boolean; readonly steps: number } {
  const untried: { at: number; position: number }[] = [{ at: 0, position: 0 }];
  let steps = 0;
  for (let state = untried.pop(); state !== undefined && steps < most; state = untried.pop()) {
    let { at, position } = state;
    for (let step = program[at]; steps < most; step = program[at]) {
      steps += 1;
      if (step === undefined) return { matches: true, steps };
      if (step.op === 'jump') at += step.by;
      else if (step.op === 'either') {
        untried.push({ at: at + step.second, position });
        at += step.first;
      } else {
        const ok = step.op === 'end' ? position === text.length : step.accepts.test(text[position] ?? '');
        if (!ok) break;
        if (step.op === 'character') position += 1;
        at += 1;
      }
    }
  }
  return { matches: false, steps };
}

/** Every regular expression that is written in a file of src/oci. */
function patternsOf(file: string): string[] {
  const source = readFileSync(new URL(`../../src/oci/${file}.ts`, import.meta.url), 'utf8');
  const found = [...source.matchAll(/[=(,]\s*\/(\^.+)\/(?=[;.])/g)].map(([, pattern = '']) => pattern);
  assert.equal(
    found.length,
    [...source.matchAll(/[=(,]\s*\/[^/*\s]|RegExp\(/g)].length,
    `unread in ${file}.ts`,
  );
  return found;
}

const units =
  'a A a- a_ a__ a___ - _ . a. a.a- / a/ a/a- 0 : = % a: sha256: /v2/ /v2 a.b-c/ localhost .localhost'.split(
    ' ',
  );
const hostile = units.flatMap((unit) =>
  ['', 'a', '/v2/', 'a/', 'a:'].flatMap((start) =>
    ['', '!', '\n', ':1'].map((end) => start + unit.repeat(length / unit.length) + end),
  ),
);

test('the matcher that counts agrees with the engine, and sees a pattern that is not linear', () => {
  for (const [source, texts] of [
    ['^a(?:b|cd)*[e-g]{2,3}$', ['aef', 'abcdbefg', 'abe', 'aefgg', 'a', 'acef', 'aef\n']],
    ['^(?:\\[.*\\]|x?){2}$', ['', 'x', 'xx', '[a]x', '[a', 'xxx']],
  ] as const) {
    for (const text of texts) {
      assert.equal(
        run(compile(source), text, 1000).matches,
        new RegExp(source).test(text),
        `${source} on ${text}`,
      );
    }
  }
  const [text, most] = ['a'.repeat(length), mostPerCharacter * length];
  for (const source of ['^[a-z]*[a-z0-9]*!$', '^(?:a+)+!$', '^(?:a|a)*!$', '^(?:a*-?)*!$']) {
    assert.equal(run(compile(source), text, most).steps, most, source);
  }
});

for (const file of ['reference', 'endpoint', 'redirect']) {
  test(`no pattern of ${file}.ts takes more than ${mostPerCharacter} steps for a character of a hostile text`, () => {
    const patterns = patternsOf(file);
    assert.ok(patterns.length > 0);
    for (const pattern of patterns) {
      const program = compile(pattern);
      for (const text of hostile) {
        const { matches, steps } = run(program, text, mostPerCharacter * length);
        assert.ok(steps < mostPerCharacter * length, `${pattern} on ${text.slice(0, 20)}`);
        assert.equal(matches, new RegExp(pattern).test(text));
      }
    }
  });
}
