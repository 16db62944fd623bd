import { objectAt } from '../../src/demo/signing/signed-file.ts';
import { alterState } from '../proxy/evidence.ts';
import { answer, changeBody, loginPage } from '../world/fault.ts';
import type { Scene } from './attack.ts';
import { evil } from './attack.ts';
import { day, forge, newKey, signOverEarlier, twoPublishes } from './lies.ts';

/** One thing that can be the matter, and what is asked about it (default: the tag that was trusted before). */
export interface Matter {
  readonly title: string;
  readonly before?: (scene: Scene) => unknown;
  readonly happens: (scene: Scene) => unknown;
  readonly image?: (scene: Scene) => string;
}

const releases = 'targets/releases';

function serve(role: string, fault: Parameters<Scene['world']['notary']['fault']>[2]): Matter['happens'] {
  return ({ world, name, repository }) => {
    repository.touch('targets', releases);
    repository.publish();
    world.notary.fault(name, role, fault);
  };
}

function expire(role: string): Matter['happens'] {
  return ({ world, repository }) => {
    repository.setExpires(role, new Date(world.clock.now() - day));
    repository.publish();
  };
}

export const matters: readonly Matter[] = [
  { title: 'nothing is the matter', happens: () => undefined },
  {
    title: 'the tag was moved at the registry',
    happens: ({ world, name }) => world.registry.put(name, evil, '1.0'),
  },
  { title: 'the tag is not signed', happens: () => undefined, image: ({ name }) => `${name}:9.9` },
  {
    title: 'the digest is not signed',
    happens: () => undefined,
    image: ({ name }) => `${name}@${evil.digest}`,
  },
  {
    title: 'the repository was never signed',
    happens: () => undefined,
    image: ({ name }) => `${name}-else:1.0`,
  },
  { title: 'a refused name', happens: () => undefined, image: () => 'closed/app:1.0' },
  { title: 'a name without a rule', happens: () => undefined, image: () => 'nobody/app:1.0' },
  { title: 'the timestamp is expired', happens: expire('timestamp') },
  { title: 'targets is expired', happens: expire('targets') },
  { title: 'the delegation is expired', happens: expire(releases) },
  { title: 'the root is expired', happens: expire('root') },
  {
    title: 'the timestamp is older',
    before: twoPublishes,
    happens: ({ repository }) =>
      repository.files.setCurrent(
        'timestamp',
        repository.files.version('timestamp', repository.version('timestamp') - 1),
      ),
  },
  {
    title: 'the delegation is older, under new parents',
    before: twoPublishes,
    happens: (scene) => signOverEarlier(scene, releases),
  },
  {
    title: 'the snapshot hides the delegation',
    happens: (scene) =>
      forge(scene, 'snapshot', {
        signed: (signed) => {
          delete objectAt(signed, 'meta')[releases];
        },
      }),
  },
  {
    title: 'everything that was trusted has vanished',
    happens: ({ world, gun }) => world.notary.server.remove(gun),
  },
  {
    title: 'two targets of one version',
    happens: ({ repository }) => {
      repository.setVersion('targets', repository.version('targets'));
      repository.sign('another', evil);
      repository.publish();
    },
  },
  {
    title: 'the delegation is signed by a stranger',
    happens: (scene) => forge(scene, releases, { keys: [newKey()] }),
  },
  {
    title: 'targets needs two signatures and has one',
    happens: ({ repository }) => {
      repository.rotate('targets', { keys: [...repository.keys('targets'), newKey()], threshold: 2 });
      repository.forge('targets', { signatures: (signatures) => signatures.slice(0, 1) });
      repository.publish();
    },
  },
  {
    title: 'a root by new keys alone',
    happens: (scene) => {
      scene.repository.rotate('root', { keys: [scene.repository.rootKey()] });
      forge(scene, 'root', { signatures: (signatures) => signatures.slice(-1) });
    },
  },
  {
    title: 'a root version is missing',
    happens: ({ repository }) => {
      for (let times = 0; times < 2; times += 1) {
        repository.touch('root');
        repository.publish();
      }
      repository.files.dropVersion('root', repository.version('root') - 1);
    },
  },
  {
    title: 'the snapshot has another byte',
    happens: serve(
      'snapshot',
      changeBody((body) => body.fill(32, 40, 41)),
    ),
  },
  {
    title: 'targets is a byte too long',
    happens: serve(
      'targets',
      changeBody((body) => Buffer.concat([body, body.subarray(0, 1)])),
    ),
  },
  { title: 'a login page for the timestamp', happens: serve('timestamp', loginPage) },
  {
    title: 'a member stands twice',
    happens: (scene) => forge(scene, 'targets', { text: (text) => text.replace('{', '{"version":1,') }),
  },
  {
    title: 'the tag is signed without a sha256',
    happens: (scene) =>
      forge(scene, releases, {
        signed: (signed) => {
          delete objectAt(signed, 'targets', '1.0', 'hashes')['sha256'];
        },
      }),
  },
  { title: 'the notary fails', happens: serve('timestamp', answer(503)) },
  { title: 'the notary has not the file it signed', happens: serve('snapshot', answer(404)) },
  { title: 'the notary asks who we are', happens: serve('timestamp', answer(401)) },
  {
    title: 'the state is damaged',
    happens: ({ world, gun }) =>
      alterState(world.directory, `UPDATE file SET version = 0 WHERE role = 'timestamp' AND gun = '${gun}'`),
  },
];
