import type { KeyObject } from 'node:crypto';
import { createHash, createPublicKey } from 'node:crypto';
import { issueCertificate } from '../../src/demo/certificate.ts';
import type { PublicKey } from '../../src/tuf/key/key.ts';
import { checkKeyId, readKey } from '../../src/tuf/key/key.ts';
import { json } from './refuses.ts';

export const spkiOf = (key: KeyObject): Buffer =>
  createPublicKey(key).export({ type: 'spki', format: 'der' });
export const sha256 = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex');

/** The id of notary-v1 §2.6, from its text. */
export function idOf(keytype: string, shown: string): string {
  return sha256(`{"keytype":"${keytype}","keyval":{"private":null,"public":"${shown}"}}`);
}

/** Reads a key as it stands in root.json, filed under the right id. */
export function read(keytype: string, bytes: Uint8Array | string): PublicKey {
  const shown = Buffer.from(bytes).toString('base64');
  const id = idOf(keytype, shown);
  return readKey(checkKeyId(json({ keytype, keyval: { private: null, public: shown } }), id), id);
}

/** A certificate in PEM for a key of any kind. */
export function certify(key: KeyObject): string {
  const dates = { notBefore: new Date('2026-01-01'), notAfter: new Date('2036-01-01') };
  return issueCertificate({ commonNames: ['g'], key, ...dates });
}

export const derOf = (text: string): Buffer => Buffer.from(text.replaceAll(/-----.*-----|\n/g, ''), 'base64');
