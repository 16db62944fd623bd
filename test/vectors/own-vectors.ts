import { ecdsaVectors } from './ecdsa.ts';
import { ed25519Vectors } from './ed25519.ts';
import { rsaVectors } from './rsa.ts';
import { message } from './seed.ts';

/** Gives the text of own.json, the same each time: keys, and signatures of one message, each with its label. */
export function ownVectors(): string {
  const all = [ecdsaVectors(), ed25519Vectors(), rsaVectors()];
  const keys = all
    .flatMap(({ keys: some }) => some)
    .map((key) => ({ ...key, public: key.public.toString('base64') }));
  const signatures = all
    .flatMap(({ signatures: some }) => some)
    .map((signature) => ({ ...signature, sig: signature.sig.toString('hex') }));
  return `${JSON.stringify({ message: message.toString(), keys, signatures }, null, 2)}\n`;
}
