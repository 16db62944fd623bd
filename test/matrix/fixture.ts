import { SigningRepository } from '../../src/demo/signing-repository.ts';
import type { RoleKeys, Target } from '../../src/demo/signing/role.ts';
import type { Signature } from '../../src/demo/signing/key.ts';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import { hour } from '../trust/trust-world.ts';
import type { RoleName } from './corruption.ts';
import { roles } from './corruption.ts';

// The honest repository that every cell begins with.

export const gun = 'reg.test/app';
export const now = Date.parse('2026-11-20T12:00:00Z');
export const tag = '1.0';
/** What `targets/releases` signs, and what `targets` signs, which must not show while releases is refused. */
export const released = { digest: `sha256:${'1'.repeat(64)}`, length: 500 };
export const outdated = { digest: `sha256:${'0'.repeat(64)}`, length: 400 };

/** In bytes; small, so that files of this size are quick to make. */
export const limits: Readonly<Record<RoleName, number>> = {
  root: 128 * 1024,
  timestamp: 64 * 1024,
  snapshot: 96 * 1024,
  targets: 128 * 1024,
  'targets/releases': 128 * 1024,
};

/** A key whose signature of the same message is always the same, so that what all cells share is verified only once. */
class SteadyKey extends SigningKey {
  readonly #made = new Map<string, Signature>();

  override sign(message: Uint8Array): Signature {
    const text = Buffer.from(message).toString('latin1');
    const signature = this.#made.get(text) ?? super.sign(message);
    this.#made.set(text, signature);
    return signature;
  }
}

/** A key under its plain public half. */
export function steadyKey(privateKey = generatePrivateKey('p256')): SigningKey {
  const { keytype, publicBytes } = SigningKey.plain(privateKey);
  return new SteadyKey(privateKey, keytype, publicBytes);
}

/** A key under a certificate for the GUN; those of one private key differ in `validFrom`, in milliseconds. */
export function steadyRootKey(privateKey = generatePrivateKey('p256'), validFrom = now - hour): SigningKey {
  const { keytype, publicBytes } = SigningKey.forRoot(gun, validFrom, privateKey);
  return new SteadyKey(privateKey, keytype, publicBytes);
}

const rootKey = steadyRootKey();
const newRoleKeys = (): RoleKeys => ({ keys: [steadyKey()] });

/** The keys of all roles but root, whose certificate is made for one GUN and clock. */
export const baseKeys = { timestamp: newRoleKeys(), snapshot: newRoleKeys(), targets: newRoleKeys() };
const releasesKeys = newRoleKeys();

/** Root keys that the pin knows, but the repository does not yet. */
export const moreRootKeys: readonly [SigningKey, SigningKey] = [steadyRootKey(), steadyRootKey()];
export const pinned: readonly string[] = [rootKey, ...moreRootKeys].map(({ spkiSha256 }) => spkiSha256);
/** Keys of nobody that the repository knows, of which one is under a certificate. */
export const strangers: readonly SigningKey[] = Array.from({ length: 64 }, () => steadyKey());
export const rootStranger = steadyRootKey();

/** An honest repository before its first publish. */
export function beginRepository(): SigningRepository {
  const repository = new SigningRepository(gun, {
    now: () => now,
    keys: { ...baseKeys, root: { keys: [rootKey] } },
  });
  prepare(repository, { released, outdated }, releasesKeys);
  return repository;
}

/** Signs the tag in both roles, and lets every role but root begin at version 5. */
export function prepare(
  repository: SigningRepository,
  targets: { readonly released: Target; readonly outdated: Target },
  releases: RoleKeys = releasesKeys,
): void {
  repository.addDelegation('targets/releases', releases);
  repository.sign(tag, targets.outdated);
  repository.sign(tag, targets.released, 'targets/releases');
  for (const role of roles) if (role !== 'root') repository.setVersion(role, 5);
}
