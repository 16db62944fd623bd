import type { Json, JsonObject } from './canonical-json.ts';
import { RepositoryError } from './error.ts';

// Typed readings of one value of a metadata file. Each throws RepositoryError MALFORMED and names the place.

/**
 * Takes a value and the member names that have a meaning here; gives the object. A name that equals a known one but for
 * case is refused: Go's reader, and so notary's own client, would take it for the known one (notary-v1 §2.8).
 */
export function readObject(
  value: Json | undefined,
  place: string,
  known: readonly string[] = [],
): JsonObject {
  if (!(value instanceof Map)) throw malformed(place, 'an object', value);
  const object = value as JsonObject;
  const folded = new Map(known.map((name) => [fold(name), name]));
  for (const name of object.keys()) {
    const meant = folded.get(fold(name));
    if (meant !== undefined && meant !== name) {
      throw new RepositoryError(
        'MALFORMED',
        `${place} has ${JSON.stringify(name)} where "${meant}" is meant`,
      );
    }
  }
  return object;
}

/** Like `readObject`, and no other members may stand there: nothing signs them. */
export function readExactObject(
  value: Json | undefined,
  place: string,
  known: readonly string[],
): JsonObject {
  const object = readObject(value, place, known);
  const stranger = object.keys().find((name) => !known.includes(name));
  if (stranger !== undefined) {
    throw new RepositoryError(
      'MALFORMED',
      `${place} has an unknown member ${JSON.stringify(stranger.slice(0, 64))}`,
    );
  }
  return object;
}

export function readArray(value: Json | undefined, place: string): readonly Json[] {
  if (!Array.isArray(value)) throw malformed(place, 'an array', value);
  return value as readonly Json[];
}

export function readString(value: Json | undefined, place: string): string {
  if (typeof value !== 'string') throw malformed(place, 'a string', value);
  return value;
}

/** An integer of at least 1: versions, thresholds and lengths know no other. */
export function readPositive(value: Json | undefined, place: string): number {
  if (typeof value !== 'number' || value < 1) throw malformed(place, 'a positive integer', value);
  return value;
}

/** 64 lower-case hexadecimal digits. */
export function readKeyId(value: Json | undefined, place: string): string {
  const id = readString(value, place);
  if (!/^[0-9a-f]{64}$/.test(id)) throw malformed(place, 'a key id', value);
  return id;
}

/** Standard base64 with padding, in the one spelling that its bytes have (Buffer alone ignores garbage). */
export function readBase64(value: Json | undefined, place: string): Buffer {
  const text = readString(value, place);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== text) throw malformed(place, 'base64', undefined);
  return bytes;
}

/**
 * An instant of RFC 3339 as Go writes it, with up to nine digits of fraction and any offset (notary-v1 §2.2). Gives it in
 * milliseconds, rounded down, so that nothing lives longer than was signed. `Date.parse` alone takes far too much.
 */
export function readInstant(value: Json | undefined, place: string): Date {
  const match = instant.exec(readString(value, place));
  const [, date = '', time = '', fraction = '', sign, hours = '0', minutes = '0'] = match ?? [];
  const local = new Date(`${date}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}Z`);
  // A day such as 30 February reads as a later one, or not at all.
  const exists =
    match !== null && !Number.isNaN(local.getTime()) && local.toISOString().startsWith(`${date}T${time}`);
  if (!exists || Number(hours) > 23 || Number(minutes) > 59)
    throw malformed(place, 'an RFC 3339 instant', value);
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  return new Date(local.getTime() - offset);
}

const instant =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))$/;

/** Go compares names by simple case folding, under which U+017F equals "s" and U+212A equals "k". */
function fold(name: string): string {
  return name.toLowerCase().toUpperCase();
}

function malformed(place: string, expected: string, found: Json | undefined): RepositoryError {
  const shown = found === undefined ? 'nothing of the kind' : describe(found);
  return new RepositoryError('MALFORMED', `${place} should be ${expected}, but is ${shown}`);
}

function describe(value: Json): string {
  if (value instanceof Map) return 'an object';
  if (Array.isArray(value)) return 'an array';
  return JSON.stringify(typeof value === 'string' ? value.slice(0, 64) : value);
}
