import assert from 'node:assert/strict';
import { printTime } from '../../src/demo/signing/signed-file.ts';
import { Hold, answer } from '../world/fault.ts';
import type { Attack, Scene } from './attack.ts';
import { attacks, good } from './attack.ts';
import { refused, served } from './expected.ts';
import { day, forge, hour, minute, twoPublishes } from './lies.ts';

// Indefinite freeze (TUF §1.5.2): the same files for ever, so that no fix and no revocation arrives. What ends it is the
// expiry of the timestamp, and nothing earlier: within it a frozen notary cannot be told from a quiet one.

const roles = ['timestamp', 'snapshot', 'targets', 'targets/releases'] as const;
/** The roots' certificates end after ten years, the keys' own expiry with them. */
const lifetime = 14 * day;

/** JavaScript's own Date takes each of them. */
const noTimes = [
  '"2099"',
  '"1"',
  '"2099-01-01"',
  '"2099-01-01 00:00:00Z"',
  '"2099-01-01T00:00:00"',
  '"2099-02-30T00:00:00Z"',
  '"2099-01-01T00:00:00Z (x)"',
  '"Thu, 01 Jan 2099 00:00:00 GMT"',
  '["2099-01-01T00:00:00Z"]',
  '4070908800',
  'null',
];

attacks('indefinite freeze', [
  {
    id: 'T-28',
    title: 'a timestamp that is shown for ever serves until a minute before its expiry',
    warm: served(good),
    cold: served(good),
    world: {},
    lie: ({ world }) => world.clock.advance(lifetime - minute),
  },
  {
    id: 'T-28',
    title: 'a timestamp that is shown for ever is refused from its expiry on',
    warm: refused('EXPIRED'),
    cold: refused('EXPIRED'),
    world: {},
    // The cold control comes before: the clock is put forward by the lie.
    lie: ({ world }) => world.clock.advance(lifetime + minute),
  },
  {
    id: 'T-28',
    title: 'a verified answer in memory, and a grace for outages, outlive no expiry',
    warm: refused('NOTARY_UNAVAILABLE'),
    world: { rule: { check_every: '720h', outage_grace: '720h' } },
    lie: ({ world, name }) => {
      for (const role of ['root', 'timestamp']) world.notary.fault(name, role, answer(503));
      world.clock.advance(lifetime + minute);
    },
    // The failure is remembered for as long as Retry-After says.
    mend: ({ world, repository }) => {
      world.notary.behave();
      repository.touch();
      repository.publish();
      world.clock.advance(minute);
    },
  },
  ...roles.map((role): Attack => ({
    id: role === 'targets/releases' ? 'T-16' : 'T-28',
    title: `${role} that has expired is refused, and nothing below it answers in its place`,
    warm: refused('EXPIRED'),
    cold: refused('EXPIRED'),
    lie: ({ world, repository }) => {
      repository.setExpires(role, new Date(world.clock.now() - minute));
      repository.publish();
    },
  })),
  {
    id: 'T-39',
    title: 'a time in another zone is read in its zone: it has passed, though its digits are to come',
    warm: refused('EXPIRED'),
    cold: refused('EXPIRED'),
    lie: (scene) => expire(scene, (now) => printTime(now + hour).replace('Z', '+14:00')),
  },
  {
    id: 'T-39',
    title: 'a time with nine digits of fraction, in a zone to the west, is still to come',
    warm: served(good),
    cold: served(good),
    lie: (scene) => expire(scene, (now) => printTime(now - hour).replace(/(?:\.\d+)?Z$/, '.123456789-12:00')),
  },
  ...noTimes.map((time): Attack => ({
    id: 'T-37',
    title: `expires ${time} is no time`,
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) =>
      forge(scene, 'timestamp', { text: (text) => text.replace(/"expires":"[^"]*"/, `"expires":${time}`) }),
  })),
  {
    id: 'T-40',
    title: 'a refresh that straddles an expiry is judged by its beginning, and the next one by its own',
    warm: served(good),
    cold: served(good),
    world: {},
    lie: ({ world, repository }) => {
      repository.touch();
      repository.setExpires('timestamp', new Date(world.clock.now() + minute));
      repository.publish();
    },
    ask: async ({ world, name }, image) => {
      const hold = new Hold();
      const takeOff = world.notary.fault(name, 'snapshot', hold.after);
      const pull = world.proxy.pull(`${name}${image}`);
      await hold.arrived;
      world.clock.advance(2 * minute);
      hold.release();
      takeOff();
      return [{ method: 'GET', answer: await pull }];
    },
    also: async ({ world, name }) => {
      assert.equal((await world.proxy.pull(`${name}:1.0`)).reason, 'EXPIRED');
    },
  },
  {
    id: 'T-42',
    title: 'a root that is withheld, below the root.json that it leads to, is refused',
    warm: refused('BAD_SIGNATURE'),
    cold: refused('BAD_SIGNATURE'),
    lie: (scene) => {
      rotateRoot(scene);
      rotateRoot(scene);
      scene.world.notary.fault(scene.name, 'root', answer(404), ({ version }) => version === 2);
    },
    mend: ({ world }) => world.notary.behave(),
  },
  {
    id: 'T-46',
    title: 'a root that expired on the way is walked through',
    warm: served(good),
    cold: served(good),
    lie: (scene) => {
      rotateRoot(scene, new Date(scene.world.clock.now() - minute));
      rotateRoot(scene);
    },
  },
  {
    id: 'T-47',
    title: 'a newest root that has expired is kept, and nothing below it is',
    warm: refused('EXPIRED', { roots: 3 }),
    cold: refused('EXPIRED', { roots: 3 }),
    lie: (scene) => {
      rotateRoot(scene);
      rotateRoot(scene, new Date(scene.world.clock.now() - minute));
    },
    mend: (scene) => rotateRoot(scene),
  },
  {
    id: 'S-28',
    title: 'a clock that is put back brings no older timestamp back',
    warm: refused('ROLLBACK'),
    world: {},
    prepare: async (scene) => {
      twoPublishes(scene);
      scene.world.clock.advance(lifetime + minute);
    },
    lie: ({ world, repository }) => {
      world.clock.advance(-lifetime);
      repository.files.setCurrent('timestamp', repository.files.version('timestamp', 1));
    },
  },
  {
    id: 'S-29',
    title: 'a clock that is years ahead refuses, and poisons nothing for when it is right again',
    warm: refused('EXPIRED'),
    cold: refused('EXPIRED'),
    world: {},
    lie: ({ world }) => world.clock.advance(20 * 365 * day),
    mend: ({ world }) => world.clock.advance(-20 * 365 * day),
  },
]);

/** Publishes a timestamp that says `time` of its expiry. */
function expire(scene: Scene, time: (now: number) => string): void {
  const expires = time(scene.world.clock.now());
  forge(scene, 'timestamp', {
    signed: (signed) => {
      signed['expires'] = expires;
    },
  });
}

function rotateRoot({ repository }: Scene, expires?: Date): void {
  repository.setExpires('root', expires);
  repository.publish();
}
