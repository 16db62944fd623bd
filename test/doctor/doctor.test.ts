import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { doctor } from '../../src/cli/doctor.ts';
import { recipeFor } from '../../src/clients/runtimes.ts';
import { reachOf } from '../../src/clients/reach.ts';
import { ConfigError, loadConfig } from '../../src/config/load.ts';
import { codes } from '../../src/doctor/finding.ts';
import { configure, gate, nodeWith, unreachable, visit } from './node.ts';

const daemon = '/etc/docker/daemon.json';

async function lines(
  root: string,
  configPath: string,
  canary = true,
): Promise<{ exit: number; text: string }> {
  let text = '';
  const write = (more: string): void => void (text += more);
  return { exit: await doctor(configPath, { root, json: false, canary, environment: {}, write }), text };
}

test('it prints one line a finding with the mend, and a summary at the end', async (t) => {
  const root = nodeWith(t, { [daemon]: `{\n  "registry-mirrors": ["https://mirror.example"]\n}\n` });
  const { exit, text } = await lines(root, configure(t));
  assert.equal(exit, 1);
  assert.deepEqual(text.split('\n'), [
    `ok  gate  it is ${gate}: what leads elsewhere goes round it`,
    `open  docker-registry-mirrors  ${daemon}:2: "registry-mirrors" (https://mirror.example) falls back to Docker Hub on any error; remove it (tufgate clients docker)`,
    'skipped  containerd  no containerd and no /etc/containerd/config.toml',
    'skipped  k3s  no k3s, no rke2 and no /etc/rancher',
    'skipped  podman  no podman, crio, skopeo or buildah, and no /etc/containers/registries.conf',
    'skipped  buildkit  no buildkitd and no buildkitd.toml',
    `ok  registry  hub is not reached directly: ${unreachable} fails with ECONNREFUSED`,
    `ok  registry  quay is not reached directly: ${unreachable} fails with ECONNREFUSED`,
    `skipped  canary  not tried: the runtimes of ${root} are not run from outside`,
    '1 open, 0 unknown, 3 ok, 5 skipped',
    '',
  ]);
});

test('what a file says is shown as text only', async (t) => {
  const root = nodeWith(t, { [daemon]: '{"registry-mirrors": ["\\u001b[2Jok\\n\\u202e\\u009b"]}' });
  const { text } = await lines(root, configure(t), false);
  assert.ok(text.includes('(?[2Jok???) falls back'), text);
  assert.match(text, /^[\x20-\x7e\n]*$/);
});

test('--json prints one value with stable keys', async (t) => {
  const root = nodeWith(t, { [daemon]: `{"registry-mirrors": ["${gate}"]}` });
  let text = '';
  const write = (more: string): void => void (text += more);
  await doctor(configure(t), { root, json: true, canary: false, environment: {}, write });
  const told = JSON.parse(text) as { findings: object[] };
  assert.deepEqual(Object.keys(told), ['gate', 'root', 'open', 'unknown', 'findings']);
  assert.deepEqual({ ...told, findings: told.findings[1] }, {
    gate: [gate],
    root,
    open: 1,
    unknown: 0,
    findings: {
      status: 'open',
      code: 'docker-registry-mirrors',
      file: daemon,
      line: 1,
      message: `"registry-mirrors" (${gate}) falls back to Docker Hub on any error`,
      mend: 'remove it (tufgate clients docker)',
    },
  }); // prettier-ignore
});

test('a root that is no folder is wrong usage, and a bad configuration is told before anything is looked at', async (t) => {
  const options = { json: false, canary: true, environment: {}, write: () => assert.fail('it printed') };
  assert.equal(await doctor(configure(t), { ...options, root: '/nonexistent' }), 2);
  await assert.rejects(doctor(configure(t, { rules: 1 }), { ...options, root: '/' }), ConfigError);
});

test('no canary is sent where a rule lets unsigned images through', async (t) => {
  const root = { first_use: true };
  const rules = [
    { match: 'hub/**', mode: 'deny' },
    { match: 'hub/tufgate-canary', mode: 'allow' },
    { match: 'quay/**', mode: 'audit', notary: 'main', root },
  ];
  let text = '';
  const write = (more: string): void => void (text += more);
  const environment = { PATH: '/nonexistent' };
  await doctor(configure(t, { rules }), { root: '/', json: false, canary: true, environment, write });
  assert.deepEqual(
    text.split('\n').filter((line) => line.startsWith('skipped  canary')),
    [
      'skipped  canary  hub: not tried, the rule for tufgate-canary is allow',
      'skipped  canary  quay: not tried, the rule for tufgate-canary is audit',
      ...['docker', 'crictl', 'podman'].map(
        (name) => `skipped  canary  ${name}: not tried, there is no such program`,
      ),
    ],
  );
});

test('what `clients` prints leaves nothing open', async (t) => {
  const reach = reachOf(loadConfig(configure(t), {}));
  assert.ok(reach !== undefined);
  for (const runtime of ['containerd', 'docker', 'podman', 'buildkit', 'k3s']) {
    const files = (recipeFor(runtime, reach)?.parts ?? []).flatMap((part) => part.files);
    const tree = Object.fromEntries(
      files.filter(({ path }) => path.startsWith('/')).map(({ path, text }) => [path, text]),
    );
    assert.ok(Object.keys(tree).length > 0, runtime);
    const store = runtime === 'docker' ? { [daemon]: '{"features": {"containerd-snapshotter": true}}' } : {};
    const { exit, bad } = await visit(t, { ...tree, ...store });
    assert.deepEqual([exit, bad], [0, []], runtime);
  }
});

test('docs/doctor.md has an entry for every finding, and no other', () => {
  const page = readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8');
  const entries = [...page.matchAll(/^\| `([a-z0-9-]+)` +\| (.+) \|$/gm)].map(([, code = '']) => code);
  assert.deepEqual(entries.toSorted(), codes.toSorted());
});
