import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { z } from 'zod';
import { Repository } from './lab/images.ts';
import { Lab } from './lab/lab.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import { openSkopeo } from './lab/runtimes/pulling-client.ts';
import { neverLeft, tellStories } from './lab/stories/stories.ts';
import { gun, repository, startWorld } from './lab/world.ts';

describe('skopeo through tufgate', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const world = await startWorld(lab);
  const node = await NodeRoot.open(lab, 'node');
  await node.install(world.tufgate, 'podman');
  const client = await openSkopeo(lab, world.egress, node.imageSettings);
  const way = { client, by: 'printed', image: gun };

  // skopeo cannot be asked for a tag with a digest.
  tellStories(world, way, world, { refusalCost: 2, tagAndDigest: false });

  test('copy --all of a signed index brings every platform with every blob', async () => {
    const { digest, parts } = world.signed.multi;
    const { pulled, text } = await client.pull(`${gun}:multi`);
    assert.equal(pulled, true, text);
    assert.deepEqual((await client.records(`${gun}:multi`)).toSorted(), [digest, ...parts].toSorted());
  });

  test('a name that begins with the address of tufgate itself works as well, and is refused as well', async () => {
    const image = (tag: string): string => `${world.tufgate.host}/${gun}:${tag}`;
    const good = await client.skopeo.copy(image('moved'), 'direct', undefined, '--src-tls-verify=false');
    assert.equal(good.status, 0, good.output);
    assert.ok((await client.skopeo.records('direct')).includes(world.signed.moved.digest));
    const bad = await client.skopeo.copy(image('unsigned'), 'refused', undefined, '--src-tls-verify=false');
    assert.notEqual(bad.status, 0, bad.output);
    assert.match(bad.output, /content trust: .*TAG_NOT_SIGNED/);
  });

  test('list-tags names what can be pulled, and nothing else', async () => {
    const name = `docker://${world.tufgate.host}/${gun}`;
    const { status, stdout, output } = await client.skopeo.skopeo('list-tags', '--tls-verify=false', name);
    assert.equal(status, 0, output);
    const { Tags } = z.object({ Tags: z.array(z.string()) }).parse(JSON.parse(stdout));
    assert.deepEqual(Tags.toSorted(), Object.keys(world.signed).toSorted());
  });

  test('a client that looks for signatures beside an image gets the image, and not an image in place of a signature', async () => {
    const { digest } = world.signed.good;
    const attached = `${digest.replace(':', '-')}.sig`;
    // Whoever may push there could put an image there as well.
    await new Repository(world.registry.url, repository).image(attached, 'smuggled', 'oci');
    await node.write(
      '/registries.d/lab.yaml',
      stringify({ docker: { [world.tufgate.host]: { 'use-sigstore-attachments': true } } }),
    );
    const looking = ['--registries.d', node.path('/registries.d')];
    const image = `${world.tufgate.host}/${gun}`;
    const seen = world.upstream.passed.length;
    const good = await client.skopeo
      .with(looking)
      .copy(`${image}:good`, 'looking', undefined, '--src-tls-verify=false');
    assert.equal(good.status, 0, good.output);
    const asked = world.upstream.passed.slice(seen).map(({ url }) => url);
    assert.ok(
      asked.some((url) => url.endsWith(`/manifests/${attached}`)),
      asked.join('\n'),
    );
    const bad = await client.skopeo.copy(
      `${image}:${attached}`,
      'smuggled',
      undefined,
      '--src-tls-verify=false',
    );
    assert.notEqual(bad.status, 0);
    assert.match(bad.output, /manifest unknown/);
  });

  neverLeft(world, [world.upstream]);
});
