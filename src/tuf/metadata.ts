import type { JsonObject } from './canonical-json.ts';
import type { Delegation } from './delegation.ts';
import { readDelegations } from './delegation.ts';
import type { Metadata } from './envelope.ts';
import { readFile } from './envelope.ts';
import { RepositoryError } from './error.ts';
import type { FileHashes } from './hashes.ts';
import { readFileHashes } from './hashes.ts';
import { readKey } from './key/key.ts';
import { readObject } from './members.ts';
import type { RoleKeys } from './role.ts';
import { readFiledKeys, readRoleKeys } from './role.ts';

// The metadata files of Notary v1 (notary-v1 §2), from bytes to values. Nothing here is verified yet.

export type BaseRole = 'root' | 'timestamp' | 'snapshot' | 'targets';

export interface Root extends Metadata {
  readonly roles: Readonly<Record<BaseRole, RoleKeys>>;
}
export interface Timestamp extends Metadata {
  readonly snapshot: FileHashes;
}
export interface Snapshot extends Metadata {
  readonly meta: ReadonlyMap<string, FileHashes>;
}
/** targets.json, or the file of a delegation. A target's path is a tag. */
export interface Targets extends Metadata {
  readonly targets: ReadonlyMap<string, FileHashes>;
  readonly delegations: ReadonlyMap<string, Delegation>;
}

/** Takes the bytes of a root.json; throws RepositoryError MALFORMED unless they are one, with a usable key for each role. */
export function readRoot(bytes: Uint8Array): Root {
  const { signed, metadata } = readFile(bytes, 'root', 'Root', ['consistent_snapshot', 'keys', 'roles']);
  const filed = readFiledKeys(signed.get('keys'), 'root.keys');
  const roles = readObject(signed.get('roles'), 'root.roles', ['root', 'timestamp', 'snapshot', 'targets']);
  const consistent = signed.get('consistent_snapshot') ?? false;
  if (typeof consistent !== 'boolean') {
    throw new RepositoryError('MALFORMED', 'root.consistent_snapshot should be a boolean');
  }
  const checked = new Set<string>();
  const usable = (role: BaseRole): RoleKeys => {
    const { keyIds, threshold } = readRoleKeys(roles.get(role), `root.roles.${role}`, filed, checked);
    return { keys: keyIds.map((id) => readKey(readObject(filed.get(id), `key ${id}`), id)), threshold };
  };
  return {
    ...metadata,
    roles: {
      root: usable('root'),
      timestamp: usable('timestamp'),
      snapshot: usable('snapshot'),
      targets: usable('targets'),
    },
  };
}

/** Takes the bytes of a timestamp.json; throws RepositoryError MALFORMED unless they are one. */
export function readTimestamp(bytes: Uint8Array): Timestamp {
  const { signed, metadata } = readFile(bytes, 'timestamp', 'Timestamp', ['meta']);
  const meta = readObject(signed.get('meta'), 'timestamp.meta', ['snapshot']);
  return { ...metadata, snapshot: readMandatory(meta, 'snapshot', 'timestamp.meta') };
}

/** Takes the bytes of a snapshot; throws RepositoryError MALFORMED unless they are one that lists root and targets. */
export function readSnapshot(bytes: Uint8Array): Snapshot {
  const { signed, metadata } = readFile(bytes, 'snapshot', 'Snapshot', ['meta']);
  const meta = readObject(signed.get('meta'), 'snapshot.meta', ['root', 'targets']);
  const files = new Map<string, FileHashes>();
  for (const [role, entry] of meta)
    files.set(role, readFileHashes(entry, `snapshot.meta.${role.slice(0, 255)}`));
  readMandatory(meta, 'root', 'snapshot.meta');
  readMandatory(meta, 'targets', 'snapshot.meta');
  return { ...metadata, meta: files };
}

/** Takes the bytes of targets.json or of the delegation `role`; throws RepositoryError MALFORMED unless they are one. */
export function readTargets(bytes: Uint8Array, role: string): Targets {
  const { signed, metadata } = readFile(bytes, role, 'Targets', ['targets', 'delegations']);
  const targets = new Map<string, FileHashes>();
  for (const [path, entry] of readObject(signed.get('targets'), `${role}.targets`)) {
    readObject(entry, `${role}.targets`, ['custom']);
    targets.set(path, readFileHashes(entry, `${role}.targets[${JSON.stringify(path.slice(0, 128))}]`));
  }
  return { ...metadata, targets, delegations: readDelegations(signed.get('delegations'), role) };
}

/** The entry of a file that the next step fetches by its SHA-256, which therefore has to be there. */
function readMandatory(meta: JsonObject, role: string, place: string): FileHashes {
  const entry = readFileHashes(meta.get(role), `${place}.${role}`);
  if (entry.sha256 === undefined) throw new RepositoryError('MALFORMED', `${place}.${role} has no sha256`);
  return entry;
}
