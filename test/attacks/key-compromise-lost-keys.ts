import { SigningKey } from '../../src/demo/signing/key.ts';
import type { Attack, Scene } from './attack.ts';
import { evil, good, outdated } from './attack.ts';
import { refused, served } from './expected.ts';
import { day, forge, newKey, twoPublishes } from './lies.ts';

// What each lost key yields (docs/threat-model.md). What is served here is the limit of the promise, and stands in it.

export const lostKeyAttacks: readonly Attack[] = [
  {
    id: 'L-01',
    title: 'with the timestamp key alone nobody passes off a snapshot of their own',
    warm: refused('BAD_SIGNATURE'),
    cold: refused('BAD_SIGNATURE'),
    lie: (scene) => signAs(scene, 'snapshot', 'timestamp'),
  },
  {
    id: 'L-01',
    title: 'with the timestamp key alone nobody goes back to an earlier snapshot',
    warm: refused('ROLLBACK'),
    cold: served(outdated),
    prepare: twoPublishes,
    lie: ({ repository }) => {
      const [snapshot, targets, releases] = ['snapshot', 'targets', 'targets/releases'].map((role) =>
        repository.files.version(role, repository.version(role) - 1),
      );
      repository.forge('snapshot', { bytes: (bytes) => snapshot?.bytes ?? bytes });
      repository.publish();
      repository.files.setCurrent('targets', targets);
      repository.files.setCurrent('targets/releases', releases);
    },
  },
  {
    id: 'L-01',
    title: 'with the timestamp key what is current is served on until another role expires: a limit',
    warm: served(good),
    cold: served(good),
    world: {},
    lie: ({ world, repository }) => {
      world.clock.advance(100 * day);
      repository.publish();
    },
  },
  {
    id: 'L-01',
    title: 'with the timestamp key nothing is served beyond the expiry of another role',
    warm: refused('EXPIRED'),
    cold: refused('EXPIRED'),
    world: {},
    lie: ({ world, repository }) => {
      world.clock.advance(3 * 366 * day);
      repository.publish();
    },
  },
  {
    id: 'L-02',
    title: 'with timestamp and snapshot keys nobody signs a tag',
    warm: refused('BAD_SIGNATURE'),
    cold: refused('BAD_SIGNATURE'),
    lie: (scene) => {
      scene.repository.sign('1.0', evil, 'targets/releases');
      signAs(scene, 'targets/releases', 'snapshot');
    },
    mend: resign,
  },
  {
    id: 'L-03',
    title: 'with the key of a delegation nobody signs what is outside its paths',
    warm: refused('TAG_NOT_SIGNED'),
    cold: refused('TAG_NOT_SIGNED'),
    prepare: ({ repository }) => {
      const keys = repository.keys('targets/releases');
      repository.addDelegation('targets/releases', { keys, paths: ['1.'] });
      repository.sign('1.0', good, 'targets/releases');
    },
    lie: ({ repository }) => {
      repository.sign('9.9', evil, 'targets/releases');
      repository.publish();
      return ':9.9';
    },
  },
  {
    id: 'L-03',
    title: 'with the key of one delegation nobody signs for another',
    warm: refused('BAD_SIGNATURE'),
    cold: refused('BAD_SIGNATURE'),
    prepare: ({ repository }) => repository.addSigner('mallory'),
    lie: (scene) => {
      const [, mallory] = scene.repository.keys('targets/releases');
      scene.repository.rotate('targets/releases', {
        keys: scene.repository.keys('targets/releases').filter((key) => key !== mallory),
      });
      scene.repository.sign('1.0', evil, 'targets/releases');
      forge(scene, 'targets/releases', { keys: mallory === undefined ? [] : [mallory] });
    },
    mend: resign,
  },
  {
    id: 'L-03',
    title: 'with the key of targets/releases and the online keys any tag within its paths is served: a limit',
    warm: served(evil),
    cold: served(evil),
    lie: ({ repository }) => {
      repository.sign('1.0', evil, 'targets/releases');
      repository.publish();
    },
  },
  {
    id: 'L-03',
    title:
      'with the key of targets/releases and the online keys, a tag without the required signer is refused',
    warm: refused('SIGNER_MISSING'),
    cold: refused('SIGNER_MISSING'),
    world: { rule: { signers: ['targets/alice'] } },
    prepare: ({ repository }) => {
      repository.addDelegation('targets/alice');
      repository.sign('1.0', good, 'targets/alice');
    },
    lie: ({ repository }) => {
      repository.sign('1.0', evil, 'targets/releases');
      repository.publish();
    },
    mend: resign,
  },
  {
    id: 'L-04',
    title:
      'with the targets key and the online keys any tag is served, by a delegation of their own: a limit',
    warm: served(evil),
    cold: served(evil),
    lie: ({ repository }) => {
      repository.rotate('targets/releases', { keys: [newKey()] });
      repository.sign('1.0', evil, 'targets/releases');
      repository.publish();
    },
  },
  {
    id: 'L-05',
    title: 'with the root key everything is served: a limit',
    warm: served(evil),
    cold: served(evil),
    lie: ({ repository }) => {
      for (const role of ['targets', 'snapshot', 'timestamp', 'targets/releases'])
        repository.rotate(role, { keys: [newKey()] });
      repository.sign('1.0', evil, 'targets/releases');
      repository.publish();
    },
  },
  {
    id: 'L-05',
    title: 'with one of two root keys, of which both have to sign, nobody signs a root',
    warm: refused('BAD_SIGNATURE', { roots: 2 }),
    cold: refused('BAD_SIGNATURE', { roots: 2 }),
    prepare: ({ world, gun, repository }) => {
      repository.publish();
      const second = SigningKey.forRoot(gun, world.clock.now());
      repository.rotate('root', { keys: [...repository.keys('root'), second], threshold: 2 });
    },
    lie: (scene) => forgeRoot(scene, ([, second], next) => (second === undefined ? [] : [second, next])),
    mend: 'restore',
  },
  {
    id: 'T-41',
    title: 'each root that follows by the keys of the one before is walked, in order',
    warm: served(good),
    cold: served(good),
    lie: ({ world, gun, repository }) => {
      for (let version = 2; version <= 5; version += 1) {
        repository.rotate('root', { keys: [SigningKey.forRoot(gun, world.clock.now())] });
        repository.publish();
      }
    },
  },
  {
    id: 'T-44',
    title: 'a root that only its own new keys have signed is refused',
    warm: refused('BAD_SIGNATURE'),
    cold: refused('BAD_SIGNATURE'),
    lie: (scene) => forgeRoot(scene, (_old, next) => [next]),
    mend: 'restore',
  },
  {
    id: 'T-44',
    title: 'a root that only the keys before it have signed is refused',
    warm: refused('BAD_SIGNATURE'),
    cold: refused('BAD_SIGNATURE'),
    lie: (scene) => forgeRoot(scene, (old) => old),
    mend: 'restore',
  },
];

/** Publishes one file of `role` that the keys of another role have signed. */
function signAs(scene: Scene, role: string, other: string): void {
  forge(scene, role, { keys: scene.repository.keys(other) });
}

/** Publishes a root with a new key, signed by those that `signers` picks. */
function forgeRoot(
  scene: Scene,
  signers: (old: readonly SigningKey[], next: SigningKey) => readonly SigningKey[],
): void {
  const { world, gun, repository } = scene;
  const old = repository.keys('root');
  const next = SigningKey.forRoot(gun, world.clock.now());
  repository.rotate('root', { keys: [next] });
  forge(scene, 'root', { keys: signers(old, next) });
}

function resign({ repository }: Scene): void {
  repository.sign('1.0', good, 'targets/releases');
  repository.publish();
}
