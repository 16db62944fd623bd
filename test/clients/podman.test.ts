import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Lab } from './lab/lab.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import { openPodman } from './lab/runtimes/pulling-client.ts';
import { neverLeft, tellStories } from './lab/stories/stories.ts';
import { gun, startWorld } from './lab/world.ts';

describe('podman through tufgate', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const world = await startWorld(lab);
  const node = await NodeRoot.open(lab, 'node');
  await node.install(world.tufgate, 'podman');
  const client = await openPodman(lab, world.egress, node.imageSettings);
  const way = { client, by: 'printed', image: gun };

  tellStories(world, way, world, { refusalCost: 2 });

  test('a name that begins with the address of tufgate itself works as well, and is refused as well', async () => {
    const image = (tag: string): string => `${world.tufgate.host}/${gun}:${tag}`;
    const good = await client.podman.pull(image('moved'), undefined, '--tls-verify=false');
    assert.equal(good.status, 0, good.output);
    assert.ok((await client.podman.records(image('moved'))).includes(world.signed.moved.digest));
    const bad = await client.podman.pull(image('unsigned'), undefined, '--tls-verify=false');
    assert.notEqual(bad.status, 0, bad.output);
    assert.match(bad.output, /content trust: .*TAG_NOT_SIGNED/);
  });

  neverLeft(world, [world.upstream]);
});
