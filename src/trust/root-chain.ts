import { RepositoryError } from '../tuf/error.ts';
import { knownIds } from '../tuf/key.ts';
import type { Root } from '../tuf/metadata.ts';
import { readRoot } from '../tuf/metadata.ts';
import type { SignatureVerifier } from '../tuf/signature.ts';
import { TrustedMetadataSet } from '../tuf/trusted-metadata-set.ts';
import type { RootPin } from './root-pin.ts';
import { satisfiesPin } from './root-pin.ts';
import type { TrustRecord } from './trust-store.ts';
import { StateError } from './trust-store.ts';

// From a pin to the newest root (TUF §5.3, notary-v1 §5.4).

/** What decides where trust in a GUN starts. `now` is fixed for the whole update. */
export interface Trusting {
  readonly gun: string;
  readonly pin: RootPin;
  readonly now: Date;
  readonly verifier: SignatureVerifier;
}

/** Gives the bytes of `<name>.json`, or undefined if the notary has none. */
export type FetchRoot = (name: string) => Promise<Uint8Array | undefined>;

/**
 * Gives the roots that are trusted before the notary is asked, oldest first: the stored ones if one of them satisfies the
 * pin in force and each later one follows from it; else the pinned root itself; else none.
 * Throws RepositoryError ROOT_NOT_PINNED, and StateError for stored roots that do not follow from each other.
 */
export function trustedRoots(trusting: Trusting, stored: TrustRecord | undefined): readonly Root[] {
  const { gun, pin, now, verifier } = trusting;
  if (stored === undefined) {
    if (pin.kind !== 'root') return [];
    const root = readRoot(pin.bytes);
    if (!satisfiesPin(root, pin, gun, now, verifier)) throw notPinned(gun, [root]);
    return [root];
  }
  const roots = intact(gun, () => stored.roots.map(readRoot));
  const start = roots.findIndex((root) => satisfiesPin(root, pin, gun, now, verifier));
  const first = roots[start];
  if (first === undefined) throw notPinned(gun, roots);
  const set = new TrustedMetadataSet(first, {
    gun,
    now,
    verifier,
    floors: new Map(),
    listedBefore: new Set(),
  });
  intact(gun, () => roots.slice(start + 1).forEach(({ bytes }) => set.updateRoot(bytes)));
  return roots;
}

/**
 * Cold start: gives the first version that satisfies the pin, from `1.root.json` on, or from `root.json` at a notary that
 * keeps no versions. Throws RepositoryError.
 */
export async function findAnchor(
  { gun, pin, now, verifier }: Trusting,
  versionOne: Uint8Array | undefined,
  current: Uint8Array,
  most: number,
  fetchRoot: FetchRoot,
): Promise<Root> {
  const seen: Root[] = [];
  let version = versionOne === undefined ? readRoot(current).version : 1;
  let bytes: Uint8Array | undefined = versionOne ?? current;
  while (bytes !== undefined && seen.length < most) {
    const root = readRoot(bytes);
    if (root.version !== version) {
      throw new RepositoryError(
        'BAD_SIGNATURE',
        `${version}.root.json is version ${root.version}, not ${version}`,
      );
    }
    if (satisfiesPin(root, pin, gun, now, verifier)) return root;
    seen.push(root);
    version += 1;
    bytes = await fetchRoot(`${version}.root`);
  }
  throw notPinned(gun, seen);
}

/**
 * TUF §5.3.3 to §5.3.8: from the set's root, `next` and on, one version at a time until there is no next; gives the roots
 * walked, oldest first, and whether the end was reached within `most` of them. Throws RepositoryError.
 */
export async function walkRoots(
  set: TrustedMetadataSet,
  next: Uint8Array | undefined,
  most: number,
  fetchRoot: FetchRoot,
): Promise<{ walked: readonly Root[]; atEnd: boolean }> {
  const walked: Root[] = [];
  let bytes = next;
  while (bytes !== undefined && walked.length < most) {
    set.updateRoot(bytes);
    walked.push(set.root);
    bytes = await fetchRoot(`${set.root.version + 1}.root`);
  }
  return { walked, atEnd: bytes === undefined };
}

/** `root.json` has to be the root that the versions lead to. Throws RepositoryError. */
export function checkCurrentRoot(current: Uint8Array, { version, sha256 }: Root): void {
  const newest = readRoot(current);
  if (newest.version > version) {
    throw new RepositoryError(
      'BAD_SIGNATURE',
      `root.json is version ${newest.version}, but ${version + 1}.root.json, which has to lead to it, is missing`,
    );
  }
  if (newest.version < version) {
    throw new RepositoryError(
      'ROLLBACK',
      `root is version ${newest.version}, but version ${version} was already trusted`,
    );
  }
  if (newest.sha256 !== sha256) {
    throw new RepositoryError(
      'EQUIVOCATION',
      `root version ${version} has SHA-256 ${newest.sha256}, but the one already trusted has ${sha256}`,
    );
  }
}

/** Runs a reading of stored bytes, which were valid when they were stored. Throws StateError if they no longer are. */
export function intact<Value>(gun: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RepositoryError)) throw error;
    throw new StateError(`the stored trust data of ${gun} is damaged: ${error.message}`, { cause: error });
  }
}

function notPinned(gun: string, seen: readonly Root[]): RepositoryError {
  const found = seen.flatMap((root) => root.roles.root.keys.map((key) => knownIds(key)[0]));
  return new RepositoryError(
    'ROOT_NOT_PINNED',
    `no root of ${gun} is signed by the pinned keys; its root keys are ${[...new Set(found)].join(', ')}`,
  );
}
