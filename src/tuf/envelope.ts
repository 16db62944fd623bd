import type { Json, JsonObject } from './canonical-json.ts';
import { canonicalBytes, parseStrictJson } from './canonical-json.ts';
import { RepositoryError } from './error.ts';
import { sha256Hex } from './hashes.ts';
import {
  readArray,
  readBase64,
  readExactObject,
  readInstant,
  readKeyId,
  readObject,
  readPositive,
  readString,
} from './members.ts';
import type { Signature } from './key/signature.ts';

/** What every metadata file has. `bytes` are the received ones; `message` is what its signatures cover. */
export interface Metadata {
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly message: Uint8Array;
  readonly signatures: readonly Signature[];
  readonly version: number;
  readonly expires: Date;
}

const mostSignatures = 64;
const common = ['_type', 'version', 'expires'];

/**
 * Takes a file's bytes, its role, its type and the members that type knows; gives the `signed` object and the common fields.
 * Throws RepositoryError MALFORMED. Nothing is verified yet.
 */
export function readFile(
  bytes: Uint8Array,
  role: string,
  type: 'Root' | 'Timestamp' | 'Snapshot' | 'Targets',
  members: readonly string[],
): { signed: JsonObject; metadata: Metadata } {
  const envelope = readExactObject(parseStrictJson(bytes, role), role, ['signed', 'signatures']);
  const signed = readObject(envelope.get('signed'), `${role}.signed`, [...common, ...members]);
  const found = readString(signed.get('_type'), `${role}._type`);
  if (found !== type) {
    throw new RepositoryError(
      'MALFORMED',
      `${role}._type is ${JSON.stringify(found.slice(0, 32))}, but "${type}" was expected`,
    );
  }
  return {
    signed,
    metadata: {
      bytes,
      sha256: sha256Hex(bytes),
      message: canonicalBytes(signed),
      signatures: readSignatures(envelope.get('signatures'), role),
      version: readPositive(signed.get('version'), `${role}.version`),
      expires: readInstant(signed.get('expires'), `${role}.expires`),
    },
  };
}

function readSignatures(value: Json | undefined, place: string): Signature[] {
  const list = readArray(value, `${place}.signatures`);
  if (list.length < 1 || list.length > mostSignatures) {
    throw new RepositoryError(
      'MALFORMED',
      `${place} has ${list.length} signatures, not 1 to ${mostSignatures}`,
    );
  }
  const signatures = list.map((entry) => {
    const object = readExactObject(entry, `${place}.signatures[]`, ['keyid', 'method', 'sig']);
    return {
      keyId: readKeyId(object.get('keyid'), `${place}.signatures[].keyid`),
      method: readString(object.get('method'), `${place}.signatures[].method`).toLowerCase(),
      bytes: readBase64(object.get('sig'), `${place}.signatures[].sig`),
    };
  });
  if (new Set(signatures.map(({ keyId }) => keyId)).size !== signatures.length) {
    throw new RepositoryError('MALFORMED', `${place} has two signatures of one key id`);
  }
  return signatures;
}
