import { createHash } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import type { KeyVector, SignatureVector, Vectors } from './seed.ts';
import { byte, bytesOf, concat, message, numberOf, other, seeded } from './seed.ts';

// Ed25519 (RFC 8032), and what implementations of it disagree about.

const { Point } = ed25519;
const order = Point.Fn.ORDER;
const field = Point.Fp.ORDER;
const little = (value: bigint): Buffer => Buffer.from(bytesOf(value, 32).reverse());
const big = (bytes: Uint8Array): bigint => numberOf(Uint8Array.from(bytes).reverse());
const signed = (bytes: Uint8Array): Buffer => {
  const copy = Buffer.from(bytes);
  copy[31] = (copy[31] ?? 0) | 0x80;
  return copy;
};

/** A point of order eight: any point of the whole group, times the order of the large subgroup. */
const torsion = Point.fromBytes(
  Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex'),
  true,
);
const smallOrders: readonly (readonly [name: string, encoding: Buffer])[] = [
  ['of order 1', little(1n)],
  ['of order 2', little(field - 1n)],
  ['of order 4', little(0n)],
  ['of order 4, negated', signed(little(0n))],
  ...([1, 3, 5, 7] as const).map(
    (times) =>
      [`of order 8, times ${times}`, Buffer.from(torsion.multiplyUnsafe(BigInt(times)).toBytes())] as const,
  ),
  ['of order 1, not canonical', little(field + 1n)],
  ['of order 1, not canonical, with the sign', signed(little(field + 1n))],
  ['of order 1, with the sign', signed(little(1n))],
  ['of order 2, with the sign', signed(little(field - 1n))],
  ['of order 4, not canonical', little(field)],
  ['of order 4, not canonical, with the sign', signed(little(field))],
];

const secret = seeded('ed25519 key', 32);
const { head, scalar, point, pointBytes } = ed25519.utils.getExtendedPublicKey(secret);

const reduce = (value: bigint): bigint => ((value % order) + order) % order;
const hashOf = (...parts: readonly Uint8Array[]): bigint =>
  reduce(
    big(
      createHash('sha512')
        .update(concat(...parts))
        .digest(),
    ),
  );

/** Signs by RFC 8032 §5.1.6 with a nonce, and R and A as the signer likes to show them. */
function signAs(nonce: bigint, shownR: Uint8Array, shownA: Uint8Array): Buffer {
  return concat(shownR, little(reduce(nonce + hashOf(shownR, shownA, message) * scalar)));
}

export function ed25519Vectors(): Vectors {
  const key = (name: string, bytes: Uint8Array, usable: boolean, keytype = 'ed25519'): KeyVector => ({
    name: `Ed25519 ${name}`,
    keytype,
    public: Buffer.from(bytes),
    usable,
  });
  const mixed = Buffer.from(point.add(torsion).toBytes());
  return {
    // Any 32 bytes are read as a key: who lists a weak one has listed a key that signs nothing.
    keys: [
      key('key', pointBytes, true),
      key('stranger', ed25519.getPublicKey(seeded('ed25519 stranger', 32)), true),
      key('mixed with a point of order 8', mixed, true),
      key('beside the curve', little(2n), true),
      key('of ones', Buffer.alloc(32, 0xff), true),
      ...smallOrders.map(([name, encoding]) => key(name, encoding, true)),
      key('of 31 bytes', pointBytes.subarray(1), false),
      key('of 33 bytes', concat(pointBytes, byte(0)), false),
      key('as SPKI', concat(Buffer.from('302a300506032b6570032100', 'hex'), pointBytes), false),
      key(
        'filed as ecdsa',
        concat(Buffer.from('302a300506032b6570032100', 'hex'), pointBytes),
        false,
        'ecdsa',
      ),
      key(
        'of X25519, filed as ecdsa',
        concat(Buffer.from('302a300506032b656e032100', 'hex'), pointBytes),
        false,
        'ecdsa',
      ),
    ],
    signatures: [...ordinary(), ...mixedOrder(mixed), ...weakKeys()],
  };
}

function file(comment: string, sig: Buffer, valid = false, key = 'key'): SignatureVector {
  return { key: `Ed25519 ${key}`, comment, method: 'eddsa', sig, valid };
}

