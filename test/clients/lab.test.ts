import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { writeImageSettings } from './lab/runtimes/containers-image.ts';
import { Lab } from './lab/lab.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import {
  openContainerd,
  openDocker,
  openPodman,
  openSkopeo,
  type PullingClient,
} from './lab/runtimes/pulling-client.ts';
import { gun, registryName, repository, startOrigin } from './lab/world.ts';

// The other test files prove something only if the same clients, without tufgate, do what it prevents.
describe('the lab without tufgate', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const origin = await startOrigin(lab);
  const { registry, egress, evil, unsigned, signed } = origin;
  const docker = await openDocker(lab, egress);
  const node = await NodeRoot.open(lab, 'node');
  const hosts = `server = "${registry.url}"\n[host."${registry.url}"]\n  capabilities = ["pull", "resolve"]\n`;
  await node.write(`/certs.d/${registryName}/hosts.toml`, hosts);
  const settings = await writeImageSettings(node.dir, registryName, registry.host, 'blocked');
  const clients: readonly (readonly [client: PullingClient, image: string])[] = [
    [docker, `${registry.host}/${repository}`],
    [await openContainerd(lab, egress, node.path('/certs.d')), gun],
    [await openPodman(lab, egress, settings), gun],
    [await openSkopeo(lab, egress, settings), gun],
  ];

  for (const [client, image] of clients) {
    test(`${client.name} takes the image a tag was moved to, and one that nobody signed`, async () => {
      for (const [tag, manifest] of [
        ['moved', evil],
        ['unsigned', unsigned],
        ['multi', signed.multi],
      ] as const) {
        const { pulled, text } = await client.pull(`${image}:${tag}`);
        assert.equal(pulled, true, text);
        const records = await client.records(`${image}:${tag}`);
        assert.ok(records.includes(manifest.digest), records.join(' '));
        assert.ok(records.includes(manifest.config), records.join(' '));
      }
    });
  }

  test('an attempt to reach a registry outside is recorded and goes nowhere', async () => {
    assert.deepEqual(egress.attempts, []);
    const { status, output } = await docker.dockerd.docker('pull', 'outside.example/team/app:good');
    assert.equal(status, 1);
    assert.match(output, /no egress/);
    assert.deepEqual(new Set(egress.attempts), new Set(['outside.example:443']));
  });
});
