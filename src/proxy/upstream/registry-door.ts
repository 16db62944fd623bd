import type { Limits, Registry } from '../../config/config.ts';
import type { RepositoryName } from '../../oci/reference.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { DownloadError } from '../../trust/download-error.ts';
import { CarriedAuthorization } from './carried-authorization.ts';
import { PassThrough } from './pass-through.ts';
import type { ChildrenCache } from './signed-children.ts';
import { SignedChildren } from './signed-children.ts';
import { Upstream } from './upstream.ts';
import type { ManifestCache } from './verified-manifests.ts';
import { VerifiedManifests } from './verified-manifests.ts';

/** What is known of content, whatever registry it came from. */
export interface ContentCaches {
  readonly manifests: ManifestCache;
  readonly children: ChildrenCache;
}

/** Every way to one registry: what is judged, what stands below it, what is carried. */
export class RegistryDoor {
  readonly registry: Registry;
  readonly upstream: Upstream;
  readonly manifests: VerifiedManifests;
  readonly children: SignedChildren;
  readonly passThrough: PassThrough;
  readonly #ownAuthorization: CarriedAuthorization | undefined;

  constructor(registry: Registry, limits: Limits, caches: ContentCaches, metrics: Metrics, hop: string) {
    const onAnswer = (name: string, code: number | 'error', seconds: number): void =>
      metrics.upstreamRequest(name, code, seconds);
    this.registry = registry;
    this.upstream = new Upstream(registry, { limits, onAnswer, hop });
    this.manifests = new VerifiedManifests(registry, this.upstream, caches.manifests, (result) =>
      metrics.cacheRequest('manifest', result),
    );
    this.children = new SignedChildren(this.manifests, caches.children, limits.expandManifests);
    this.passThrough = new PassThrough(registry, { limits, onAnswer, hop });
    if (registry.auth !== 'forward')
      this.#ownAuthorization = new CarriedAuthorization(registry, limits.downloadTimeout);
  }

  /** The Authorization of a carried request: the client's own, or what the registry asks of us; or why there is none. */
  async authorizationFor(
    client: string | undefined,
    repository: RepositoryName | undefined,
    actions: 'pull' | 'pull,push',
  ): Promise<string | undefined | DownloadError> {
    if (this.#ownAuthorization === undefined) return client;
    return repository === undefined ? undefined : this.#ownAuthorization.header(repository, actions);
  }

  async close(): Promise<void> {
    this.passThrough.close();
    await Promise.all([this.upstream.close(), this.#ownAuthorization?.close()]);
  }
}
