import type { Rotation } from './root-rotation-table.ts';
import { ends, follows, isRefused, when } from './root-rotation-table.ts';

// The way from the pinned root to the newest: its steps, where it may begin, and which dates count on it (TUF 1.0.34 §5.3).

const steps: readonly Rotation[] = [
  when(
    'each of three roots follows from the one before',
    'A/1 by A; B/1 by AB; C/1 by BC',
    ends('signed', 3),
  ),
  when(
    'the third root is signed by the keys of the first, and not of the second',
    'A/1 by A; B/1 by AB; C/1 by AC',
    ends('BAD_SIGNATURE', 2),
  ),
  when('the second root is missing', 'A/1 by A; B/1 by AB; C/1 by BC', isRefused, {
    served: { 2: 'missing' },
  }),
  when(
    'the third root is missing, and root.json is the third',
    'A/1 by A; B/1 by AB; C/1 by BC',
    ends('BAD_SIGNATURE', 2),
    { served: { 3: 'missing' } },
  ),
  when(
    'the third root is served where the second was asked for',
    'A/1 by A; B/1 by AB; C/1 by BC',
    isRefused,
    { served: { 2: 3 } },
  ),
  when(
    'the third root is served where the second was asked for, signed by the keys of the first',
    'A/1 by A; B/1 by AB; C/1 by ABC',
    isRefused,
    { served: { 2: 3 } },
  ),
  when(
    'the second and the third root are served in each other’s place',
    'A/1 by A; B/1 by AB; C/1 by BC',
    isRefused,
    { served: { 2: 3, 3: 2 } },
  ),
  when(
    'the second root is served again for the third',
    'A/1 by A; B/1 by AB; C/1 by BC',
    ends('BAD_SIGNATURE', 2),
    { served: { 3: 2 } },
  ),
  when('the first root is served again for the second', 'A/1 by A; B/1 by AB; C/1 by BC', isRefused, {
    served: { 2: 1 },
  }),
  when(
    'the first root is served again for the third',
    'A/1 by A; B/1 by AB; C/1 by BC',
    ends('ROLLBACK', 2),
    { served: { 3: 1 } },
  ),
];

const pins: readonly Rotation[] = [
  when(
    'the pin does not know the keys of today, and the chain from the pinned root is whole',
    'A/1 by A; B/1 by AB; C/1 by BC; D/1 by CD',
    ends('signed', 4),
  ),
  when(
    'the pin does not know the keys of today, and a step between is signed by the new key alone',
    'A/1 by A; B/1 by AB; C/1 by C; D/1 by CD',
    ends('BAD_SIGNATURE', 2),
  ),
  when('the pin is on the second of three roots', 'A/1 by A; B/1 by AB; C/1 by BC', ends('signed', 3), {
    pin: 'B',
  }),
  when('the pin is on the last of three roots', 'A/1 by A; B/1 by AB; C/1 by BC', ends('signed', 3), {
    pin: 'C',
  }),
  when(
    'the pin is on the second of three roots, to which the first does not lead',
    'A/1 by A; B/1 by B; C/1 by BC',
    { cold: ['signed', 3], warm: ['BAD_SIGNATURE', 1] },
    { pin: 'B' },
  ),
  when(
    'the pin is on the second of three roots, and it does not lead to the third',
    'A/1 by A; B/1 by AB; C/1 by AC',
    ends('BAD_SIGNATURE', 2),
    { pin: 'B' },
  ),
  when(
    'the pin is on a key that no root has',
    'A/1 by A; B/1 by AB; C/1 by BC',
    { cold: ['ROOT_NOT_PINNED', 0], warm: ['ROOT_NOT_PINNED', 1] },
    { pin: 'D' },
  ),
  when(
    'the pin is on a key that the second root lists, and did not sign with',
    'A/1 by A; AB/1 by A',
    { cold: ['ROOT_NOT_PINNED', 0], warm: ['ROOT_NOT_PINNED', 1] },
    { pin: 'B' },
  ),
  when(
    'the pin is on one key of a root that needs two',
    'AB/2 by AB',
    { cold: ['ROOT_NOT_PINNED', 0] },
    { pin: 'A' },
  ),
  when('the pin is on both keys of a root that needs two', 'AB/2 by AB; C/1 by ABC', follows),
  when(
    'the pin is on the key of a certificate that was replaced',
    "A/1 by A; A'/1 by AA'; B/1 by A'B",
    ends('signed', 3),
  ),
  when('the pin is the file of the first root', 'A/1 by A; B/1 by AB; C/1 by BC', ends('signed', 3), {
    pin: 1,
  }),
  when(
    'the pin is the file of the second root, to which the first does not lead',
    'A/1 by A; B/1 by B; C/1 by BC',
    { cold: ['signed', 3], warm: ['BAD_SIGNATURE', 1] },
    { pin: 2 },
  ),
  when(
    'the first root is trusted at first use, and the chain from it is whole',
    'A/1 by A; B/1 by AB; C/1 by BC',
    ends('signed', 3),
    { pin: 'first use' },
  ),
  when(
    'the first root is trusted at first use, and the second does not follow',
    'A/1 by A; B/1 by B',
    isRefused,
    { pin: 'first use' },
  ),
];

const dates: readonly Rotation[] = [
  when('a root between is expired', 'A/1 by A; B/1 by AB expired; C/1 by BC', ends('signed', 3)),
  when('the certificate of a root between has ended', 'A/1 by A; O/1 by AO; C/1 by OC', ends('signed', 3)),
  when(
    'the pinned root and its certificate are out of date, and the newest are not',
    'O/1 by O expired; B/1 by OB',
    { cold: ['signed', 2] },
  ),
  when('the newest root is expired', 'A/1 by A; B/1 by AB expired', ends('EXPIRED', 2)),
  when('the certificate of the newest root has ended', 'A/1 by A; O/1 by AO', ends('EXPIRED', 2)),
  when('the certificate of the newest root has not begun', 'A/1 by A; Y/1 by AY', ends('EXPIRED', 2)),
  when(
    'one certificate of the newest root has ended, and another key signs too',
    'A/1 by A; BO/1 by ABO',
    follows,
  ),
];

export const chainRotations: readonly (readonly [title: string, rows: readonly Rotation[]])[] = [
  ['steps', steps],
  ['pins', pins],
  ['dates', dates],
];
