import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { pullCanaries } from '../../src/doctor/canary.ts';
import { findingLine, Report } from '../../src/doctor/finding.ts';

// Programs that say what the real ones say of an answer.

const image = 'docker.io/tufgate-canary:unsigned-0123456789abcdef';
const gateSays = `content trust: docker.io/library/tufgate-canary:unsigned-0123456789abcdef denied: TAG_NOT_SIGNED: no`;
/** Where the runtime's server is, so that the machine of the test does not matter. */
const elsewhere = { DOCKER_HOST: 'unix:///x.sock', CONTAINER_RUNTIME_ENDPOINT: 'unix:///x.sock' };

/** Takes shell scripts by the name of their program; gives what the doctor says with these alone on its PATH. */
async function pull(
  t: TestContext,
  programs: Readonly<Record<string, string>>,
  timeLimit = 60_000,
): Promise<{ readonly lines: readonly string[]; readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'tufgate-canary-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const report = new Report();
  await pullCanaries(report, [{ image, timeLimit }], { ...elsewhere, PATH: folder, FOLDER: folder });
  return { lines: report.findings.filter(({ status }) => status !== 'skipped').map(findingLine), folder };
}

const fails = (text: string, status = 1): string => `echo '${text}' >&2; exit ${status}`;

test('each runtime that is here pulls the image that nobody signed, and the gate alone may refuse it', async (t) => {
  const { lines, folder } = await pull(t, {
    docker: `echo "$0 $@ $DOCKER_CONTENT_TRUST" > $FOLDER/asked; ${fails(`Error response from daemon: pull access denied for tufgate-canary, repository does not exist or may require docker login: denied: ${gateSays}`)}`,
    crictl: fails(
      `E1 pulling image failed: rpc error: code = Unknown desc = failed to resolve reference "${image}": pulling from host gate.example failed with status code [manifests unsigned-0123456789abcdef]: 403 Forbidden - ${gateSays}`,
    ),
    podman: fails(
      `Error: initializing source docker://${image}: (Mirrors also failed: [gate.example/docker.io/tufgate-canary: reading manifest: denied: ${gateSays}]): registry docker.io is blocked`,
      125,
    ),
  });
  const said = (name: string): string => `ok  canary  ${name} pull ${image}: refused by the gate`;
  assert.deepEqual(lines, ['docker', 'crictl', 'podman'].map(said));
  assert.equal(readFileSync(join(folder, 'asked'), 'utf8'), `${join(folder, 'docker')} pull ${image} 0\n`);
});

test("anything but the gate's refusal came from somewhere else", async (t) => {
  for (const [name, script, told] of [
    [
      'docker',
      `echo 'Status: Downloaded newer image for ${image}'`,
      'an image that nobody signed was pulled',
    ],
    ['podman', `echo 'Warning from registry: "${gateSays}"'`, 'an image that nobody signed was pulled'],
    [
      'docker',
      fails(`Error response from daemon: manifest for ${image} not found: manifest unknown`),
      'not found',
    ],
    [
      'docker',
      fails(
        'Error response from daemon: pull access denied for tufgate-canary, repository does not exist or may require docker login',
      ),
      'pull access denied',
    ],
    ['crictl', fails(`failed to resolve reference "${image}": ${image}: not found`), 'not found'],
    [
      'podman',
      fails(
        `Error: initializing source docker://${image}: reading manifest in docker.io/library/tufgate-canary: unauthorized: authentication required`,
      ),
      'unauthorized',
    ],
  ] as const) {
    const { lines } = await pull(t, { [name]: script });
    assert.equal(lines.length, 1);
    assert.ok(lines[0]?.startsWith(`open  canary-passed  ${name} pull ${image}: `), lines[0]);
    assert.ok(lines[0]?.includes(told), lines[0]);
  }
});

test('a runtime that was not reached, or does not end, says nothing about the gate', async (t) => {
  for (const [name, script, told] of [
    [
      'docker',
      fails('Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?'),
      'its runtime was not reached: ',
    ],
    [
      'crictl',
      fails(
        'FATA[0000] validate service connection: validate CRI v1 image API for endpoint "unix:///x.sock"',
      ),
      'its runtime was not reached: ',
    ],
    ['podman', 'kill -9 $$', 'ended by SIGKILL'],
  ] as const) {
    const { lines } = await pull(t, { [name]: script });
    assert.equal(lines.length, 1);
    assert.ok(lines[0]?.startsWith(`unknown  canary-undecided  ${name} pull ${image}: ${told}`), lines[0]);
  }
});

test('a pull that does not end is ended, with all that it started', async (t) => {
  // The shell waits for a process of its own, which holds the output open.
  const script = '(while :; do :; done) & echo $! > $FOLDER/pid; wait';
  const { lines, folder } = await pull(t, { podman: script }, 300);
  assert.deepEqual(lines, [
    `unknown  canary-undecided  podman pull ${image}: no end after 0.3 s; try that command by hand`,
  ]);
  const pid = readFileSync(join(folder, 'pid'), 'utf8').trim();
  while (runs(pid)) await setImmediate();
});

test('a flood of output is not kept, and its last words count', async (t) => {
  const flood =
    'i=0; while [ $i -lt 3000 ]; do echo "$i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; i=$((i+1)); done';
  const { lines } = await pull(t, { podman: `${flood}; ${fails(gateSays)}` });
  assert.deepEqual(lines, [`ok  canary  podman pull ${image}: refused by the gate`]);
});

test('what is not on this machine is not tried, and that is said', async () => {
  const report = new Report();
  await pullCanaries(report, [{ image }], { PATH: '/nonexistent' });
  assert.deepEqual(report.findings.map(findingLine), ['docker', 'crictl', 'podman'].map((name) => `skipped  canary  ${name}: not tried, there is no such program`)); // prettier-ignore
});

/** Says whether a process still runs: one that has ended may stay in the table until somebody asks for its status. */
function runs(pid: string): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    // It went between the two looks.
    if (!(error instanceof Error && 'code' in error)) throw error;
    return false;
  }
}
