import type { End } from './root-rotation-table.ts';

// What a change of keys frees (notary-v1 §5.4): after a role was brought to version 2^31 - 1, which only an honest version 9
// of the same role is served again.

export interface Recovery {
  readonly sentence: string;
  readonly role: 'timestamp' | 'snapshot' | 'targets' | 'targets/releases';
  /** The role's keys before: a letter a key, `A'` the key of A under a certificate. */
  readonly before: string;
  /** Its keys after; or those of another role that changes in its place. */
  readonly after: string;
  readonly changed?: Recovery['role'] | 'root';
  readonly threshold?: number;
  readonly end: End;
  /** The role's version that is stored after it. */
  readonly floor: number;
}

const highest = 2 ** 31 - 1;
/** Root 2 says who signs the new version. */
const freed = { end: ['signed', 2], floor: 9 } as const;
const bound = { end: ['ROLLBACK', 2], floor: highest } as const;
/** Delegations stand in targets.json, which no root says anything of. */
const underTargets = { end: ['signed', 1], floor: 9 } as const;
const boundUnderTargets = { end: ['ROLLBACK', 1], floor: highest } as const;

const online = (['timestamp', 'snapshot'] as const).flatMap((role): Recovery[] => [
  { sentence: 'its key is replaced', role, before: 'A', after: 'B', ...freed },
  {
    sentence: 'one of its two keys is replaced, which may be the one that was lost',
    role,
    before: 'AB',
    after: 'BC',
    ...freed,
  },
  { sentence: 'one of its two keys leaves', role, before: 'AB', after: 'A', ...freed },
  { sentence: 'its key stays', role, before: 'A', after: 'A', ...bound },
  { sentence: 'another key joins', role, before: 'A', after: 'AB', ...bound },
  {
    sentence: 'another key joins, and the threshold is raised',
    role,
    before: 'A',
    after: 'AB',
    threshold: 2,
    ...bound,
  },
  { sentence: 'its key gets a certificate, and so another id', role, before: 'A', after: "A'", ...bound },
  { sentence: 'only the root key is replaced', role, before: 'A', after: 'B', changed: 'root', ...bound },
]);

const offline: readonly Recovery[] = [
  { sentence: 'its key is replaced', role: 'targets', before: 'A', after: 'B', ...freed },
  { sentence: 'both its keys are replaced', role: 'targets', before: 'AB', after: 'CD', ...freed },
  { sentence: 'one of its two keys is replaced', role: 'targets', before: 'AB', after: 'BC', ...bound },
  { sentence: 'its key stays', role: 'targets', before: 'A', after: 'A', ...bound },
  {
    sentence: 'its key gets a certificate, and so another id',
    role: 'targets',
    before: 'A',
    after: "A'",
    ...bound,
  },
  {
    sentence: 'the keys of the snapshot are replaced',
    role: 'targets',
    before: 'A',
    after: 'B',
    changed: 'snapshot',
    ...bound,
  },
  { sentence: 'its key is replaced', role: 'targets/releases', before: 'A', after: 'B', ...underTargets },
  {
    sentence: 'both its keys are replaced',
    role: 'targets/releases',
    before: 'AB',
    after: 'CD',
    ...underTargets,
  },
  {
    sentence: 'one of its two keys is replaced',
    role: 'targets/releases',
    before: 'AB',
    after: 'BC',
    ...boundUnderTargets,
  },
  { sentence: 'its key stays', role: 'targets/releases', before: 'A', after: 'A', ...boundUnderTargets },
  {
    sentence: 'its key gets a certificate, and so another id',
    role: 'targets/releases',
    before: 'A',
    after: "A'",
    ...boundUnderTargets,
  },
  {
    sentence: 'the key of targets is replaced',
    role: 'targets/releases',
    before: 'A',
    after: 'B',
    changed: 'targets',
    ...bound,
  },
];

const across: readonly Recovery[] = [
  {
    sentence: 'the key of the timestamp is replaced',
    role: 'snapshot',
    before: 'A',
    after: 'B',
    changed: 'timestamp',
    ...bound,
  },
  {
    sentence: 'the key of the snapshot is replaced',
    role: 'timestamp',
    before: 'A',
    after: 'B',
    changed: 'snapshot',
    ...bound,
  },
];

export const recoveries: readonly Recovery[] = [...online, ...offline, ...across];
