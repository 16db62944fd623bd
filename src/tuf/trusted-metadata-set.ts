import { isWithinDates, rootCertificateFault } from './key/certificate.ts';
import type { Delegation } from './delegation.ts';
import { delegationKeys } from './delegation.ts';
import type { Metadata } from './envelope.ts';
import { RepositoryError } from './error.ts';
import type { FileHashes } from './hashes.ts';
import { checkFile } from './hashes.ts';
import type { Floor, KeysReplaced } from './floor.ts';
import { allGone, checkFloor, someGone, spkis } from './floor.ts';
import type { PublicKey } from './key/key.ts';
import type { Root, Snapshot, Targets, Timestamp } from './metadata.ts';
import { readRoot, readSnapshot, readTargets, readTimestamp } from './metadata.ts';
import type { RoleKeys } from './role.ts';
import { checkThreshold } from './role.ts';
import type { SignatureVerifier } from './key/signature.ts';
import type { Verified } from './verified-repository.ts';
import { VerifiedRepository } from './verified-repository.ts';

export interface SetOptions {
  readonly gun: string;
  /** Fixed for the whole update (TUF §5.1). */
  readonly now: Date;
  /** Floors of timestamp, snapshot, targets and delegations; the root's is the trusted root itself. */
  readonly floors: ReadonlyMap<string, Floor>;
  /** Roles that the last trusted snapshot listed. */
  readonly listedBefore: ReadonlySet<string>;
  readonly verifier: SignatureVerifier;
}

/**
 * The client workflow of TUF 1.0.34 §5.3 to §5.6 in Notary's dialect (notary-v1 §5), a step a method, in this order:
 * the constructor with a root that is already trusted, `updateRoot` for each later one, `finishRoot`, `updateTimestamp`,
 * `updateSnapshot`, `updateTargets`, `updateDelegation`. Each throws RepositoryError and then has changed nothing.
 */
export class TrustedMetadataSet {
  readonly #options: SetOptions;
  #root: Root;
  #timestamp: Verified<Timestamp> | undefined;
  #snapshot: Verified<Snapshot> | undefined;
  #targets: Verified<Targets> | undefined;
  readonly #delegations = new Map<string, Verified<Targets>>();

  constructor(trustedRoot: Root, options: SetOptions) {
    this.#root = trustedRoot;
    this.#options = options;
  }

  get root(): Root {
    return this.#root;
  }

  /** TUF §5.3.3 to §5.3.7: the next root, signed by the keys of the one before and by its own. */
  updateRoot(bytes: Uint8Array): void {
    const root = readRoot(bytes);
    if (root.version !== this.#root.version + 1) {
      throw new RepositoryError(
        root.version < this.#root.version ? 'ROLLBACK' : 'BAD_SIGNATURE',
        `root is version ${root.version}, but ${this.#root.version + 1} has to follow ${this.#root.version}`,
      );
    }
    this.#checkRoot(root, rootSigners(this.#root, this.#options.gun));
    this.#checkRoot(root, rootSigners(root, this.#options.gun));
    this.#root = root;
  }

