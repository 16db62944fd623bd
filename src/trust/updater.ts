import { RepositoryError } from '../tuf/error.ts';
import type { FileHashes } from '../tuf/hashes.ts';
import { sha256Hex } from '../tuf/hashes.ts';
import type { Root } from '../tuf/metadata.ts';
import { readSnapshot } from '../tuf/metadata.ts';
import { releasesRole } from '../tuf/target.ts';
import type { VerifiedRepository } from '../tuf/verified-repository.ts';
import { TrustedMetadataSet } from '../tuf/trusted-metadata-set.ts';
import { DownloadError } from './download-error.ts';
import type { Trusting } from './root-chain.ts';
import { currentRoot, findAnchor, intact, knownRoots, pinFault, walkRoots } from './root-chain.ts';
import type { TrustedFile, TrustRecord } from './trust-store.ts';

/** How large each file may be, in bytes, and how many roots one update may walk. */
export interface UpdateLimits {
  readonly rootBytes: number;
  readonly timestampBytes: number;
  readonly snapshotBytes: number;
  readonly targetsBytes: number;
  readonly rootRotations: number;
}

export interface FetchLimit {
  readonly most: number;
  /** What a longer file is: of a signed length it is BAD_HASH. */
  readonly excess: 'MALFORMED' | 'BAD_HASH';
  /** Ask the notary itself, past every cache. */
  readonly fresh: boolean;
}

/** One GUN's files at a notary. */
export interface MetadataSource {
  /**
   * Gives the bytes of `<name>.json`. More than `most` bytes are refused with RepositoryError `excess` and not read;
   * whatever else goes wrong is a DownloadError.
   */
  fetch(name: string, limit: FetchLimit): Promise<Uint8Array>;
}

export interface Update extends Trusting {
  readonly signers: readonly string[];
  readonly limits: UpdateLimits;
  readonly stored: TrustRecord | undefined;
  /** What this process verified before, to spare the same work on the same bytes. */
  readonly previous: VerifiedRepository | undefined;
  /** Stores roots as soon as they are valid by themselves; all else is stored by the caller when all of it stood. */
  readonly keepRoots: (record: TrustRecord) => Promise<void>;
}

export interface Updated {
  readonly record: TrustRecord;
  readonly repository: VerifiedRepository;
}

/**
 * The update of notary-v1 §5.4 to §5.7, from what is stored to what the notary serves now. Gives undefined if the notary
 * has no root and none was ever trusted. Throws RepositoryError, DownloadError, or StateError for stored bytes that are
 * no longer valid.
 */
export async function update(question: Update, source: MetadataSource): Promise<Updated | undefined> {
  const { gun, now, limits, stored, previous } = question;
  const uncached = (most: number): FetchLimit => ({ most, excess: 'MALFORMED', fresh: true });
  const fetchRoot = (name: string) => absentIfMissing(source.fetch(name, uncached(limits.rootBytes)));

  const known = knownRoots(question, stored);
  const newest = known.roots.at(-1);
  // Root and timestamp at once; the timestamp is not looked at before the root stands.
  const asked = {
    next: settled(fetchRoot(`${(newest?.version ?? 0) + 1}.root`)),
    current: settled(fetchRoot('root')),
    timestamp: settled(source.fetch('timestamp', uncached(limits.timestampBytes))),
  };
  const next = await outcome(asked.next);
  const current = await outcome(asked.current);
  if (current === undefined) return notSigned(gun, stored, next);

  const anchor = newest ?? (await findAnchor(question, next, current, limits.rootRotations, fetchRoot));
  const terms = {
    ...question,
    floors: new Map([...(stored?.files ?? [])].map(([role, { floor }]) => [role, floor])),
    listedBefore: rolesListedBefore(gun, stored),
  };
  const afterAnchor = newest === undefined ? await fetchRoot(`${anchor.version + 1}.root`) : next;
  const walker = new TrustedMetadataSet(anchor, terms);
  const { walked, atEnd, failure } = await walkRoots(walker, afterAnchor, limits.rootRotations, fetchRoot);
  const unpinned = newest === undefined ? undefined : pinFault(question, known, walked);
  // The pinned root may be one of those behind the failure.
  if (unpinned !== undefined) throw failure ?? unpinned;
  const roots = [...(newest === undefined ? [anchor] : known.roots), ...walked];
  if (roots.length !== stored?.roots.length) await question.keepRoots(recordOf(roots, stored));
  if (failure !== undefined) throw failure;
  if (!atEnd) {
    throw new RepositoryError(
      'MALFORMED',
      `more than ${limits.rootRotations} root versions; the next update goes on`,
    );
  }
  const root = await currentRoot(question, roots, current, fetchRoot);
  const withRoots = recordOf([...roots.slice(0, -1), root], stored);
  const set = new TrustedMetadataSet(root, terms);
  set.finishRoot();

  const timestamp = await outcome(asked.timestamp).catch((error: unknown) => {
    throw vanished(error, stored);
  });
  set.updateTimestamp(timestamp);
  if (previous !== undefined && isSame(previous, timestamp, set.root) && previous.expires > now) {
    return { record: withFiles(withRoots, previous, now), repository: previous };
  }

  const fetchListed = (role: string, file: FileHashes, most: number): Promise<Uint8Array> =>
    fetchByHash(source, role, file, most, stored?.files.get(role));
  set.updateSnapshot(await fetchListed('snapshot', set.snapshotFile, limits.snapshotBytes));
  // targets and delegations at once; a delegation's bytes count only if targets.json declares it.
  const delegated = [...new Set([releasesRole, ...question.signers])].flatMap((role) => {
    const file = set.listedFile(role);
    return file === undefined ? [] : [{ role, asked: settled(fetchListed(role, file, limits.targetsBytes)) }];
  });
  set.updateTargets(await fetchListed('targets', set.targetsFile, limits.targetsBytes));
  for (const { role, asked: download } of delegated) {
    if (set.delegation(role) !== undefined) set.updateDelegation(role, await outcome(download));
  }
  const repository = set.result();
  return { record: withFiles(withRoots, repository, now), repository };
}

