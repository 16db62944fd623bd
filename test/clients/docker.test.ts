import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Lab } from './lab/lab.ts';
import { openDocker } from './lab/runtimes/pulling-client.ts';
import { neverLeft, tellStories } from './lab/stories/stories.ts';
import { repository, startWorld } from './lab/world.ts';

describe('dockerd through tufgate', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const world = await startWorld(lab);
  const { tufgate, upstream } = world;
  const client = await openDocker(lab, world.egress);
  const way = { client, by: 'by its name', image: `${tufgate.host}/${repository}` };

  // First, because the image store must be empty, and tufgate must not have the manifest yet.
  test('other bytes for the signed digest fail the pull and leave no image, though dockerd would take them', async (t) => {
    upstream.fault = 'manifests';
    t.after(() => {
      upstream.fault = 'none';
    });
    const { pulled, text } = await client.pull(`${way.image}:tampered`);
    assert.equal(pulled, false, text);
    assert.match(text, /content trust: /);
    assert.match(text, /CONTENT_MISMATCH/);
    assert.deepEqual(await client.dockerd.imageIds(), []);
    const refusal = await tufgate.refusal(`${repository}/manifests/tampered`);
    assert.deepEqual(refusal, { status: 403, reason: 'CONTENT_MISMATCH' });
  });

  test('other bytes for a blob of a signed image fail the pull and leave no image', async (t) => {
    upstream.fault = 'blobs';
    t.after(() => {
      upstream.fault = 'none';
    });
    const { pulled, text } = await client.pull(`${way.image}:tampered`);
    assert.equal(pulled, false, text);
    assert.deepEqual(await client.dockerd.imageIds(), []);
  });

  tellStories(world, way, world, { refusalCost: 3 });

  test('docker pull --all-tags brings every signed tag and no other', async () => {
    await client.dockerd.mustDocker('pull', '--all-tags', way.image);
    const tags = await client.dockerd.mustDocker('images', '--format', '{{.Tag}}', way.image);
    const named = tags.split('\n').filter((tag) => tag !== '' && tag !== '<none>');
    assert.deepEqual(named.toSorted(), Object.keys(world.signed).toSorted());
  });

  neverLeft(world, [world.upstream]);
});
