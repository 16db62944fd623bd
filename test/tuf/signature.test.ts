import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import type { PublicKey } from '../../src/tuf/key/key.ts';
import { readKey } from '../../src/tuf/key/key.ts';
import type { SignatureVerifierOptions } from '../../src/tuf/key/signature.ts';
import { SignatureVerifier } from '../../src/tuf/key/signature.ts';
import { json } from './refuses.ts';

const message = Buffer.from('{"_type":"Timestamp"}');
const methods = ['ecdsa', 'eddsa', 'rsapss', 'rsapkcs1v15', 'pycrypto-pkcs#1 pss', 'none', ''];

function shown(key: SigningKey): PublicKey {
  const object = json(key.shown);
  assert.ok(object instanceof Map);
  return readKey(object, key.id);
}

const keys = Object.fromEntries(
  (['p256', 'p384', 'p521', 'ed25519', 'rsa2048'] as const).map((algorithm) => {
    const key = SigningKey.plain(generatePrivateKey(algorithm));
    return [algorithm, { key, read: shown(key), bytes: Buffer.from(key.sign(message).sig, 'base64') }];
  }),
) as Record<
  'p256' | 'p384' | 'p521' | 'ed25519' | 'rsa2048',
  { key: SigningKey; read: PublicKey; bytes: Buffer }
>;

function accepted(
  read: PublicKey,
  method: string,
  bytes: Uint8Array,
  options?: SignatureVerifierOptions,
): boolean {
  return new SignatureVerifier(options).verify(read, message, { keyId: read.id, method, bytes });
}

