import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { z } from 'zod';
import { writeImageSettings } from './lab/runtimes/containers-image.ts';
import { Dockerd, type DockerPublisher } from './lab/runtimes/dockerd.ts';
import { Skopeo } from './lab/runtimes/skopeo.ts';
import { CorruptingRelay } from './lab/servers/corrupting-relay.ts';
import { startEgress } from './lab/servers/egress.ts';
import { Repository } from './lab/images.ts';
import { Lab } from './lab/lab.ts';
import { NotaryClient, startNotaryServer } from './lab/servers/notary.ts';
import { makePki } from './lab/pki.ts';
import { startRegistry } from './lab/servers/registry.ts';
import { neverLeft } from './lab/stories/stories.ts';
import { TokenServer } from './lab/servers/token-server.ts';
import { Tufgate } from './lab/servers/tufgate.ts';

const inspected = z.tuple([
  z.object({ SignedTags: z.array(z.object({ SignedTag: z.string(), Digest: z.string() })) }),
]);

describe('publishing through tufgate, with no other server in reach', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const pki = await makePki(lab);
  const open = await startRegistry(lab);
  const account = { username: 'alice', password: 'bearer-password' };
  const tokens = await TokenServer.start(lab, pki, account);
  const bearer = await startRegistry(lab, { storage: open.storage, auth: tokens.registryAuth });
  const openCable = await CorruptingRelay.start(lab, open.port);
  const bearerCable = await CorruptingRelay.start(lab, bearer.port);
  const notary = await startNotaryServer(lab, pki, 'signer');
  const egress = await startEgress(lab, pki.caFile);
  const dockerd = await Dockerd.start(lab, egress);

  const enforced = { mode: 'enforce', notary: 'main', root: { first_use: true }, check_every: 0 };
  const tufgate = await Tufgate.startWith(
    lab,
    (host) => ({
      tls: { cert_file: pki.certFile, key_file: pki.keyFile },
      registries: {
        'open.example': { upstream: openCable.url, auth: 'anonymous', push: 'allow' },
        'bearer.example': {
          upstream: bearerCable.url,
          auth: 'forward',
          token_realm: tokens.realm,
          push: 'allow',
        },
        'closed.example': { upstream: openCable.url, auth: 'anonymous' },
      },
      default_registry: 'open.example',
      notaries: { main: { url: notary.url, ca_file: pki.caFile, auth: 'anonymous' } },
      rules: [
        { match: 'open.example/**', gun: `${host}/{repository}`, ...enforced },
        { match: 'bearer.example/**', gun: `${host}/bearer.example/{repository}`, ...enforced },
        // Signed under a name that is not how clients name it.
        { match: 'closed.example/**', ...enforced },
      ],
    }),
    pki.caFile,
  );
  const publisher = await dockerd.publisher(pki);
  const throughGate = { port: tufgate.port, url: tufgate.origin };

  // docker makes its own manifest of this at each push.
  const seed = `${open.host}/seed:v1`;
  await new Repository(open.url, 'seed').image('v1', 'seed');
  await publisher.docker('pull', seed);

  /** Names the seed so, and pushes it without signing. */
  async function push(image: string, as: DockerPublisher = publisher): Promise<void> {
    await as.docker('tag', seed, image);
    await as.docker('push', image);
  }

  async function refuses(image: string, reason: RegExp, as: DockerPublisher = publisher): Promise<void> {
    const { status, output } = await as.tryDocker('pull', image);
    assert.equal(status, 1, output);
    assert.match(output, /content trust: /);
    assert.match(output, reason);
  }

  /** docker pulls it, and has the digest that the registry has for the tag. */
  async function pulls(image: string, repository: string, as: DockerPublisher = publisher): Promise<string> {
    const digest = await new Repository(open.url, repository).digest(image.slice(image.lastIndexOf(':') + 1));
    await as.docker('image', 'rm', '--force', image);
    await as.docker('pull', image);
    assert.ok((await dockerd.records(image)).includes(digest));
    return digest;
  }

  test('docker push brings a new tag to the registry; the pull is refused until docker trust sign has signed it', async () => {
    const name = `${tufgate.host}/team/app`;
    await push(`${name}:v1`);
    assert.match(await new Repository(open.url, 'team/app').digest('v1'), /^sha256:/);
    await refuses(`${name}:v1`, /REPOSITORY_NOT_SIGNED/);
    await publisher.docker('trust', 'key', 'generate', 'alice', '--dir', lab.dir);
    await publisher.docker('trust', 'signer', 'add', '--key', join(lab.dir, 'alice.pub'), 'alice', name);
    await refuses(`${name}:v1`, /TAG_NOT_SIGNED/);
    await publisher.docker('trust', 'sign', `${name}:v1`);
    const digest = await pulls(`${name}:v1`, 'team/app');
    const [{ SignedTags }] = inspected.parse(JSON.parse(await publisher.docker('trust', 'inspect', name)));
    assert.deepEqual(SignedTags, [{ SignedTag: 'v1', Digest: digest.replace('sha256:', '') }]);
  });

  test('DOCKER_CONTENT_TRUST=1 docker push signs through tufgate, and docker pull takes what is signed, with it and without', async () => {
    const image = `${tufgate.host}/team/trusted:v1`;
    await publisher.docker('tag', seed, image);
    const pushed = await publisher.trusted('push', image);
    assert.equal(pushed.status, 0, pushed.output);
    await pulls(image, 'team/trusted');
    await publisher.docker('image', 'rm', '--force', image);
    const pulled = await publisher.trusted('pull', image);
    assert.equal(pulled.status, 0, pulled.output);
    assert.match(pulled.output, /Tagging .*@sha256:/);
  });

  test('DOCKER_CONTENT_TRUST=1 docker pull of a tag that was pushed unsigned finds no trust data for it', async () => {
    await push(`${tufgate.host}/team/trusted:v2`);
    const { status, output } = await publisher.trusted('pull', `${tufgate.host}/team/trusted:v2`);
    assert.equal(status, 1);
    assert.match(output, /No valid trust data for v2/);
    await refuses(`${tufgate.host}/team/trusted:v2`, /TAG_NOT_SIGNED/);
  });

  test('a second push of the same layers to another repository arrives whole', async () => {
    const images = new Repository(open.url, 'team/mounted');
    await push(`${tufgate.host}/team/mounted:v1`);
    assert.equal(await images.digest('v1'), await new Repository(open.url, 'team/app').digest('v1'));
  });

  test('the notary command line signs through tufgate what docker pushed', async () => {
    const gun = `${tufgate.host}/team/notary`;
    const pushed = await new Repository(open.url, 'team/notary').image('v1', 'notary');
    const signer = await NotaryClient.open(lab, 'notary-through-gate', throughGate, pki);
    await signer.init(gun);
    await signer.sign(gun, 'v1', pushed);
    assert.match(await signer.notary('list', gun), new RegExp(pushed.digest.replace('sha256:', '')));
    assert.equal(await pulls(`${gun}:v1`, 'team/notary'), pushed.digest);
    await signer.notary('remove', '-p', gun, 'v1');
    await refuses(`${gun}:v1`, /TAG_NOT_SIGNED/);
  });

  test('skopeo pushes a whole index, which is refused until it is signed', async () => {
    const name = `${tufgate.host}/team/index`;
    const index = await new Repository(open.url, 'seed').index('multi', 'multi');
    const skopeo = await Skopeo.open(
      lab,
      egress,
      await writeImageSettings(lab.dir, 'none.example', 'none', 'open'),
    );
    const plain = '--src-tls-verify=false';
    const pushed = await skopeo.skopeo(
      'copy',
      '--all',
      plain,
      `docker://${open.host}/seed:multi`,
      `docker://${name}:v1`,
    );
    assert.equal(pushed.status, 0, pushed.output);
    await refuses(`${name}:v1`, /REPOSITORY_NOT_SIGNED/);
    const signer = await NotaryClient.open(lab, 'index-signer', throughGate, pki);
    await signer.init(name);
    await signer.sign(name, 'v1', index);
    assert.equal(await pulls(`${name}:v1`, 'team/index'), index.digest);
  });

  test('a registry that asks for tokens is pushed to and signed for with the right login, and not without', async () => {
    const image = `${tufgate.host}/bearer.example/acme/app:v1`;
    const owner = await dockerd.publisher(pki, undefined, { ...account, server: tufgate.host });
    await publisher.docker('tag', seed, image);
    const denied = await publisher.tryDocker('push', image);
    assert.equal(denied.status, 1);
    assert.match(denied.output, /denied|unauthorized/);
    const pushed = await owner.trusted('push', image);
    assert.equal(pushed.status, 0, pushed.output);
    await pulls(image, 'acme/app', owner);
    assert.match(await owner.docker('trust', 'inspect', image), /"SignedTag": "v1"/);
    const stranger = await publisher.tryDocker('trust', 'inspect', image);
    assert.equal(stranger.status, 1, stranger.output);
    assert.doesNotMatch(stranger.output, /"SignedTag"/);
  });

  test('where pushes are not carried docker push says so, and nothing arrives', async () => {
    const image = `${tufgate.host}/closed.example/team/closed:v1`;
    await publisher.docker('tag', seed, image);
    const { status, output } = await publisher.tryDocker('push', image);
    assert.equal(status, 1);
    assert.match(output, /pushes to closed.example are not carried/);
    await assert.rejects(new Repository(open.url, 'team/closed').digest('v1'), /404/);
  });

  test('where trust data has another name than the image docker finds none', async () => {
    const name = `${tufgate.host}/closed.example/team/app`;
    const { status, output } = await publisher.tryDocker('trust', 'inspect', name);
    assert.match(output, /no signatures|No signatures|not have trust data/i);
    assert.equal(status, 1);
  });

  neverLeft({ egress }, [openCable, bearerCable]);
});
