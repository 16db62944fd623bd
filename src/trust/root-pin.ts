import type { Certificate } from '../tuf/key/certificate.ts';
import { chainsTo } from '../tuf/key/certificate.ts';
import { RepositoryError } from '../tuf/error.ts';
import { knownIds } from '../tuf/key/key.ts';
import type { PublicKey } from '../tuf/key/key.ts';
import type { Root } from '../tuf/metadata.ts';
import { checkThreshold } from '../tuf/role.ts';
import type { SignatureVerifier } from '../tuf/key/signature.ts';
import { fittingRootKeys, rootSigners } from '../tuf/trusted-metadata-set.ts';

/** Where trust in a GUN's root starts; one of these, named by the rule. */
export type RootPin =
  /** Hex: a Notary key id (of the certificate or of the plain key) or the SHA-256 of the key's SPKI. */
  | { readonly kind: 'keys'; readonly ids: readonly string[] }
  /** The authorities that issue root certificates. */
  | { readonly kind: 'ca'; readonly authorities: readonly Certificate[] }
  /** The bytes of a root.json handed over out of band. */
  | { readonly kind: 'root'; readonly bytes: Uint8Array }
  /** Whatever root is seen first, kept for ever after. */
  | { readonly kind: 'first-use' };

/**
 * Says whether trust may start at this root: it is signed by a threshold of pinned keys alone. That it merely lists a
 * pinned key proves nothing, since certificates are public. The pin is looked at first, so that a root of strangers
 * costs no signature check. Throws RepositoryError for a root that is pinned as it is, and bad in itself.
 */
export function satisfiesPin(
  root: Root,
  pin: RootPin,
  gun: string,
  now: Date,
  verifier: SignatureVerifier,
): boolean {
  switch (pin.kind) {
    case 'root':
      if (!Buffer.from(pin.bytes).equals(root.bytes)) return false;
      break;
    case 'first-use':
      break;
    case 'keys':
      return isSignedBy(root, gun, verifier, (key) => knownIds(key).some((id) => pin.ids.includes(id)));
    case 'ca':
      return isSignedBy(root, gun, verifier, ({ bundle }) => chainsTo(bundle, pin.authorities, now));
  }
  checkThreshold('root', root, rootSigners(root, gun), verifier);
  return true;
}

function isSignedBy(
  root: Root,
  gun: string,
  verifier: SignatureVerifier,
  isPinned: (key: PublicKey) => boolean,
): boolean {
  const keys = fittingRootKeys(root, gun).filter(isPinned);
  try {
    checkThreshold('root', root, { keys, threshold: root.roles.root.threshold }, verifier);
    return true;
  } catch (error) {
    // Not by these keys: then trust does not start here, which is no fault of the root.
    if (!(error instanceof RepositoryError)) throw error;
    return false;
  }
}
