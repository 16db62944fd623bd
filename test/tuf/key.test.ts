import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import { checkKeyId, refusePrivate, knownIds, readKey } from '../../src/tuf/key/key.ts';
import { json, refuses } from './refuses.ts';
import { certify, idOf, read, sha256, spkiOf } from './shown-key.ts';

/** An RSA public key of this size; nobody needs its private half. */
function rsaSpki(bits: number, exponent: bigint): Buffer {
  const modulus = randomBytes(Math.ceil(bits / 8));
  modulus[0] = bits % 8 === 0 ? 0x80 : 1 << ((bits % 8) - 1);
  modulus[modulus.length - 1] = 0x61;
  const hex = exponent.toString(16);
  const e = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
  return createPublicKey({ key: { kty: 'RSA', n: modulus.toString('base64url'), e }, format: 'jwk' }).export({
    type: 'spki',
    format: 'der',
  });
}

const p256 = generatePrivateKey('p256');
const ed25519 = generatePrivateKey('ed25519');
const certificate = certify(p256);

/** P-256's SPKI with the point in another form: 02 or 03 compressed, 06 or 07 hybrid. */
function repointed(form: 'compressed' | 'hybrid'): Buffer {
  const point = spkiOf(p256).subarray(-65);
  const odd = (point.at(-1) ?? 0) & 1;
  const header =
    form === 'hybrid'
      ? '3059301306072a8648ce3d020106082a8648ce3d030107034200'
      : '3039301306072a8648ce3d020106082a8648ce3d030107032200';
  const body = form === 'hybrid' ? point.subarray(1) : point.subarray(1, 33);
  return Buffer.concat([Buffer.from(header, 'hex'), Buffer.from([(form === 'hybrid' ? 6 : 2) | odd]), body]);
}

describe('keys that are read', () => {
  for (const [algorithm, name] of [
    ['p256', 'P-256'],
    ['p384', 'P-384'],
    ['p521', 'P-521'],
    ['ed25519', 'ed25519'],
    ['rsa2048', 'rsa'],
  ] as const) {
    test(`${name}, plain and in a certificate, with the ids by which an operator may know it`, () => {
      const key = generatePrivateKey(algorithm);
      const plain = SigningKey.plain(key);
      const found = read(plain.keytype, plain.publicBytes);
      assert.equal(found.algorithm, name);
      assert.equal(found.id, plain.id);
      assert.equal(found.spki, sha256(spkiOf(key)));
      assert.deepEqual(found.bundle, []);
      if (algorithm === 'ed25519') return;
      const root = SigningKey.forRoot('reg.test/app', Date.now(), key);
      const wrapped = read(root.keytype, root.publicBytes);
      assert.deepEqual(knownIds(wrapped), [root.id, plain.id, plain.spkiSha256]);
      assert.equal(wrapped.spki, found.spki);
      assert.deepEqual(wrapped.point, found.point);
      assert.equal(wrapped.bundle.length, 1);
    });
  }

  test('a bundle of leaf and authorities', () => {
    const text = certificate + certify(generatePrivateKey('p256'));
    assert.equal(read('ecdsa-x509', text).bundle.length, 2);
  });

  test('RSA of 2048 and 8192 bits, with the exponents 65537 and 65539', () => {
    for (const [bits, exponent] of [
      [2048, 65537n],
      [8192, 65537n],
      [3072, 65539n],
      [2048, (1n << 64n) - 1n],
    ] as const) {
      assert.equal(read('rsa', rsaSpki(bits, exponent)).algorithm, 'rsa');
    }
  });

  test('other members of a key object do not change its id', () => {
    const { shown, id } = SigningKey.plain(p256);
    readKey(checkKeyId(json({ ...shown, scheme: 'x', keyid_hash_algorithms: ['md5'] }), id), id);
  });

  test('a key without a private member has the id of one with null', () => {
    const { shown, id } = SigningKey.plain(p256);
    const { keytype, keyval } = shown as { keytype: string; keyval: { public: string } };
    readKey(checkKeyId(json({ keytype, keyval: { public: keyval.public } }), id), id);
  });

  test('a key of a type nobody knows passes the check of its id', () => {
    checkKeyId(json({ keytype: 'ml-dsa-65', keyval: { public: 'AAAA' } }), idOf('ml-dsa-65', 'AAAA'));
  });
});

