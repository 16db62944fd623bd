import type { KeyObject } from 'node:crypto';
import { createHash, createPublicKey } from 'node:crypto';
import type { Json, JsonObject } from '../canonical-json.ts';
import { canonicalBytes } from '../canonical-json.ts';
import type { Certificate } from './certificate.ts';
import { readBundle } from './certificate.ts';
import { RepositoryError } from '../error.ts';
import { sha256Hex } from '../hashes.ts';
import { readBase64, readObject, readString } from '../members.ts';

export type Algorithm = 'P-256' | 'P-384' | 'P-521' | 'ed25519' | 'rsa';

/** A public key that some role may be signed with. */
export interface PublicKey {
  readonly id: string;
  readonly algorithm: Algorithm;
  readonly key: KeyObject;
  /** The public key as a point (elliptic keys only), for the second implementation. */
  readonly point: Uint8Array;
  /** SHA-256 of the SPKI in hex: what makes two keys the same, whatever certificates wrap them. */
  readonly spki: string;
  /** The certificates that wrap it, leaf first; empty for a plain key. */
  readonly bundle: readonly Certificate[];
}

const known = ['keytype', 'keyval'];

/** Throws RepositoryError MALFORMED if something private stands in a key object, of whatever type, used or not. */
export function refusePrivate(value: Json, id: string): void {
  const keyval = value instanceof Map ? (value as JsonObject).get('keyval') : undefined;
  const secret = keyval instanceof Map ? ((keyval as JsonObject).get('private') ?? null) : null;
  if (secret !== null) throw new RepositoryError('MALFORMED', `key ${id} carries a private key`);
}

/**
 * Takes a key object of root or targets metadata and the id it is filed under. Throws RepositoryError MALFORMED if the
 * id is not the hash of the key (notary-v1 §2.6).
 */
export function checkKeyId(value: Json | undefined, id: string): JsonObject {
  const object = readObject(value, `key ${id}`, known);
  const keyval = readObject(object.get('keyval'), `key ${id}`, ['private', 'public']);
  const keytype = readString(object.get('keytype'), `key ${id}.keytype`);
  const found = keyId(keytype, keyval.get('public') ?? null);
  if (found !== id) throw new RepositoryError('MALFORMED', `key ${id} hashes to ${found}`);
  return object;
}

/** Takes a key object whose id was checked; gives the key. Throws RepositoryError MALFORMED for any key we do not use. */
export function readKey(object: JsonObject, id: string): PublicKey {
  const place = `key ${id}`;
  const keytype = readString(object.get('keytype'), `${place}.keytype`);
  const bytes = readBase64(readObject(object.get('keyval'), place).get('public'), `${place}.keyval.public`);
  switch (keytype) {
    case 'ecdsa':
    case 'rsa':
      return fromKeyObject(readSpki(bytes, place), id, keytype, []);
    case 'ecdsa-x509':
    case 'rsa-x509': {
      const bundle = readBundle(bytes, place);
      return fromKeyObject(bundle[0].publicKey, id, keytype === 'rsa-x509' ? 'rsa' : 'ecdsa', bundle);
    }
    case 'ed25519':
      if (bytes.length !== 32)
        throw new RepositoryError('MALFORMED', `${place} has ${bytes.length} bytes, not 32`);
      return fromKeyObject(readSpki(Buffer.concat([ed25519Prefix, bytes]), place), id, 'ed25519', []);
    default:
      throw new RepositoryError(
        'MALFORMED',
        `${place} is of the unknown type ${JSON.stringify(keytype.slice(0, 32))}`,
      );
  }
}

/** SPKI header of a raw Ed25519 key (RFC 8410 §4). */
const ed25519Prefix = Buffer.from('302a300506032b6570032100', 'hex');

function readSpki(der: Buffer, place: string): KeyObject {
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    if (!key.export({ format: 'der', type: 'spki' }).equals(der))
      throw new RangeError('not in canonical DER');
    return key;
  } catch (error) {
    // OpenSSL's errors have no class of their own.
    if (error instanceof TypeError) throw error;
    throw new RepositoryError('MALFORMED', `${place} is not a public key`, { cause: error });
  }
}

