import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Lab } from './lab/lab.ts';
import { NotaryClient, startNotaryServer } from './lab/servers/notary.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import { openSkopeo } from './lab/runtimes/pulling-client.ts';
import { gun, repository, startWorld } from './lab/world.ts';

describe('tufgate after kill -9', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const world = await startWorld(lab, 'first use');
  const { tufgate, upstream, notaryCable, notary, pki, signed, evil } = world;
  const node = await NodeRoot.open(lab, 'node');
  await node.install(tufgate, 'podman');
  const client = await openSkopeo(lab, world.egress, node.imageSettings);

  async function pulls(tag: 'good' | 'oci'): Promise<void> {
    const { pulled, text } = await client.pull(`${gun}:${tag}`);
    assert.equal(pulled, true, text);
    assert.ok((await client.records(`${gun}:${tag}`)).includes(signed[tag].digest));
  }

  test('a pull that was cut off by it works after the restart, and so do the others', async () => {
    await pulls('good');
    const silent = upstream.silence();
    const cutOff = client.pull(`${gun}:oci`);
    await silent;
    await tufgate.kill9();
    assert.equal((await cutOff).pulled, false);
    upstream.fault = 'none';
    await tufgate.serve();
    await pulls('oci');
    await pulls('good');
  });

  test('the root trusted on first use is still the trusted one: another notary is refused, also by explain', async () => {
    await pulls('good');
    await tufgate.kill9();

    // Somebody else's notary takes the place of ours and says that the moved tag is what it is now.
    const server = await startNotaryServer(lab, pki, 'local');
    const attacker = await NotaryClient.open(lab, 'attacker', server, pki);
    await attacker.init(gun);
    await attacker.sign(gun, 'moved', evil);
    await notaryCable.reconnect(server.port);

    await tufgate.serve();
    const refusal = await tufgate.refusal(`${repository}/manifests/moved`);
    assert.equal(refusal.status, 403);
    assert.match(refusal.reason, /^(BAD_SIGNATURE|EQUIVOCATION|ROOT_NOT_PINNED)$/);
    const { pulled, text } = await client.pull(`${gun}:moved`);
    assert.equal(pulled, false, text);
    assert.match(text, /content trust: /);
    const explained = await tufgate.explain(`${gun}:moved`);
    assert.deepEqual(
      {
        exit: explained.exit,
        verdict: explained.verdict,
        reason: explained.reason,
        digest: explained.digest,
      },
      { exit: 1, verdict: 'deny', reason: refusal.reason, digest: null },
    );

    // What a refused refresh brought was not stored.
    await notaryCable.reconnect(notary.port);
    await tufgate.untilServed(`${repository}/manifests/good`);
    await pulls('good');
  });
});
