import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { Repository, type PushedManifest } from './lab/images.ts';
import { Lab } from './lab/lab.ts';
import { NotaryClient, startNotaryServer, type ServerKeys } from './lab/servers/notary.ts';
import { makePki } from './lab/pki.ts';
import { startRegistry } from './lab/servers/registry.ts';
import { Tufgate, type Guarded } from './lab/servers/tufgate.ts';

/** A repository of the lab's registry with three images in it: under `v1`, `v2`, `v3`; nothing is signed yet. */
interface Fresh {
  readonly gun: string;
  readonly v1: PushedManifest;
  readonly v2: PushedManifest;
  readonly v3: PushedManifest;
}

/** Starts a registry, a notary with such server keys, its command line, and tufgate. The GUN's host is the registry. */
async function openTrustLab(lab: Lab, keys: ServerKeys) {
  const pki = await makePki(lab);
  const registry = await startRegistry(lab);
  const server = await startNotaryServer(lab, pki, keys);
  const signer = await NotaryClient.open(lab, 'signer', server, pki);
  const guarded: Guarded = {
    registry: registry.host,
    upstream: registry.url,
    notary: server.url,
    notaryCaFile: pki.caFile,
    root: { first_use: true },
  };
  const tufgate = await Tufgate.start(lab, guarded);

  async function push(name: string): Promise<Fresh> {
    const images = new Repository(registry.url, name);
    const gun = `${registry.host}/${name}`;
    return {
      gun,
      v1: await images.image('v1', `${name} 1`),
      v2: await images.image('v2', `${name} 2`, 'oci'),
      v3: await images.image('v3', `${name} 3`),
    };
  }

  /** Pushes and creates the GUN's trust data. */
  async function create(name: string): Promise<Fresh> {
    const fresh = await push(name);
    await signer.init(fresh.gun);
    return fresh;
  }

  /** explain says yes with this digest, by what was seen before and to one who never saw anything; a pull brings it. */
  async function accepts(gun: string, tag: string, manifest: PushedManifest): Promise<void> {
    for (const [who, asked] of [
      ['warm', tufgate],
      ['cold', await Tufgate.configure(lab, guarded)],
    ] as const) {
      const { exit, verdict, reason, digest, message } = await asked.explain(`${gun}:${tag}`);
      assert.deepEqual(
        { exit, verdict, reason, digest },
        { exit: 0, verdict: 'allow', reason: null, digest: manifest.digest },
        `${who}: ${message}`,
      );
    }
    const { status, phrase, headers } = await tufgate.get(`${gun.replace(/^[^/]*\//, '')}/manifests/${tag}`);
    assert.equal(status, 200, phrase);
    assert.equal(headers['docker-content-digest'], manifest.digest);
  }

  /** explain says no for this reason, and so does a pull. */
  async function refuses(gun: string, tag: string, expected: string): Promise<void> {
    const { exit, verdict, reason, message } = await tufgate.explain(`${gun}:${tag}`);
    assert.deepEqual({ exit, verdict, reason }, { exit: 1, verdict: 'deny', reason: expected }, message);
    const refusal = await tufgate.refusal(`${gun.replace(/^[^/]*\//, '')}/manifests/${tag}`);
    assert.deepEqual(refusal, { status: 403, reason: expected });
  }

  return { registry, signer, guarded, push, create, accepts, refuses };
}

/** The role names a served snapshot lists. */
async function listedRoles(signer: NotaryClient, gun: string): Promise<string> {
  return (await signer.served(gun, 'snapshot')).toString();
}

