import type { KeyObject } from 'node:crypto';
import { checkPrimeSync, constants, createHash, createPrivateKey, privateEncrypt } from 'node:crypto';
import type { KeyVector, SignatureVector, Vectors } from './seed.ts';
import { byte, bytesOf, concat, der, derInteger, message, numberOf, other, seeded } from './seed.ts';

// RSA-PSS over SHA-256 with a salt of 32 bytes, and PKCS #1 v1.5 where that is allowed (notary-v1 §2.7).

const usual = 65537n;

/** An odd number of exactly so many bits; nobody needs its factors. */
function modulusOf(name: string, bits: number): bigint {
  const rest = numberOf(seeded(`modulus ${name}`, Math.ceil(bits / 8) + 1)) % (1n << BigInt(bits - 1));
  return (1n << BigInt(bits - 1)) | rest | 1n;
}

function spki(modulus: bigint, exponent: bigint): Buffer {
  const key = der(0x30, derInteger(modulus), derInteger(exponent));
  return der(0x30, der(0x30, Buffer.from('06092a864886f70d0101010500', 'hex')), der(3, byte(0), key));
}

interface Pair {
  readonly modulus: bigint;
  readonly d: bigint;
  readonly size: number;
  readonly privateKey: KeyObject;
}

/** The first prime from a seeded number on that fits the exponent; its two highest bits are set. */
function primeOf(name: string, bits: number): bigint {
  const top = 3n << BigInt(bits - 2);
  let candidate = top | (numberOf(seeded(`prime ${name}`, bits / 8)) % top) | 1n;
  while (candidate % usual === 1n || !isPrime(candidate)) candidate += 2n;
  return candidate;
}

const isPrime = (candidate: bigint): boolean =>
  [3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n].every((small) => candidate % small !== 0n) &&
  checkPrimeSync(candidate, { checks: 16 });

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [modulus, value % modulus, 0n, 1n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % modulus) + modulus) % modulus;
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) result = (result * result * (bit === '1' ? base : 1n)) % modulus;
  return result;
}

function pairOf(name: string, bits: number): Pair {
  const [p, q] = [primeOf(`${name} p`, bits / 2), primeOf(`${name} q`, bits / 2)];
  const d = inverse(usual, (p - 1n) * (q - 1n));
  const parts = [0n, p * q, usual, d, p, q, d % (p - 1n), d % (q - 1n), inverse(q, p)];
  const bytes = der(0x30, ...parts.map((part) => derInteger(part)));
  const privateKey = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs1' });
  return { modulus: p * q, d, size: bits / 8, privateKey };
}

const raise = ({ privateKey }: Pair, encoded: Uint8Array): Buffer =>
  privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, encoded);

const hash = (algorithm: string, ...parts: readonly Uint8Array[]): Buffer =>
  createHash(algorithm)
    .update(concat(...parts))
    .digest();

interface PssForm {
  readonly text?: Uint8Array;
  readonly salt?: Buffer;
  readonly algorithm?: string;
  readonly maskAlgorithm?: string;
  readonly trailer?: number;
  readonly separator?: number;
  readonly padding?: number;
  readonly top?: number;
}

/** EMSA-PSS-ENCODE of RFC 8017 §9.1.1 for a modulus of whole bytes, with whatever is to be wrong. */
function pss(size: number, form: PssForm = {}): Buffer {
  const { text = message, salt = seeded('salt', 32), algorithm = 'sha256' } = form;
  const digest = hash(algorithm, Buffer.alloc(8), hash(algorithm, text), salt);
  const block = Buffer.alloc(size - digest.length - 1, form.padding ?? 0);
  salt.copy(block, block.length - salt.length);
  block[block.length - salt.length - 1] = form.separator ?? 1;
  const mask = maskOf(form.maskAlgorithm ?? algorithm, digest, block.length);
  const masked = block.map((value, index) => value ^ (mask[index] ?? 0));
  masked[0] = ((masked[0] ?? 0) & 0x7f) | (form.top ?? 0);
  return concat(masked, digest, byte(form.trailer ?? 0xbc));
}

/** MGF1 of RFC 8017 §B.2.1. */
function maskOf(algorithm: string, from: Uint8Array, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 20) }, (_, index) =>
    hash(algorithm, from, bytesOf(BigInt(index), 4)),
  );
  return concat(...blocks).subarray(0, length);
}

