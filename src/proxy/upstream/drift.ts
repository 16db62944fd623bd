import { LRUCache } from 'lru-cache';
import type { Digest, ImageReference } from '../../oci/reference.ts';
import { printReference } from '../../oci/reference.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { Caller } from './headers.ts';
import type { RegistryDoor } from './registry-door.ts';

/** How long a tag is not asked about again, in milliseconds. */
const pause = 60_000;
const rememberedTags = 10_000;

/**
 * Watches whether a registry still means by a tag what is signed: beside the pull and after its answer, at most once a
 * minute for a tag. A tag that drifted is served as signed; somebody should know all the same.
 */
export class Drift {
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #asked: LRUCache<string, true>;
  readonly #underWay = new Set<Promise<void>>();

  /** `now` is a clock in milliseconds. */
  constructor(options: { metrics: Metrics; log: Log; now: () => number }) {
    this.#metrics = options.metrics;
    this.#log = options.log;
    this.#asked = new LRUCache({
      max: rememberedTags,
      ttl: pause,
      ttlResolution: 0,
      perf: { now: options.now },
    });
  }

  /** Takes an image by tag that was judged and allowed, and its signed digest; looks, and does not keep the caller waiting. */
  look(image: ImageReference, signed: Digest, door: RegistryDoor, caller: Caller): void {
    const key = printReference(image);
    if (this.#asked.has(key)) return;
    this.#asked.set(key, true);
    const looking = this.#compare(image, signed, door, caller).finally(() => this.#underWay.delete(looking));
    this.#underWay.add(looking);
  }

  /** Resolves when nothing is being looked at. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #compare(image: ImageReference, signed: Digest, door: RegistryDoor, caller: Caller): Promise<void> {
    const found = await door.upstream.headManifest(image.repository, image.identifier, caller);
    // A registry that does not say is none that says something else; what it does not answer shows elsewhere.
    if (found.kind !== 'found' || found.digest === undefined || found.digest === signed) return;
    this.#metrics.tagDrift(image.registry);
    this.#log.warn({ image: printReference(image), signed, upstream: found.digest }, 'drift');
  }
}