  /** TUF §5.3.10: the newest root must be unexpired, and so must the certificates that its signatures rest on. */
  finishRoot(): void {
    this.#checkExpiry('root', this.#root);
    const { keys, threshold } = rootSigners(this.#root, this.#options.gun);
    const current = keys.filter(({ bundle: [leaf] }) => leaf && isWithinDates(leaf, this.#options.now));
    if (spkis(current).length < threshold) {
      throw new RepositoryError(
        'EXPIRED',
        `root version ${this.#root.version} needs ${threshold} keys, but ${spkis(current).length} have a certificate within its dates`,
      );
    }
    this.#checkRoot(this.#root, { keys: current, threshold });
  }

  /** TUF §5.4. */
  updateTimestamp(bytes: Uint8Array): void {
    const file = readTimestamp(bytes);
    this.#timestamp = this.#verify('timestamp', file, this.#root.roles.timestamp, someGone);
  }

  /** What the timestamp says of the snapshot; known after `updateTimestamp`. */
  get snapshotFile(): FileHashes {
    return done(this.#timestamp).file.snapshot;
  }

  /** TUF §5.5, and the root by its hash: Notary lists it in the snapshot. */
  updateSnapshot(bytes: Uint8Array): void {
    checkFile(bytes, this.snapshotFile, 'snapshot');
    const file = readSnapshot(bytes);
    const verified = this.#verify('snapshot', file, this.#root.roles.snapshot, someGone);
    checkFile(this.#root.bytes, listed(file, 'root'), `root version ${this.#root.version}`);
    this.#snapshot = verified;
  }

  /** What the snapshot says of targets.json; known after `updateSnapshot`. */
  get targetsFile(): FileHashes {
    return listed(done(this.#snapshot).file, 'targets');
  }

  /** What the snapshot says of a role's file, or undefined if it does not list the role. */
  listedFile(role: string): FileHashes | undefined {
    return done(this.#snapshot).file.meta.get(role);
  }

  /** TUF §5.6 for the top role. A delegation that an earlier snapshot listed may not silently leave this one. */
  updateTargets(bytes: Uint8Array): void {
    const snapshot = done(this.#snapshot).file;
    checkFile(bytes, this.targetsFile, 'targets');
    const file = readTargets(bytes, 'targets');
    const verified = this.#verify('targets', file, this.#root.roles.targets, allGone);
    for (const [role, delegation] of file.delegations) {
      if (this.#wasSeen(role, delegation) && !snapshot.meta.has(role)) {
        throw new RepositoryError(
          'ROLLBACK',
          `${role} is delegated and was seen before, but the snapshot hides it`,
        );
      }
    }
    this.#targets = verified;
  }

  /** The delegation that targets.json declares, or undefined; known after `updateTargets`. */
  delegation(role: string): Delegation | undefined {
    return done(this.#targets).file.delegations.get(role);
  }

  /** TUF §5.6.7 for one declared and listed delegation. */
  updateDelegation(role: string, bytes: Uint8Array): void {
    const delegation = this.delegation(role);
    if (delegation === undefined) throw new TypeError(`${role} is not delegated`);
    checkFile(bytes, listed(done(this.#snapshot).file, role), role);
    const file = readTargets(bytes, role);
    this.#delegations.set(role, this.#verify(role, file, delegationKeys(delegation), allGone));
  }

  /** What was verified, once targets were. */
  result(): VerifiedRepository {
    const root = { role: 'root', file: this.#root, signers: this.#root.roles.root };
    return new VerifiedRepository(
      this.#options.gun,
      root,
      done(this.#timestamp),
      done(this.#snapshot),
      done(this.#targets),
      new Map(this.#delegations),
    );
  }

  /** Listed by the last snapshot, or accepted at any time with keys that the role still has. */
  #wasSeen(role: string, delegation: Delegation): boolean {
    if (this.#options.listedBefore.has(role)) return true;
    const floor = this.#options.floors.get(role);
    return floor !== undefined && !allGone(floor.keys, spkis(delegationKeys(delegation).keys));
  }

  /** The checks that every role but root shares, in the order of TUF §5.4.2 to §5.4.4. */
  #verify<File extends Metadata>(
    role: string,
    file: File,
    signers: RoleKeys,
    replaced: KeysReplaced,
  ): Verified<File> {
    checkThreshold(role, file, signers, this.#options.verifier);
    const floor = this.#options.floors.get(role);
    // Fast-forward recovery (notary-v1 §5.4): a version signed with keys that are gone binds nobody.
    if (floor !== undefined && !replaced(floor.keys, spkis(signers.keys))) checkFloor(role, file, floor);
    this.#checkExpiry(role, file);
    return { role, file, signers };
  }

  #checkRoot(root: Root, signers: RoleKeys): void {
    checkThreshold('root', root, signers, this.#options.verifier);
  }

  #checkExpiry(role: string, { version, expires }: Metadata): void {
    // At the very instant of its expiry metadata is expired (TUF §5.4.4: "higher than").
    if (expires > this.#options.now) return;
    throw new RepositoryError(
      'EXPIRED',
      `${role} version ${version} expired at ${expires.toISOString()}, and it is ${this.#options.now.toISOString()}`,
    );
  }
}

/** Takes a root and a GUN; gives those of its root keys whose certificate may stand for the GUN. */
export function fittingRootKeys(root: Root, gun: string): readonly PublicKey[] {
  return root.roles.root.keys.filter((key) => keyFault(key, gun) === undefined);
}

/**
 * The same as a role; throws RepositoryError ROOT_NOT_PINNED, with what is wrong with the others, if they are too few. Where
 * all of its keys together are, that is no fault of certificates: the threshold is what nobody meets.
 */
export function rootSigners(root: Root, gun: string): RoleKeys {
  const { keys, threshold } = root.roles.root;
  const fitting = fittingRootKeys(root, gun);
  if (spkis(fitting).length < threshold && spkis(keys).length >= threshold) {
    const faults = keys.slice(0, 4).map((key) => `${key.id.slice(0, 12)}: ${keyFault(key, gun) ?? 'fits'}`);
    throw new RepositoryError(
      'ROOT_NOT_PINNED',
      `root version ${root.version} needs ${threshold} certificates for ${gun}, but has ${spkis(fitting).length} (${faults.join('; ')})`,
    );
  }
  return { keys: fitting, threshold };
}

function keyFault({ bundle }: PublicKey, gun: string): string | undefined {
  return bundle.length === 0 ? 'no certificate' : rootCertificateFault(bundle, gun);
}

function listed(snapshot: Snapshot, role: string): FileHashes {
  const file = snapshot.meta.get(role);
  if (file?.sha256 === undefined)
    throw new RepositoryError('MALFORMED', `the snapshot has no sha256 of ${role}`);
  return file;
}

function done<Step>(step: Step | undefined): Step {
  if (step === undefined) throw new TypeError('a step of the update was left out');
  return step;
}
