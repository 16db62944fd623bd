import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { codes } from '../../src/doctor/finding.ts';
import type { Tree } from './node.ts';
import { gate, visit } from './node.ts';

// Each setting that goes round the gate, alone on a node that is right otherwise.

const docker = '/etc/docker/daemon.json';
const dockerUnit = '/lib/systemd/system/docker.service';
const config = '/etc/containerd/config.toml';
const imported = '/etc/containerd/conf.d/site.toml';
const hosts = '/etc/containerd/certs.d/_default/hosts.toml';
const ofHub = '/etc/containerd/certs.d/hub/hosts.toml';
const registries = '/etc/rancher/k3s/registries.yaml';
const k3sConfig = '/etc/rancher/k3s/config.yaml';
const conf = '/etc/containers/registries.conf';
const dropIn = `${conf}.d/50-trust.conf`;
const user = '/home/ann/.config/containers/registries.conf';
const buildkit = '/etc/buildkit/buildkitd.toml';
/** The same of the node's administrator, whose home is not under /home. */
const ownBuildkit = join('/root', '.config/buildkit/buildkitd.toml');

const hostsText = `server = "${gate}"\n[host."${gate}"]\n  capabilities = ["pull", "resolve"]\n`;
const version2 = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n';
const certs = 'config_path = "/etc/containerd/certs.d"\n';
const containerd: Tree = { [config]: version2 + certs, [hosts]: hostsText };
const mirrors = `mirrors:\n  "*":\n    endpoint: ["${gate}"]\n`;
const k3s: Tree = { [registries]: mirrors, [k3sConfig]: 'disable-default-registry-endpoint: true\n' };
const entry = (name: string, more = 'blocked = true\n', mirror = `gate.example/${name}`): string =>
  `[[registry]]\nlocation = "${name}"\n${more}[[registry.mirror]]\nlocation = "${mirror}"\n`;
const podman: Tree = { [dropIn]: entry('hub') + entry('quay') };

test('a node without any runtime has nothing open, and the doctor says what it did not find', async (t) => {
  const { exit, bad, findings } = await visit(t, {});
  assert.deepEqual([exit, bad], [0, []]);
  assert.deepEqual(
    findings.filter(({ status }) => status === 'skipped').map(({ code }) => code),
    ['docker', 'containerd', 'k3s', 'podman', 'buildkit', 'canary'],
  );
});

const right: Readonly<Record<string, Tree>> = {
  'Docker without mirrors': { [docker]: '{"insecure-registries": ["gate.example"]}' },
  'Docker with the containerd store and hosts.toml': {
    [docker]: '{"features": {"containerd-snapshotter": true}}',
    '/etc/docker/certs.d/_default/hosts.toml': hostsText,
  },
  'containerd, version 2': containerd,
  'containerd, version 1': { ...containerd, [config]: `[plugins.cri.registry]\n${certs}` },
  'containerd, version 3': {
    ...containerd,
    [config]: `version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n${certs}`,
  },
  'containerd, its setting in an imported file': {
    [config]: 'version = 2\nimports = ["conf.d/*.toml"]\n',
    [imported]: version2 + certs,
    [hosts]: hostsText,
  },
  'containerd with two folders': {
    [config]: `${version2}config_path = "/etc/containerd/certs.d:/etc/docker/certs.d"\n`,
    '/etc/docker/certs.d/_default/hosts.toml': hostsText,
  },
  'containerd with a file for each registry': {
    [config]: version2 + certs,
    [ofHub]: hostsText,
    '/etc/containerd/certs.d/quay/hosts.toml': `server = "${gate}/v2/quay"\n[host."${gate}:443/v2/quay"]\noverride_path = true\n`,
  },
  'containerd that resolves at the server': { ...containerd, [hosts]: hostsText.replace(', "resolve"', '') },
  'containerd without its CRI plugin': { [config]: 'disabled_plugins = ["cri"]\n' },
  'containerd with a file for a registry that the gate does not have': {
    ...containerd,
    '/etc/containerd/certs.d/other.example/hosts.toml': 'server = "https://other.example"\n',
  },
  k3s,
  'k3s with the flag on its command line': {
    [registries]: mirrors,
    '/etc/systemd/system/k3s.service':
      "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--disable-default-registry-endpoint' \\\n\n",
  },
  'Docker with a unit of the administrator in place of the one that came with it': {
    [docker]: '{}',
    [dockerUnit]: `[Service]\nExecStart=/usr/bin/dockerd --registry-mirror=${gate}\n`,
    '/etc/systemd/system/docker.service': '[Service]\nExecStart=/usr/bin/dockerd\n',
  },
  RKE2: {
    '/etc/rancher/rke2/registries.yaml': mirrors,
    '/etc/rancher/rke2/config.yaml.d/50.yaml': 'disable-default-registry-endpoint: true\n',
  },
  'podman with blocked registries': podman,
  'podman with a location at the gate': {
    [conf]: ['hub', 'quay']
      .map((name) => `[[registry]]\nprefix = "${name}"\nlocation = "gate.example/${name}"\n`)
      .join(''),
  },
  'podman with a registry that is blocked and has no mirror': {
    [conf]: `${entry('hub')}[[registry]]\nprefix = "quay"\nlocation = "quay"\nblocked = true\n`,
  },
  'podman with a drop-in that replaces a bad entry': { ...podman, [conf]: entry('hub', '') },
  'podman with files of a user that say the same': { ...podman, [user]: entry('hub') + entry('quay') },
  'podman that looks for short names at a known registry': {
    ...podman,
    [conf]: 'unqualified-search-registries = ["hub", "gate.example"]\n',
  },
  'buildkitd without mirrors': { [buildkit]: '[registry."gate.example"]\nhttp = true\n' },
};

