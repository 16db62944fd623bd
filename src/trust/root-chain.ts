import { RepositoryError } from '../tuf/error.ts';
import { sha256Hex } from '../tuf/hashes.ts';
import { knownIds } from '../tuf/key/key.ts';
import type { Root } from '../tuf/metadata.ts';
import { readRoot } from '../tuf/metadata.ts';
import type { SignatureVerifier } from '../tuf/key/signature.ts';
import { rootSigners, TrustedMetadataSet } from '../tuf/trusted-metadata-set.ts';
import { DownloadError } from './download-error.ts';
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

/** Roots that follow from each other, oldest first; empty before the first contact. */
export interface KnownRoots {
  readonly roots: readonly Root[];
  /** Whether the pin in force is satisfied by one of them. If not, only a root that they lead to can satisfy it. */
  readonly pinned: boolean;
}

/**
 * Gives the roots that are known before the notary is asked: the stored ones, or the pinned root itself, or none.
 * Throws RepositoryError for a pinned root that is bad, and StateError for stored ones that do not follow.
 */
export function knownRoots(trusting: Trusting, stored: TrustRecord | undefined): KnownRoots {
  const { gun, pin, now, verifier } = trusting;
  if (stored === undefined) {
    if (pin.kind !== 'root') return { roots: [], pinned: false };
    const root = readRoot(pin.bytes);
    satisfiesPin(root, pin, gun, now, verifier);
    return { roots: [root], pinned: true };
  }
  const roots = intact(gun, () => stored.roots.map(readRoot));
  const start = roots.findIndex((root) => satisfiesPin(root, pin, gun, now, verifier));
  const first = roots[Math.max(start, 0)];
  if (first === undefined) throw new TypeError('a record without a root');
  const set = new TrustedMetadataSet(first, {
    gun,
    now,
    verifier,
    floors: new Map(),
    listedBefore: new Set(),
  });
  intact(gun, () => roots.slice(Math.max(start, 0) + 1).forEach(({ bytes }) => set.updateRoot(bytes)));
  return { roots, pinned: start >= 0 };
}

/** The pin in force wins over what is stored: gives a RepositoryError ROOT_NOT_PINNED unless one of `walked` satisfies it. */
export function pinFault(
  { gun, pin, now, verifier }: Trusting,
  known: KnownRoots,
  walked: readonly Root[],
): RepositoryError | undefined {
  if (known.pinned || walked.some((root) => satisfiesPin(root, pin, gun, now, verifier))) return undefined;
  return notPinned(gun, [...known.roots, ...walked]);
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

/** Where a walk over the roots ended: at the last one, after `most` of them, or at one that could not be had or trusted. */
export interface Walk {
  /** Oldest first; valid by themselves, whatever came after. */
  readonly walked: readonly Root[];
  readonly atEnd: boolean;
  readonly failure: RepositoryError | DownloadError | undefined;
}

/** TUF §5.3.3 to §5.3.8: from the set's root, `next` and on, one version at a time until there is no next. */
export async function walkRoots(
  set: TrustedMetadataSet,
  next: Uint8Array | undefined,
  most: number,
  fetchRoot: FetchRoot,
): Promise<Walk> {
  const walked: Root[] = [];
  let bytes = next;
  try {
    while (bytes !== undefined && walked.length < most) {
      set.updateRoot(bytes);
      walked.push(set.root);
      bytes = await fetchRoot(`${set.root.version + 1}.root`);
    }
  } catch (error) {
    // What came before it stays: a root that takes a lost key away must not be lost with its successor.
    if (!(error instanceof RepositoryError || error instanceof DownloadError)) throw error;
    return { walked, atEnd: false, failure: error };
  }
  return { walked, atEnd: bytes === undefined, failure: undefined };
}

/**
 * `root.json` has to be the root that the versions lead to, with which `roots` (oldest first) end; gives it as it is served.
 * Nothing signs the envelope: with a space more, or another valid signature, it is the same root still. Of the spelling that
 * we hold the snapshot may know nothing, so it gives way to the one under which the notary files that version now. Throws
 * RepositoryError.
 */
export async function currentRoot(
  trusting: Trusting,
  roots: readonly Root[],
  current: Uint8Array,
  fetchRoot: FetchRoot,
): Promise<Root> {
  const [trusted, before] = roots.toReversed();
  if (trusted === undefined) throw new TypeError('a chain of roots has at least one');
  const { version, sha256, message } = trusted;
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
  if (newest.sha256 === sha256) return trusted;
  const filed = (await fetchRoot(`${version}.root`)) ?? current;
  const isRespelled = Buffer.compare(newest.message, message) === 0 && sha256Hex(filed) === newest.sha256;
  if (isRespelled && stands(trusting, newest, before)) return newest;
  throw new RepositoryError(
    'EQUIVOCATION',
    `root version ${version} has SHA-256 ${newest.sha256}, but the one already trusted has ${sha256}`,
  );
}

/** Whether trust may start with this root or, if there is one before it, come to it from there. */
function stands(trusting: Trusting, root: Root, before: Root | undefined): boolean {
  const { gun, pin, now, verifier } = trusting;
  if (before === undefined) return satisfiesPin(root, pin, gun, now, verifier);
  const set = new TrustedMetadataSet(before, { ...trusting, floors: new Map(), listedBefore: new Set() });
  set.updateRoot(root.bytes);
  return true;
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
  const newest = seen.at(-1);
  // If its certificates are what is wrong, that says more.
  if (newest !== undefined) rootSigners(newest, gun);
  const found = newest?.roles.root.keys.slice(0, 4).map((key) => knownIds(key)[0]) ?? [];
  return new RepositoryError(
    'ROOT_NOT_PINNED',
    `no root of ${gun} is signed by the pinned keys; its root keys are ${found.join(', ')}`,
  );
}