const curves = new Map<string, Algorithm>([
  ['prime256v1', 'P-256'],
  ['secp384r1', 'P-384'],
  ['secp521r1', 'P-521'],
]);
/** Bytes of an SPKI with an uncompressed point, or with a raw Ed25519 key, and of that point or key at its end. */
const spkiBytes = { 'P-256': 91, 'P-384': 120, 'P-521': 158, ed25519: 44 } as const;
const pointBytes = { 'P-256': 65, 'P-384': 97, 'P-521': 133, ed25519: 32, rsa: 0 } as const;

function fromKeyObject(
  key: KeyObject,
  id: string,
  family: 'ecdsa' | 'rsa' | 'ed25519',
  bundle: readonly Certificate[],
): PublicKey {
  const algorithm = algorithmOf(key, id);
  const actual = algorithm === 'rsa' || algorithm === 'ed25519' ? algorithm : 'ecdsa';
  if (actual !== family)
    throw new RepositoryError('MALFORMED', `key ${id} is filed as ${family}, but is ${actual}`);
  const spki = key.export({ format: 'der', type: 'spki' });
  if (algorithm !== 'rsa' && spki.length !== spkiBytes[algorithm]) {
    throw new RepositoryError('MALFORMED', `key ${id} has ${spki.length} bytes, not ${spkiBytes[algorithm]}`);
  }
  const point = spki.subarray(spki.length - pointBytes[algorithm]);
  // OpenSSL reads hybrid points, which are as long, and keeps them: a second SPKI of one key.
  if (actual === 'ecdsa' && point[0] !== 4)
    throw new RepositoryError('MALFORMED', `key ${id} is not an uncompressed point`);
  return {
    id,
    algorithm,
    key,
    point,
    spki: createHash('sha256').update(spki).digest('hex'),
    bundle,
  };
}

function algorithmOf(key: KeyObject, id: string): Algorithm {
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519';
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = { ...key.asymmetricKeyDetails };
  if (key.asymmetricKeyType === 'ec') {
    // Explicit curve parameters have no name; P-224 and others are not in the list.
    const curve = curves.get(String(namedCurve));
    if (curve !== undefined) return curve;
    throw new RepositoryError('MALFORMED', `key ${id} is on the curve ${namedCurve}`);
  }
  if (key.asymmetricKeyType !== 'rsa') {
    throw new RepositoryError('MALFORMED', `key ${id} is of the unsupported type ${key.asymmetricKeyType}`);
  }
  if (modulusLength < 2048 || modulusLength > 8192) {
    throw new RepositoryError('MALFORMED', `key ${id} has ${modulusLength} bits; RSA keys have 2048 to 8192`);
  }
  // More than 64 bits of exponent only make verification slow.
  if (publicExponent < 65537n || publicExponent % 2n === 0n || publicExponent > 0xffff_ffff_ffff_ffffn) {
    throw new RepositoryError('MALFORMED', `key ${id} has the exponent ${publicExponent}`);
  }
  return 'rsa';
}

/**
 * Takes a key; gives the ids under which an operator may know it: Notary's id of the key as it is filed, the "canonical"
 * id of the plain key (`notary key list`), and the SHA-256 of its SPKI (notary-v1 §2.6).
 */
export function knownIds(key: PublicKey): readonly string[] {
  const keytype = key.algorithm === 'rsa' || key.algorithm === 'ed25519' ? key.algorithm : 'ecdsa';
  const spki = key.key.export({ format: 'der', type: 'spki' });
  return [key.id, keyId(keytype, spki.toString('base64')), key.spki];
}

function keyId(keytype: string, publicText: Json): string {
  const keyval = new Map<string, Json>([
    ['private', null],
    ['public', publicText],
  ]);
  return sha256Hex(
    canonicalBytes(
      new Map<string, Json>([
        ['keytype', keytype],
        ['keyval', keyval],
      ]),
    ),
  );
}
