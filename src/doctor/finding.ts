import type { TextFile } from './node-files.ts';
import { FileError, MalformedFile } from './node-files.ts';

// What the doctor says: one line a finding. docs/doctor.md has an entry for every code.

const mends = {
  'docker-registry-mirrors': 'remove it (tufgate clients docker)',
  'hosts-malformed': 'write it anew (tufgate clients containerd)',
  'hosts-no-server': 'add "server" with the address of the gate (tufgate clients containerd)',
  'hosts-server-elsewhere': 'let "server" be the gate (tufgate clients containerd)',
  'hosts-server-only': 'add the gate as [host] too (tufgate clients containerd)',
  'hosts-other-host': 'remove that [host] (tufgate clients containerd)',
  'hosts-without-resolve': 'let the capabilities be "pull" and "resolve" (tufgate clients containerd)',
  'hosts-file-missing': 'remove the folder, or put a hosts.toml into it (tufgate clients containerd)',
  'containerd-no-config-path': 'set it to "/etc/containerd/certs.d" (tufgate clients containerd)',
  'containerd-registry-mirrors': 'use config_path and hosts.toml instead (tufgate clients containerd)',
  'containerd-registry-unconfigured':
    'add a hosts.toml, for each or in _default (tufgate clients containerd)',
  'containerd-import-replaces': 'repeat config_path in the imported file, or put that section into one file',
  'k3s-registry-unconfigured': 'add them under "mirrors", or "*" (tufgate clients k3s)',
  'k3s-other-endpoint': 'let the gate be the only endpoint (tufgate clients k3s)',
  'k3s-default-endpoint': 'set disable-default-registry-endpoint: true in config.yaml (tufgate clients k3s)',
  'k3s-configs-entry': 'remove that entry of "configs"; the gate may have one (tufgate clients k3s)',
  'k3s-embedded-registry': 'remove it: other nodes would be asked, and not the gate',
  'podman-registry-unconfigured':
    'add a blocked [[registry]] with the gate as mirror (tufgate clients podman)',
  'podman-user-override': "remove the user's file, or let it say the same (tufgate clients podman)",
  'podman-mirror-falls-back': 'add blocked = true to the [[registry]] (tufgate clients podman)',
  'podman-mirror-digest-only': 'remove that, and add blocked = true (tufgate clients podman)',
  'podman-elsewhere': 'let it be the gate, or remove it (tufgate clients podman)',
  'podman-unqualified-search': 'remove it from the list, or write whole image names and empty the list',
  'buildkit-mirrors': 'remove them; lead the host names to the gate instead (tufgate clients buildkit)',
  'ctr-goes-direct': 'close the way to the registries for this node, or remove ctr',
  'registry-reachable': 'close that way for this node: let only the gate reach it',
  'proxy-leads-round': 'let that proxy refuse the registry, or lead it to the gate',
  'proxy-undecided': 'ask that proxy for the registry by hand',
  'canary-passed': 'see the other findings, and close the way to the registry',
  'canary-undecided': 'try that command by hand',
  'config-malformed': 'correct it: what it leaves open is not known',
  'file-unreadable': 'run the doctor as a user who may read it',
} as const;

export type Code = keyof typeof mends;
/** Every finding there is. */
export const codes = Object.keys(mends) as readonly Code[];
export type Topic =
  'gate' | 'docker' | 'containerd' | 'k3s' | 'podman' | 'buildkit' | 'ctr' | 'registry' | 'canary';

/** A file of the node, by the name it has there, and the line if that is known. */
export interface Place {
  readonly file: string;
  readonly line: number | null;
}

/** `unknown` is neither: the doctor could not find out. */
export interface Finding {
  readonly status: 'open' | 'unknown' | 'ok' | 'skipped';
  readonly code: Code | Topic;
  readonly place: Place | null;
  readonly message: string;
  readonly mend: string | null;
}

/** Collects what is found, in order. */
export class Report {
  readonly #findings: Finding[] = [];

  get findings(): readonly Finding[] {
    return this.#findings;
  }

  count(status: Finding['status']): number {
    return this.#findings.filter((finding) => finding.status === status).length;
  }

  /** A way round the gate; said once, however many readers of a file meet it. */
  open(code: Code, place: Place | null, message: string): void {
    this.#add({ status: 'open', code, place, message, mend: mends[code] });
  }

  unknown(code: Code, place: Place | null, message: string): void {
    this.#add({ status: 'unknown', code, place, message, mend: mends[code] });
  }

  ok(topic: Topic, place: Place | null, message: string): void {
    this.#add({ status: 'ok', code: topic, place, message, mend: null });
  }

  skipped(topic: Topic, message: string): void {
    this.#add({ status: 'skipped', code: topic, place: null, message, mend: null });
  }

  /** Runs a part that reads files; what cannot be read is `unknown`, and the other parts go on. */
  attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      // A file that is there and cannot be read, or understood, says neither yes nor no.
      if (error instanceof FileError) {
        this.unknown('file-unreadable', { file: error.path, line: null }, `cannot be read: ${error.message}`);
      } else if (error instanceof MalformedFile) {
        this.unknown('config-malformed', { file: error.path, line: error.line }, error.message);
      } else {
        throw error;
      }
    }
  }

  /** The same, and says `ok` of what was looked at if nothing was found in it. */
  examine(topic: Topic, place: Place | null, message: string, work: () => void): void {
    const before = this.#bad;
    this.attempt(work);
    if (this.#bad === before) this.ok(topic, place, message);
  }

  get #bad(): number {
    return this.count('open') + this.count('unknown');
  }

  #add(finding: Finding): void {
    const text = findingLine(finding);
    if (!this.#findings.some((other) => findingLine(other) === text)) this.#findings.push(finding);
  }
}

/** Takes a finding; gives its line. */
export function findingLine({ status, code, place, message, mend }: Finding): string {
  const where = place === null ? '' : `${place.file}${place.line === null ? '' : `:${place.line}`}: `;
  return `${status}  ${code}  ${where}${message}${mend === null ? '' : `; ${mend}`}`;
}

/** Gives the first line of a file with these words that is not a comment, as a place. */
export function placeOf({ path, text }: TextFile, words: string): Place {
  const at = text.split('\n').findIndex((line) => line.includes(words) && !line.trimStart().startsWith('#'));
  return { file: path, line: at < 0 ? null : at + 1 };
}

/** Gives names as a sentence has them. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