const sha256Prefix = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** EMSA-PKCS1-v1_5 of RFC 8017 §9.2 around this DigestInfo, with what stands after it. */
function v15(size: number, digestInfo: Uint8Array, after = Buffer.alloc(0), block = 1, fill = 0xff): Buffer {
  const padding = Buffer.alloc(size - 3 - digestInfo.length - after.length, fill);
  return concat(byte(0), byte(block), padding, byte(0), digestInfo, after);
}

export function rsaVectors(): Vectors {
  const pair = pairOf('RSA-2048', 2048);
  const small = pairOf('RSA-1024', 1024);
  return {
    keys: keys(pair, small),
    signatures: [...pssSignatures(pair), ...v15Signatures(pair), ...wrongKeys(pair, small)],
  };
}

function keys(pair: Pair, small: Pair): KeyVector[] {
  const file = (what: string, bytes: Buffer, usable = false, keytype = 'rsa'): KeyVector => ({
    name: `RSA ${what}`,
    keytype,
    public: bytes,
    usable,
  });
  const whole = spki(pair.modulus, usual);
  const sized = [2048, 2049, 3072, 4096, 8192].map((bits) => [bits, true] as const);
  const wrong = [512, 1024, 2040, 2047, 8193, 16384].map((bits) => [bits, false] as const);
  const exponents: readonly (readonly [bigint, boolean])[] = [
    [0n, false],
    [1n, false],
    [2n, false],
    [3n, false],
    [17n, false],
    [65535n, false],
    [65536n, false],
    [65538n, false],
    [65539n, true],
    [(1n << 64n) - 1n, true],
    [1n << 64n, false],
    [(1n << 64n) + 1n, false],
    [pair.modulus - 2n, false],
  ];
  return [
    file('key', whole, true),
    file('small key', spki(small.modulus, usual)),
    ...[...sized, ...wrong].map(([bits, usable]) =>
      file(`of ${bits} bits`, spki(modulusOf(`${bits}`, bits), usual), usable),
    ),
    ...exponents.map(([exponent, usable], index) =>
      file(`with the exponent ${index === 12 ? 'n - 2' : exponent}`, spki(pair.modulus, exponent), usable),
    ),
    // OpenSSL reads it, and verifies nothing with it.
    file('with an even modulus', spki(2n * pair.modulus, usual), true),
    file('with a modulus of zero', spki(0n, usual)),
    file('with a byte after it', concat(whole, byte(0))),
    file('as PKCS #1', der(0x30, derInteger(pair.modulus), derInteger(usual))),
    file('with a second zero before the modulus', padded(pair.modulus)),
    file('of the algorithm RSASSA-PSS', whole.map((value, index) => (index === 18 ? 0x0a : value)) as Buffer),
    file('filed as ecdsa', whole, false, 'ecdsa'),
    file('filed as a certificate', whole, false, 'rsa-x509'),
  ];
}

/** An INTEGER that is not minimal. */
function padded(modulus: bigint): Buffer {
  const integer = der(2, Buffer.alloc(2), bytesOf(modulus, 256));
  const key = der(0x30, integer, derInteger(usual));
  return der(0x30, der(0x30, Buffer.from('06092a864886f70d0101010500', 'hex')), der(3, byte(0), key));
}

function file(method: string, comment: string, sig: Buffer, valid = false, key = 'key'): SignatureVector {
  return { key: `RSA ${key}`, comment, method, sig, valid };
}

function pssSignatures(pair: Pair): SignatureVector[] {
  const { size, modulus } = pair;
  const made = (form: PssForm): Buffer => raise(pair, pss(size, form));
  const good = made({});
  const salts = [0, 1, 20, 31, 33, 48, 64, size - 34].map((length) =>
    file('rsapss', `a salt of ${length} bytes`, made({ salt: seeded('salt', length) })),
  );
  return [
    file('rsapss', 'a salt of 32 bytes', good, true),
    file('rsapss', 'another salt of 32 bytes', made({ salt: seeded('another salt', 32) }), true),
    file('rsapss', 'a salt of zeros', made({ salt: Buffer.alloc(32) }), true),
    ...salts,
    file('rsapss', 'over another message', made({ text: other })),
    ...['sha1', 'sha384', 'sha512'].map((algorithm) =>
      file('rsapss', `over ${algorithm}`, made({ algorithm })),
    ),
    ...['sha1', 'sha512'].map((maskAlgorithm) =>
      file('rsapss', `with a mask of ${maskAlgorithm}`, made({ maskAlgorithm })),
    ),
    file('rsapss', 'with the trailer cc', made({ trailer: 0xcc })),
    file('rsapss', 'with the trailer zero', made({ trailer: 0 })),
    file('rsapss', 'without the one before the salt', made({ separator: 0 })),
    file('rsapss', 'with a two before the salt', made({ separator: 2 })),
    file('rsapss', 'with a padding of ones', made({ padding: 1 })),
    file('rsapss', 'zero', Buffer.alloc(size)),
    file('rsapss', 'one', bytesOf(1n, size)),
    file('rsapss', 'the modulus', bytesOf(modulus, size)),
    file('rsapss', 'one below the modulus', bytesOf(modulus - 1n, size)),
    file('rsapss', 'plus the modulus', beyond(pair)),
    file('rsapss', 'negated', bytesOf(modulus - numberOf(good), size)),
    file('rsapss', 'ones', Buffer.alloc(size, 0xff)),
    file('rsapss', 'empty', Buffer.alloc(0)),
    file('rsapss', 'a byte short in front', good.subarray(1)),
    file('rsapss', 'a byte short at the end', good.subarray(0, -1)),
    file('rsapss', 'a zero in front', concat(byte(0), good)),
    file('rsapss', 'a zero behind', concat(good, byte(0))),
    file('rsapss', 'the encoded message itself', pss(size)),
    file('rsapss', 'of PKCS #1 v1.5', raise(pair, v15(size, concat(sha256Prefix, hash('sha256', message))))),
    file('ecdsa', 'by the method of ECDSA', good),
    file('none', 'without a method', good),
  ];
}

