import type { Attack } from './attack.ts';
import { attacks, good } from './attack.ts';
import { refused, served } from './expected.ts';
import { forge, newKey } from './lies.ts';

// Fast-forward (TUF §1.5.2): a version so high that every honest one after it looks like a rollback.

const roles = ['timestamp', 'snapshot', 'targets', 'targets/releases'] as const;
const highest = 2 ** 31 - 1;

/** As they would stand in a file; JSON itself has no others that matter. */
const versions = [
  '9007199254740992',
  '9007199254740993',
  '1e400',
  '1.5',
  '1.0',
  '"7"',
  '-1',
  '-0',
  '0',
  'null',
  'true',
  '[7]',
];

attacks('fast-forward', [
  ...roles.map((role): Attack => ({
    id: 'T-33',
    title: `after version ${highest} of ${role} a rotation of its key, and nothing else, brings honest versions back`,
    warm: refused('ROLLBACK'),
    cold: served(good),
    prepare: ({ repository }) => {
      repository.publish();
      repository.setVersion(role, highest);
    },
    lie: ({ repository }) => {
      repository.setVersion(role, 5);
      repository.publish();
    },
    mend: ({ repository }) => {
      repository.rotate(role, { keys: [newKey()] });
      repository.setVersion(role, 5);
      repository.publish();
    },
  })),
  {
    id: 'T-36',
    title: 'version 2^31 wraps nowhere',
    warm: served(good),
    cold: served(good),
    lie: ({ repository }) => {
      for (const role of roles) repository.setVersion(role, 2 ** 31);
      repository.publish();
    },
  },
  ...versions.map((version): Attack => ({
    id: 'T-36',
    title: `version ${version} is no version`,
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) =>
      forge(scene, 'timestamp', { text: (text) => text.replace(/"version":\d+/, `"version":${version}`) }),
  })),
]);
