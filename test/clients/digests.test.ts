import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  shortKeep,
  startDigestWorld,
  why,
  type DigestWorld,
  type MovingRepository,
} from './lab/digest-world.ts';
import { digestOf, Repository, type PushedManifest } from './lab/images.ts';
import { Lab } from './lab/lab.ts';
import { curl, type Fetched } from './lab/runtimes/curl.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import { openContainerd, openDocker, openPodman, openSkopeo } from './lab/runtimes/pulling-client.ts';
import { neverLeft, untilPulled } from './lab/stories/stories.ts';
import { tell, type Told, type Way } from './lab/stories/way.ts';

/** The four, and the way of each to a repository of a registry. */
async function openClients({ lab, tufgate, egress }: DigestWorld) {
  const node = await NodeRoot.open(lab, 'node');
  await node.install(tufgate, 'containerd');
  await node.install(tufgate, 'podman');
  const docker = await openDocker(lab, egress);
  const containerd = await openContainerd(lab, egress, node.path('/etc/containerd/certs.d'));
  const podman = await openPodman(lab, egress, node.imageSettings);
  const skopeo = await openSkopeo(lab, egress, node.imageSettings);
  const clients = [docker, containerd, podman, skopeo];
  const wayOf = (client: Way['client'], repository = 'team/app', of = 'registry.example'): Way => {
    const name = `${of}/${repository}`;
    return { client, by: 'by digest', image: client === docker ? `${tufgate.host}/${name}` : name };
  };
  return { docker, dockerd: docker.dockerd, containerd, clients, wayOf };
}

