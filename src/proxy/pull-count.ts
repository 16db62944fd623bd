import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';

/** Takes a request; gives who asks, as far as counting goes: remote address and a hash of the User-Agent. */
export function clientOf(request: IncomingMessage): string {
  const agent = createHash('sha256').update(request.headers['user-agent'] ?? '');
  return `${request.socket.remoteAddress ?? ''} ${agent.digest('base64url').slice(0, 16)}`;
}

/**
 * Tells pulls from requests: docker asks HEAD and GET of one tag, then GET of the digest it led to, and means one pull.
 * What one client asks of one reference within the window counts once. Bounded: past `capacity` the entries unused for
 * longest are forgotten, and such a pull counts again.
 */
export class PullCount {
  readonly #now: () => number;
  readonly #window: number;
  readonly #countedAt: LRUCache<string, number>;

  /** Takes a monotonic clock and the window, both in milliseconds, and how many pulls to remember. */
  constructor(now: () => number, window = 30_000, capacity = 10_000) {
    this.#now = now;
    this.#window = window;
    this.#countedAt = new LRUCache({ max: capacity });
  }

  /** Takes who asks for what (`reference`: tag or digest); says whether it counts as a pull, and remembers that it did. */
  isFirst(client: string, registry: string, repository: string, reference: string): boolean {
    const key = keyOf(client, registry, repository, reference);
    const countedAt = this.#countedAt.get(key);
    // From the first request, not the last: who asks every 20 s pulls every 30 s or so, not once for ever.
    if (countedAt !== undefined && this.#now() - countedAt < this.#window) return false;
    this.#countedAt.set(key, this.#now());
    return true;
  }

  /** Takes the digests a counted pull led to (the tag's manifest, an index's children): asking for them is the same pull. */
  note(client: string, registry: string, repository: string, digests: Iterable<string>): void {
    for (const digest of digests)
      this.#countedAt.set(keyOf(client, registry, repository, digest), this.#now());
  }
}

// None of the parts after the client contains a space.
function keyOf(client: string, registry: string, repository: string, reference: string): string {
  return `${client} ${registry} ${repository} ${reference}`;
}
