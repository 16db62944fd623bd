import type { KeyObject } from 'node:crypto';
import { constants, createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { CertificateOptions } from '../certificate.ts';
import { issueCertificate } from '../certificate.ts';
import type { JsonObject } from './signed-file.ts';
import { canonicalJson } from './signed-file.ts';

export type Algorithm = 'p256' | 'p384' | 'p521' | 'ed25519' | 'rsa2048' | 'rsa3072' | 'rsa4096';
export type KeyType = 'ecdsa' | 'ecdsa-x509' | 'ed25519' | 'rsa' | 'rsa-x509';
export type SignatureMethod = 'ecdsa' | 'eddsa' | 'rsapss' | 'rsapkcs1v15';

export interface Signature {
  readonly keyid: string;
  readonly method: string;
  readonly sig: string;
}

const curves = { p256: 'P-256', p384: 'P-384', p521: 'P-521' } as const;
const moduli = { rsa2048: 2048, rsa3072: 3072, rsa4096: 4096 } as const;

/** Makes a private key. RSA takes up to seconds: make one and use it again. */
export function generatePrivateKey(algorithm: Algorithm): KeyObject {
  switch (algorithm) {
    case 'p256':
    case 'p384':
    case 'p521':
      return generateKeyPairSync('ec', { namedCurve: curves[algorithm] }).privateKey;
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey;
    case 'rsa2048':
    case 'rsa3072':
    case 'rsa4096':
      return generateKeyPairSync('rsa', { modulusLength: moduli[algorithm] }).privateKey;
  }
}

/** A key of a role: the private key, and the form in which metadata shows its public half. */
export class SigningKey {
  readonly privateKey: KeyObject;
  readonly keytype: KeyType;
  /** The bytes of `keyval.public`: SPKI DER, a PEM certificate or bundle, or 32 bytes of Ed25519. */
  readonly publicBytes: Buffer;
  readonly method: SignatureMethod;

  constructor(privateKey: KeyObject, keytype: KeyType, publicBytes: Uint8Array, method?: SignatureMethod) {
    this.privateKey = privateKey;
    this.keytype = keytype;
    this.publicBytes = Buffer.from(publicBytes);
    this.method =
      method ?? (keytype === 'ed25519' ? 'eddsa' : keytype.startsWith('rsa') ? 'rsapss' : 'ecdsa');
  }

  /** Shown as the bare public key. */
  static plain(privateKey: KeyObject, method?: SignatureMethod): SigningKey {
    const spki = exportSpki(privateKey);
    const type = privateKey.asymmetricKeyType;
    if (type === 'ed25519') return new SigningKey(privateKey, 'ed25519', spki.subarray(-32), method);
    if (type === 'rsa') return new SigningKey(privateKey, 'rsa', spki, method);
    if (type === 'ec') return new SigningKey(privateKey, 'ecdsa', spki, method);
    throw new TypeError(`Notary has no keys of type ${type}`);
  }

  /** Shown as a certificate, followed by those of `intermediates` (PEM). */
  static certified(
    privateKey: KeyObject,
    options: Omit<CertificateOptions, 'key'>,
    intermediates = '',
  ): SigningKey {
    const certificate = issueCertificate({ ...options, key: privateKey }) + intermediates;
    const keytype = privateKey.asymmetricKeyType === 'rsa' ? 'rsa-x509' : 'ecdsa-x509';
    return new SigningKey(privateKey, keytype, Buffer.from(certificate));
  }

  /** A root key as notary makes it: under a self-signed certificate of ten years whose CN is the GUN. */
  static forRoot(gun: string, now: number, privateKey = generatePrivateKey('p256')): SigningKey {
    const notAfter = new Date(now + 3650 * 24 * 3600_000);
    return SigningKey.certified(privateKey, { commonNames: [gun], notBefore: new Date(now), notAfter });
  }

  /** The key object as it stands in root.json and in delegations. */
  get shown(): JsonObject {
    return {
      keytype: this.keytype,
      keyval: { private: null, public: this.publicBytes.toString('base64') },
    };
  }

  get id(): string {
    return createHash('sha256').update(canonicalJson(this.shown)).digest('hex');
  }

  /** Hex of the SHA-256 of the SPKI: the same under any certificate, so one pin fits every GUN of a publisher. */
  get spkiSha256(): string {
    return createHash('sha256').update(exportSpki(this.privateKey)).digest('hex');
  }

  /** Takes a message; gives its entry for `signatures`, in the form that Notary's verifiers read. */
  sign(message: Uint8Array): Signature {
    return { keyid: this.id, method: this.method, sig: this.#raw(message).toString('base64') };
  }

  #raw(message: Uint8Array): Buffer {
    const key = this.privateKey;
    switch (this.method) {
      case 'eddsa':
        return sign(null, message, key);
      case 'ecdsa':
        return sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' });
      case 'rsapss':
        return sign('sha256', message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
      case 'rsapkcs1v15':
        return sign('sha256', message, key);
    }
  }
}

function exportSpki(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
}