describe('what is asked for by its digest, by all four clients', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const world = await startDigestWorld(lab);
  const { tufgate, registry, cables, signer, large, small, family, unsigned, foreign } = world;
  const { docker, dockerd, containerd, clients, wayOf } = await openClients(world);
  const images = new Repository(registry.url, 'team/app');

  async function fetched(path: string, ...flags: string[]): Promise<Fetched> {
    return await curl(lab, `${tufgate.origin}/v2/registry.example/${path}`, ...flags);
  }

  /** Under `path` there is nothing for a client, neither its bytes nor that it is there. */
  async function isClosed(path: string, reason = 'DIGEST_NOT_SIGNED'): Promise<void> {
    assert.equal((await fetched(path, '--head')).status, 403, `HEAD ${path}`);
    const got = await fetched(path);
    assert.deepEqual({ exit: got.exit, status: got.status }, { exit: 0, status: 403 }, path);
    assert.ok(got.body.toString().includes(reason), `${path}: ${got.body.toString()}`);
  }

  async function isServed(path: string): Promise<void> {
    const { exit, status, body } = await fetched(path);
    assert.deepEqual({ exit, status }, { exit: 0, status: 200 }, `${path}: ${body.toString()}`);
    assert.equal(digestOf(body), path.slice(path.lastIndexOf('/') + 1));
  }

  /** The manifest and all below it, as paths under the repository. */
  function pathsOf(repository: string, { digest, parts }: PushedManifest): string[] {
    return [`${repository}/manifests/${digest}`, ...parts.map((part) => `${repository}/blobs/${part}`)];
  }

  async function pulls(way: Way, story: string, reference: string, manifest: PushedManifest): Promise<void> {
    const digests = [manifest.digest, manifest.config];
    await tell(world, way, reference, { story, outcome: 'ok', digests });
  }

  async function isRefused(
    way: Way,
    story: string,
    reference: string,
    reason = 'DIGEST_NOT_SIGNED',
  ): Promise<Told> {
    const told = await tell(world, way, reference, { story, outcome: 'refused' });
    assert.ok(told.text.includes(reason), told.text);
    return told;
  }

  /** Signs `current` in a repository, of which nothing may be signed yet. */
  async function beginCurrent(repository: MovingRepository): Promise<PushedManifest> {
    const manifest = await new Repository(registry.url, repository).image('current', `${repository} 1`);
    const gun = `registry.example/${repository}`;
    await signer.init(gun);
    await signer.sign(gun, 'current', manifest);
    return manifest;
  }

  /** Signs `current` for another image, which the registry then has under the tag. */
  async function moveCurrent(repository: MovingRepository): Promise<PushedManifest> {
    const manifest = await new Repository(registry.url, repository).image('current', `${repository} 2`);
    await signer.sign(`registry.example/${repository}`, 'current', manifest);
    return manifest;
  }

  describe('a registry that spoils a layer', () => {
    const [, largeLayer = ''] = large.parts;
    const [, smallLayer = ''] = small.parts;

    test('gets no whole one to curl: a large one is cut off, a small one is refused', async (t) => {
      const spoiled = cables[0]?.spoiled;
      for (const layer of [largeLayer, smallLayer]) spoiled?.add(layer);
      t.after(() => spoiled?.clear());
      const whole = await curl(lab, `${registry.url}/v2/team/app/blobs/${largeLayer}`);
      const { exit, status, body } = await fetched(`team/app/blobs/${largeLayer}`);
      assert.deepEqual({ exit, status }, { exit: 18, status: 200 });
      assert.ok(body.length < whole.body.length, `${body.length} of ${whole.body.length} bytes`);
      const refused = await fetched(`team/app/blobs/${smallLayer}`);
      assert.deepEqual({ exit: refused.exit, status: refused.status }, { exit: 0, status: 403 });
      assert.match(refused.body.toString(), /CONTENT_MISMATCH/);
    });

    for (const client of clients) {
      test(`gets no image to ${client.name}, which has nothing afterwards`, async (t) => {
        const spoiled = cables[0]?.spoiled;
        for (const layer of [largeLayer, smallLayer]) spoiled?.add(layer);
        t.after(() => spoiled?.clear());
        const way = wayOf(client);
        await tell(world, way, ':large', { story: 'layer, spoiled, large', outcome: 'failed' });
        const { pulled, text } = await client.pull(`${way.image}:small`);
        assert.equal(pulled, false, text);
        assert.deepEqual(await client.records(`${way.image}:small`), []);
        if (client === docker) assert.deepEqual(await dockerd.imageIds(), []);
        spoiled?.clear();
        // containerd has resumed what was cut off; it drops such bytes a moment after the pull that they failed.
        await untilPulled(client, `${way.image}:large`);
        await pulls(way, 'layer, sound again', ':large', large);
      });
    }
  });

  for (const client of clients) {
    test(`${client.name} pulls the digest of a signed image, and of a child of a signed index`, async () => {
      await pulls(wayOf(client), 'signed', `@${small.digest}`, small);
      const [child = ''] = family.parts;
      const expected = { story: 'child', outcome: 'ok', digests: [child] } as const;
      await tell(world, wayOf(client), `@${child}`, expected);
    });

    test(`${client.name} is refused what is not signed here, wherever else it is`, async () => {
      await isRefused(wayOf(client), 'unsigned', `@${unsigned.digest}`);
      for (const { whose, manifest } of foreign) {
        await isRefused(wayOf(client), whose, `@${manifest.digest}`);
      }
      const [, nobodys] = foreign;
      assert.ok(nobodys);
      const way = wayOf(client, 'team/nobody');
      await isRefused(way, 'no trust data', `@${nobodys.manifest.digest}`, 'REPOSITORY_NOT_SIGNED');
    });
  }

  test('what is not signed here is not to be had as manifest or blob, though the registry has it', async () => {
    for (const manifest of [unsigned, ...foreign.map((it) => it.manifest)]) {
      for (const path of pathsOf('team/app', manifest)) {
        const direct = await curl(lab, `${registry.url}/v2/${path}`, '-H', `Accept: ${manifest.mediaType}`);
        assert.equal(direct.status, 200, path);
        await isClosed(path);
      }
      await isClosed(`team/app/blobs/${manifest.digest}`);
    }
    const [neighbour] = foreign;
    assert.ok(neighbour);
    for (const path of pathsOf('team/neighbour', neighbour.manifest)) await isServed(path);
    for (const path of pathsOf('team/nobody', small)) await isClosed(path, 'REPOSITORY_NOT_SIGNED');
  });

  test('a manifest that was pushed as a blob is not to be had, and containerd, which looks there, gets nothing', async () => {
    const shop = new Repository(registry.url, 'team/workshop');
    const made = await shop.image('v1', 'smuggled');
    const from = async (path: string): Promise<Buffer<ArrayBuffer>> => {
      const got = await curl(
        lab,
        `${registry.url}/v2/team/workshop/${path}`,
        '-H',
        `Accept: ${made.mediaType}`,
      );
      assert.equal(got.status, 200);
      return Buffer.from(got.body);
    };
    await images.blob(await from(`manifests/${made.digest}`));
    for (const part of made.parts) await images.blob(await from(`blobs/${part}`));
    const path = `team/app/blobs/${made.digest}`;
    assert.equal((await curl(lab, `${registry.url}/v2/${path}`)).status, 200);
    await isClosed(path);
    await isClosed(`team/app/manifests/${made.digest}`);
    await isRefused(wayOf(containerd), 'manifest among blobs', `@${made.digest}`);
    cables[0]?.blobsToo.add(made.digest);
    await isRefused(wayOf(containerd), 'manifest among blobs, called so', `@${made.digest}`);
  });

  for (const state of ['kept', 'empty'] as const) {
    test(`a layer alone comes after a restart, with its state ${state}, also that of a child of an index`, async () => {
      const [, layer = ''] = small.parts;
      const childLayer = family.parts.at(-1) ?? '';
      await tufgate.restart(state);
      await isServed(`team/app/blobs/${layer}`);
      await tufgate.restart(state);
      await isServed(`team/app/blobs/${childLayer}`);
    });
  }

  test('without keep a digest ends when its tag is signed for another', async () => {
    const old = await beginCurrent('team/moving');
    for (const path of pathsOf('team/moving', old)) await isServed(path);
    const next = await moveCurrent('team/moving');
    for (const path of pathsOf('team/moving', old)) await isClosed(path);
    for (const client of clients) {
      const way = wayOf(client, 'team/moving');
      await isRefused(way, 're-signed, no keep', `@${old.digest}`);
      await pulls(way, 're-signed, the new one', ':current', next);
    }
  });

  test('with a short keep it ends when that is over, with all below it, and not before', async () => {
    const old = await beginCurrent('team/brief');
    const manifest = `team/brief/manifests/${old.digest}`;
    await isServed(manifest);
    await moveCurrent('team/brief');
    // tufgate sees at one moment between these that the tag was signed again.
    const earliest = Date.now();
    for (const path of pathsOf('team/brief', old)) await isServed(path);
    const latest = Date.now();
    let lastServed = latest;
    while (lastServed < latest + 2 * shortKeep * 1000) {
      const asked = Date.now();
      const { status } = await fetched(manifest);
      if (status !== 200) break;
      lastServed = asked;
      await delay(100);
    }
    const ended = Date.now();
    assert.ok(ended >= earliest + shortKeep * 1000, `ended after ${ended - earliest} ms`);
    assert.ok(lastServed <= latest + shortKeep * 1000, `served after ${lastServed - latest} ms`);
    for (const path of pathsOf('team/brief', old)) await isClosed(path);
    for (const client of clients) {
      await isRefused(wayOf(client, 'team/brief'), 're-signed, keep over', `@${old.digest}`);
    }
  });

  test('with a long keep a pod finds the image of yesterday again, until that is revoked', async () => {
    const old = await beginCurrent('team/kept');
    const reference = `registry.example/team/kept@${old.digest}`;
    const ways = clients.map((client) => wayOf(client, 'team/kept'));
    for (const way of ways) await pulls(way, 'yesterday', ':current', old);
    const early = await tufgate.tell('trust', 'revoke', reference);
    assert.equal(early.status, 1, early.output);
    assert.match(early.output, /is signed: take its tag away first/);

    await moveCurrent('team/kept');
    for (const way of ways) {
      await way.client.remove(`${way.image}:current`);
      await pulls(way, 're-signed, kept', `@${old.digest}`, old);
      await way.client.remove(`${way.image}@${old.digest}`);
    }
    const kept = await tufgate.tell('explain', reference);
    assert.equal(kept.status, 0, kept.output);
    assert.match(kept.output, /was signed until .* ago, and is kept for 7(?:19|20) ?h/);

    const revoked = await tufgate.tell('trust', 'revoke', reference);
    assert.equal(revoked.status, 0, revoked.output);
    assert.match(revoked.output, /is kept no longer/);
    for (const path of pathsOf('team/kept', old)) await isClosed(path);
    for (const way of ways) await isRefused(way, 're-signed, revoked', `@${old.digest}`);
  });

  test('an exception lets an unsigned tag and its layers pass while it lasts, and the log says why', async () => {
    const glass = new Repository(registry.url, 'team/glass');
    const hotfix = await glass.image('hotfix', 'hotfix');
    await glass.image('expired', 'expired');
    for (const client of clients) {
      const way = wayOf(client, 'team/glass');
      await pulls(way, 'tag, excepted', ':hotfix', hotfix);
      await isRefused(way, 'tag, exception over', ':expired', 'TAG_NOT_SIGNED');
    }
    for (const path of pathsOf('team/glass', hotfix)) await isServed(path);
    const log = tufgate.logLines().map((line) => JSON.stringify(line));
    assert.ok(log.some((line) => line.includes(why) && line.includes('"reference":"hotfix"')));
  });

  test('docker push arrives whole though nobody signed it; it is refused until it is signed', async () => {
    const way = wayOf(docker, 'team/pushed', 'pushed.example');
    const image = `${way.image}:v1`;
    await dockerd.mustDocker('pull', `${wayOf(docker).image}:large`);
    await dockerd.mustDocker('tag', `${wayOf(docker).image}:large`, image);
    await dockerd.mustDocker('push', image);
    await dockerd.mustDocker('image', 'rm', '--force', image);
    await isRefused(way, 'pushed', ':v1', 'REPOSITORY_NOT_SIGNED');
    const accept = ['-H', `Accept: ${large.mediaType}`];
    const { body } = await curl(lab, `${registry.url}/v2/team/pushed/manifests/v1`, ...accept);
    const gun = 'pushed.example/team/pushed';
    await signer.init(gun);
    await signer.sign(gun, 'v1', { ...large, digest: digestOf(body), size: body.length });
    await pulls(way, 'pushed and signed', ':v1', { ...large, digest: digestOf(body) });
  });

  neverLeft(world, cables);
});
