import { createHash } from 'node:crypto';
import type { Digest, Tag } from '../oci/reference.ts';
import { parseTag, sha256Digest } from '../oci/reference.ts';
import { RepositoryError } from '../tuf/error.ts';
import type { Target } from '../tuf/target.ts';
import { allTargets, missingSigners, resolveTarget } from '../tuf/target.ts';
import type { VerifiedRepository } from '../tuf/verified-repository.ts';
import type { DownloadError } from './download-error.ts';
import type { SignedTarget, SignedTargets, TrustAnswer, VerifiedRole } from './trust.ts';

/** A repository that stood every check, and the outage that its use bridges, if one does. */
export interface Verification {
  readonly kind: 'verified';
  readonly repository: VerifiedRepository;
  readonly outage: DownloadError | undefined;
}

/** Takes a tag and the roles that each must have signed it; gives what the repository says of it. */
export function answerTag(verification: Verification, signers: readonly string[], tag: Tag): TrustAnswer {
  const { repository } = verification;
  const roles = describeRoles(repository);
  try {
    const target = resolveTarget(repository, tag);
    if (target === undefined) return { kind: 'unsigned', reason: 'TAG_NOT_SIGNED', roles };
    const missing = missingSigners(repository, signers, target);
    if (missing.length === 0) return signed(verification, target, tag, roles);
    return {
      kind: 'unsigned',
      reason: 'SIGNER_MISSING',
      missing,
      digest: sha256Digest(target.sha256),
      roles,
    };
  } catch (error) {
    // A target that cannot be used is bad trust data for this tag alone.
    if (!(error instanceof RepositoryError)) throw error;
    return { kind: 'invalid', error };
  }
}

/** Everything that is signed, and by all of `signers`, one target a tag; `scope` names whose it is. */
export function allSigned(
  verification: Verification,
  signers: readonly string[],
  scope: string,
): SignedTargets {
  const { repository } = verification;
  const roles = describeRoles(repository);
  const targets = allTargets(repository).flatMap((target) => {
    const tag = parseTag(target.tag);
    if (tag === undefined || missingSigners(repository, signers, target).length > 0) return [];
    return [signed(verification, target, tag, roles)];
  });
  const byDigest = new Map<Digest, SignedTarget>();
  for (const target of targets) if (!byDigest.has(target.digest)) byDigest.set(target.digest, target);
  // The snapshot has the hash of every file of targets. Versions would not do: a reset may bring others of the same.
  const { bytes } = repository.snapshot.file;
  const identity = `${scope} ${createHash('sha256').update(bytes).digest('hex')}`;
  return { kind: 'listed', scope, identity, targets, byDigest, roles };
}

function signed(
  { outage }: Verification,
  { role, sha256, sha512, length, shadowed: below }: Target,
  tag: Tag,
  roles: readonly VerifiedRole[],
): SignedTarget {
  const shadowed = below && sha256Digest(below);
  return { kind: 'signed', tag, digest: sha256Digest(sha256), sha512, length, role, shadowed, roles, outage };
}

function describeRoles(repository: VerifiedRepository): readonly VerifiedRole[] {
  return repository.roles.map(({ role, file, signers }) => ({
    role,
    version: file.version,
    expires: file.expires,
    keys: signers.keys.map(({ id }) => id),
    threshold: signers.threshold,
  }));
}
