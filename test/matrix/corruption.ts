import type { Forgery } from '../../src/demo/signing-repository.ts';
import type { SigningRepository } from '../../src/demo/signing-repository.ts';
import type { SigningKey } from '../../src/demo/signing/key.ts';
import type { JsonObject } from '../../src/demo/signing/signed-file.ts';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import type { Reason } from '../../src/policy/reason.ts';
import { at } from './document.ts';
import type { Fault } from '../world/fault.ts';
import type { TrustPath } from '../../src/demo/notary-server.ts';

// What a row of the matrix is: one corruption, how it is made, and what has to become of it in each role.

export const roles = ['root', 'timestamp', 'snapshot', 'targets', 'targets/releases'] as const;
export type RoleName = (typeof roles)[number];

/** `cold`: nothing was trusted before. `warm`: an honest version was, and the corruption comes with a newer publish. */
export const situations = ['cold', 'warm'] as const;
export type Situation = (typeof situations)[number];

/** `signed`: by `targets/releases`, as it should be. `fallback`: by `targets`, which signs another digest. */
export type Outcome = 'signed' | 'fallback' | Reason;

/** A cell that is left out has no meaning. */
export type Expected = Partial<Record<RoleName, Partial<Record<Situation, Outcome>>>>;

/** Where a corruption is made: after the honest version, if there is one, and before the publish that brings it. */
export interface Place {
  readonly repository: SigningRepository;
  readonly situation: Situation;
  readonly fault: (role: RoleName, fault: Fault, which?: (path: TrustPath) => boolean) => void;
}

export interface Corruption {
  readonly what: string;
  readonly expected: Expected;
  readonly make: (place: Place, role: RoleName) => void;
  /** The files are honest, and only the way to them is not. */
  readonly onTheWire: boolean;
  /** The newest root is valid by itself, and so stays trusted whatever else is refused (contract §5). */
  readonly rootStands: (role: RoleName) => boolean;
}

type Extra = Partial<Pick<Corruption, 'rootStands'>>;

export const both = (outcome: Outcome) => ({ cold: outcome, warm: outcome });
export const split = (cold: Outcome, warm: Outcome) => ({ cold, warm });
export const all = (outcome: Outcome): Expected =>
  Object.fromEntries(roles.map((role) => [role, both(outcome)]));
/**
 * Not signed by enough of the right keys. Who signs the first root of all nobody says but the pin: one that the pinned
 * keys did not sign is not pinned, whatever it lists.
 */
export const notSigned: Expected = {
  ...all('BAD_SIGNATURE'),
  root: split('ROOT_NOT_PINNED', 'BAD_SIGNATURE'),
};

const unlessRoot = (role: RoleName): boolean => role !== 'root';
export const always = (): boolean => true;

/** A file of the role that is wrong in itself; the files that name it fit it. */
export function forged(
  what: string,
  forgery: Forgery | ((role: RoleName, place: Place) => Forgery),
  expected: Expected,
  extra: Extra = {},
): Corruption {
  const make = (place: Place, role: RoleName): void =>
    place.repository.forge(role, typeof forgery === 'function' ? forgery(role, place) : forgery);
  return { what, expected, make, onTheWire: false, rootStands: unlessRoot, ...extra };
}

/** Another `signed`, under signatures that are right for it. */
export function resigned(
  what: string,
  change: (signed: JsonObject, role: RoleName, place: Place) => void,
  expected: Expected,
  extra: Extra = {},
): Corruption {
  const forgery = (role: RoleName, place: Place): Forgery => ({
    signed: (signed) => change(signed, role, place),
  });
  return forged(what, forgery, expected, extra);
}

/** A role, its honest key, and what the file that names its keys (root.json, or targets.json) says of it. */
export interface Terms {
  readonly role: RoleName;
  readonly honest: SigningKey;
  readonly entry: JsonObject;
  readonly keys: JsonObject;
}

/** What is said of who signs the role is wrong; `by` sign the role's file in place of its key. */
export function delegated(
  what: string,
  change: (terms: Terms) => void,
  by: (honest: SigningKey, role: RoleName) => readonly SigningKey[],
  expected: Expected,
  extra: Extra = {},
): Corruption {
  const make = ({ repository }: Place, role: RoleName): void => {
    const [honest] = repository.keys(role);
    if (honest === undefined) throw new TypeError(`${role} has no key`);
    const isBase = role !== 'targets/releases';
    repository.forge(isBase ? 'root' : 'targets', {
      signed: (signed) => {
        const above = isBase ? signed : objectAt(signed, 'delegations');
        const entry = at(above, ['roles', isBase ? role : '0']);
        change({ role, honest, entry, keys: objectAt(above, 'keys') });
      },
    });
    repository.forge(role, { keys: by(honest, role) });
  };
  return { what, expected, make, onTheWire: false, rootStands: unlessRoot, ...extra };
}

/** What the parent (the timestamp, or the snapshot) states of the role's file is wrong; the file itself is honest. */
export function stated(
  what: string,
  change: (entry: JsonObject, meta: JsonObject, role: RoleName) => void,
  expected: Expected,
  also: (place: Place, role: RoleName) => void = () => {},
): Corruption {
  const make = (place: Place, role: RoleName): void => {
    place.repository.forge(role === 'snapshot' ? 'timestamp' : 'snapshot', {
      signed: (signed) => change(objectAt(signed, 'meta', role), objectAt(signed, 'meta'), role),
    });
    also(place, role);
  };
  return { what, expected, make, onTheWire: false, rootStands: always };
}

/** All files are honest, but what comes in place of the role's, under any name or only under those of `which`, is not. */
export function answered(
  what: string,
  fault: (place: Place, role: RoleName) => Fault,
  expected: Expected,
  extra: Extra & { readonly which?: (path: TrustPath) => boolean } = {},
): Corruption {
  const { which, ...rest } = extra;
  const make = (place: Place, role: RoleName): void => place.fault(role, fault(place, role), which);
  return { what, expected, make, onTheWire: true, rootStands: unlessRoot, ...rest };
}
