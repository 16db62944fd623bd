import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Lab } from './lab/lab.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import { openContainerd } from './lab/runtimes/pulling-client.ts';
import { neverLeft, tellStories } from './lab/stories/stories.ts';
import { gun, registryName, startWorld } from './lab/world.ts';

function isOfRegistry(name: string): boolean {
  return name.includes(`/${registryName}/`);
}

describe('containerd through tufgate', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const world = await startWorld(lab);
  const node = await NodeRoot.open(lab, 'node');
  const hosts = await node.install(world.tufgate, 'containerd', isOfRegistry);
  const client = await openContainerd(lab, world.egress, node.path('/etc/containerd/certs.d'));
  const way = { client, by: 'printed, per registry', image: gun };

  test('what is printed for a registry is a hosts.toml of its own', () => {
    assert.deepEqual(hosts, [`/etc/containerd/certs.d/${registryName}/hosts.toml`]);
  });

  // One request for each host entry, and there are two of the same: see the printed file.
  tellStories(world, way, world, { refusalCost: 2 });

  test('an image that kubelet removed is pulled again as the signed one', async () => {
    const image = `${gun}:moved`;
    const listed = async (): Promise<boolean> =>
      (await client.images.list()).some(({ repoTags }) => repoTags.includes(image));
    assert.equal((await client.pull(image)).pulled, true);
    assert.equal(await listed(), true);
    await client.images.remove(image);
    assert.equal(await listed(), false);
    const { pulled, text } = await client.pull(image);
    assert.equal(pulled, true, text);
    assert.equal(await listed(), true);
    assert.ok((await client.records(image)).includes(world.signed.moved.digest));
  });

  test('a registry with manifests among its blobs gets no unsigned image to containerd, which looks there', async () => {
    const { upstream, unsigned, stray } = world;
    for (const { digest } of [unsigned, stray]) upstream.blobsToo.add(digest);
    const { pulled, text } = await client.pull(`${gun}@${unsigned.digest}`);
    assert.equal(pulled, false, text);
    assert.deepEqual(await client.records(`${gun}@${unsigned.digest}`), []);
  });

  neverLeft(world, [world.upstream]);
});
