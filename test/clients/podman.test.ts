import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Lab } from './lab/lab.ts';
import { openPodman } from './lab/pulling-client.ts';
import { tellStories } from './lab/stories.ts';
import { gun, registryName, startWorld } from './lab/world.ts';

describe('podman through tufgate', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const world = await startWorld(lab);
  const client = await openPodman(world, `${world.tufgate.host}/${registryName}`);

  test('a name that begins with the address of tufgate itself works as well, and is refused as well', async () => {
    const image = (tag: string): string => `${world.tufgate.host}/${gun}:${tag}`;
    const good = await client.podman.pull(image('moved'), '--tls-verify=false');
    assert.equal(good.status, 0, good.output);
    assert.ok((await client.podman.records(image('moved'))).includes(world.signed.moved.digest));
    const bad = await client.podman.pull(image('unsigned'), '--tls-verify=false');
    assert.notEqual(bad.status, 0, bad.output);
    assert.match(bad.output, /content trust: .*TAG_NOT_SIGNED/);
  });

  tellStories(world, client);
});
