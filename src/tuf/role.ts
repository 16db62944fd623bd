import type { Json, JsonObject } from './canonical-json.ts';
import { RepositoryError } from './error.ts';
import type { PublicKey } from './key/key.ts';
import { checkKeyId, refusePrivate } from './key/key.ts';
import { readArray, readKeyId, readObject, readPositive } from './members.ts';
import type { Metadata } from './envelope.ts';
import type { SignatureVerifier } from './key/signature.ts';

/** Who signs a role, and how many of them it takes. */
export interface RoleKeys {
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
}

const mostKeys = 64;

/** Key objects as they are filed in a `keys` member, by id. Old and unused ones are normal (notary-v1 §6). */
export function readFiledKeys(value: Json | undefined, place: string): JsonObject {
  const keys = readObject(value, place);
  for (const [id, key] of keys) {
    readKeyId(id, `${place} name`);
    refusePrivate(key, id);
  }
  return keys;
}

/**
 * Takes a role object, the keys filed beside it, and the ids of those that were checked, which it adds to; gives the
 * role's key ids and threshold. Throws RepositoryError MALFORMED if an id is named twice, is not filed, or is not the
 * hash of its key. Each key is hashed once: a hundred thousand roles may name one key of many megabytes.
 */
export function readRoleKeys(
  value: Json | undefined,
  place: string,
  filed: JsonObject,
  checked: Set<string>,
): { keyIds: readonly string[]; threshold: number } {
  const role = readObject(value, place, ['keyids', 'threshold']);
  const keyIds = readArray(role.get('keyids'), `${place}.keyids`).map((id) =>
    readKeyId(id, `${place}.keyids[]`),
  );
  // More could not sign: a file has as many signatures at most.
  if (keyIds.length > mostKeys) {
    throw new RepositoryError(
      'MALFORMED',
      `${place} names ${keyIds.length} keys, and ${mostKeys} are the limit`,
    );
  }
  if (new Set(keyIds).size !== keyIds.length) {
    throw new RepositoryError('MALFORMED', `${place} names a key id twice`);
  }
  for (const id of keyIds) {
    if (!checked.has(id)) checkKeyId(filed.get(id), id);
    checked.add(id);
  }
  return { keyIds, threshold: readPositive(role.get('threshold'), `${place}.threshold`) };
}

/**
 * TUF §5.3.4 and its like: throws RepositoryError BAD_SIGNATURE unless enough of the role's keys signed the file. What
 * counts are distinct public keys, not ids: one key may be filed under several certificates (GHSA-3633-5h82-39pq).
 */
export function checkThreshold(
  name: string,
  file: Metadata,
  { keys, threshold }: RoleKeys,
  verifier: SignatureVerifier,
): void {
  const available = new Set(keys.map(({ spki }) => spki)).size;
  if (available < threshold) {
    throw new RepositoryError(
      'BAD_SIGNATURE',
      `${name} needs ${threshold} signatures, but has ${available} keys`,
    );
  }
  const byId = new Map(keys.map((key) => [key.id, key]));
  const signed = new Set<string>();
  for (const signature of file.signatures) {
    const key = byId.get(signature.keyId);
    if (key !== undefined && verifier.verify(key, file.message, signature)) signed.add(key.spki);
  }
  if (signed.size < threshold) {
    throw new RepositoryError(
      'BAD_SIGNATURE',
      `${name} version ${file.version} needs ${threshold} valid signatures, but has ${signed.size}`,
    );
  }
}
