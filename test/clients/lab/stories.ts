import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PullingClient } from './pulling-client.ts';
import { repository, type SignedTag, type World } from './world.ts';

/** Declares what must hold for every client that pulls through tufgate; to be called in the client's suite. */
export function tellStories(world: World, client: PullingClient): void {
  const { tufgate, signed, evil, egress, notaryCable } = world;

  /** Pulls the tag and checks that the client has what was signed: the manifest, and the config it names. */
  async function pullsSigned(tag: SignedTag): Promise<void> {
    const { pulled, text } = await client.pull(tag);
    assert.equal(pulled, true, text);
    const records = await client.records(tag);
    assert.ok(
      records.includes(signed[tag].digest),
      `${signed[tag].digest} is not among ${records.join(' ')}`,
    );
    assert.ok(
      records.includes(signed[tag].config),
      `${signed[tag].config} is not among ${records.join(' ')}`,
    );
  }

  /** Pulls the tag and checks that the user is told of content trust and the reason. */
  async function isRefused(tag: string, reason: string): Promise<void> {
    const { pulled, text } = await client.pull(tag);
    assert.equal(pulled, false, text);
    assert.match(text, /content trust: /);
    assert.ok(text.includes(reason), `no ${reason} in: ${text}`);
  }

  test('a signed tag is pulled, and the recorded digest is the signed one', async () => {
    await pullsSigned('good');
  });

  test('a signed tag of an OCI image is pulled, and the recorded digest is the signed one', async () => {
    await pullsSigned('oci');
  });

  test('a tag that was moved after signing still brings the signed image', async () => {
    await pullsSigned('moved');
    const records = await client.records('moved');
    assert.equal(records.includes(evil.digest), false);
    assert.equal(records.includes(evil.config), false);
  });

  test('a signed index is pulled, its own digest is recorded, and the image in it is usable', async () => {
    await pullsSigned('multi');
  });

  test('an unsigned tag is refused, the user reads why, and nothing is stored', async () => {
    await isRefused('unsigned', 'TAG_NOT_SIGNED');
    assert.deepEqual(await client.records('unsigned'), []);
  });

  test('without the notary a pull fails as undecided, and works when it is back, without a restart', async () => {
    const path = `${repository}/manifests/good`;
    await notaryCable.cut();
    await isRefused('good', 'NOTARY_UNAVAILABLE');
    assert.deepEqual(await tufgate.refusal(path), { status: 503, reason: 'NOTARY_UNAVAILABLE' });
    await notaryCable.reconnect();
    await tufgate.untilServed(path);
    await pullsSigned('good');
  });

  test('each line of the log is JSON, and the refused pull is in it', () => {
    assert.ok(tufgate.logLines().some((line) => JSON.stringify(line).includes('TAG_NOT_SIGNED')));
  });

  test('in all of this the client never tried to leave for another registry', () => {
    assert.deepEqual(egress.attempts, []);
  });
}
