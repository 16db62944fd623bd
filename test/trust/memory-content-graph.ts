import { isDeepStrictEqual } from 'node:util';
import type { Digest } from '../../src/oci/reference.ts';
import type { Content, ContentGraph, Parents } from '../../src/trust/state/content-graph.ts';
import { StateError } from '../../src/trust/trust-store.ts';

/** A content graph without a disk. What two of them share is one map. */
export class MemoryContentGraph implements ContentGraph {
  readonly #contents: Map<Digest, Content>;
  #isOpen = true;

  constructor(contents: Map<Digest, Content> = new Map()) {
    this.#contents = contents;
  }

  async record(content: Content): Promise<void> {
    this.#check();
    const edges = content.edges.filter(
      (edge, index) => content.edges.findIndex((other) => isDeepStrictEqual(edge, other)) === index,
    );
    for (const { size } of edges) {
      if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`a size of ${size}`);
    }
    const stored = this.#contents.get(content.digest);
    if (stored !== undefined && !isDeepStrictEqual(stored, { ...content, edges })) {
      throw new StateError(`something else was recorded of ${content.digest}`);
    }
    this.#contents.set(content.digest, { ...content, edges });
  }

  async of(digest: Digest): Promise<Content | undefined> {
    this.#check();
    return this.#contents.get(digest);
  }

  async above(child: Digest, most: number): Promise<Parents> {
    this.#check();
    const parents = [...this.#contents.values()].flatMap(({ digest, edges }) =>
      edges.filter((edge) => edge.child === child).map(({ kind, size }) => ({ digest, kind, size })),
    );
    return { parents: parents.slice(0, most), isWhole: parents.length <= most };
  }

  async unread(digests: readonly Digest[]): Promise<readonly Digest[]> {
    this.#check();
    return digests.filter((digest) => !this.#contents.has(digest));
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  #check(): void {
    if (!this.#isOpen) throw new StateError('closed');
  }
}
