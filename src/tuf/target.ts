import { maySign } from './delegation.ts';
import { RepositoryError } from './error.ts';
import type { FileHashes } from './hashes.ts';
import type { VerifiedRepository } from './verified-repository.ts';

/** The role that Docker releases tags with; it wins over `targets` (notary-v1 §8). */
export const releasesRole = 'targets/releases';

/** A tag's target with the mandatory SHA-256, and the role that signs it. */
export interface Target {
  readonly tag: string;
  readonly role: string;
  readonly sha256: Buffer;
  readonly sha512: Buffer | undefined;
  readonly length: number;
  /** What `targets` says of the tag, where `targets/releases` says otherwise and wins. */
  readonly shadowed: Buffer | undefined;
}

/**
 * Takes a verified repository and a tag; gives the target that the tag means today: in `targets/releases` if that may
 * sign it and does, else in `targets`. Throws RepositoryError MALFORMED for a target without a SHA-256.
 */
export function resolveTarget(repository: VerifiedRepository, tag: string): Target | undefined {
  return targetIn(repository, releasesRole, tag) ?? targetIn(repository, 'targets', tag);
}

/** The same for every tag that is signed. Tags whose target names no SHA-256 are left out: nothing can be served for them. */
export function allTargets(repository: VerifiedRepository): readonly Target[] {
  const releases = repository.delegations.get(releasesRole)?.file.targets ?? new Map<string, FileHashes>();
  const tags = new Set([...repository.targets.file.targets.keys(), ...releases.keys()]);
  return [...tags].flatMap((tag) => {
    const role = entryIn(repository, releasesRole, tag) === undefined ? 'targets' : releasesRole;
    return entryIn(repository, role, tag)?.sha256 === undefined
      ? []
      : [targetIn(repository, role, tag)].filter(isDefined);
  });
}

/** Gives those of `signers` that have not signed this very target under this tag. */
export function missingSigners(
  repository: VerifiedRepository,
  signers: readonly string[],
  target: Target,
): readonly string[] {
  return signers.filter(
    (role) => entryIn(repository, role, target.tag)?.sha256?.equals(target.sha256) !== true,
  );
}

function targetIn(repository: VerifiedRepository, role: string, tag: string): Target | undefined {
  const entry = entryIn(repository, role, tag);
  if (entry === undefined) return undefined;
  const { sha256, sha512, length } = entry;
  if (sha256 === undefined) {
    throw new RepositoryError('MALFORMED', `${role} signs ${JSON.stringify(tag)} without a sha256`);
  }
  const below = role === 'targets' ? undefined : entryIn(repository, 'targets', tag)?.sha256;
  return { tag, role, sha256, sha512, length, shadowed: below?.equals(sha256) === false ? below : undefined };
}

function entryIn(repository: VerifiedRepository, role: string, tag: string): FileHashes | undefined {
  if (role === 'targets') return repository.targets.file.targets.get(tag);
  const delegation = repository.targets.file.delegations.get(role);
  if (delegation === undefined || !maySign(delegation, tag)) return undefined;
  return repository.delegations.get(role)?.file.targets.get(tag);
}

function isDefined<Value>(value: Value | undefined): value is Value {
  return value !== undefined;
}
