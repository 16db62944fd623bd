import { objectAt } from '../../src/demo/signing/signed-file.ts';
import { Proxy } from '../world/world.ts';
import type { Attack, Scene } from './attack.ts';
import { attacks, getAndHead, outdated } from './attack.ts';
import { refused, served } from './expected.ts';
import { hour, signOverEarlier, twoPublishes } from './lies.ts';

// Rollback (TUF §1.5.2): what was once true is shown again. In the cold nothing was seen that could contradict it: the
// old state is served where it is whole and unexpired, and these rows say so.

const online = ['snapshot', 'targets', 'targets/releases'] as const;
const catalogued = { snapshot: 'T-22', targets: 'T-21', 'targets/releases': 'T-19' } as const;

attacks('rollback', [
  ...online.map((role): Attack => ({
    id: catalogued[role],
    title: `an older ${role} that the online keys sign new parents over`,
    warm: refused('ROLLBACK'),
    ...(role === 'targets/releases' && { cold: served(outdated) }),
    prepare: twoPublishes,
    lie: (scene) => signOverEarlier(scene, role),
  })),
  {
    id: 'T-18',
    title:
      'a delegation that the online keys hide from the snapshot, so that an older signature counts again',
    warm: refused('ROLLBACK'),
    cold: served(outdated),
    lie: ({ repository }) => {
      repository.forge('snapshot', {
        signed: (signed) => {
          delete objectAt(signed, 'meta')['targets/releases'];
        },
      });
      repository.publish();
    },
  },
  {
    id: 'T-23',
    title: 'an older timestamp, and with it all that was true then',
    warm: refused('ROLLBACK'),
    cold: served(outdated),
    prepare: twoPublishes,
    lie: serveFirstPublish,
  },
  {
    id: 'T-26',
    title: 'an older timestamp after a restart',
    warm: refused('ROLLBACK'),
    prepare: twoPublishes,
    lie: async (scene) => {
      serveFirstPublish(scene);
      await scene.world.proxy.restart();
    },
  },
  {
    id: 'T-27',
    title: 'an older timestamp shown to another process on the same state, which never saw the newer one',
    warm: refused('ROLLBACK'),
    world: {},
    prepare: twoPublishes,
    lie: serveFirstPublish,
    ask: async (scene, image) => {
      const { world } = scene;
      const replica = await Proxy.start(world.proxy.configPath, world.clock);
      const ofReplica = await getAndHead({ ...scene, world: { ...world, proxy: replica } }, image);
      await replica.close();
      return [...ofReplica, ...(await getAndHead(scene, image))];
    },
  },
  {
    id: 'T-23',
    title: 'a root.json older than the root that was trusted',
    warm: refused('ROLLBACK', { roots: 2 }),
    cold: refused('ROLLBACK', { roots: 2 }),
    prepare: ({ repository }) => {
      repository.publish();
      repository.touch('root');
    },
    lie: ({ repository }) => repository.files.setCurrent('root', repository.files.version('root', 1)),
    mend: ({ repository }) => repository.files.setCurrent('root', repository.files.version('root', 2)),
  },
  ...(['timestamp', ...online] as const).map((role): Attack => ({
    id: 'T-24',
    title: `a second ${role} of the version that was trusted`,
    warm: refused('EQUIVOCATION'),
    lie: ({ world, repository }) => {
      repository.setVersion(role, repository.version(role));
      repository.setExpires(role, new Date(world.clock.now() + hour));
      repository.publish();
    },
  })),
]);

/** All that the first of two publishes said, under its own signatures. */
function serveFirstPublish({ repository }: Scene): void {
  for (const role of ['timestamp', ...online]) {
    const before = repository.files.version(role, repository.version(role) - 1);
    repository.files.setCurrent(role, before);
  }
}