describe('signatures that are accepted', () => {
  for (const [name, { key, read, bytes }] of Object.entries(keys)) {
    test(`${name} by its own method and no other`, () => {
      assert.deepEqual(
        methods.filter((method) => accepted(read, method, bytes)),
        [key.method],
      );
    });
  }

  test('P-384 and P-521 over SHA-256, with 96 and 132 bytes', () => {
    assert.deepEqual([keys.p384.bytes.length, keys.p521.bytes.length], [96, 132]);
    for (const [name, hash] of [
      ['p384', 'sha384'],
      ['p521', 'sha512'],
    ] as const) {
      const { key, read } = keys[name];
      const own = sign(hash, message, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
      assert.equal(accepted(read, 'ecdsa', own), false, `${name} over ${hash}`);
    }
  });

  test('high S and low S alike', () => {
    const { bytes, read } = keys.p256;
    const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
    const other = (p256.Point.Fn.ORDER - s).toString(16).padStart(64, '0');
    assert.ok(accepted(read, 'ecdsa', Buffer.concat([bytes.subarray(0, 32), Buffer.from(other, 'hex')])));
  });

  test('rsapkcs1v15 only where it is an option', () => {
    const { key, read, bytes } = keys.rsa2048;
    const old = sign('sha256', message, key.privateKey);
    assert.equal(accepted(read, 'rsapkcs1v15', old), false);
    assert.equal(accepted(read, 'rsapkcs1v15', old, { pkcs1v15: true }), true);
    assert.equal(accepted(read, 'rsapss', old, { pkcs1v15: true }), false);
    assert.equal(accepted(read, 'rsapkcs1v15', bytes, { pkcs1v15: true }), false);
  });
});

describe('signatures that are refused', () => {
  const { key, read, bytes } = keys.p256;
  const order = Buffer.from(p256.Point.Fn.ORDER.toString(16).padStart(64, '0'), 'hex');
  const zero = Buffer.alloc(32);
  const [r, s] = [bytes.subarray(0, 32), bytes.subarray(32)];
  const forms: readonly (readonly [why: string, bytes: Uint8Array])[] = [
    ['in DER', sign('sha256', message, key.privateKey)],
    ['of 63 bytes', bytes.subarray(1)],
    ['of 63 bytes, cut at the end', bytes.subarray(0, 63)],
    ['of 65 bytes', Buffer.concat([bytes, Buffer.from([0])])],
    ['of 65 bytes, with a zero in front', Buffer.concat([Buffer.from([0]), bytes])],
    ['of no bytes', Buffer.alloc(0)],
    ['of zeros (CVE-2022-21449)', Buffer.alloc(64)],
    ['with r of zero', Buffer.concat([zero, s])],
    ['with s of zero', Buffer.concat([r, zero])],
    ['with r of the order', Buffer.concat([order, s])],
    ['with s of the order', Buffer.concat([r, order])],
    ['of ones', Buffer.alloc(64, 0xff)],
    ['with r and s exchanged', Buffer.concat([s, r])],
    ['over other bytes', Buffer.from(key.sign(Buffer.from('other')).sig, 'base64')],
    ['by another key', Buffer.from(SigningKey.plain(generatePrivateKey('p256')).sign(message).sig, 'base64')],
  ];
  for (const [why, form] of forms) {
    test(`ECDSA ${why}`, () => {
      const disagreements: string[] = [];
      assert.equal(
        accepted(read, 'ecdsa', form, { onDisagreement: (algorithm) => disagreements.push(algorithm) }),
        false,
      );
      assert.deepEqual(disagreements, []);
    });
  }

  for (const saltLength of [0, 20, 31, 33, 64, constants.RSA_PSS_SALTLEN_MAX_SIGN]) {
    test(`RSA-PSS with a salt of ${saltLength < 0 ? 'as many bytes as fit' : `${saltLength} bytes`}`, () => {
      const { privateKey } = keys.rsa2048.key;
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      const salted = sign('sha256', message, { key: privateKey, padding, saltLength });
      assert.equal(accepted(keys.rsa2048.read, 'rsapss', salted), false);
    });
  }

  test('RSA-PSS over SHA-512 or SHA-1, shortened, or of zeros', () => {
    const { key: signer, read: rsa, bytes: good } = keys.rsa2048;
    const with32 = { key: signer.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    const forms = [
      sign('sha512', message, with32),
      sign('sha1', message, with32),
      good.subarray(1),
      Buffer.alloc(256),
    ];
    for (const form of forms) assert.equal(accepted(rsa, 'rsapss', form), false);
  });

  test('Ed25519 with s beyond the order (malleability)', () => {
    const { read: key25519, bytes: good } = keys.ed25519;
    const twin = Buffer.from(good);
    const s25519 =
      BigInt(`0x${Buffer.from(good.subarray(32)).reverse().toString('hex')}`) + ed25519.Point.Fn.ORDER;
    Buffer.from(s25519.toString(16).padStart(64, '0'), 'hex').reverse().copy(twin, 32);
    assert.equal(accepted(key25519, 'eddsa', twin), false);
  });

  test('Ed25519 of zeros under a key of small order, which every message would satisfy', () => {
    for (const point of [`01${'00'.repeat(31)}`, '00'.repeat(32), `ec${'ff'.repeat(30)}7f`]) {
      const object = json({
        keytype: 'ed25519',
        keyval: { public: Buffer.from(point, 'hex').toString('base64') },
      });
      assert.ok(object instanceof Map);
      const weak = readKey(object, 'a'.repeat(64));
      for (const head of [point, `01${'00'.repeat(31)}`]) {
        assert.equal(accepted(weak, 'eddsa', Buffer.from(head + '00'.repeat(32), 'hex')), false, point);
      }
    }
  });

  test('a disagreement of the two implementations is refused, and told', () => {
    const other = keys.ed25519.read;
    const torn: PublicKey = { ...other, point: shown(SigningKey.plain(generatePrivateKey('ed25519'))).point };
    const disagreements: string[] = [];
    const onDisagreement = (algorithm: string): void => void disagreements.push(algorithm);
    assert.equal(accepted(torn, 'eddsa', keys.ed25519.bytes, { onDisagreement }), false);
    const swapped: PublicKey = { ...read, key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey };
    assert.equal(accepted(swapped, 'ecdsa', bytes, { onDisagreement }), false);
    assert.deepEqual(disagreements, ['ed25519', 'P-256']);
  });

  test('whatever the bytes, nothing is thrown and nothing is accepted', () => {
    const all = Object.values(keys);
    fc.assert(
      fc.property(
        fc.nat(4),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(3),
        (which, at, flip, cut) => {
          const { key: signer, read: reader, bytes: good } = all[which] ?? keys.p256;
          const changed = Buffer.from(good);
          changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ flip;
          assert.equal(accepted(reader, signer.method, changed.subarray(0, changed.length - cut)), false);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('what is remembered', () => {
  test('is bound to key, message, method and bytes', () => {
    const verifier = new SignatureVerifier({ pkcs1v15: true });
    const { key, read, bytes } = keys.rsa2048;
    const old = sign('sha256', message, key.privateKey);
    const other = shown(SigningKey.plain(generatePrivateKey('rsa2048')));
    const verify = (by: PublicKey, over: Uint8Array, method: string, form: Uint8Array): boolean =>
      verifier.verify(by, over, { keyId: by.id, method, bytes: form });
    for (let time = 0; time < 2; time += 1) {
      assert.equal(verify(read, message, 'rsapss', bytes), true);
      assert.equal(verify(read, message, 'rsapkcs1v15', bytes), false);
      assert.equal(verify(read, message, 'rsapkcs1v15', old), true);
      assert.equal(verify(read, message, 'rsapss', old), false);
      assert.equal(verify(read, Buffer.from('other'), 'rsapss', bytes), false);
      assert.equal(verify(other, message, 'rsapss', bytes), false);
      assert.equal(verify(read, message, 'rsapss', Buffer.alloc(256)), false);
    }
  });

  test('is not verified again, and a disagreement told once', () => {
    const disagreements: string[] = [];
    const verifier = new SignatureVerifier({ onDisagreement: (algorithm) => disagreements.push(algorithm) });
    const { read, bytes } = keys.ed25519;
    const torn = { ...read, point: shown(SigningKey.plain(generatePrivateKey('ed25519'))).point };
    for (let time = 0; time < 3; time += 1) {
      assert.equal(verifier.verify(torn, message, { keyId: read.id, method: 'eddsa', bytes }), false);
    }
    assert.deepEqual(disagreements, ['ed25519']);
  });

  test('keeps bytes apart that only together are the same', () => {
    const verifier = new SignatureVerifier();
    const { read, bytes } = keys.p256;
    assert.equal(verifier.verify(read, message, { keyId: read.id, method: 'ecdsa', bytes }), true);
    const shifted = Buffer.concat([Buffer.from(' '), message]);
    assert.equal(verifier.verify(read, shifted, { keyId: read.id, method: 'ecdsa', bytes }), false);
  });
});
