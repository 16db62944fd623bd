import type { Json, JsonObject } from './canonical-json.ts';
import { RepositoryError } from './error.ts';
import { readKey } from './key/key.ts';
import { readArray, readObject, readString } from './members.ts';
import type { RoleKeys } from './role.ts';
import { readFiledKeys, readRoleKeys } from './role.ts';

/** A role that a targets file trusts with the tags that start with one of `paths`; `['']` is every tag. */
export interface Delegation {
  readonly name: string;
  readonly paths: readonly string[];
  readonly threshold: number;
  readonly keyIds: readonly string[];
  readonly filed: JsonObject;
}

const roleName = /^[-a-z0-9_/]{1,255}$/;

/**
 * Takes the `delegations` member of a targets file; gives the delegations by name. Throws RepositoryError MALFORMED for
 * the whole file if one is not a direct child of `parent`, or stands twice (notary-v1 §2.5, §5.7).
 */
export function readDelegations(value: Json | undefined, parent: string): ReadonlyMap<string, Delegation> {
  const place = `${parent}.delegations`;
  const object = readObject(value ?? new Map<string, Json>(), place, ['keys', 'roles']);
  const filed = readFiledKeys(object.get('keys') ?? new Map<string, Json>(), `${place}.keys`);
  const checked = new Set<string>();
  const delegations = new Map<string, Delegation>();
  // `null` is what notary writes after the last delegation was removed.
  for (const entry of readArray(object.get('roles') ?? [], `${place}.roles`)) {
    const role = readObject(entry, `${place}.roles[]`, ['name', 'paths']);
    const name = readString(role.get('name'), `${place}.roles[].name`);
    if (!isChild(name, parent)) {
      throw new RepositoryError(
        'MALFORMED',
        `${place} names ${JSON.stringify(name.slice(0, 64))}, no child of ${parent}`,
      );
    }
    if (delegations.has(name)) throw new RepositoryError('MALFORMED', `${place} names ${name} twice`);
    // Without `paths` the role can sign nothing.
    const paths = readArray(role.get('paths') ?? [], `${name}.paths`).map((path) =>
      readString(path, `${name}.paths[]`),
    );
    delegations.set(name, { name, paths, filed, ...readRoleKeys(role, name, filed, checked) });
  }
  return delegations;
}

function isChild(name: string, parent: string): boolean {
  const [last = '', ...before] = name.split('/').toReversed();
  return roleName.test(name) && last !== '' && before.toReversed().join('/') === parent;
}

/** Takes a delegation; gives its keys, read only now because those of other roles may be of kinds we do not know. */
export function delegationKeys({ keyIds, threshold, filed }: Delegation): RoleKeys {
  return { keys: keyIds.map((id) => readKey(readObject(filed.get(id), `key ${id}`), id)), threshold };
}

/** Says whether a delegation may sign a tag: plain string prefixes, no globs (notary-v1 §2.5). */
export function maySign({ paths }: Delegation, tag: string): boolean {
  return paths.some((prefix) => tag.startsWith(prefix));
}
