import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFile, objectAt } from '../../src/demo/signing/signed-file.ts';
import { Hold, answer } from '../world/fault.ts';
import { startWorld } from '../world/world.ts';
import type { Attack } from './attack.ts';
import { attacks, begin, good, outdated } from './attack.ts';
import { refused, served } from './expected.ts';
import { earlier, forge, newKey, serveInPlace, twoPublishes } from './lies.ts';

// Mix-and-match (TUF §1.5.2): files that were never true together.

const roles = ['timestamp', 'snapshot', 'targets', 'targets/releases'] as const;
const named = ['snapshot', 'targets', 'targets/releases'] as const;
const catalogued = { snapshot: 'T-30', targets: 'T-31', 'targets/releases': 'T-31' } as const;

attacks('mix-and-match', [
  ...named.map((role): Attack => ({
    id: catalogued[role],
    title: `an earlier ${role} under newer parents is refused`,
    warm: refused('BAD_HASH'),
    cold: refused('BAD_HASH'),
    prepare: twoPublishes,
    lie: (scene) => serveInPlace(scene, role, earlier(scene, role)),
  })),
  ...named.map((role): Attack => ({
    id: 'T-63',
    title: `another ${role}, as validly signed and of the same version, under the name with the hash is refused`,
    warm: refused('BAD_HASH'),
    cold: refused('BAD_HASH'),
    lie: (scene) => {
      const { repository } = scene;
      repository.setExpires(role, new Date(scene.world.clock.now() + 1e9));
      repository.publish();
      const other = earlier(scene, role, 0);
      repository.setExpires(role, undefined);
      repository.setVersion(role, repository.version(role));
      repository.publish();
      scene.world.notary.fault(scene.name, role, answer(200, { body: other }));
    },
  })),
  ...[{}, { sha1: 'MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=' }].flatMap((hashes) =>
    (['root', 'targets'] as const).map((role): Attack => ({
      id: 'T-65',
      title: `a snapshot whose hashes of ${role} are ${JSON.stringify(hashes)} is refused`,
      warm: refused('MALFORMED'),
      cold: refused('MALFORMED'),
      lie: (scene) =>
        forge(scene, 'snapshot', {
          signed: (signed) => {
            objectAt(signed, 'meta', role)['hashes'] = hashes;
          },
        }),
    })),
  ),
  ...(['root', ...named] as const).map((role): Attack => ({
    id: 'T-65',
    title: `a signed length that is not that of ${role} is refused, though the hash is right`,
    warm: refused('BAD_HASH'),
    cold: refused('BAD_HASH'),
    lie: (scene) =>
      forge(scene, role === 'snapshot' ? 'timestamp' : 'snapshot', {
        signed: (signed) => {
          const entry = objectAt(signed, 'meta', role);
          entry['length'] = Number(entry['length']) + 1;
        },
      }),
  })),
  {
    id: 'T-65',
    title: 'a timestamp with no sha256 of the snapshot is refused',
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) =>
      forge(scene, 'timestamp', {
        signed: (signed) => {
          delete objectAt(signed, 'meta', 'snapshot', 'hashes')['sha256'];
        },
      }),
  },
  {
    id: 'T-72',
    title: 'a root that is new is fetched before what it signs, and the pull is served',
    warm: served(good),
    cold: served(good),
    lie: ({ repository }) => {
      repository.rotate('snapshot', { keys: [newKey()] });
      repository.publish();
    },
  },
  {
    id: 'T-72',
    title: 'a snapshot that lists another root than the newest is refused',
    warm: refused('BAD_HASH', { roots: 2 }),
    cold: refused('BAD_HASH', { roots: 2 }),
    prepare: ({ repository }) => repository.publish(),
    lie: (scene) => {
      const first = scene.repository.files.version('root', 1)?.bytes ?? Buffer.alloc(0);
      scene.repository.touch('root');
      forge(scene, 'snapshot', {
        signed: (signed) => {
          objectAt(signed, 'meta')['root'] = describeFile(first);
        },
      });
    },
  },
  {
    id: 'T-62',
    title: 'a snapshot in place of the timestamp, signed by the timestamp key, is refused',
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) => {
      const { repository } = scene;
      repository.forge('snapshot', { keys: repository.keys('timestamp') });
      repository.publish();
      repository.files.setCurrent('timestamp', repository.files.current('snapshot'));
    },
  },
  ...roles.map((role): Attack => ({
    id: 'T-62',
    title: `a ${role} whose type is written in lower case is refused`,
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) =>
      forge(scene, role, {
        signed: (signed) => {
          signed['_type'] = role === 'timestamp' || role === 'snapshot' ? role : 'targets';
        },
      }),
  })),
]);

test('T-75 warm and cold: a publish between any two requests of a refresh is seen whole or not at all', async (t) => {
  const world = await startWorld(t);
  for (const situation of ['warm', 'cold'] as const) {
    for (const role of ['root', ...roles]) {
      for (const moment of ['before', 'after'] as const) {
        const name = `team/t-75-${situation}-${moment}-${role.replace('/', '-')}`;
        const { repository } = begin(world, name, situation);
        repository.publish();
        const pull = (): ReturnType<typeof world.proxy.pull> => world.proxy.pull(`${name}:1.0`);
        if (situation === 'warm') assert.equal((await pull()).status, 200);
        repository.touch();
        repository.publish();

        const hold = new Hold();
        const takeOff = world.notary.fault(name, role, hold[moment]);
        const pulling = pull();
        await hold.arrived;
        takeOff();
        repository.touch();
        repository.sign('1.0', outdated, 'targets/releases');
        repository.publish();
        hold.release();
        const pulled = await pulling;
        assert.deepEqual(
          [pulled.status, pulled.reason],
          [200, undefined],
          `${name}: ${pulled.statusMessage}`,
        );
        const digest = pulled.headers['docker-content-digest'];
        const image = [good, outdated].find((one) => one.digest === digest);
        assert.deepEqual(pulled.body, image?.bytes, name);
        assert.deepEqual((await pull()).body, outdated.bytes, name);
      }
    }
  }
});

test('T-76 warm: after any number of refused refreshes, one after the other, the next honest publish is served', async (t) => {
  const world = await startWorld(t);
  const scene = begin(world, 'team/t-76', 'warm');
  const { repository } = scene;
  twoPublishes(scene);
  repository.publish();
  const pull = async (): Promise<readonly unknown[]> => {
    const { status, reason } = await world.proxy.pull('team/t-76:1.0');
    return [status, reason];
  };
  assert.deepEqual(await pull(), [200, undefined]);
  for (const role of roles) {
    for (const [reason, forgery] of [
      ['BAD_SIGNATURE', { keys: [newKey()] }],
      ['MALFORMED', { text: (text: string) => text.replace('"version":', '"version":-') }],
      ['EXPIRED', { text: (text: string) => text.replace(/"expires":"\d{4}/, '"expires":"2001') }],
    ] as const) {
      forge(scene, role, forgery);
      assert.deepEqual(await pull(), [403, reason], role);
    }
  }
  repository.touch();
  repository.publish();
  assert.deepEqual(await pull(), [200, undefined]);
});
