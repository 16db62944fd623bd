import { createHash } from 'node:crypto';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import type { KeyVector, SignatureVector, Vectors } from './seed.ts';
import {
  byte,
  bytesOf,
  concat,
  der,
  derInteger,
  message,
  numberOf,
  other,
  seeded,
  seededNumber,
} from './seed.ts';

// ECDSA over SHA-256, r‖s (notary-v1 §2.7), on the three curves that notary knows.

const curves = [
  { name: 'P-256', curve: p256, size: 32, oid: '06082a8648ce3d030107' },
  { name: 'P-384', curve: p384, size: 48, oid: '06052b81040022' },
  { name: 'P-521', curve: p521, size: 66, oid: '06052b81040023' },
] as const;
type Curve = (typeof curves)[number];

const ecPublicKey = Buffer.from('06072a8648ce3d0201', 'hex');

function spki(oid: string, point: Uint8Array): Buffer {
  return der(0x30, der(0x30, ecPublicKey, Buffer.from(oid, 'hex')), der(3, byte(0), point));
}

export function ecdsaVectors(): Vectors {
  const all = curves.map((curve) => ({ keys: keysOn(curve), signatures: signaturesOn(curve) }));
  return {
    keys: [...all.flatMap(({ keys }) => keys), ...otherCurves()],
    signatures: all.flatMap(({ signatures }) => signatures),
  };
}

function secretsOn({ name, curve }: Curve): Readonly<Record<string, bigint>> {
  const order = curve.Point.Fn.ORDER;
  return { key: seededNumber(`${name} key`, order), stranger: seededNumber(`${name} stranger`, order), one: 1n, last: order - 1n }; // prettier-ignore
}

function pointOf({ curve }: Curve, secret: bigint): Buffer {
  return Buffer.from(curve.Point.BASE.multiply(secret).toBytes(false));
}

function keysOn(on: Curve): KeyVector[] {
  const { name, curve, size, oid } = on;
  const { key = 0n, one = 0n, last = 0n } = secretsOn(on);
  const point = pointOf(on, key);
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)];
  const odd = (point.at(-1) ?? 0) & 1;
  const field = curve.Point.Fp.ORDER;
  const at = (first: Uint8Array, second: Uint8Array): Buffer => spki(oid, concat(byte(4), first, second));
  const whole = spki(oid, point);
  const file = (what: string, bytes: Buffer, usable = false, keytype = 'ecdsa'): KeyVector => ({
    name: `${name} ${what}`,
    keytype,
    public: bytes,
    usable,
  });
  const beyond =
    numberOf(x) + field < 1n << BigInt(8 * size) ? [at(bytesOf(numberOf(x) + field, size), y)] : [];
  return [
    file('key', whole, true),
    file('stranger', spki(oid, pointOf(on, secretsOn(on)['stranger'] ?? 0n)), true),
    file('generator', spki(oid, pointOf(on, one)), true),
    file('generator, negated', spki(oid, pointOf(on, last)), true),
    file('infinity', spki(oid, byte(0))),
    file('infinity, padded', spki(oid, Buffer.alloc(1 + 2 * size))),
    file('of zeros', at(Buffer.alloc(size), Buffer.alloc(size))),
    file('beside the curve', at(x, bytesOf((numberOf(y) + 1n) % field, size))),
    file('with exchanged coordinates', at(y, x)),
    file('with y not reduced', at(x, Buffer.alloc(size, 0xff))),
    file('with x of the field', at(bytesOf(field, size), y)),
    ...beyond.map((bytes) => file('with x beyond the field', bytes)),
    file('compressed', spki(oid, concat(byte(2 + odd), x))),
    file('hybrid', spki(oid, concat(byte(6 + odd), x, y))),
    file('hybrid of the wrong parity', spki(oid, concat(byte(7 - odd), x, y))),
    file('without a form', spki(oid, concat(byte(5), x, y))),
    file('cut short', spki(oid, point.subarray(0, -1))),
    file('with a byte too many in the point', spki(oid, concat(point, byte(0)))),
    file('with a byte after it', concat(whole, byte(0))),
    file('as a bare point', point),
    file(
      'with a length not of DER',
      concat(
        whole.subarray(0, 1),
        byte(0x82),
        bytesOf(BigInt(whole.length - headOf(whole)), 2),
        whole.subarray(headOf(whole)),
      ),
    ),
    file('without a curve', der(0x30, der(0x30, ecPublicKey), der(3, byte(0), point))),
    file('on the curve null', der(0x30, der(0x30, ecPublicKey, byte(5), byte(0)), der(3, byte(0), point))),
    file('filed as rsa', whole, false, 'rsa'),
    file('filed as ed25519', whole, false, 'ed25519'),
    file('filed as a certificate', whole, false, 'ecdsa-x509'),
  ];
}

/** Bytes of the header of a short element. */
function headOf(element: Buffer): number {
  return (element[1] ?? 0) < 0x80 ? 2 : 3;
}

