import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';

/** A copy of the launcher in a folder of its own, whose src/main.ts tells its process id and its arguments. */
function installLauncher(t: TestContext): {
  folder: string;
  launcher: string;
  withNode: (program: string) => string;
} {
  const folder = mkdtempSync(join(tmpdir(), 'tufgate launcher '));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['bin', 'src', 'path', 'elsewhere']) mkdirSync(join(folder, name));
  const launcher = join(folder, 'bin/tufgate');
  cpSync(join(import.meta.dirname, '../bin/tufgate'), launcher);
  writeFileSync(
    join(folder, 'src/main.ts'),
    'console.log(JSON.stringify([process.pid, ...process.argv.slice(2)]));',
  );
  // The launcher may use these and nothing else of the machine.
  for (const tool of ['dirname', 'readlink']) {
    symlinkSync(
      execFileSync('/bin/sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim(),
      join(folder, 'path', tool),
    );
  }
  const withNode = (program: string): string => {
    const node = join(folder, program);
    mkdirSync(dirname(node), { recursive: true });
    return node;
  };
  return { folder, launcher, withNode };
}

function launch(
  folder: string,
  launcher: string,
): { status: number | null; stdout: string; stderr: string; pid: number } {
  const env = { PATH: join(folder, 'path') };
  return spawnSync(launcher, ['explain', 'a b', '--json'], { env, encoding: 'utf8', cwd: '/' });
}

function old(version: string): string {
  return `#!/bin/sh\necho ${version}\n`;
}

for (const version of ['20.0.0', '9.11.2', '23.99.0']) {
  test(`the launcher says plainly that Node ${version} is too old, and starts nothing`, (t) => {
    const { folder, launcher, withNode } = installLauncher(t);
    const node = withNode('path/node');
    writeFileSync(node, old(version));
    chmodSync(node, 0o755);
    const { status, stdout, stderr } = launch(folder, launcher);
    assert.deepEqual([status, stdout], [2, '']);
    assert.equal(stderr, `tufgate: needs Node.js 24 or newer, but node is ${version}\n`);
  });
}

test('the launcher says plainly that there is no Node', (t) => {
  const { folder, launcher } = installLauncher(t);
  const { status, stderr } = launch(folder, launcher);
  assert.deepEqual(
    [status, stderr],
    [2, 'tufgate: needs Node.js 24 or newer, and there is no node on PATH\n'],
  );
});

test('the launcher becomes the Node on PATH, with the arguments as they were given', (t) => {
  const { folder, launcher, withNode } = installLauncher(t);
  symlinkSync(process.execPath, withNode('path/node'));
  const { status, stdout, stderr, pid } = launch(folder, launcher);
  assert.deepEqual([status, stderr], [0, '']);
  assert.deepEqual(JSON.parse(stdout), [pid, 'explain', 'a b', '--json']);
});

test('the launcher prefers the Node that npm installed beside it to an old one on PATH', (t) => {
  const { folder, launcher, withNode } = installLauncher(t);
  writeFileSync(withNode('path/node'), old('20.0.0'), { mode: 0o755 });
  symlinkSync(process.execPath, withNode('node_modules/.bin/node'));
  const { status, stdout } = launch(folder, launcher);
  assert.equal(status, 0);
  assert.match(stdout, /^\[\d+,"explain","a b","--json"\]\n$/);
});

test('the launcher finds its files through absolute and relative links, and links to links', (t) => {
  const { folder, launcher, withNode } = installLauncher(t);
  symlinkSync(process.execPath, withNode('path/node'));
  const [absolute, relative, twice] = ['absolute', 'relative', 'twice'].map((name) =>
    join(folder, 'elsewhere', name),
  );
  assert.ok(absolute !== undefined && relative !== undefined && twice !== undefined);
  symlinkSync(launcher, absolute);
  symlinkSync('../bin/tufgate', relative);
  symlinkSync('relative', twice);
  for (const link of [absolute, relative, twice]) {
    const { status, stdout } = launch(folder, link);
    assert.equal(status, 0, link);
    assert.match(stdout, /^\[\d+,"explain","a b","--json"\]\n$/);
  }
});