for (const [name, tree] of Object.entries(right)) {
  test(`nothing is open: ${name}`, async (t) => {
    const { exit, bad } = await visit(t, tree);
    assert.deepEqual([exit, bad], [0, []]);
  });
}

const wrong: readonly (readonly [finding: string, tree: Tree, variant?: string])[] = [
  [`docker-registry-mirrors ${docker}:2`, { [docker]: `{\n"registry-mirrors": ["${gate}"]}` }],
  [
    `docker-registry-mirrors ${dockerUnit}:2`,
    { [docker]: '{}', [dockerUnit]: `[Service]\nExecStart=/usr/bin/dockerd --registry-mirror=${gate}\n` },
    'on the command line',
  ],
  [
    'docker-registry-mirrors /etc/default/docker:1',
    { [docker]: '{}', '/etc/default/docker': `DOCKER_OPTS="--registry-mirror ${gate}"\n` },
    'in its variables',
  ],
  [
    'docker-registry-mirrors /srv/docker.json:1',
    {
      [dockerUnit]: '[Service]\nExecStart=/usr/bin/dockerd --config-file /srv/docker.json\n',
      '/srv/docker.json': `{"registry-mirrors": ["${gate}"]}`,
    },
    'in another file',
  ],
  [
    'hosts-no-server /etc/docker/certs.d/hub/hosts.toml',
    {
      [docker]: '{"features": {"containerd-snapshotter": true}}',
      '/etc/docker/certs.d/hub/hosts.toml': `[host."${gate}"]\n`,
    },
    'of Docker',
  ],
  [`hosts-malformed ${hosts}:1`, { ...containerd, [hosts]: `server = ${gate}\n` }],
  [
    `hosts-malformed ${hosts}:3`,
    { ...containerd, [hosts]: hostsText.replace('resolve', 'resolver') },
    'for an unknown capability',
  ],
  [`hosts-no-server ${hosts}`, { ...containerd, [hosts]: `[host."${gate}"]\n` }],
  [
    `hosts-server-elsewhere ${hosts}:1`,
    { ...containerd, [hosts]: hostsText.replace(gate, 'https://hub.example') },
  ],
  [
    `hosts-server-elsewhere ${hosts}:1`,
    { ...containerd, [hosts]: hostsText.replace(gate, 'http://gate.example') },
    'for another scheme',
  ],
  [
    `hosts-server-elsewhere ${hosts}:1`,
    { ...containerd, [hosts]: hostsText.replace(gate, `${gate}@hub.example`) },
    'for a name before an @',
  ],
  [`hosts-server-only ${hosts}:1`, { ...containerd, [hosts]: `server = "${gate}"\n` }],
  [
    `hosts-other-host ${hosts}:4`,
    { ...containerd, [hosts]: `${hostsText}[host."${gate}:8443"]\n` },
    'for another port',
  ],
  [`hosts-file-missing ${ofHub}`, { ...containerd, '/etc/containerd/certs.d/hub/': '' }],
  [`hosts-file-missing ${ofHub}`, { ...containerd, [ofHub]: '' }, 'for an empty file'],
  [`containerd-no-config-path ${config}`, { ...containerd, [config]: 'version = 2\n' }],
  [
    `containerd-no-config-path ${config}:3`,
    { ...containerd, [config]: `${version2}config_path = ""\n` },
    'for an empty one',
  ],
  [
    `containerd-no-config-path ${config}`,
    { ...containerd, [config]: version2.replace('2', '3') + certs },
    'for the plugin name of another version',
  ],
  [
    'containerd-no-config-path /etc/containerd/config.toml',
    { '/usr/bin/containerd': '' },
    'without any file',
  ],
  [
    `containerd-registry-mirrors ${config}:2`,
    {
      [config]: `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."hub"]\nendpoint = ["${gate}"]\n`,
    },
  ],
  [
    'containerd-registry-unconfigured /etc/containerd/certs.d',
    { [config]: version2 + certs, [ofHub]: hostsText },
  ],
  [
    `containerd-import-replaces ${imported}:2`,
    {
      ...containerd,
      [config]: `imports = ["${imported}"]\n${version2}${certs}`,
      [imported]: 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "x"\n',
    },
  ],
  [`k3s-registry-unconfigured ${registries}`, { '/etc/rancher/k3s/': '' }],
  [
    `k3s-registry-unconfigured ${registries}:1`,
    { ...k3s, [registries]: mirrors.replace('"*"', 'hub') },
    'for one of two',
  ],
  [`k3s-other-endpoint ${registries}:3`, { ...k3s, [registries]: mirrors.replace(gate, 'hub.example') }],
  [`k3s-default-endpoint ${registries}`, { [registries]: mirrors }],
  [
    `k3s-default-endpoint ${registries}`,
    { ...k3s, '/etc/rancher/k3s/config.yaml.d/9.yaml': 'disable-default-registry-endpoint: false\n' },
    'for a later file',
  ],
  [
    `k3s-default-endpoint ${registries}`,
    { [registries]: `${mirrors}configs:\n  "*": { tls: { insecure_skip_verify: true } }\n` },
    'once, whatever else brings it back',
  ],
  [
    `k3s-configs-entry ${registries}:4`,
    { ...k3s, [registries]: `${mirrors}configs:\n  "*": { tls: { insecure_skip_verify: true } }\n` },
  ],
  [
    `k3s-embedded-registry ${k3sConfig}:2`,
    { ...k3s, [k3sConfig]: `${k3s[k3sConfig] ?? ''}embedded-registry: true\n` },
  ],
  [`podman-registry-unconfigured ${conf}`, { '/usr/bin/podman': '' }],
  [`podman-registry-unconfigured ${conf}`, { [dropIn]: entry('hub') }, 'for one of two'],
  [
    `podman-registry-unconfigured ${dropIn}:11`,
    { [dropIn]: `${entry('hub')}${entry('quay')}[[registry]]\nlocation = "hub/team"\n` },
    'for a part of a registry',
  ],
  [`podman-user-override ${user}`, { ...podman, [user]: '# nothing\n' }],
  [`podman-mirror-falls-back ${dropIn}:1`, { [dropIn]: entry('hub', '') + entry('quay') }],
  [
    `podman-mirror-falls-back ${user}.d/9.conf:1`,
    { ...podman, [`${user}.d/9.conf`]: entry('hub', '') },
    'in a drop-in of a user',
  ],
  [
    `podman-mirror-falls-back ${conf}.d/60.conf:1`,
    { ...podman, [`${conf}.d/60.conf`]: entry('hub', 'blocked = false\n') },
    'in a later drop-in',
  ],
  [
    `podman-mirror-digest-only ${dropIn}:1`,
    { [dropIn]: entry('hub', 'mirror-by-digest-only = true\n') + entry('quay') },
  ],
  [
    `podman-mirror-digest-only ${dropIn}:6`,
    { [dropIn]: `${entry('hub')}${entry('quay', '')}pull-from-mirror = "digest-only"\n` },
    'for a mirror',
  ],
  [`podman-elsewhere ${dropIn}:1`, { [dropIn]: entry('hub', undefined, 'hub.example') + entry('quay') }],
  [
    `podman-elsewhere ${dropIn}:6`,
    { [dropIn]: `${entry('hub')}[[registry]]\nprefix = "quay"\nlocation = "quay.example"\n` },
    'for a location',
  ],
  [
    `podman-unqualified-search ${conf}:1`,
    { ...podman, [conf]: 'unqualified-search-registries = ["hub", "other.example"]\n' },
  ],
  [`buildkit-mirrors ${buildkit}:2`, { [buildkit]: `[registry."hub"]\nmirrors = ["${gate}"]\n` }],
  [
    `buildkit-mirrors ${ownBuildkit}:2`,
    { [ownBuildkit]: `[registry."hub"]\nmirrors = ["${gate}"]\n` },
    'of a user',
  ],
];

for (const [finding, tree, variant = ''] of wrong) {
  test(`exactly this is open: ${finding.split(' ')[0]} ${variant}`.trim(), async (t) => {
    const { exit, bad, findings } = await visit(t, tree);
    assert.deepEqual([exit, bad], [1, [finding]]);
    const mend = findings.find(({ status }) => status === 'open')?.mend;
    assert.ok(typeof mend === 'string' && mend.length > 10, String(mend));
  });
}

test('every code of a file has a row here', () => {
  const files = codes.filter((code) => /^(?:docker|hosts|containerd|k3s|podman|buildkit)-/.test(code));
  const rows = new Set(wrong.map(([finding]) => finding.split(' ')[0] ?? ''));
  assert.deepEqual(files.toSorted(), [...rows, 'hosts-without-resolve'].toSorted());
});

test('a host that may not resolve leaves the tag to the registry, which the missing server is already', async (t) => {
  const text = `[host."${gate}"]\n  capabilities = ["pull"]\n`;
  const { bad } = await visit(t, { ...containerd, [hosts]: text });
  assert.deepEqual(bad, [`hosts-no-server ${hosts}`, `hosts-without-resolve ${hosts}:1`]);
});