/** Curves that others accept. The points are anybody's: the curve alone decides. */
function otherCurves(): KeyVector[] {
  const points: readonly (readonly [name: string, oid: string, size: number, point: string])[] = [
    ['P-224', '06052b81040021', 28, 'b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34'], // prettier-ignore
    ['secp256k1', '06052b8104000a', 32, '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8'], // prettier-ignore
    ['brainpoolP256r1', '06092b2403030208010107', 32, '8bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997'], // prettier-ignore
  ];
  return points.map(([name, oid, , point]) => ({
    name: `${name} generator`,
    keytype: 'ecdsa',
    public: spki(oid, concat(byte(4), Buffer.from(point, 'hex'))),
    usable: false,
  }));
}

function signaturesOn(on: Curve): SignatureVector[] {
  const { name, curve, size } = on;
  const order = curve.Point.Fn.ORDER;
  const secrets = secretsOn(on);
  const hash = (text: Uint8Array, algorithm = 'sha256'): Buffer =>
    createHash(algorithm).update(text).digest();
  const signed = (by: string, digest: Uint8Array): readonly [bigint, bigint] => {
    const options = { prehash: false, lowS: true, extraEntropy: false } as const;
    const bytes = curve.sign(digest, bytesOf(secrets[by] ?? 0n, size), options);
    return [numberOf(bytes.subarray(0, size)), numberOf(bytes.subarray(size))];
  };
  const pair = (left: bigint, right: bigint): Buffer => concat(bytesOf(left, size), bytesOf(right, size));
  const [r, s] = signed('key', hash(message));
  const good = pair(r, s);
  // With this r, u1·G + u2·Q is the point at infinity whatever s is: e + r·d = 0.
  const { Fn } = curve.Point;
  const digest = numberOf(hash(message)) % order;
  const infinite = Fn.neg(Fn.div(digest, secrets['key'] ?? 0n));
  const most = (1n << BigInt(8 * size)) - 1n;
  const file = (comment: string, sig: Buffer, valid = false, key = 'key'): SignatureVector => ({
    key: `${name} ${key}`,
    comment,
    method: 'ecdsa',
    sig,
    valid,
  });
  const wider = (value: bigint): readonly bigint[] => (value + order <= most ? [value + order] : []);
  return [
    file('low S', good, true),
    file('high S', pair(r, order - s), true),
    file('by the generator', pair(...signed('one', hash(message))), true, 'generator'),
    file('by its negation', pair(...signed('last', hash(message))), true, 'generator, negated'),
    file(
      'by the generator, for its negation',
      pair(...signed('one', hash(message))),
      false,
      'generator, negated',
    ),
    file('r negated', pair(order - r, s)),
    file('r of zero', pair(0n, s)),
    file('s of zero', pair(r, 0n)),
    file('zeros', Buffer.alloc(2 * size)),
    file('r of the order', pair(order, s)),
    file('s of the order', pair(r, order)),
    file('both of the order', pair(order, order)),
    file('r one above the order', pair(order + 1n, s)),
    file('s one above the order', pair(r, order + 1n)),
    file('r of one', pair(1n, s)),
    file('s of one', pair(r, 1n)),
    file('r and s of one', pair(1n, 1n)),
    file('r one below the order', pair(order - 1n, s)),
    file('s one below the order', pair(r, order - 1n)),
    file('r of the field', pair(curve.Point.Fp.ORDER, s)),
    ...wider(r).map((beyond) => file('r plus the order', pair(beyond, s))),
    ...wider(s).map((beyond) => file('s plus the order', pair(r, beyond))),
    file('ones', Buffer.alloc(2 * size, 0xff)),
    file('the point at infinity', pair(infinite, s)),
    file('the point at infinity, with s of one', pair(infinite, 1n)),
    file('r and s exchanged', pair(s, r)),
    file('over another message', pair(...signed('key', hash(other)))),
    file('by another key', pair(...signed('stranger', hash(message)))),
    file('over SHA-384', pair(...signed('key', hash(message, 'sha384')))),
    file('over SHA-512', pair(...signed('key', hash(message, 'sha512')))),
    file('over SHA-1', pair(...signed('key', hash(message, 'sha1')))),
    file('over the message itself', pair(...signed('key', message.subarray(0, 32)))),
    file('over the hash of the hash', pair(...signed('key', hash(hash(message))))),
    file('in DER', der(0x30, derInteger(r), derInteger(s))),
    file('empty', Buffer.alloc(0)),
    file('r alone', good.subarray(0, size)),
    file('a byte short in front', good.subarray(1)),
    file('a byte short at the end', good.subarray(0, -1)),
    file('a zero in front', concat(byte(0), good)),
    file('a zero behind', concat(good, byte(0))),
    file('a zero in front of each', concat(byte(0), bytesOf(r, size), byte(0), bytesOf(s, size))),
    file('twice', concat(good, good)),
    file('anything', seeded(`${name} anything`, 2 * size)),
    { ...file('by the method of Ed25519', good), method: 'eddsa' },
    { ...file('by the method of RSA', good), method: 'rsapss' },
    { ...file('without a method', good), method: '' },
  ];
}
