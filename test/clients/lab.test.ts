import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Lab } from './lab/lab.ts';
import {
  openContainerd,
  openDocker,
  openPodman,
  openSkopeo,
  type PullingClient,
} from './lab/pulling-client.ts';
import { startOrigin } from './lab/world.ts';

// The other test files prove something only if the same clients, without tufgate, do what it prevents.
describe('the lab without tufgate', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const origin = await startOrigin(lab);
  const { registry, egress, evil, unsigned, signed } = origin;
  const docker = await openDocker(origin, registry.host);
  const clients: Readonly<Record<string, PullingClient>> = {
    dockerd: docker,
    containerd: await openContainerd(origin, registry.host),
    podman: await openPodman(origin, registry.host),
    skopeo: await openSkopeo(origin, registry.host),
  };

  for (const [name, client] of Object.entries(clients)) {
    test(`${name} takes the image a tag was moved to, and one that nobody signed`, async () => {
      for (const [tag, manifest] of [
        ['moved', evil],
        ['unsigned', unsigned],
        ['multi', signed.multi],
      ] as const) {
        const { pulled, text } = await client.pull(tag);
        assert.equal(pulled, true, text);
        const records = await client.records(tag);
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
