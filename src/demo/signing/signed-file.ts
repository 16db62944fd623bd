import { createHash } from 'node:crypto';
import type { Signature } from './key.ts';

// A Notary v1 metadata file as its signer writes it. The verifier has its own canonical form; this one shares no code
// with it, so that an error in either shows as a signature that does not verify.

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [name: string]: JsonValue;
}

/** Takes a JSON value; gives Notary's canonical text: members sorted by the bytes of their names, no spaces, only the
 * quote and the backslash escaped, integers only. Throws TypeError on a number that is none. */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError(`${value} has no canonical form`);
    return String(value);
  }
  if (typeof value === 'string') return `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value === 'boolean') return String(value);
  const members = Object.entries(value).toSorted(([a], [b]) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  return `{${members.map(([name, member]) => `${canonicalJson(name)}:${canonicalJson(member)}`).join(',')}}`;
}

/** Takes the text of `signed` and its signatures; gives the file as Go's encoder writes it. */
export function printSignedFile(signed: string, signatures: readonly Signature[]): Buffer {
  return Buffer.from(`{"signed":${signed},"signatures":${JSON.stringify(signatures)}}`);
}

/** Takes canonical text; gives it as it stands in a file: Go escapes what HTML could misread, and JSON forbids control
 * characters, so that there the file and the signed message differ. */
export function escapeForFile(canonical: string): string {
  return canonical.replaceAll(
    // Control characters are what is looked for.
    /[<>&\u2028\u2029\u0000-\u001f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Takes a file's bytes; gives the entry that a snapshot or timestamp has for it: hashes in base64, length in bytes. */
export function describeFile(bytes: Uint8Array): JsonObject {
  const hash = (algorithm: string): string => createHash(algorithm).update(bytes).digest('base64');
  return { hashes: { sha256: hash('sha256'), sha512: hash('sha512') }, length: bytes.length };
}

/** Takes milliseconds since the epoch; gives Go's RFC3339Nano in UTC: the zeros at the end of the fraction are cut. */
export function printTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.?0*Z$/, 'Z');
}

/** Takes an object and a path of member names; gives the object there, for a forger to change. Throws TypeError if
 * there is none. */
export function objectAt(start: JsonObject, ...path: readonly string[]): JsonObject {
  let here: JsonValue | undefined = start;
  for (const name of path) {
    here = isObject(here) ? here[name] : undefined;
  }
  if (!isObject(here)) throw new TypeError(`no object at ${path.join('.')}`);
  return here;
}

/** Takes a file's bytes; gives its `signed` object. Throws if the file is not one. */
export function readSigned(bytes: Uint8Array): JsonObject {
  return objectAt(JSON.parse(Buffer.from(bytes).toString()) as JsonObject, 'signed');
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
