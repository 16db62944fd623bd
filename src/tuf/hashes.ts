import { createHash, timingSafeEqual } from 'node:crypto';
import type { Json } from './canonical-json.ts';
import { RepositoryError } from './error.ts';
import { readBase64, readObject, readPositive } from './members.ts';

/** What signed metadata says of a file: its exact length in bytes and its hashes. */
export interface FileHashes {
  readonly length: number;
  readonly sha256: Buffer | undefined;
  readonly sha512: Buffer | undefined;
}

/** Takes a `meta` or `targets` entry; gives what it says. Algorithms we do not know are signed, and no use to us. */
export function readFileHashes(value: Json | undefined, place: string): FileHashes {
  const entry = readObject(value, place, ['hashes', 'length']);
  const hashes = readObject(entry.get('hashes'), `${place}.hashes`, ['sha256', 'sha512']);
  const read = (name: string, size: number): Buffer | undefined => {
    if (!hashes.has(name)) return undefined;
    const hash = readBase64(hashes.get(name), `${place}.hashes.${name}`);
    if (hash.length !== size) {
      throw new RepositoryError('MALFORMED', `${place}.hashes.${name} has ${hash.length} bytes, not ${size}`);
    }
    return hash;
  };
  return {
    length: readPositive(entry.get('length'), `${place}.length`),
    sha256: read('sha256', 32),
    sha512: read('sha512', 64),
  };
}

/** Throws RepositoryError BAD_HASH unless the bytes have the length and every hash that was signed for them. */
export function checkFile(bytes: Uint8Array, expected: FileHashes, name: string): void {
  if (bytes.length !== expected.length) {
    throw new RepositoryError(
      'BAD_HASH',
      `${name} has ${bytes.length} bytes, but ${expected.length} are signed`,
    );
  }
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const signed = expected[algorithm];
    if (signed === undefined) continue;
    const found = createHash(algorithm).update(bytes).digest();
    if (!timingSafeEqual(found, signed)) {
      throw new RepositoryError(
        'BAD_HASH',
        `${name} has ${algorithm} ${found.toString('hex')}, but ${signed.toString('hex')} is signed`,
      );
    }
  }
}

/** Takes bytes; gives their SHA-256 in hex. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