describe('trust data of the notary command line, served by notary-server', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const { registry, signer, guarded, push, create, accepts, refuses } = await openTrustLab(lab, 'local');

  test('a tag in targets is accepted; another tag and another repository are not', async () => {
    const { gun, v1 } = await create('plain');
    await signer.sign(gun, 'v1', v1);
    await accepts(gun, 'v1', v1);
    await refuses(gun, 'v2', 'TAG_NOT_SIGNED');
    const unsigned = await push('unsigned');
    await refuses(unsigned.gun, 'v1', 'REPOSITORY_NOT_SIGNED');
  });

  test('a tag in targets/releases is accepted, and comes before the same tag in targets', async () => {
    const { gun, v1, v2, v3 } = await create('releases');
    await signer.delegate(gun, 'targets/releases');
    await signer.addHash(gun, 'v1', v1);
    await signer.addHash(gun, 'v1', v2, { role: 'targets/releases' });
    await signer.addHash(gun, 'v3', v3, { role: 'targets/releases' });
    await signer.publish(gun);
    await accepts(gun, 'v1', v2);
    await accepts(gun, 'v3', v3);
  });

  test('a tag that only a role below targets/releases has is not signed', async () => {
    const { gun, v1, v2 } = await create('nested');
    await signer.delegate(gun, 'targets/releases');
    await signer.sign(gun, 'v1', v1, { role: 'targets/releases' });
    await accepts(gun, 'v1', v1);
    await signer.delegate(gun, 'targets/releases/nightly', 'ecdsa', 'v2');
    await signer.sign(gun, 'v2', v2, { role: 'targets/releases/nightly' });
    await accepts(gun, 'v1', v1);
    await refuses(gun, 'v2', 'TAG_NOT_SIGNED');
  });

  test('an RSA delegation is accepted', async () => {
    const { gun, v1 } = await create('rsa');
    await signer.delegate(gun, 'targets/releases', 'rsa');
    await signer.sign(gun, 'v1', v1, { role: 'targets/releases' });
    await accepts(gun, 'v1', v1);
  });

  test('a delegation that was declared and never published is accepted', async () => {
    const { gun, v1 } = await create('declared');
    await signer.sign(gun, 'v1', v1);
    await accepts(gun, 'v1', v1);
    await signer.delegate(gun, 'targets/releases');
    assert.doesNotMatch(await listedRoles(signer, gun), /targets\/releases/);
    await accepts(gun, 'v1', v1);
  });

  test('a removed delegation takes its tags with it and leaves the others, also when it was seen before', async () => {
    const { gun, v1, v2 } = await create('removed');
    await signer.delegate(gun, 'targets/releases');
    await signer.addHash(gun, 'v1', v1);
    await signer.addHash(gun, 'v2', v2, { role: 'targets/releases' });
    await signer.publish(gun);
    await accepts(gun, 'v2', v2);
    await signer.removeDelegation(gun, 'targets/releases');
    assert.doesNotMatch(await listedRoles(signer, gun), /targets\/releases/);
    await accepts(gun, 'v1', v1);
    await refuses(gun, 'v2', 'TAG_NOT_SIGNED');
  });

  test('a removed delegation that the server still lists in its snapshot is accepted as removed', async () => {
    const { gun, v1, v2 } = await create('listed');
    await signer.rotate(gun, 'snapshot', '-r');
    await signer.delegate(gun, 'targets/releases');
    await signer.addHash(gun, 'v1', v1);
    await signer.addHash(gun, 'v2', v2, { role: 'targets/releases' });
    await signer.publish(gun);
    await accepts(gun, 'v2', v2);
    await signer.removeDelegation(gun, 'targets/releases');
    assert.match(await listedRoles(signer, gun), /targets\/releases/);
    await accepts(gun, 'v1', v1);
    await refuses(gun, 'v2', 'TAG_NOT_SIGNED');
  });

  test('a snapshot that the server signs is accepted', async () => {
    const { gun, v1 } = await create('server-snapshot');
    await signer.rotate(gun, 'snapshot', '-r');
    await signer.sign(gun, 'v1', v1);
    await accepts(gun, 'v1', v1);
  });

  for (const role of ['targets', 'timestamp'] as const) {
    test(`a rotated ${role} key is accepted, also by who knew the old one`, async () => {
      const { gun, v1, v2 } = await create(`rotated-${role}`);
      await signer.sign(gun, 'v1', v1);
      await accepts(gun, 'v1', v1);
      await signer.rotate(gun, role, ...(role === 'timestamp' ? ['-r'] : []));
      await accepts(gun, 'v1', v1);
      await signer.sign(gun, 'v2', v2);
      await accepts(gun, 'v2', v2);
    });
  }

  test('a root rotated twice is accepted: by a newcomer, by who knew the first, by a pin on the first key', async () => {
    const { gun, v1 } = await create('rotated-root');
    await signer.sign(gun, 'v1', v1);
    const [first] = (await signer.root(gun)).keys;
    assert.ok(first);
    await accepts(gun, 'v1', v1);
    await signer.rotate(gun, 'root');
    await accepts(gun, 'v1', v1);
    await signer.rotate(gun, 'root');
    const { version, keys } = await signer.root(gun);
    assert.equal(version, 3);
    assert.equal(
      keys.some(({ id, spki }) => id === first.id || spki === first.spki),
      false,
    );
    await accepts(gun, 'v1', v1);
    for (const root of [{ first_use: true } as const, { keys: [first.id] }, { keys: [first.spki] }]) {
      const newcomer = await Tufgate.configure(lab, { ...guarded, root });
      const { exit, digest, message } = await newcomer.explain(`${gun}:v1`);
      assert.deepEqual({ exit, digest }, { exit: 0, digest: v1.digest }, message);
    }
  });

  test('a root with two keys is accepted', async () => {
    const { gun, v1 } = await create('two-roots');
    await signer.sign(gun, 'v1', v1);
    await accepts(gun, 'v1', v1);
    const one = await signer.newRootKey('one');
    const two = await signer.newRootKey('two');
    await signer.rotate(gun, 'root', '-k', one, '-k', two);
    assert.equal((await signer.root(gun)).keys.length, 2);
    await accepts(gun, 'v1', v1);
  });

  test('a target with custom data and a sha512 is accepted, and a removed tag is not signed', async () => {
    const { gun, v1, v2 } = await create('custom');
    const manifest = await fetch(`${registry.url}/v2/custom/manifests/${v1.digest}`, {
      headers: { accept: v1.mediaType },
    });
    const sha512 = createHash('sha512')
      .update(await manifest.bytes())
      .digest('hex');
    // Canonical JSON: notary signs the bytes as given and verifies them made canonical.
    await signer.addHash(gun, 'v1', v1, { sha512, custom: '{"a":1,"note":"hi"}' });
    await signer.addHash(gun, 'v2', v2);
    await signer.publish(gun);
    await signer.notary('remove', '-p', gun, 'v2');
    await accepts(gun, 'v1', v1);
    await refuses(gun, 'v2', 'TAG_NOT_SIGNED');
  });
});

describe('trust data of a notary-server whose keys are in a notary-signer', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const { signer, create, accepts } = await openTrustLab(lab, 'signer');

  test('ECDSA timestamp and snapshot keys are accepted, before and after the rotation of the timestamp key', async () => {
    const { gun, v1, v2 } = await create('signer');
    await signer.rotate(gun, 'snapshot', '-r');
    await signer.sign(gun, 'v1', v1);
    await accepts(gun, 'v1', v1);
    await signer.rotate(gun, 'timestamp', '-r');
    await signer.sign(gun, 'v2', v2);
    await accepts(gun, 'v2', v2);
  });
});
