import { createHash } from 'node:crypto';

/** The seed of everything in own.json that could be anything. */
const seed = 'tufgate own vectors, 2026-11-20';

/** Takes a name; gives bytes that are always the same for it. */
export function seeded(name: string, length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(`${seed}: ${name}`).digest();
}

/** Takes a name and a bound; gives a number from 1 to below the bound. */
export function seededNumber(name: string, bound: bigint): bigint {
  const bytes = Math.ceil(bound.toString(16).length / 2) + 16;
  return (numberOf(seeded(name, bytes)) % (bound - 1n)) + 1n;
}

export const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);

/** Big-endian; throws RangeError for what does not fit. */
export function bytesOf(value: bigint, length: number): Buffer {
  const hex = value.toString(16).padStart(2 * length, '0');
  if (hex.length > 2 * length) throw new RangeError(`${value} has more than ${length} bytes`);
  return Buffer.from(hex, 'hex');
}

export const concat = (...parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
export const byte = (value: number): Buffer => Buffer.from([value]);

/** One element of DER. */
export function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = concat(...content);
  const size = body.length.toString(16);
  const length = Buffer.from(size.padStart(size.length + (size.length % 2), '0'), 'hex');
  return body.length < 0x80
    ? concat(byte(tag), byte(body.length), body)
    : concat(byte(tag), byte(0x80 + length.length), length, body);
}

/** A positive INTEGER of DER. */
export function derInteger(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return der(2, (bytes[0] ?? 0) > 0x7f ? concat(byte(0), bytes) : bytes);
}

/** A public key, as its owner or an attacker files it. `usable`: whether it may be a role's key. */
export interface KeyVector {
  readonly name: string;
  readonly keytype: string;
  readonly public: Buffer;
  readonly usable: boolean;
}

/** A signature of `message` under a key. */
export interface SignatureVector {
  readonly key: string;
  readonly comment: string;
  readonly method: string;
  readonly sig: Buffer;
  readonly valid: boolean;
}

export interface Vectors {
  readonly keys: readonly KeyVector[];
  readonly signatures: readonly SignatureVector[];
}

export const message = Buffer.from('{"_type":"Timestamp","version":1}');
export const other = Buffer.from('{"_type":"Timestamp","version":2}');
