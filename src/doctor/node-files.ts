import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { join, posix } from 'node:path';

// The file system of the node. It may be mounted below a folder of ours, where an absolute symbolic link of the node
// would lead into our own file system: links are followed here, and never out of the root.

/** A file that is there and was not read. `path` is the node's name for it. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly path: string;

  constructor(path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** A file that was read and is not in its language. */
export class MalformedFile extends Error {
  override readonly name = 'MalformedFile';
  readonly path: string;
  readonly line: number | null;

  constructor(path: string, line: number | null, message: string) {
    super(message);
    this.path = path;
    this.line = line;
  }
}

export interface TextFile {
  readonly path: string;
  readonly text: string;
}

const largestFile = 1024 * 1024;
const mostNames = 1000;
/** As Linux has it (path_resolution(7)). */
const mostLinks = 40;
const programFolders = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/opt/bin',
  '/snap/bin',
  '/opt/rke2/bin',
];

export class NodeFiles {
  readonly #root: string;

  /** Takes the folder where the node's file system is; `/` if it is ours. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Gives a text file of at most 1 MiB, or undefined if there is none. Throws FileError. */
  read(path: string): TextFile | undefined {
    return whole(path, () => {
      const real = this.#resolve(path);
      if (real === undefined) return undefined;
      // A pipe would let the doctor wait for ever.
      const file = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        if (!fstatSync(file).isFile()) throw new FileError(path, 'it is not a file');
        return { path, text: readAll(path, file) };
      } finally {
        closeSync(file);
      }
    });
  }

  /** Gives the names in a folder, sorted as the runtimes sort them; none if it is not there. Throws FileError. */
  list(path: string): readonly string[] {
    return whole(path, () => {
      const real = this.#resolve(path);
      if (real === undefined || !lstatSync(real).isDirectory()) return [];
      const names: string[] = [];
      const folder = opendirSync(real);
      try {
        for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
          if (names.length === mostNames) throw new FileError(path, `it has more than ${mostNames} entries`);
          names.push(entry.name);
        }
      } finally {
        folder.closeSync();
      }
      return names.toSorted();
    });
  }

  /** Throws FileError if that cannot be told. */
  exists(path: string): boolean {
    return whole(path, () => this.#resolve(path) !== undefined);
  }

  /** Gives the path of the first of these programs that is where programs are. */
  program(...names: readonly string[]): string | undefined {
    return programFolders
      .flatMap((folder) => names.map((name) => posix.join(folder, name)))
      .find((path) => this.exists(path));
  }

  #resolve(path: string): string | undefined {
    const pending = path.split('/').filter((part) => part !== '');
    let above: string[] = [];
    for (let links = 0, part = pending.shift(); part !== undefined; part = pending.shift()) {
      if (part === '.') continue;
      if (part === '..') {
        above.pop();
        continue;
      }
      const here = join(this.#root, ...above, part);
      const stat = lstatSync(here, { throwIfNoEntry: false });
      if (stat === undefined) return undefined;
      if (!stat.isSymbolicLink()) {
        // Nothing is below a file.
        if (!stat.isDirectory() && pending.length > 0) return undefined;
        above.push(part);
        continue;
      }
      links += 1;
      if (links > mostLinks)
        throw new FileError(path, `it leads through more than ${mostLinks} symbolic links`);
      const target = readlinkSync(here);
      if (target.startsWith('/')) above = [];
      pending.unshift(...target.split('/').filter((name) => name !== ''));
    }
    return join(this.#root, ...above);
  }
}

function readAll(path: string, file: number): string {
  const bytes = Buffer.alloc(largestFile + 1);
  let length = 0;
  for (;;) {
    const read = readSync(file, bytes, length, bytes.length - length, null);
    length += read;
    if (length > largestFile) throw new FileError(path, 'it is larger than 1 MiB');
    if (read === 0) return bytes.toString('utf8', 0, length);
  }
}

function whole<Found>(path: string, work: () => Found): Found {
  try {
    return work();
  } catch (error) {
    // Whatever the system answers, it is about this file; its own message would name it as we see it.
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
      throw new FileError(path, error.code, { cause: error });
    }
    throw error;
  }
}
