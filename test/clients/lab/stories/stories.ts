import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Published, SignedTag } from '../published.ts';
import type { CorruptingRelay } from '../servers/corrupting-relay.ts';
import type { PullingClient } from '../runtimes/pulling-client.ts';
import { record } from './table.ts';
import { tell, type Stage, type Way } from './way.ts';

/** What differs from way to way. */
export interface Telling {
  /** The most requests that tufgate may see of a pull that it refuses; undefined: not bounded here. */
  readonly refusalCost?: number;
  /** Whether the client can be asked for `name:tag@digest`. */
  readonly tagAndDigest?: boolean;
}

/** Declares what must hold for every client that pulls through tufgate; to be called in the client's suite. */
export function tellStories(
  stage: Stage,
  way: Way,
  { signed, evil, unsigned, stray }: Published,
  { refusalCost, tagAndDigest = true }: Telling = {},
): void {
  const { tufgate, notaryCable } = stage;
  const { client, by, image } = way;

  /** The client has what was signed: the manifest, and the config it names. */
  async function pullsSigned(story: string, tag: SignedTag, reference = `:${tag}`): Promise<void> {
    const { digest, config } = signed[tag];
    await tell(stage, way, reference, { story, outcome: 'ok', digests: [digest, config] });
  }

  async function isRefused(story: string, reference: string, reason: string): Promise<number> {
    const { text, requests } = await tell(stage, way, reference, { story, outcome: 'refused' });
    assert.ok(text.includes(reason), `no ${reason} in: ${text}`);
    return requests;
  }

  test(`${by}: a signed tag is pulled, and the recorded digest is the signed one`, async () => {
    await pullsSigned('signed', 'good');
  });

  test(`${by}: a signed tag of an OCI image is pulled, and the recorded digest is the signed one`, async () => {
    await pullsSigned('signed, OCI', 'oci');
  });

  test(`${by}: a tag that was moved after signing still brings the signed image`, async () => {
    await pullsSigned('moved', 'moved');
    const records = await client.records(`${image}:moved`);
    assert.equal(records.includes(evil.digest), false);
    assert.equal(records.includes(evil.config), false);
  });

  test(`${by}: a signed index is pulled, its own digest is recorded, and the image in it is usable`, async () => {
    await pullsSigned('signed index', 'multi');
  });

  test(`${by}: an unsigned tag is refused, the user reads why, and nothing is stored`, async () => {
    const requests = await isRefused('unsigned', ':unsigned', 'TAG_NOT_SIGNED');
    if (refusalCost !== undefined) assert.ok(requests <= refusalCost, `${requests} requests`);
  });

  test(`${by}: the digest of a signed image is pulled`, async () => {
    await pullsSigned('digest, signed', 'pinned', `@${signed.pinned.digest}`);
  });

  test(`${by}: a digest that nobody signed is refused, also below a tag that is signed`, async () => {
    await isRefused('digest, unsigned', `@${stray.digest}`, 'DIGEST_NOT_SIGNED');
    if (tagAndDigest)
      await isRefused('tag@digest, unsigned', `:good@${unsigned.digest}`, 'DIGEST_NOT_SIGNED');
  });

  if (tagAndDigest) {
    test(`${by}: a signed tag with its digest is pulled`, async () => {
      await pullsSigned('tag@digest, signed', 'both', `:both@${signed.both.digest}`);
    });
  }

  test(`${by}: a child of a signed index is pulled by its digest`, async () => {
    const [child = ''] = signed.family.parts;
    await tell(stage, way, `@${child}`, { story: 'digest, child', outcome: 'ok', digests: [child] });
  });

  test(`${by}: without the notary a pull fails as undecided, and works when it is back, without a restart`, async () => {
    await client.remove(`${image}:good`);
    await notaryCable.cut();
    const { text } = await tell(stage, way, ':good', { story: 'notary down', outcome: 'undecided' });
    assert.match(text, /NOTARY_UNAVAILABLE/);
    await notaryCable.reconnect();
    await untilPulled(client, `${image}:good`);
    await client.remove(`${image}:good`);
    await pullsSigned('notary back', 'good');
  });

  test(`${by}: each line of the log is JSON, and the refused pull is in it`, () => {
    assert.ok(tufgate.logLines().some((line) => JSON.stringify(line).includes('TAG_NOT_SIGNED')));
  });
}

/** Pulls until it works: what failed is remembered for a while, so that its return is not seen at once. Throws after 60 s. */
export async function untilPulled(client: PullingClient, image: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { pulled, text } = await client.pull(image);
    if (pulled) return;
    if (Date.now() > deadline) throw new Error(`${image} is still not pulled: ${text}`);
    await delay(200);
  }
}

/**
 * Declares that the clients of this stage tried to reach no other server, and the registries on these cables by tufgate
 * alone; to be called last.
 */
export function neverLeft({ egress }: Pick<Stage, 'egress'>, cables: readonly CorruptingRelay[]): void {
  test('in all of this the client never tried to leave for another registry', () => {
    record({ attempts: egress.attempts.length });
    assert.deepEqual(egress.attempts, []);
  });

  test('whatever the registries were asked came through tufgate', () => {
    const passed = cables.flatMap((cable) => cable.passed);
    assert.notEqual(passed.length, 0);
    assert.deepEqual(passed.filter(({ from }) => !from.includes('tufgate')), []); // prettier-ignore
  });
}
