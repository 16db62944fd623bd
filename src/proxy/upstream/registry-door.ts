import type { Limits, Registry } from '../../config/config.ts';
import type { ManifestFacts } from '../../oci/manifest.ts';
import type { Digest, Identifier, RepositoryName } from '../../oci/reference.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { Admissions } from '../auth/admissions.ts';
import { ClientTokens } from '../auth/client-tokens.ts';
import type { DownloadError } from '../../trust/download-error.ts';
import type { ContentGraph } from '../../trust/state/content-graph.ts';
import type { SignedLedger } from '../../trust/state/signed-ledger.ts';
import { StateError } from '../../trust/trust-store.ts';
import { CarriedAuthorization } from './carried-authorization.ts';
import type { Caller } from './headers.ts';
import { PassThrough } from './pass-through.ts';
import { Reachability } from '../reach/reachability.ts';
import { RegistryEvidence } from '../reach/registry-evidence.ts';
import type { Refusal, Unavailable } from './upstream.ts';
import { Upstream } from './upstream.ts';
import type { ManifestCache } from './verified-manifests.ts';
import { VerifiedManifests } from './verified-manifests.ts';

/** What is known of content, whatever registry it came from, and of who may have it. */
export interface Known {
  readonly manifests: ManifestCache;
  readonly graph: ContentGraph;
  readonly ledger: SignedLedger;
  readonly admissions: Admissions;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Every way to one registry: what is judged, what stands below it, what is carried. */
export class RegistryDoor {
  readonly registry: Registry;
  readonly upstream: Upstream;
  readonly manifests: VerifiedManifests;
  readonly reachability: Reachability;
  readonly evidence: RegistryEvidence;
  readonly passThrough: PassThrough;
  /** Undefined where the client's credentials are not this registry's business. */
  readonly tokens: ClientTokens | undefined;
  readonly #admissions: Admissions;
  readonly #ownAuthorization: CarriedAuthorization | undefined;

  constructor(registry: Registry, limits: Limits, known: Known, metrics: Metrics, hop: string) {
    const onAnswer = (name: string, code: number | 'error', seconds: number): void =>
      metrics.upstreamRequest(name, code, seconds);
    this.registry = registry;
    this.upstream = new Upstream(registry, { limits, onAnswer, hop });
    const onCache = (result: 'hit' | 'miss'): void => metrics.cacheRequest('manifest', result);
    this.manifests = new VerifiedManifests(
      registry,
      this.upstream,
      known.manifests,
      known.admissions,
      onCache,
    );
    const { upstream } = this;
    this.reachability = new Reachability(this.manifests, known.graph, limits);
    this.evidence = new RegistryEvidence({ ...known, reachability: this.reachability, upstream });
    this.passThrough = new PassThrough(registry, { limits, onAnswer, hop });
    this.#admissions = known.admissions;
    if (registry.auth !== 'forward')
      this.#ownAuthorization = new CarriedAuthorization(registry, limits.downloadTimeout, hop);
    else this.tokens = new ClientTokens(registry, limits, hop);
  }

  /** Takes a manifest that may be pulled, to remember what stands below it; gives why that failed, if it did. */
  async record(digest: Digest, facts: ManifestFacts): Promise<string | undefined> {
    try {
      await this.reachability.record(digest, facts);
      return undefined;
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      return error.message;
    }
  }

  /**
   * Whether the registry lets this client into a repository: who it keeps out is not told what is signed there. What it
   * says of the tag or digest asked for is of no consequence, only that it says it.
   */
  async admits(
    repository: RepositoryName,
    identifier: Identifier,
    caller: Caller,
  ): Promise<{ readonly kind: 'admitted' } | Refusal | Unavailable> {
    const admitted = { kind: 'admitted' } as const;
    if (this.#isAdmitted(repository, caller)) return admitted;
    const presence = await this.upstream.headManifest(repository, identifier, caller);
    if (presence.kind === 'unavailable') return presence;
    if (presence.kind === 'refused') {
      // To HEAD, and so without a body. What it says to GET is what a pull of a signed tag would have brought.
      const said =
        identifier.kind === 'tag'
          ? await this.upstream.taggedManifest(repository, identifier.tag, caller)
          : await this.upstream.manifest(repository, identifier.digest, caller);
      return said.kind === 'found' || said.kind === 'missing' ? admitted : said;
    }
    // Some registries say "not found" of what a client may not see: no yes to remember.
    if (presence.kind === 'found')
      this.#admissions.remember(this.registry.name, repository, caller.authorization);
    return admitted;
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

  /**
   * As `admits`, where no tag is asked for: whether the registry would name this client its tags. `hidden`: it knows of no
   * such repository, or will not say so to this client.
   */
  async admitsToTags(
    repository: RepositoryName,
    caller: Caller,
  ): Promise<{ readonly kind: 'admitted' | 'hidden' } | Refusal | Unavailable> {
    if (this.#isAdmitted(repository, caller)) return { kind: 'admitted' };
    const page = await this.upstream.list({ kind: 'tags', repository, query: [['n', '1']] }, caller);
    if (page.kind === 'refused' || page.kind === 'unavailable') return page;
    if (page.kind === 'none') return { kind: 'hidden' };
    this.#admissions.remember(this.registry.name, repository, caller.authorization);
    return { kind: 'admitted' };
  }

  /** Whether nobody has to be asked: it is not the client's credentials that open the registry, or they did just now. */
  #isAdmitted(repository: RepositoryName, { authorization }: Caller): boolean {
    const { name, auth } = this.registry;
    return auth !== 'forward' || this.#admissions.knows(name, repository, authorization);
  }

  async close(): Promise<void> {
    this.passThrough.close();
    await Promise.all([this.upstream.close(), this.#ownAuthorization?.close(), this.tokens?.close()]);
  }
}
