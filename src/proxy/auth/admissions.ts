import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { RepositoryName } from '../../oci/reference.ts';

/** How long a registry's yes to a client holds, in milliseconds. */
const lifetime = 60_000;
const most = 100_000;

/**
 * Whom the registries let in: each yes to a credential, for one repository of one registry, for a minute. Without it,
 * what is cached could be given to a client only after another question to the registry.
 */
export class Admissions {
  readonly #known: LRUCache<string, true>;

  /** Takes a clock, in milliseconds. */
  constructor(now: () => number) {
    // Asked each time: by default the cache holds a clock reading for a millisecond, and with it a timer.
    this.#known = new LRUCache({ max: most, ttl: lifetime, ttlResolution: 0, perf: { now } });
  }

  /** Says whether this very Authorization, or its absence, was let in within the last minute. */
  knows(registry: string, repository: RepositoryName, authorization: string | undefined): boolean {
    return this.#known.has(keyOf(registry, repository, authorization));
  }

  /** Remembers a yes of the registry. */
  remember(registry: string, repository: RepositoryName, authorization: string | undefined): void {
    this.#known.set(keyOf(registry, repository, authorization), true);
  }
}

/** A hash, so that no credential is kept. */
function keyOf(registry: string, repository: string, authorization: string | undefined): string {
  const text = [registry, repository, authorization ?? ''].join('\n');
  return createHash('sha256').update(text).digest('base64');
}