/**
 * Verifies what is stored as `update` would at `now`, without the notary: for an outage. Gives undefined if not all that
 * is needed is stored. Throws RepositoryError if it expired or no longer satisfies the pin, StateError if it is damaged.
 */
export function verifyStored(
  question: Trusting & { readonly signers: readonly string[] },
  stored: TrustRecord,
): VerifiedRepository | undefined {
  const known = knownRoots(question, stored);
  const unpinned = pinFault(question, known, []);
  if (unpinned !== undefined) throw unpinned;
  const newest = known.roots.at(-1);
  const bytes = (role: string): Uint8Array | undefined => stored.files.get(role)?.bytes;
  const [timestamp, snapshot, targets] = [bytes('timestamp'), bytes('snapshot'), bytes('targets')];
  if (!newest || !timestamp || !snapshot || !targets) return undefined;
  const floors = new Map([...stored.files].map(([role, { floor }]) => [role, floor]));
  const set = new TrustedMetadataSet(newest, { ...question, floors, listedBefore: new Set() });
  set.finishRoot();
  set.updateTimestamp(timestamp);
  set.updateSnapshot(snapshot);
  set.updateTargets(targets);
  for (const role of new Set([releasesRole, ...question.signers])) {
    if (set.delegation(role) === undefined || set.listedFile(role) === undefined) continue;
    const delegated = bytes(role);
    if (delegated === undefined) return undefined;
    set.updateDelegation(role, delegated);
  }
  return set.result();
}

/** Only a 404 on the root means "not signed" (notary-v1 §5.9), and only where no root was ever trusted. */
function notSigned(gun: string, stored: TrustRecord | undefined, next: Uint8Array | undefined): undefined {
  if (stored !== undefined) {
    throw new RepositoryError(
      'ROLLBACK',
      `the notary has no root.json of ${gun} any more, though one was trusted`,
    );
  }
  if (next !== undefined)
    throw new DownloadError('missing', `the notary has roots of ${gun}, but no root.json`);
}

function vanished(error: unknown, stored: TrustRecord | undefined): unknown {
  const floor = stored?.files.get('timestamp')?.floor;
  if (!(error instanceof DownloadError) || error.failure !== 'missing' || floor === undefined) return error;
  const message = `the notary has no timestamp.json, but version ${floor.version} was already trusted`;
  return new RepositoryError('ROLLBACK', message, { cause: error });
}

/** The name with the hash is what the parent signs; a copy that we hold already needs no download. */
async function fetchByHash(
  source: MetadataSource,
  role: string,
  { sha256, length }: FileHashes,
  most: number,
  held: TrustedFile | undefined,
): Promise<Uint8Array> {
  if (sha256 === undefined) throw new RepositoryError('MALFORMED', `the snapshot has no sha256 of ${role}`);
  const hex = sha256.toString('hex');
  if (held?.floor.sha256 === hex) return held.bytes;
  if (length > most)
    throw new RepositoryError(
      'MALFORMED',
      `${role} is signed with ${length} bytes, and ${most} are the limit`,
    );
  return source.fetch(`${role}.${hex}`, { most: length, excess: 'BAD_HASH', fresh: false });
}

function rolesListedBefore(gun: string, stored: TrustRecord | undefined): ReadonlySet<string> {
  const snapshot = stored?.files.get('snapshot');
  return new Set(snapshot && intact(gun, () => readSnapshot(snapshot.bytes).meta.keys()));
}

function isSame(previous: VerifiedRepository, timestamp: Uint8Array, root: Root): boolean {
  return previous.timestamp.file.sha256 === sha256Hex(timestamp) && previous.root.file.sha256 === root.sha256;
}

function recordOf(roots: readonly Root[], stored: TrustRecord | undefined): TrustRecord {
  const [first, ...later] = roots.map(({ bytes }) => bytes);
  if (first === undefined) throw new TypeError('a chain of roots has at least one');
  return {
    roots: [first, ...later],
    files: stored?.files ?? new Map(),
    confirmedAt: stored?.confirmedAt ?? 0,
  };
}

/** Roles that were not read this time keep their floors. */
function withFiles(record: TrustRecord, repository: VerifiedRepository, now: Date): TrustRecord {
  const floors = repository.floors();
  const files = new Map(record.files);
  for (const { role, file } of repository.roles) {
    const floor = floors.get(role);
    if (floor !== undefined) files.set(role, { floor, bytes: file.bytes });
  }
  return { roots: record.roots, files, confirmedAt: now.getTime() };
}

type Settled<Value> = Promise<{ readonly value: Value } | { readonly error: unknown }>;

/** A download whose failure waits until somebody asks for the outcome. */
function settled<Value>(download: Promise<Value>): Settled<Value> {
  return download.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

async function outcome<Value>(download: Settled<Value>): Promise<Value> {
  const result = await download;
  if ('error' in result) throw result.error;
  return result.value;
}

async function absentIfMissing(download: Promise<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    return await download;
  } catch (error) {
    if (!(error instanceof DownloadError) || error.failure !== 'missing') throw error;
    return undefined;
  }
}
