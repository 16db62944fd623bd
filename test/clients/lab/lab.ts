import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary directory and what must be undone at the end: every program of a test file is started into one. */
export class Lab {
  readonly dir: string;
  readonly #undo: (() => Promise<void>)[] = [];

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Makes the directory. Its name is short, because a unix socket's path may have 107 bytes only. */
  static async open(): Promise<Lab> {
    return new Lab(await mkdtemp(join(tmpdir(), 'tufgate-lab-')));
  }

  /** Makes a directory below the lab's and gives its path. */
  async folder(name: string): Promise<string> {
    const path = join(this.dir, name);
    await mkdir(path, { recursive: true });
    return path;
  }

  /** Makes a directory below the lab's that none had before, and gives its path. */
  async newFolder(name: string): Promise<string> {
    return await mkdtemp(join(this.dir, `${name}-`));
  }

  /** Runs `undo` when the lab closes; what was started last is undone first. */
  defer(undo: () => Promise<void>): void {
    this.#undo.push(undo);
  }

  /** Undoes everything, also after a failure in between, and removes the directory. Throws what failed. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const undo of this.#undo.splice(0).toReversed()) {
      try {
        await undo();
      } catch (error) {
        // Whatever it was, the programs started before this one must still be stopped; it is thrown below.
        failures.push(error);
      }
    }
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    if (failures.length > 0) throw new AggregateError(failures, 'the lab could not be closed cleanly');
  }
}
