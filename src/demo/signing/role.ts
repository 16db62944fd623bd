import type { SigningKey } from './key.ts';
import type { JsonObject, JsonValue } from './signed-file.ts';

export type BaseRole = 'root' | 'timestamp' | 'snapshot' | 'targets';

/** What a tag is signed to be: the manifest's digest (`sha256:…`) and its length in bytes. */
export interface Target {
  readonly digest: string;
  readonly length: number;
  readonly sha512?: Uint8Array;
  readonly custom?: JsonValue;
}

export interface RoleKeys {
  readonly keys: readonly SigningKey[];
  /** Default 1. */
  readonly threshold?: number;
}

export interface Role {
  keys: readonly SigningKey[];
  threshold: number;
  version: number;
  /** Milliseconds from signing to expiry, unless `expires` is set. */
  readonly lifetime: number;
  expires: Date | undefined;
  /** Must be signed anew at the next publish. */
  changed: boolean;
  /** The last delegation was removed. */
  emptied: boolean;
  readonly targets: Map<string, Target>;
  readonly children: Map<string, readonly string[]>;
}

/** A role before its first file. `version` is that of the last file, so birth is one above. */
export function newRole({ keys, threshold = 1 }: RoleKeys, lifetime: number, version: number): Role {
  const empty = { targets: new Map<string, Target>(), children: new Map<string, readonly string[]>() };
  return { keys, threshold, version, lifetime, expires: undefined, changed: true, emptied: false, ...empty };
}

/** Takes keys; gives each key id once, in order. */
export function distinct(keys: readonly SigningKey[]): SigningKey[] {
  return [...new Map(keys.map((key) => [key.id, key])).values()];
}

function showKeys(keys: readonly SigningKey[]): JsonObject {
  return Object.fromEntries(keys.map((key) => [key.id, key.shown]));
}

/** Takes the base roles and the root keys of the past; gives what root.json says without version and expiry. */
export function rootBody(base: Record<BaseRole, Role>, oldRootKeys: readonly SigningKey[]): JsonObject {
  const roles = Object.entries(base);
  const keys = showKeys([...oldRootKeys, ...roles.flatMap(([, role]) => role.keys)]);
  const rules = roles.map(([name, { keys: own, threshold }]) => {
    return [name, { keyids: own.map((key) => key.id), threshold }] as const;
  });
  return { _type: 'Root', consistent_snapshot: false, keys, roles: Object.fromEntries(rules) };
}

/** Takes a role that signs targets; gives what its file says. The last delegation removed leaves Go's nil: `null`. */
export function targetsBody(role: Role, delegations: ReadonlyMap<string, Role>): JsonObject {
  const children = [...role.children].map(([name, paths]) => {
    const { keys = [], threshold = 1 } = delegations.get(name) ?? {};
    return {
      keys,
      shown: {
        keyids: keys.map((key) => key.id),
        name,
        threshold,
        ...(paths.length > 0 && { paths: [...paths] }),
      },
    };
  });
  const keys = showKeys(children.flatMap((child) => child.keys));
  const targets = Object.fromEntries([...role.targets].map(([tag, target]) => [tag, showTarget(target)]));
  return {
    _type: 'Targets',
    delegations: { keys, roles: role.emptied ? null : children.map(({ shown }) => shown) },
    targets,
  };
}

function showTarget({ digest, length, sha512, custom }: Target): JsonObject {
  const sha256 = Buffer.from(digest.replace(/^sha256:/, ''), 'hex').toString('base64');
  const hashes = { sha256, ...(sha512 && { sha512: Buffer.from(sha512).toString('base64') }) };
  return { hashes, length, ...(custom !== undefined && { custom }) };
}
