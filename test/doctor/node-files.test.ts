import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileError, NodeFiles } from '../../src/doctor/node-files.ts';
import { gate, nodeWith, configure, visit, visitRoot } from './node.ts';

const daemon = '/etc/docker/daemon.json';

test('an absolute link of the node is followed below the root, where the node itself would be led', (t) => {
  const root = nodeWith(t, { '/data/real.json': 'of the node', '/etc/docker/': '' });
  symlinkSync('/data/real.json', join(root, daemon));
  assert.deepEqual(new NodeFiles(root).read(daemon), { path: daemon, text: 'of the node' });
});

test('a relative link is followed from where it stands', (t) => {
  const root = nodeWith(t, { '/etc/real.json': 'of the node', '/etc/docker/': '' });
  symlinkSync('../real.json', join(root, daemon));
  assert.deepEqual(new NodeFiles(root).read(daemon), { path: daemon, text: 'of the node' });
});

test('no link leads out of the root, up or through a folder', (t) => {
  const outside = nodeWith(t, { '/secret': 'ours' });
  const root = nodeWith(t, { '/etc/docker/': '' });
  symlinkSync(`../../../../../..${outside}/secret`, join(root, daemon));
  symlinkSync(outside, join(root, 'etc/containerd'));
  symlinkSync('/', join(root, 'home'));
  const node = new NodeFiles(root);
  assert.equal(node.read(daemon), undefined);
  assert.equal(node.read('/etc/containerd/secret'), undefined);
  assert.equal(node.read('/../../../..' + outside + '/secret'), undefined);
  assert.deepEqual(node.list('/home'), ['etc', 'home']);
});

test('links in a circle, pipes, folders and large files are not read, and said to be unreadable', async (t) => {
  const root = nodeWith(t, {
    '/etc/a/': '',
    '/large': 'x'.repeat(1024 * 1024 + 1),
    '/full': 'x'.repeat(1024 * 1024),
  });
  symlinkSync('/circle', join(root, 'circle'));
  execFileSync('mkfifo', [join(root, 'pipe')]);
  const node = new NodeFiles(root);
  for (const [path, message] of [
    ['/circle', 'it leads through more than 40 symbolic links'],
    ['/pipe', 'it is not a file'],
    ['/etc/a', 'it is not a file'],
    ['/large', 'it is larger than 1 MiB'],
  ] as const) {
    assert.throws(
      () => node.read(path),
      (error) => error instanceof FileError && error.message === message,
    );
  }
  assert.equal(node.read('/full')?.text.length, 1024 * 1024);
  assert.equal(node.read('/full/below'), undefined);
});

test('a folder of thousands is not gone through', (t) => {
  const root = nodeWith(t, { '/home/': '' });
  for (let index = 0; index < 1001; index += 1) writeFileSync(join(root, 'home', String(index)), '');
  assert.throws(() => new NodeFiles(root).list('/home'), {
    path: '/home',
    message: 'it has more than 1000 entries',
  });
});

test('what is there and cannot be read is neither yes nor no: exit status 3', async (t) => {
  const files = {
    'file-unreadable /etc/docker/daemon.json': { [`${daemon}/`]: '' },
    'file-unreadable /etc/containerd/certs.d/_default/hosts.toml': {
      '/etc/containerd/config.toml':
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/containerd/certs.d"\n',
      '/etc/containerd/certs.d/_default/hosts.toml/': '',
    },
    'file-unreadable /etc/rancher/k3s/registries.yaml': { '/etc/rancher/k3s/registries.yaml/': '' },
    'file-unreadable /etc/containers/registries.conf.d/1.conf': {
      '/etc/containers/registries.conf.d/1.conf/': '',
    },
    'config-malformed /etc/docker/daemon.json': { [daemon]: '{' },
    'config-malformed /etc/containerd/config.toml:2': { '/etc/containerd/config.toml': '\nversion 2\n' },
    'config-malformed /etc/rancher/k3s/registries.yaml:3': {
      '/etc/rancher/k3s/registries.yaml': 'a: 1\nb: [\n',
    },
    'config-malformed /etc/containers/registries.conf:1': {
      '/etc/containers/registries.conf': '[[registry]\n',
    },
    'config-malformed /etc/buildkit/buildkitd.toml:1': { '/etc/buildkit/buildkitd.toml': '= 1\n' },
  };
  for (const [finding, tree] of Object.entries(files)) {
    const { exit, bad } = await visit(t, tree);
    assert.deepEqual([exit, bad], [3, [finding]]);
  }
});

test('what is open counts for more than what could not be found out, and both are told', async (t) => {
  const root = nodeWith(t, { [daemon]: `{"registry-mirrors": ["${gate}"]}` });
  mkdirSync(join(root, 'etc/buildkit/buildkitd.toml'), { recursive: true });
  const { exit, bad } = await visitRoot(root, configure(t));
  const file = '/etc/buildkit/buildkitd.toml';
  assert.deepEqual([exit, bad], [1, [`docker-registry-mirrors ${daemon}:1`, `file-unreadable ${file}`]]);
});
