import { createHash } from 'node:crypto';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import type { Image, Index } from '../../src/demo/image.ts';
import type { SigningRepositoryOptions } from '../../src/demo/signing-repository.ts';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import { Hold } from '../world/fault.ts';
import type { World } from '../world/world.ts';
import type { Attack, Scene } from './attack.ts';
import { attacks, evil, good, outdated } from './attack.ts';
import type { Expected } from './expected.ts';
import { refused, served } from './expected.ts';
import { certified, forge } from './lies.ts';

// Wrong software: something real and perhaps signed, but not what was asked for: another repository's, another tag's,
// another platform's, an unsigned neighbour's.

const [amd64, arm64] = [buildImage('amd64'), buildImage('arm64', { architecture: 'arm64' })];
const inner = buildIndex([arm64]);
const index = buildIndex([amd64, inner]);
const unsignedIndex = buildIndex([evil]);
const notSigned = refused('DIGEST_NOT_SIGNED');

attacks('wrong software', [
  {
    id: 'T-05',
    title:
      'a signed digest that the registry has lost is missing, and the tag it moved to is not served for it',
    warm: refused('CONTENT_MISSING'),
    cold: refused('CONTENT_MISSING'),
    prepare: ({ repository }) => repository.sign('2.0', amd64, 'targets/releases'),
    lie: ({ world, name }) => {
      world.registry.put(name, evil, '2.0');
      return ':2.0';
    },
  },
  {
    id: 'T-14',
    title: 'what targets/releases signs wins over what targets signs, in whatever order they are written',
    warm: served(good),
    cold: served(good),
    lie: ({ repository }) => {
      repository.sign('1.0', evil);
      repository.publish();
    },
  },
  {
    id: 'T-67',
    title: 'a target with no sha256 is refused, and its sha512 does not stand in for it',
    warm: refused('MALFORMED', { floors: 'published' }),
    cold: refused('MALFORMED', { floors: 'published' }),
    lie: (scene) => {
      const sha512 = createHash('sha512').update(good.bytes).digest();
      scene.repository.sign('1.0', { ...good, sha512 }, 'targets/releases');
      forge(scene, 'targets/releases', {
        signed: (signed) => {
          delete objectAt(signed, 'targets', '1.0', 'hashes')['sha256'];
        },
      });
    },
  },
  {
    id: 'T-69',
    title: 'a manifest of another length than was signed is refused, though its hash is right',
    warm: refused('CONTENT_MISMATCH'),
    cold: refused('CONTENT_MISMATCH'),
    lie: ({ repository }) => {
      repository.sign('1.0', { ...good, length: good.length + 1 }, 'targets/releases');
      repository.publish();
    },
    mend: ({ repository }) => {
      repository.sign('1.0', good, 'targets/releases');
      repository.publish();
    },
  },
  {
    id: 'T-69',
    title: 'a manifest of another SHA-512 than was signed is refused, though its SHA-256 is right',
    warm: refused('CONTENT_MISMATCH'),
    cold: refused('CONTENT_MISMATCH'),
    lie: ({ repository }) => {
      repository.sign('1.0', { ...good, sha512: Buffer.alloc(64, 7) }, 'targets/releases');
      repository.publish();
    },
    mend: ({ repository }) => {
      repository.sign('1.0', good, 'targets/releases');
      repository.publish();
    },
  },
  byDigest('M-01', good, served(good), 'a digest that some tag means is served'),
  byDigest('M-02', evil, notSigned, 'a digest that no tag means is refused, though the registry has it'),
  byDigest(
    'M-02',
    outdated,
    notSigned,
    'a digest that only a role signs whose word for the tag does not count is refused',
  ),
  byDigest(
    'M-03',
    amd64,
    served(amd64),
    'a platform of a signed index is served, though nobody asked for the index',
  ),
  byDigest('M-06', arm64, served(arm64), 'what stands two indexes deep is served'),
  byDigest('M-05', unsignedIndex, notSigned, 'an index that nobody signed is refused'),
  {
    id: 'M-05',
    title: 'a manifest below an index that nobody signed is refused, also when the registry tags that index',
    warm: refused('DIGEST_NOT_SIGNED'),
    cold: refused('DIGEST_NOT_SIGNED'),
    lie: ({ world, name }) => {
      world.registry.put(name, unsignedIndex, '1.0');
      return `@${evil.digest}`;
    },
  },
  {
    id: 'M-10',
    title:
      'HEAD, on which containerd decides, tells the signed digest and length of a tag that the registry moved',
    warm: served(good),
    cold: served(good),
    lie: ({ world, name }) => {
      world.registry.put(name, evil, '1.0');
    },
    ask: async ({ world, name }) => [
      { method: 'HEAD', answer: await world.proxy.pull(`${name}:1.0`, { method: 'HEAD' }) },
    ],
  },
  {
    id: 'A-11',
    title:
      'a tag that is signed anew while its manifest is on the way is served as it was when it was asked for',
    warm: served(amd64, { floors: 'kept' }),
    prepare: ({ world, name, repository }) => {
      world.registry.put(name, amd64);
      repository.sign('2.0', amd64, 'targets/releases');
    },
    lie: () => ':2.0',
    ask: async ({ world, name }, image) => {
      const hold = new Hold();
      world.registry.fault(name, `manifests/${amd64.digest}`, hold.after);
      const pull = world.proxy.pull(`${name}${image}`);
      await hold.arrived;
      world.registry.put(name, evil, '2.0');
      world.notary.sign(name, '2.0', evil, 'targets/releases');
      hold.release();
      return [{ method: 'GET', answer: await pull }];
    },
  },
  {
    id: 'K-18',
    title: 'the trust data of another repository, whole and by the same keys, is refused',
    warm: refused('EQUIVOCATION'),
    cold: refused('ROOT_NOT_PINNED', { roots: 0 }),
    lie: (scene) => serveOther(scene),
    mend: 'restore',
  },
  {
    id: 'L-06',
    title: 'under one prefix/* certificate the trust data of a neighbour is refused where the own was seen',
    warm: refused('EQUIVOCATION'),
    keys: prefixKeys,
    lie: (scene) => serveOther(scene, prefixKeys),
    mend: 'restore',
  },
  {
    id: 'L-06',
    title: 'under one prefix/* certificate the trust data of a neighbour is taken where nothing was seen',
    cold: served(evil),
    keys: prefixKeys,
    lie: (scene) => serveOther(scene, prefixKeys),
  },
]);

/** Metadata names no GUN: only the root's certificate does. */
function serveOther({ world, name, gun, repository }: Scene, keys?: Attack['keys']): void {
  const own = keys?.(gun, world);
  const other = world.notary.repository(`${name}-other`, own && { keys: own });
  other.sign('1.0', evil);
  other.publish();
  repository.files.restore(other.files);
}

function prefixKeys(_gun: string, world: World): SigningRepositoryOptions['keys'] {
  return { root: { keys: [certified(world, { commonNames: ['reg.test/team/*'] })] } };
}

/** A pull by digest, where an index of indexes is signed beside the usual. */
function byDigest(id: string, manifest: Image | Index, expected: Expected, title: string): Attack {
  return {
    id,
    title,
    warm: expected,
    cold: expected,
    prepare: ({ world, name, repository }) => {
      world.registry.put(name, index);
      world.registry.put(name, unsignedIndex);
      repository.sign('multi', index, 'targets/releases');
    },
    lie: () => `@${manifest.digest}`,
  };
}
