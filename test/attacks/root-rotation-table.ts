import type { Reason } from '../../src/policy/reason.ts';

// Root rotation and what it frees, as sentences (TUF 1.0.34 §5.3, notary-v1 §5.4).

/**
 * One version of root.json: `ABC/2 by AB` lists the keys A, B and C with threshold 2 and is signed by A and B. Each letter is
 * a key under a certificate for the GUN; `A'` is the key of A under another certificate. O has a certificate that ended, Y
 * one that does not begin for two days, X one for another GUN, W one for `reg.test/*`, V one for `reg.te*`; P is a plain
 * key. `expired` at the end says that of the root.
 */
export type RootLine = string;

/** What the pull comes to, and the version of the newest root that is stored after it; 0 for none. */
export type End = readonly [result: 'signed' | Reason, stored: number];

export interface Rotation {
  readonly sentence: string;
  /** From version 1 on. */
  readonly roots: readonly RootLine[];
  /** Pinned keys, or the file of a version, or `first use`: whatever is seen first. */
  readonly pin: string | number;
  /** Versions that the notary has no file of, or has the file of another version for. */
  readonly served?: Readonly<Record<number, number | 'missing'>>;
  /** Version 1 was trusted before, by a pin on A, and the rest came at once. */
  readonly warm?: End;
  /** Nothing was trusted before. */
  readonly cold?: End;
}

/** The same in both situations. */
export const ends = (result: End[0], stored: number): Pick<Rotation, 'warm' | 'cold'> => ({
  warm: [result, stored],
  cold: [result, stored],
});
export const follows = ends('signed', 2);
export const isRefused = ends('BAD_SIGNATURE', 1);

const singleKey: readonly Rotation[] = [
  when('the same key signs another version', 'A/1 by A; A/1 by A', follows),
  when('one key is replaced, and both sign', 'A/1 by A; B/1 by AB', follows),
  when('one key is replaced, and only the old one signs', 'A/1 by A; B/1 by A', isRefused),
  when('one key is replaced, and only the new one signs', 'A/1 by A; B/1 by B', isRefused),
  when('one key is replaced, and a stranger signs', 'A/1 by A; B/1 by C', isRefused),
  when('one key is replaced, and strangers sign beside both', 'A/1 by A; B/1 by CADBE', follows),
  when('one key joins, and only the old one signs', 'A/1 by A; AB/1 by A', follows),
  when('one key joins, and only the new one signs', 'A/1 by A; AB/1 by B', isRefused),
  when('one of two keys leaves, and signs as the old one', 'AB/1 by A; B/1 by AB', follows),
];

const twoOfThree: readonly Rotation[] = [
  ['one of three is replaced, and the two that stay sign', 'ABD/2 by AB', true],
  ['one of three is replaced, and it signs with one that stays and the new one', 'ABD/2 by ACD', true],
  ['one of three is replaced, and the new one signs with one that stays', 'ABD/2 by AD', false],
  ['one of three is replaced, and it signs with one that stays', 'ABD/2 by BC', false],
  ['all three are replaced, and two of either sign', 'DEF/2 by ACEF', true],
  ['all three are replaced, and one old and all new sign', 'DEF/2 by BDEF', false],
  ['all three are replaced, and all old and one new sign', 'DEF/2 by ABCD', false],
  ['all three are replaced, and all old sign', 'DEF/2 by ABC', false],
  ['all three are replaced, and all new sign', 'DEF/2 by DEF', false],
].map(([sentence, next, isGood]) =>
  when(`2 of 3: ${sentence}`, `ABC/2 by AB; ${next}`, isGood === true ? follows : isRefused),
);

const threeOfFive: readonly Rotation[] = [
  ['two of five are replaced, and the three that stay sign', 'ABCFG/3 by ABC', true],
  ['three of five are replaced, and four sign of whom three are old and three new', 'ABFGH/3 by ABCF', true],
  ['three of five are replaced, and the two that stay and one new sign', 'ABFGH/3 by ABF', false],
  ['three of five are replaced, and three old sign of whom two stay', 'ABFGH/3 by ABC', false],
  ['all five are replaced, and three of either sign', 'FGHIJ/3 by CDEFHJ', true],
  ['all five are replaced, and two old and all new sign', 'FGHIJ/3 by ABFGHIJ', false],
  ['all five are replaced, and all old and two new sign', 'FGHIJ/3 by ABCDEFG', false],
].map(([sentence, next, isGood]) =>
  when(`3 of 5: ${sentence}`, `ABCDE/3 by ABC; ${next}`, isGood === true ? follows : isRefused),
);

