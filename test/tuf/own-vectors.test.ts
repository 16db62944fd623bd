import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { constants, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import type { PublicKey } from '../../src/tuf/key/key.ts';
import { readKey } from '../../src/tuf/key/key.ts';
import { derChildren, derElement } from '../../src/tuf/key/der.ts';
import { RepositoryError } from '../../src/tuf/error.ts';
import { SignatureVerifier, verifyEcdsa, verifyWithNoble } from '../../src/tuf/key/signature.ts';
import { ownVectors } from '../vectors/own-vectors.ts';
import { json } from './refuses.ts';

interface Filed {
  readonly name: string;
  readonly keytype: string;
  readonly public: string;
  readonly usable: boolean;
}
interface Signed {
  readonly key: string;
  readonly comment: string;
  readonly method: string;
  readonly sig: string;
  readonly valid: boolean;
}

const written = readFileSync(join(import.meta.dirname, '../vectors/own.json'), 'utf8');
const vectors = JSON.parse(written) as { message: string; keys: Filed[]; signatures: Signed[] };
const message = Buffer.from(vectors.message);

function readFiled({ keytype, public: shown }: Filed): PublicKey | undefined {
  const object = json({ keytype, keyval: { private: null, public: shown } });
  assert.ok(object instanceof Map);
  try {
    return readKey(object, 'a'.repeat(64));
  } catch (error) {
    assert.ok(error instanceof RepositoryError);
    assert.equal(error.code, 'MALFORMED');
    return undefined;
  }
}

/** Both libraries throw for some malformed input; that is no acceptance. */
function accepts(decide: () => boolean): boolean {
  try {
    return decide();
  } catch (error) {
    assert.ok(error instanceof Error);
    return false;
  }
}

function keyObject({ keytype, public: shown }: Filed): KeyObject {
  const bytes = Buffer.from(shown, 'base64');
  const prefix = Buffer.from(keytype === 'ed25519' ? '302a300506032b6570032100' : '', 'hex');
  return createPublicKey({ key: Buffer.concat([prefix, bytes]), format: 'der', type: 'spki' });
}

/** Those that are not decided by their labels, by name. */
function differing<Vector>(
  all: readonly Vector[],
  name: (vector: Vector) => string,
  label: (vector: Vector) => boolean,
  found: (vector: Vector) => boolean,
): readonly string[] {
  return all
    .filter((vector) => found(vector) !== label(vector))
    .map((vector) => `${name(vector)}: ${label(vector) ? 'refused' : 'accepted'}`);
}

test('the committed vectors are those that the script writes', () => {
  assert.ok(ownVectors() === written, 'run node test/vectors/make.ts');
});

describe('keys of our own vectors', () => {
  const name = (key: Filed): string => key.name;
  const isUsable = ({ usable }: Filed): boolean => usable;
  const nist = ['P-256', 'P-384', 'P-521'];
  /** Under what type a key is filed is nothing that a library knows. */
  const rightlyFiled = vectors.keys.filter((key) => !name(key).includes(' filed as '));

  test('are read where they may be used, and refused otherwise', () => {
    assert.deepEqual(
      differing(vectors.keys, name, isUsable, (key) => readFiled(key) !== undefined),
      [],
    );
  });

  test('are not what node:crypto alone would read', () => {
    const loose = ['infinity', 'compressed', 'hybrid', 'with a byte after it', 'with a length not of DER'];
    const bits = ['small key', ...[512, 1024, 2040, 2047, 8193, 16384].map((size) => `of ${size} bits`)];
    const exponents = [0n, 1n, 2n, 3n, 17n, 65535n, 65536n, 65538n, 1n << 64n, (1n << 64n) + 1n, 'n - 2'];
    const modulus = [
      'with a modulus of zero',
      'with a byte after it',
      'with a second zero before the modulus',
    ];
    assert.deepEqual(
      differing(rightlyFiled, name, isUsable, (key) => accepts(() => keyObject(key).type === 'public')),
      [
        ...nist.flatMap((curve) => loose.map((what) => `${curve} ${what}`)),
        ...['P-224', 'secp256k1', 'brainpoolP256r1'].map((curve) => `${curve} generator`),
        ...['of 33 bytes', 'as SPKI'].map((what) => `Ed25519 ${what}`),
        ...[...bits, ...exponents.map((exponent) => `with the exponent ${exponent}`), ...modulus].map(
          (what) => `RSA ${what}`,
        ),
      ].map((key) => `${key}: accepted`),
    );
  });

  test('are not what noble alone would read', () => {
    const elliptic = rightlyFiled.filter((key) => /^(?:P-256|P-384|P-521|Ed25519) /.test(name(key)));
    const loose = ['compressed', 'with a length not of DER', 'without a curve', 'on the curve null'];
    // A weak point is no key for noble; for the verifier it is one that signs nothing.
    const weak = vectors.keys.filter((key) => /^Ed25519 (?:beside|of ones|of order)/.test(name(key)));
    assert.deepEqual(
      differing(elliptic, name, isUsable, isReadByNoble).toSorted(),
      [
        ...nist.flatMap((curve) => loose.map((what) => `${curve} ${what}: accepted`)),
        ...weak.map((key) => `${name(key)}: refused`),
      ].toSorted(),
    );
  });
});

function isReadByNoble({ name, keytype, public: shown }: Filed): boolean {
  const bytes = Buffer.from(shown, 'base64');
  return accepts(() => {
    if (keytype === 'ed25519') return !ed25519.Point.fromBytes(bytes).isSmallOrder();
    const curve = { 'P-256': p256, 'P-384': p384, 'P-521': p521 }[name.slice(0, 5)];
    assert.ok(curve);
    const [, point] = derChildren(derElement(bytes).content);
    curve.Point.fromBytes(point?.content.subarray(1) ?? bytes).assertValidity();
    return true;
  });
}

describe('signatures of our own vectors', () => {
  const keys = new Map(vectors.keys.map((key) => [key.name, key]));
  const filed = ({ key }: Signed): Filed => {
    const found = keys.get(key);
    assert.ok(found, key);
    return found;
  };
  const name = ({ key, comment, method }: Signed): string => `${key}: ${comment} (${method})`;
  const isValid = ({ valid }: Signed): boolean => valid;
  /** noble multiplies by the cofactor, as RFC 8032 §5.1.7 has it; OpenSSL does not, as it permits. */
  const cofactor = [
    'Ed25519 key: R mixed with a point of order 8 (eddsa)',
    'Ed25519 key: R of order 8 (eddsa)',
    'Ed25519 mixed with a point of order 8: A mixed with a point of order 8 (eddsa)',
  ];

  test('are decided by their labels, and these are what the two halves of the verifier disagree about', () => {
    const told: string[] = [];
    const decide = (vector: Signed): boolean => {
      const { method, sig } = vector;
      const key = readFiled(filed(vector));
      if (key === undefined) return false;
      const onDisagreement = (): void => void told.push(name(vector));
      return new SignatureVerifier({ pkcs1v15: true, onDisagreement }).verify(key, message, {
        keyId: key.id,
        method,
        bytes: Buffer.from(sig, 'hex'),
      });
    };
    assert.deepEqual(differing(vectors.signatures, name, isValid, decide), []);
    assert.deepEqual([...new Set(told)], cofactor);
  });

  test('are decided so by node:crypto alone, but for what it takes for a key', () => {
    assert.deepEqual(differing(vectors.signatures, name, isValid, isAcceptedByNode), [
      'RSA small key: by a key that is too small (rsapss): accepted',
    ]);
  });

  test('are decided so by noble alone, but for the cofactor', () => {
    const elliptic = vectors.signatures.filter(({ method }) => method === 'ecdsa' || method === 'eddsa');
    const decide = (vector: Signed): boolean => {
      const key = readFiled(filed(vector));
      assert.ok(key);
      const { algorithm, point } = key;
      if (algorithm === 'rsa' || (algorithm === 'ed25519') !== (vector.method === 'eddsa')) return false;
      return verifyWithNoble(algorithm, point, message, Buffer.from(vector.sig, 'hex'));
    };
    assert.deepEqual(
      differing(elliptic, name, isValid, decide),
      cofactor.map((vector) => `${vector}: accepted`),
    );
  });

  function isAcceptedByNode(vector: Signed): boolean {
    const bytes = Buffer.from(vector.sig, 'hex');
    return accepts(() => {
      const key = keyObject(filed(vector));
      switch (vector.method) {
        case 'ecdsa':
          return key.asymmetricKeyType === 'ec' && verifyEcdsa(key, message, bytes);
        case 'eddsa':
          return key.asymmetricKeyType === 'ed25519' && verify(null, message, key, bytes);
        case 'rsapss':
          return verify(
            'sha256',
            message,
            { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
            bytes,
          );
        case 'rsapkcs1v15':
          return verify('sha256', message, { key, padding: constants.RSA_PKCS1_PADDING }, bytes);
      }
      return false;
    });
  }
});
