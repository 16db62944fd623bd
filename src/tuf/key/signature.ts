import type { KeyObject } from 'node:crypto';
import { constants, createHash, verify } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { LRUCache } from 'lru-cache';
import type { Algorithm, PublicKey } from './key.ts';

export interface Signature {
  readonly keyId: string;
  readonly method: string;
  readonly bytes: Uint8Array;
}

export interface SignatureVerifierOptions {
  /** Accept `rsapkcs1v15` beside `rsapss`. */
  readonly pkcs1v15?: boolean;
  /** Told when the two implementations disagree about an elliptic signature, which is then refused. */
  readonly onDisagreement?: (algorithm: Algorithm) => void;
}

const remembered = 4096;
const nistCurves = { 'P-256': p256, 'P-384': p384, 'P-521': p521 };
/** r‖s, two coordinates of the curve (notary-v1 §2.7); Ed25519: RFC 8032 §5.1.6. */
const signatureBytes = { 'P-256': 64, 'P-384': 96, 'P-521': 132, ed25519: 64 } as const;

/**
 * Verifies signatures as notary-v1 §2.7 makes them. An elliptic one counts only if noble and node:crypto, two
 * implementations that share no code, both accept it. What was verified once is remembered, by everything that went in.
 */
export class SignatureVerifier {
  readonly #pkcs1v15: boolean;
  readonly #onDisagreement: ((algorithm: Algorithm) => void) | undefined;
  readonly #memory = new LRUCache<string, boolean>({ max: remembered });

  constructor(options: SignatureVerifierOptions = {}) {
    this.#pkcs1v15 = options.pkcs1v15 ?? false;
    this.#onDisagreement = options.onDisagreement;
  }

  /** Takes a key, the signed bytes and a signature; says whether it is valid. Never throws for what they contain. */
  verify(key: PublicKey, message: Uint8Array, signature: Signature): boolean {
    if (!this.#fits(key.algorithm, signature)) return false;
    const name = createHash('sha256')
      .update(`${key.spki} ${signature.method} ${Buffer.from(signature.bytes).toString('hex')} `)
      .update(message)
      .digest('base64');
    const before = this.#memory.get(name);
    if (before !== undefined) return before;
    const valid = this.#decide(key, message, signature);
    this.#memory.set(name, valid);
    return valid;
  }

  /** The key decides the algorithm; the method an attacker can write only has to agree (CVE-2015-9258). */
  #fits(algorithm: Algorithm, { method, bytes }: Signature): boolean {
    if (algorithm === 'rsa') {
      return (method === 'rsapss' || (method === 'rsapkcs1v15' && this.#pkcs1v15)) && bytes.length >= 256;
    }
    return (
      method === (algorithm === 'ed25519' ? 'eddsa' : 'ecdsa') && bytes.length === signatureBytes[algorithm]
    );
  }

  #decide({ algorithm, key, point }: PublicKey, message: Uint8Array, { method, bytes }: Signature): boolean {
    if (algorithm === 'rsa') return verifyRsa(key, message, method, bytes);
    const byNode =
      algorithm === 'ed25519'
        ? accepts(() => verify(null, message, key, bytes))
        : verifyEcdsa(key, message, bytes);
    const byNoble = verifyWithNoble(algorithm, point, message, bytes);
    if (byNode !== byNoble) this.#onDisagreement?.(algorithm);
    return byNode && byNoble;
  }
}

/** With node:crypto. SHA-256 whatever the curve. */
export function verifyEcdsa(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  return accepts(() => verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature));
}

/** With noble. High S is as good as low S: Go signs either. */
export function verifyWithNoble(
  algorithm: Exclude<Algorithm, 'rsa'>,
  point: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (algorithm === 'ed25519')
    return accepts(() => ed25519.verify(signature, message, point, { zip215: false }));
  const digest = createHash('sha256').update(message).digest();
  return accepts(() =>
    nistCurves[algorithm].verify(signature, digest, point, { prehash: false, lowS: false }),
  );
}

function verifyRsa(key: KeyObject, message: Uint8Array, method: string, signature: Uint8Array): boolean {
  // The salt length must be given: Node's default accepts any.
  const padding =
    method === 'rsapss'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
      : { padding: constants.RSA_PKCS1_PADDING };
  return accepts(() => verify('sha256', message, { key, ...padding }, signature));
}

/** A verification that throws has not accepted (CVE-2026-44310): both libraries throw for some malformed input. */
function accepts(check: () => boolean): boolean {
  try {
    return check() === true;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return false;
  }
}