/** A good signature that still has 256 bytes when the modulus is added. */
function beyond(pair: Pair): Buffer {
  for (let count = 0; ; count += 1) {
    const sum = numberOf(raise(pair, pss(pair.size, { salt: seeded(`salt ${count}`, 32) }))) + pair.modulus;
    if (sum < 1n << BigInt(8 * pair.size)) return bytesOf(sum, pair.size);
  }
}

function v15Signatures(pair: Pair): SignatureVector[] {
  const { size } = pair;
  const digest = hash('sha256', message);
  const whole = concat(sha256Prefix, digest);
  const made = (...form: Parameters<typeof v15> extends [number, ...infer Rest] ? Rest : never): Buffer =>
    raise(pair, v15(size, ...form));
  const method = 'rsapkcs1v15';
  return [
    file(method, 'as RFC 8017 makes it', made(whole), true),
    file(method, 'over another message', made(concat(sha256Prefix, hash('sha256', other)))),
    file(
      method,
      'without the NULL',
      made(concat(Buffer.from('302f300b0609608648016503040201', 'hex'), Buffer.from('0420', 'hex'), digest)),
    ),
    file(method, 'with bytes after the hash', made(whole, Buffer.alloc(32))),
    file(
      method,
      'with the padding of a few bytes (Bleichenbacher)',
      made(whole, Buffer.alloc(size - 3 - whole.length - 8)),
    ),
    file(method, 'with the block type 2', made(whole, Buffer.alloc(0), 2)),
    file(method, 'with the block type 0', made(whole, Buffer.alloc(0), 0)),
    file(method, 'with a padding of zeros', made(whole, Buffer.alloc(0), 1, 0)),
    file(method, 'of the hash alone', made(digest)),
    file(
      method,
      'with the name of SHA-512 on a SHA-256',
      made(concat(Buffer.from('3031300d060960864801650304020305000420', 'hex'), digest)),
    ),
    file(
      method,
      'over SHA-1',
      made(concat(Buffer.from('3021300906052b0e03021a05000414', 'hex'), hash('sha1', message))),
    ),
    file(
      method,
      'over SHA-512',
      made(concat(Buffer.from('3051300d060960864801650304020305000440', 'hex'), hash('sha512', message))),
    ),
    file(method, 'a byte short', made(whole).subarray(1)),
    file(method, 'of PSS', raise(pair, pss(size))),
  ];
}

function wrongKeys(pair: Pair, small: Pair): SignatureVector[] {
  const short = raise(small, pss(small.size));
  // Twice the modulus: what d makes of a message satisfies the equation still.
  const even = 2n * pair.modulus;
  const doubled = power(numberOf(v15(257, concat(sha256Prefix, hash('sha256', message)))), pair.d, even);
  return [
    file('rsapss', 'by a key that is too small', short, false, 'small key'),
    file(
      'rsapss',
      'by a key that is too small, of 256 bytes',
      concat(Buffer.alloc(128), short),
      false,
      'small key',
    ),
    file('rsapss', 'by another key', raise(pair, pss(pair.size)), false, 'of 2048 bits'),
    file('rsapkcs1v15', 'that satisfies the equation', bytesOf(doubled, 257), false, 'with an even modulus'),
  ];
}
