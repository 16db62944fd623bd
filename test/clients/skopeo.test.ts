import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Lab } from './lab/lab.ts';
import { openSkopeo } from './lab/pulling-client.ts';
import { tellStories } from './lab/stories.ts';
import { gun, registryName, startWorld } from './lab/world.ts';

describe('skopeo through tufgate', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const world = await startWorld(lab);
  const client = await openSkopeo(world, `${world.tufgate.host}/${registryName}`);

  test('copy --all of a signed index brings every platform with every blob', async () => {
    const { digest, parts } = world.signed.multi;
    const { pulled, text } = await client.pull('multi');
    assert.equal(pulled, true, text);
    assert.deepEqual((await client.records('multi')).toSorted(), [digest, ...parts].toSorted());
  });

  test('a name that begins with the address of tufgate itself works as well, and is refused as well', async () => {
    const image = (tag: string): string => `${world.tufgate.host}/${gun}:${tag}`;
    const good = await client.skopeo.copy(image('moved'), 'direct', '--src-tls-verify=false');
    assert.equal(good.status, 0, good.output);
    assert.ok((await client.skopeo.records('direct')).includes(world.signed.moved.digest));
    const bad = await client.skopeo.copy(image('unsigned'), 'refused', '--src-tls-verify=false');
    assert.notEqual(bad.status, 0, bad.output);
    assert.match(bad.output, /content trust: .*TAG_NOT_SIGNED/);
  });

  tellStories(world, client);
});
