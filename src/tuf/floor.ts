import type { Metadata } from './envelope.ts';
import { RepositoryError } from './error.ts';
import type { PublicKey } from './key/key.ts';

/** The highest version of a role that was ever accepted, its bytes, and the keys (SPKI hashes) it then had. */
export interface Floor {
  readonly version: number;
  readonly sha256: string;
  readonly keys: readonly string[];
}

/** Throws RepositoryError ROLLBACK or EQUIVOCATION unless the file may follow what was trusted. */
export function checkFloor(role: string, { version, sha256 }: Metadata, floor: Floor): void {
  if (version < floor.version) {
    throw new RepositoryError(
      'ROLLBACK',
      `${role} is version ${version}, but version ${floor.version} was already trusted`,
    );
  }
  if (version === floor.version && sha256 !== floor.sha256) {
    throw new RepositoryError(
      'EQUIVOCATION',
      `${role} version ${version} has SHA-256 ${sha256}, but the one already trusted has ${floor.sha256}`,
    );
  }
}

export type KeysReplaced = (before: readonly string[], after: readonly string[]) => boolean;

/** timestamp and snapshot: any key that is gone may be the one that an attacker held. */
export const someGone: KeysReplaced = (before, after) => !before.every((key) => after.includes(key));
/** targets and delegations: only when the whole set was replaced. */
export const allGone: KeysReplaced = (before, after) => !before.some((key) => after.includes(key));

/** What makes keys the same, whatever wraps them; sorted, each once. */
export function spkis(keys: readonly PublicKey[]): readonly string[] {
  return [...new Set(keys.map(({ spki }) => spki))].toSorted();
}
