import type { Metadata } from './envelope.ts';
import type { Floor } from './floor.ts';
import { spkis } from './floor.ts';
import type { Root, Snapshot, Targets, Timestamp } from './metadata.ts';
import type { RoleKeys } from './role.ts';

/** A role that passed every check, beside the keys it was checked with. */
export interface Verified<File extends Metadata> {
  readonly role: string;
  readonly file: File;
  readonly signers: RoleKeys;
}

/** A repository whose every file was verified together: the only thing that tags are resolved against. */
export class VerifiedRepository {
  readonly gun: string;
  readonly root: Verified<Root>;
  readonly timestamp: Verified<Timestamp>;
  readonly snapshot: Verified<Snapshot>;
  readonly targets: Verified<Targets>;
  readonly delegations: ReadonlyMap<string, Verified<Targets>>;

  constructor(
    gun: string,
    root: Verified<Root>,
    timestamp: Verified<Timestamp>,
    snapshot: Verified<Snapshot>,
    targets: Verified<Targets>,
    delegations: ReadonlyMap<string, Verified<Targets>>,
  ) {
    this.gun = gun;
    this.root = root;
    this.timestamp = timestamp;
    this.snapshot = snapshot;
    this.targets = targets;
    this.delegations = delegations;
  }

  /** All roles, in the order in which they were verified. */
  get roles(): readonly Verified<Metadata>[] {
    return [this.root, this.timestamp, this.snapshot, this.targets, ...this.delegations.values()];
  }

  /** The instant from which some role is expired. */
  get expires(): Date {
    return new Date(Math.min(...this.roles.map(({ file }) => file.expires.getTime())));
  }

  /** The floors that this repository sets, for every role but root. */
  floors(): ReadonlyMap<string, Floor> {
    const [, ...others] = this.roles;
    return new Map(
      others.map(({ role, file, signers }) => [
        role,
        { version: file.version, sha256: file.sha256, keys: spkis(signers.keys) },
      ]),
    );
  }
}
