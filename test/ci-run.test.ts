import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';

interface Stage {
  readonly says?: string;
  readonly status?: number;
}

/** The stages in their order, by the arguments that npm is called with. */
type Stages = Readonly<Record<'ci' | 'run check' | 'run coverage' | 'test' | 'run test:clients', Stage>>;

const green: Stages = {
  ci: {},
  'run check': {},
  'run coverage': {},
  test: { says: '✔ a test\nℹ tests 12\nℹ pass 12\nℹ fail 0\nℹ cancelled 0\n' },
  'run test:clients': { says: '# tests 3\n# pass 3\n# fail 0\n# cancelled 0\n' },
};

/** Runs .ci/run in a folder where npm only says and answers what it is told to. */
function ci(t: TestContext, stages: Stages): { status: number | null; lines: string[]; called: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tufgate-ci-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['bin', 'tmp', 'clone']) mkdirSync(join(folder, name));
  cpSync(join(import.meta.dirname, '../.ci'), join(folder, 'clone/.ci'), { recursive: true });
  const cases = Object.entries(stages).map(([args, { says = '', status = 0 }]: [string, Stage]) => {
    const file = join(folder, args.replaceAll(/\W/g, '-'));
    writeFileSync(file, says);
    return `'${args}') cat '${file}'; exit ${status} ;;`;
  });
  // npm must find the clone as its folder, and nothing to read.
  const npm = `#!/bin/sh\n[ "$PWD" = '${folder}/clone' ] || exit 99\nread -r line && exit 98\necho "$*" >>'${folder}/called'\n`;
  writeFileSync(join(folder, 'bin/npm'), `${npm}case "$*" in\n${cases.join('\n')}\nesac\nexit 97\n`, {
    mode: 0o755,
  });
  const env = { PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, TMPDIR: join(folder, 'tmp') };
  const run = spawnSync(join(folder, 'clone/.ci/run'), {
    env,
    encoding: 'utf8',
    cwd: '/',
    input: 'y\ny\ny\ny\ny\n',
  });
  assert.equal(run.stderr, '');
  assert.deepEqual(readdirSync(join(folder, 'tmp')), [], 'it leaves something behind');
  const called = readFileSync(join(folder, 'called'), 'utf8').trim().replaceAll('\n', ', ');
  return { status: run.status, lines: run.stdout.trimEnd().split('\n'), called };
}

test('a green run installs, checks, tests, and sums what passed of both runs', (t) => {
  const { status, lines, called } = ci(t, green);
  assert.equal(lines.at(-1), '15 passed, 0 failed');
  assert.equal(status, 0);
  assert.equal(called, Object.keys(green).join(', '));
  for (const args of Object.keys(green)) assert.ok(lines.includes(`== npm ${args}`), args);
  assert.ok(lines.includes('✔ a test'), 'what a stage says is shown');
});

for (const [name, stages, last, failing] of [
  [
    'failing and cancelled tests are counted, and the later stages still run',
    { ...green, test: { says: 'ℹ pass 10\nℹ fail 2\nℹ cancelled 1\n', status: 1 } },
    '13 passed, 3 failed',
    'npm test (exit status 1)',
  ],
  [
    'a check that fails is one failure, and the tests still run',
    { ...green, 'run check': { says: 'x.ts: error', status: 2 } },
    '15 passed, 1 failed',
    'npm run check (exit status 2)',
  ],
  [
    'lines that no test covers are one failure, and the tests still run',
    { ...green, 'run coverage': { says: 'ℹ pass 5\n', status: 1 } },
    '15 passed, 1 failed',
    'npm run coverage (exit status 1)',
  ],
  [
    'tests that all pass in a run that fails, such as for its coverage, are a failure',
    { ...green, test: { says: 'ℹ pass 12\nℹ fail 0\n', status: 1 } },
    '15 passed, 1 failed',
    'npm test (exit status 1)',
  ],
  [
    'a run without a summary is a failure, whatever it ends with',
    { ...green, 'run test:clients': { says: 'pass 5\n  ℹ pass 5\nℹ pass 5 of 6\n' } },
    '12 passed, 1 failed',
    'npm run test:clients (no test passed)',
  ],
  [
    'a run without tests is a failure',
    { ...green, 'run test:clients': { says: 'ℹ pass 0\nℹ fail 0\n' } },
    '12 passed, 1 failed',
    'npm run test:clients (no test passed)',
  ],
  [
    'the last summary counts, not one that a test printed',
    { ...green, test: { says: 'ℹ pass 99\nℹ fail 9\nℹ pass 1\nℹ fail 4\n', status: 1 } },
    '4 passed, 4 failed',
    'npm test (exit status 1)',
  ],
] as const) {
  test(name, (t) => {
    const { status, lines, called } = ci(t, stages);
    assert.deepEqual(lines.slice(-2), [`failed: ${failing}`, last]);
    assert.equal(status, 1);
    assert.equal(called, Object.keys(green).join(', '));
  });
}

test('without what npm ci brings nothing else is tried', (t) => {
  const { status, lines, called } = ci(t, { ...green, ci: { says: 'npm error', status: 1 } });
  assert.deepEqual(lines.slice(-2), ['failed: npm ci (exit status 1)', '0 passed, 1 failed']);
  assert.deepEqual([status, called], [1, 'ci']);
});