function ordinary(): SignatureVector[] {
  const good = Buffer.from(ed25519.sign(message, secret));
  const [shownR, s] = [good.subarray(0, 32), big(good.subarray(32))];
  const withS = (value: bigint): Buffer => concat(shownR, little(value));
  return [
    file('as RFC 8032 makes it', good, true),
    file('with another nonce', signAs(5n, Point.BASE.multiply(5n).toBytes(), pointBytes), true),
    ...[1n, 2n, 14n].map((times) => file(`S plus ${times} times the order`, withS(s + times * order))),
    file('S of the order', withS(order)),
    file('S of zero', withS(0n)),
    file('S negated', withS(order - s)),
    ...[0x20, 0x40, 0x80].map((bit) =>
      file(
        `S with the bit ${bit} of its last byte`,
        concat(good.subarray(0, 63), byte((good[63] ?? 0) | bit)),
      ),
    ),
    file('zeros', Buffer.alloc(64)),
    file('ones', Buffer.alloc(64, 0xff)),
    file('R negated', concat(signedOther(shownR), good.subarray(32))),
    file('R and S exchanged', concat(good.subarray(32), shownR)),
    file('over another message', Buffer.from(ed25519.sign(other, secret))),
    file('by another key', Buffer.from(ed25519.sign(message, seeded('ed25519 stranger', 32)))),
    file(
      'over the hash (Ed25519ph without its name)',
      Buffer.from(ed25519.sign(createHash('sha512').update(message).digest(), secret)),
    ),
    file(
      'over the SHA-256',
      Buffer.from(ed25519.sign(createHash('sha256').update(message).digest(), secret)),
    ),
    file('empty', Buffer.alloc(0)),
    file('R alone', shownR),
    file('a byte short in front', good.subarray(1)),
    file('a byte short at the end', good.subarray(0, 63)),
    file('a zero in front', concat(byte(0), good)),
    file('a zero behind', concat(good, byte(0))),
    file('twice', concat(good, good)),
    file('the secret in place of R', concat(head, good.subarray(32))),
    { ...file('by the method of ECDSA', good), method: 'ecdsa' },
  ];
}

const signedOther = (bytes: Uint8Array): Buffer => {
  const copy = Buffer.from(bytes);
  copy[31] = (copy[31] ?? 0) ^ 0x80;
  return copy;
};

/** R or A with a part of small order: whether the equation is multiplied by the cofactor decides. */
function mixedOrder(mixed: Buffer): SignatureVector[] {
  const nonce = 7n;
  const plainR = Point.BASE.multiply(nonce);
  const mixedR = Buffer.from(plainR.add(torsion).toBytes());
  const identityTwice = little(field + 1n);
  return [
    file('R mixed with a point of order 8', signAs(nonce, mixedR, pointBytes)),
    file('R of order 8', signAs(0n, torsion.toBytes(), pointBytes)),
    file('R of order 1, not canonical', signAs(0n, identityTwice, pointBytes)),
    file('R of order 1, with the sign', signAs(0n, signed(little(1n)), pointBytes)),
    file(
      'A mixed with a point of order 8',
      mixedSignature(mixed, false),
      false,
      'mixed with a point of order 8',
    ),
    // Valid by RFC 8032 §5.1.7, with the cofactor and without.
    file('A and R mixed, which cancels', mixedSignature(mixed, true), true, 'mixed with a point of order 8'),
  ];
}

/** A signature under A + T: R takes the part of small order on itself, if it is to cancel. */
function mixedSignature(mixed: Buffer, cancels: boolean): Buffer {
  for (let nonce = 1n; ; nonce += 1n) {
    const plainR = Point.BASE.multiply(nonce);
    if (!cancels) {
      const shown = Buffer.from(plainR.toBytes());
      if (hashOf(shown, mixed, message) % 8n !== 0n) return signAs(nonce, shown, mixed);
      continue;
    }
    for (let times = 1n; times < 8n; times += 1n) {
      const shown = Buffer.from(plainR.add(torsion.multiplyUnsafe(times)).toBytes());
      if ((times + hashOf(shown, mixed, message)) % 8n === 0n) return signAs(nonce, shown, mixed);
    }
  }
}

/** Under a key of small order anyone makes what satisfies the equation for every message. */
function weakKeys(): SignatureVector[] {
  return smallOrders.flatMap(([name, encoding]) => [
    file('R of order 1 and S of zero', concat(little(1n), little(0n)), false, name),
    file('R of the key and S of zero', concat(encoding, little(0n)), false, name),
    file('R of any S', concat(Point.BASE.multiply(9n).toBytes(), little(9n)), false, name),
  ]);
}
