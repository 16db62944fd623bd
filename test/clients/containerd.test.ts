import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Lab } from './lab/lab.ts';
import { openContainerd } from './lab/pulling-client.ts';
import { tellStories } from './lab/stories.ts';
import { gun, startWorld } from './lab/world.ts';

describe('containerd through tufgate', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const world = await startWorld(lab);
  const client = await openContainerd(world, world.tufgate.host);

  test('an image that kubelet removed is pulled again as the signed one', async () => {
    const image = `${gun}:moved`;
    const listed = async (): Promise<boolean> =>
      (await client.images.list()).some(({ repoTags }) => repoTags.includes(image));
    assert.equal((await client.pull('moved')).pulled, true);
    assert.equal(await listed(), true);
    await client.images.remove(image);
    assert.equal(await listed(), false);
    const { pulled, text } = await client.pull('moved');
    assert.equal(pulled, true, text);
    assert.equal(await listed(), true);
    assert.ok((await client.records('moved')).includes(world.signed.moved.digest));
  });

  tellStories(world, client);
});
