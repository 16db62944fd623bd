import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Dockerd } from './lab/runtimes/dockerd.ts';
import { startEgress } from './lab/servers/egress.ts';
import { Repository } from './lab/images.ts';
import { Lab } from './lab/lab.ts';
import { startNotaryServer } from './lab/servers/notary.ts';
import { makePki } from './lab/pki.ts';
import { startRegistry } from './lab/servers/registry.ts';
import { Tufgate, type Guarded } from './lab/servers/tufgate.ts';

describe('Docker Content Trust of the real docker, served by notary-server', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const pki = await makePki(lab);
  const registry = await startRegistry(lab);
  const server = await startNotaryServer(lab, pki, 'signer');
  const egress = await startEgress(lab);
  const dockerd = await Dockerd.start(lab, egress);
  const publisher = await dockerd.publisher(pki, server);
  const guarded: Guarded = {
    registry: registry.host,
    upstream: registry.url,
    notary: server.url,
    notaryCaFile: pki.caFile,
    root: { first_use: true },
  };
  const tufgate = await Tufgate.start(lab, guarded);

  // docker makes its own manifest of this at each push.
  const seed = `${registry.host}/seed:v1`;
  await new Repository(registry.url, 'seed').image('v1', 'seed');
  await publisher.docker('pull', seed);

  async function trustedPush(image: string): Promise<void> {
    const { status, output } = await publisher.trusted('push', image);
    assert.equal(status, 0, output);
  }

  /** explain says yes with the digest the registry has for the tag, and docker pulls it through tufgate. */
  async function accepts(name: string, tag: string): Promise<void> {
    const pushed = await new Repository(registry.url, name).digest(tag);
    // By what was seen before, and to one who never saw anything.
    for (const asked of [tufgate, await Tufgate.configure(lab, guarded)]) {
      const { exit, verdict, digest, message } = await asked.explain(`${registry.host}/${name}:${tag}`);
      assert.deepEqual({ exit, verdict, digest }, { exit: 0, verdict: 'allow', digest: pushed }, message);
    }
    const image = `${tufgate.host}/${name}:${tag}`;
    await dockerd.mustDocker('pull', image);
    assert.ok((await dockerd.records(image)).includes(pushed));
  }

  async function refuses(name: string, tag: string, expected: string): Promise<void> {
    const { exit, verdict, reason, message } = await tufgate.explain(`${registry.host}/${name}:${tag}`);
    assert.deepEqual({ exit, verdict, reason }, { exit: 1, verdict: 'deny', reason: expected }, message);
    const { status, output } = await dockerd.docker('pull', `${tufgate.host}/${name}:${tag}`);
    assert.equal(status, 1, output);
    assert.ok(output.includes('content trust: ') && output.includes(expected), output);
  }

  test('DOCKER_CONTENT_TRUST=1 docker push signs a tag that is accepted; a plain push of another is not', async () => {
    const plain = `${registry.host}/plain`;
    await publisher.docker('tag', seed, `${plain}:v1`);
    await trustedPush(`${plain}:v1`);
    await publisher.docker('tag', seed, `${plain}:v2`);
    await publisher.docker('push', `${plain}:v2`);
    await accepts('plain', 'v1');
    await refuses('plain', 'v2', 'TAG_NOT_SIGNED');
  });

  test('docker trust sign is accepted; before it, with the signer only added, nothing is signed', async () => {
    const name = `${registry.host}/signed`;
    await publisher.docker('trust', 'key', 'generate', 'alice', '--dir', lab.dir);
    await publisher.docker('trust', 'signer', 'add', '--key', join(lab.dir, 'alice.pub'), 'alice', name);
    await publisher.docker('tag', seed, `${name}:v1`);
    await publisher.docker('push', `${name}:v1`);
    await refuses('signed', 'v1', 'TAG_NOT_SIGNED');
    await publisher.docker('trust', 'sign', `${name}:v1`);
    await accepts('signed', 'v1');
  });

  test('a tag whose signature docker revoked is not signed any more', async () => {
    const name = `${registry.host}/revoked`;
    await publisher.docker('tag', seed, `${name}:v1`);
    await trustedPush(`${name}:v1`);
    await accepts('revoked', 'v1');
    await publisher.docker('trust', 'revoke', '--yes', `${name}:v1`);
    await refuses('revoked', 'v1', 'TAG_NOT_SIGNED');
  });

  test('in all of this docker never tried to leave for another registry', () => {
    assert.deepEqual(egress.attempts, []);
  });
});
