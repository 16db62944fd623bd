import { setImmediate } from 'node:timers/promises';
import type { Digest } from '../../oci/reference.ts';
import type { Content, ContentGraph } from '../../trust/state/content-graph.ts';

const stepsAtOnce = 64;

interface Entry {
  readonly digest: Digest;
  /** How many manifests down from a root it stands, itself included. */
  readonly depth: number;
  /** What the index above calls it; undefined for a root, of which nobody says. */
  readonly kind: 'manifest' | 'index' | undefined;
}

/** What stands on the roots of a repository and was not read yet, in the order in which it is to be read. */
export class Frontier {
  readonly #deepest: number;
  /** By digest; what is put in front comes first. */
  #entries: readonly Entry[] = [];

  private constructor(deepest: number) {
    this.#deepest = deepest;
  }

  /** Takes the roots in the order in which they are to be read; walks down what is recorded. Throws StateError. */
  static async begin(roots: readonly Digest[], graph: ContentGraph, deepest: number): Promise<Frontier> {
    const frontier = new Frontier(deepest);
    const seen = new Set(roots);
    const entries: Entry[] = [];
    let level: Entry[] = [...seen].map((digest) => ({ digest, depth: 1, kind: undefined }));
    while (level.length > 0) {
      const unread = new Set(await graph.unread(level.map(({ digest }) => digest)));
      const below: Entry[] = [];
      for (const [at, entry] of level.entries()) {
        if (at % stepsAtOnce === 0) await setImmediate(); // some repositories have thousands of tags
        if (unread.has(entry.digest)) entries.push(entry);
        else if (entry.kind !== 'manifest') {
          const content = await graph.of(entry.digest);
          for (const child of content === undefined ? [] : frontier.#below(entry, content)) {
            if (!seen.has(child.digest)) below.push(child);
            seen.add(child.digest);
          }
        }
      }
      level = below;
    }
    frontier.#entries = entries;
    return frontier;
  }

  /** Gives at most `most` of what is to be read next and was not tried; with `indexes`, nothing that is known to be none. */
  next(most: number, tried: ReadonlySet<Digest>, indexes: boolean): readonly Digest[] {
    const found: Digest[] = [];
    for (const { digest, kind } of this.#entries) {
      if (found.length === most) break;
      if (!tried.has(digest) && !(indexes && kind === 'manifest')) found.push(digest);
    }
    return found;
  }

  /** Takes what was read, and what of those below it was not: these come next, in its place. */
  replace(content: Content, unread: ReadonlySet<Digest>): void {
    const entry = this.#entries.find(({ digest }) => digest === content.digest);
    if (entry === undefined) return;
    const known = new Set(this.#entries.map(({ digest }) => digest));
    const below = this.#below(entry, content).filter(
      ({ digest }) => unread.has(digest) && !known.has(digest),
    );
    this.#entries = [...below, ...this.#entries.filter((other) => other !== entry)];
  }

  /** What can not be read, and leads nowhere. */
  drop(gone: Digest): void {
    this.#entries = this.#entries.filter(({ digest }) => digest !== gone);
  }

  #below({ depth }: Entry, { edges }: Content): Entry[] {
    if (depth === this.#deepest) return [];
    return edges.flatMap(({ child, kind }) =>
      kind === 'blob' ? [] : [{ digest: child, depth: depth + 1, kind }],
    );
  }
}
