import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeFiles } from '../../src/doctor/node-files.ts';
import { entryFor, systemConf } from '../../src/doctor/runtime/registries-conf.ts';
import { gate, nodeWith, unreachable, visit } from './node.ts';

// Which of several entries a runtime takes for a registry.

test('the folder of a registry with a port is found under both of its names', async (t) => {
  const name = '127.0.0.1:1';
  const changes = {
    registries: { [name]: { upstream: unreachable } },
    default_registry: name,
    rules: [{ match: `${name}/**`, mode: 'deny' }],
  };
  const config = `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/certs.d"\n`;
  const hosts = `server = "${gate}"\n[host."${gate}"]\n`;
  for (const folder of ['127.0.0.1_1_', name]) {
    const tree = { '/etc/containerd/config.toml': config, [`/certs.d/${folder}/hosts.toml`]: hosts };
    const { exit, bad } = await visit(t, tree, changes);
    assert.deepEqual([exit, bad], [0, []]);
  }
});

test('the longest prefix of registries.conf counts, and a wildcard is for the hosts below a domain', (t) => {
  const prefixes = ['api.example/team', 'api.example', 'a.example', '*.example'];
  const text = prefixes.map((prefix) => `[[registry]]\nprefix = "${prefix}"\n`).join('');
  const read = systemConf(new NodeFiles(nodeWith(t, { '/etc/containers/registries.conf': text })));
  for (const [name, prefix] of [
    ['b.example:5000', '*.example'],
    ['api.example', 'api.example'],
    ['api.example:5000/app', 'api.example'],
    ['api.example/team/app', 'api.example/team'],
    ['api.example/teams', 'api.example'],
    // Equally long as text: containers/image takes them in the order of their bytes.
    ['a.example', '*.example'],
    ['example', undefined],
    ['b.example.net', undefined],
  ] as const) {
    assert.equal(entryFor(read, name)?.prefix, prefix, name);
  }
});