const thresholds: readonly Rotation[] = [
  when('1 of 3: the threshold is raised to 3, and three sign', 'ABC/1 by A; ABC/3 by ABC', follows),
  when(
    '1 of 3: the threshold is raised to 3, and as many sign as before',
    'ABC/1 by A; ABC/3 by A',
    isRefused,
  ),
  when('1 of 3: the threshold is raised to 3, and two sign', 'ABC/1 by A; ABC/3 by BC', isRefused),
  when('2 of 3: the threshold is lowered to 1, and two sign', 'ABC/2 by AB; ABC/1 by BC', follows),
  when('2 of 3: the threshold is lowered to 1, and one signs', 'ABC/2 by AB; ABC/1 by C', isRefused),
  when('1 of 1: the threshold is raised above the number of keys', 'A/1 by A; A/2 by A', isRefused),
  when(
    'the threshold was lowered, and from then on one key is enough',
    'ABC/2 by AB; ABC/1 by BC; D/1 by CD',
    ends('signed', 3),
  ),
  when('the first root of all is signed by too few', 'ABC/2 by A', { cold: ['ROOT_NOT_PINNED', 0] }),
];

const certificates: readonly Rotation[] = [
  when('the same key gets another certificate, and signs under both', "A/1 by A; A'/1 by AA'", follows),
  when(
    'the same key gets another certificate, and signs under the old one only',
    "A/1 by A; A'/1 by A",
    isRefused,
  ),
  when(
    'the same key gets another certificate, and signs under the new one only',
    "A/1 by A; A'/1 by A'",
    isRefused,
  ),
  when(
    'one key under two certificates counts once where two are needed',
    "A/1 by A; AA'/2 by AA'",
    isRefused,
  ),
  when('one key under two certificates counts once beside another', "A/1 by A; AA'B/2 by AA'B", follows),
  when(
    'one key under two certificates, and no other signs where two are needed',
    "A/1 by A; AA'B/2 by AA'",
    isRefused,
  ),
  when('the new key has a certificate for another GUN', 'A/1 by A; X/1 by AX', ends('ROOT_NOT_PINNED', 1)),
  when(
    'one of the new keys has a certificate for another GUN, and is not needed',
    'A/1 by A; BX/1 by AB',
    follows,
  ),
  when(
    'one of the new keys has a certificate for another GUN, and is needed',
    'A/1 by A; BX/2 by ABX',
    ends('ROOT_NOT_PINNED', 1),
  ),
  when(
    'a key with a certificate for another GUN signs in the place of one that fits',
    'A/1 by A; BX/1 by AX',
    isRefused,
  ),
  when('the new key has a certificate for all below reg.test/', 'A/1 by A; W/1 by AW', follows),
  when(
    'the new key has a certificate for a prefix that is no path',
    'A/1 by A; V/1 by AV',
    ends('ROOT_NOT_PINNED', 1),
  ),
  when('the new key has no certificate', 'A/1 by A; P/1 by AP', ends('ROOT_NOT_PINNED', 1)),
];

export const signingRotations: readonly (readonly [title: string, rows: readonly Rotation[]])[] = [
  ['one key', singleKey],
  ['two of three', twoOfThree],
  ['three of five', threeOfFive],
  ['thresholds', thresholds],
  ['certificates', certificates],
];

/** All keys of the first root are pinned, unless `more` says else. */
export function when(
  sentence: string,
  roots: string,
  end: Pick<Rotation, 'warm' | 'cold'>,
  more: Partial<Pick<Rotation, 'pin' | 'served'>> = {},
): Rotation {
  return { sentence, roots: roots.split('; '), pin: roots.slice(0, roots.indexOf('/')), ...end, ...more };
}