describe('keys that are refused', () => {
  const { shown, id } = SigningKey.plain(p256);
  const { keyval } = shown as { keyval: { public: string } };

  test('an id that is not the hash of the key, with the ids the right way round', () => {
    const wrong = 'a'.repeat(64);
    refuses(() => checkKeyId(json(shown), wrong), 'MALFORMED', `key ${wrong} hashes to ${id}`);
  });

  const smuggled: readonly (readonly [why: string, object: unknown])[] = [
    ['a private key', { ...shown, keyval: { ...keyval, private: 'AAAA' } }],
    ['an empty private key', { ...shown, keyval: { ...keyval, private: '' } }],
    ['an object for a private key', { ...shown, keyval: { ...keyval, private: {} } }],
  ];
  for (const [why, object] of smuggled) {
    test(why, () =>
      refuses(() => refusePrivate(json(object), id), 'MALFORMED', `key ${id} carries a private key`),
    );
  }

  test('Private beside private, and Public beside public', () => {
    for (const name of ['Private', 'PUBLIC', 'publiC']) {
      const object = json({ ...shown, keyval: { ...keyval, [name]: 'AAAA' } });
      refuses(() => checkKeyId(object, id), 'MALFORMED', /where "(private|public)" is meant$/);
    }
  });

  const unreadable: readonly (readonly [
    why: string,
    keytype: string,
    bytes: Uint8Array | string,
    message: RegExp,
  ])[] = [
    ['an unknown type in use', 'ml-dsa-65', spkiOf(p256), /is of the unknown type "ml-dsa-65"$/],
    ['a type in capitals', 'ECDSA', spkiOf(p256), /is of the unknown type "ECDSA"$/],
    ['ecdsa that is RSA', 'ecdsa', rsaSpki(2048, 65537n), /is filed as ecdsa, but is rsa$/],
    ['rsa that is ECDSA', 'rsa', spkiOf(p256), /is filed as rsa, but is ecdsa$/],
    ['ecdsa that is Ed25519', 'ecdsa', spkiOf(ed25519), /is filed as ecdsa, but is ed25519$/],
    ['rsa-x509 around ECDSA', 'rsa-x509', certificate, /is filed as rsa, but is ecdsa$/],
    ['ecdsa-x509 around Ed25519', 'ecdsa-x509', certify(ed25519), /is filed as ecdsa, but is ed25519$/],
    ['ed25519 as SPKI', 'ed25519', spkiOf(ed25519), /has 44 bytes, not 32$/],
    ['ed25519 of 31 bytes', 'ed25519', Buffer.alloc(31, 9), /has 31 bytes, not 32$/],
    [
      'X25519',
      'ecdsa',
      spkiOf(generateKeyPairSync('x25519').privateKey),
      /is of the unsupported type x25519$/,
    ],
    ['Ed448', 'ecdsa', spkiOf(generateKeyPairSync('ed448').privateKey), /is of the unsupported type ed448$/],
    [
      'RSA-PSS keys, which name their own padding',
      'rsa',
      spkiOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey),
      /is of the unsupported type rsa-pss$/,
    ],
    [
      'P-224',
      'ecdsa',
      spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).privateKey),
      /is on the curve secp224r1$/,
    ],
    [
      'secp256k1',
      'ecdsa',
      spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey),
      /is on the curve secp256k1$/,
    ],
    [
      'brainpoolP256r1',
      'ecdsa',
      spkiOf(generateKeyPairSync('ec', { namedCurve: 'brainpoolP256r1' }).privateKey),
      /is on the curve brainpoolP256r1$/,
    ],
    [
      'a certificate for P-224',
      'ecdsa-x509',
      certify(generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).privateKey),
      /is on the curve secp224r1$/,
    ],
    [
      'explicit parameters',
      'ecdsa',
      spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }).privateKey),
      /^key [0-9a-f]{64} (is on the curve|has \d+ bytes)/,
    ],
    [
      'a certificate with explicit parameters',
      'ecdsa-x509',
      certify(generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }).privateKey),
      /^key [0-9a-f]{64} (is on the curve|has \d+ bytes)/,
    ],
    ['a compressed point', 'ecdsa', repointed('compressed'), /has 59 bytes, not 91$/],
    ['a hybrid point', 'ecdsa', repointed('hybrid'), /is not an uncompressed point$/],
    [
      'a point off the curve',
      'ecdsa',
      Buffer.concat([spkiOf(p256).subarray(0, -1), Buffer.from([0])]),
      /is not a public key$/,
    ],
    ['RSA of 1024 bits', 'rsa', rsaSpki(1024, 65537n), /has 1024 bits; RSA keys have 2048 to 8192$/],
    ['RSA of 2047 bits', 'rsa', rsaSpki(2047, 65537n), /has 2047 bits; RSA keys have 2048 to 8192$/],
    ['RSA of 8193 bits', 'rsa', rsaSpki(8193, 65537n), /has 8193 bits; RSA keys have 2048 to 8192$/],
    ['the exponent 3', 'rsa', rsaSpki(2048, 3n), /has the exponent 3$/],
    ['the exponent 1', 'rsa', rsaSpki(2048, 1n), /(has the exponent 1|is not a public key)$/],
    ['an even exponent', 'rsa', rsaSpki(2048, 65538n), /has the exponent 65538$/],
    [
      'an exponent of 65 bits',
      'rsa',
      rsaSpki(2048, (1n << 64n) + 1n),
      /has the exponent 18446744073709551617$/,
    ],
    [
      'bytes after the SPKI',
      'ecdsa',
      Buffer.concat([spkiOf(p256), Buffer.from([0])]),
      /is not a public key$/,
    ],
    ['garbage', 'ecdsa', 'garbage', /is not a public key$/],
    [
      'PEM where DER belongs',
      'ecdsa',
      createPublicKey(p256).export({ type: 'spki', format: 'pem' }),
      /is not a public key$/,
    ],
    ['a private key in DER', 'ecdsa', p256.export({ type: 'pkcs8', format: 'der' }), /is not a public key$/],
    ['a private key in SEC 1', 'ecdsa', p256.export({ type: 'sec1', format: 'der' }), /is not a public key$/],
    ['a private key in PEM', 'ecdsa', p256.export({ type: 'pkcs8', format: 'pem' }), /is not a public key$/],
  ];
  for (const [why, keytype, bytes, message] of unreadable) {
    test(why, () => refuses(() => read(keytype, bytes), 'MALFORMED', message));
  }
});
