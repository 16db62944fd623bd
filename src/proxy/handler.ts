import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config, Registry } from '../config/config.ts';
import type { Endpoint } from '../oci/endpoint.ts';
import type { RepositoryName } from '../oci/reference.ts';
import { parseTarget } from '../oci/request-target.ts';
import type { Judge } from '../policy/judge.ts';
import type { Verdict } from '../policy/verdict.ts';
import { DownloadError } from '../trust/download-error.ts';
import type { NotaryClient } from '../trust/notary-client.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { answerBase, answerError, answerUncovered, retryAfterSeconds } from './answer.ts';
import type { ClientAccess } from './auth/client-access.ts';
import { ClientAuthorisation } from './auth/client-authorisation.ts';
import { TokenEndpoint } from './auth/token-endpoint.ts';
import type { Caller } from './upstream/headers.ts';
import { hasPassed } from './upstream/headers.ts';
import type { ClientView } from './upstream/location.ts';
import { answerReferrers, answerTags } from './lists.ts';
import { BlobPull } from './blob-pull.ts';
import type { Drift } from './upstream/drift.ts';
import { ManifestPull } from './manifest-pull.ts';
import type { PullRecord } from './pull-record.ts';
import type { RegistryDoor } from './upstream/registry-door.ts';
import type { Routed } from './route.ts';
import { mountFrom, Router } from './route.ts';
import { TrustCarriage } from './trust-carriage.ts';

export interface HandlerOptions {
  readonly config: Pick<
    Config,
    'registries' | 'defaultRegistry' | 'publicUrl' | 'clients' | 'notaries' | 'rules' | 'limits'
  >;
  readonly doors: ReadonlyMap<string, RegistryDoor>;
  readonly notaries: ReadonlyMap<string, NotaryClient>;
  readonly access: ClientAccess;
  readonly judge: Judge;
  readonly metrics: Metrics;
  readonly record: PullRecord;
  readonly drift: Drift;
  /** As what this instance names itself in `Via`. */
  readonly hop: string;
}

/** One request to a registry, and all that answers it needs. */
interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly door: RegistryDoor;
  readonly route: Routed;
  readonly caller: Caller;
  readonly view: ClientView;
}

const pulls = ['GET', 'HEAD'];
/** Methods by endpoint (distribution-spec, "Endpoints"): for everyone, and where pushes are carried. */
const methods: Record<
  Endpoint['kind'],
  { readonly pull: readonly string[]; readonly push: readonly string[] }
> = {
  base: { pull: pulls, push: [] },
  blob: { pull: pulls, push: ['DELETE'] },
  manifest: { pull: pulls, push: ['PUT', 'DELETE'] },
  uploads: { pull: [], push: ['POST'] },
  upload: { pull: [], push: ['GET', 'PATCH', 'PUT', 'DELETE'] },
  tags: { pull: ['GET'], push: [] },
  referrers: { pull: ['GET'], push: [] },
};

/** Answers every request to the registry API. What is decided where: docs/request-handling.md. */
export class Handler {
  readonly #options: HandlerOptions;
  readonly #router: Router;
  readonly #authorisation: ClientAuthorisation;
  readonly #token: TokenEndpoint;
  readonly #trust: TrustCarriage;
  readonly #pull: ManifestPull;
  readonly #blob: BlobPull;

  constructor(options: HandlerOptions) {
    const { config, doors, access } = options;
    const tokens = new Map(
      [...doors].flatMap(([name, door]) => (door.tokens === undefined ? [] : [[name, door.tokens] as const])),
    );
    this.#options = options;
    this.#router = new Router(config.registries, config.defaultRegistry);
    this.#authorisation = new ClientAuthorisation({ config, tokens, access });
    this.#token = new TokenEndpoint({ config, tokens, access }, this.#router);
    this.#trust = new TrustCarriage({ ...options, router: this.#router, authorisation: this.#authorisation });
    this.#pull = new ManifestPull(options.judge, options.record, options.drift, config.limits.retryAfter);
    this.#blob = new BlobPull(options.judge, options.record, config.limits.retryAfter);
  }

  /** Keeps no connection of its own after this. */
  close(): void {
    this.#trust.close();
  }

  /** Takes a request that the server found unambiguous; answers it. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = parseTarget(request.url ?? '');
    response.once('close', () => {
      this.#options.metrics.request(
        target?.endpoint.kind ?? 'unknown',
        request.method ?? '',
        response.statusCode,
      );
    });
    if (hasPassed(request.headers, this.#options.hop)) {
      const message = 'an upstream leads back to this very proxy: check "upstream" of the registries';
      return answerError(response, 508, { code: 'UNAVAILABLE', message });
    }
    if (target === undefined) {
      return answerError(response, 404, { code: 'UNSUPPORTED', message: 'not an endpoint of a registry' });
    }
    const { endpoint, ...selectors } = target;
    if (endpoint.kind === 'token') return this.#token.answer(request, response, { ...selectors, endpoint });
    if (endpoint.kind === 'trust') return this.#trust.answer(request, response, { ...selectors, endpoint });
    const route = this.#router.route({ ...selectors, endpoint }, request.headers.host ?? '');
    switch (route.kind) {
      case 'unknown':
        return answerError(response, 404, { code: 'NAME_UNKNOWN', message: route.message });
      case 'contradiction':
        return answerError(response, 400, { code: 'NAME_INVALID', message: route.message });
      case 'base':
        return this.#authorisation.base(request, response, undefined, this.#registries());
      case 'registry':
        return this.#atRegistry(request, response, route);
    }
  }

  #registries(): readonly Registry[] {
    return [...this.#options.config.registries.values()];
  }

  async #atRegistry(request: IncomingMessage, response: ServerResponse, route: Routed): Promise<void> {
    const door = this.#options.doors.get(route.registry.name);
    if (door === undefined) throw new TypeError(`no door to ${route.registry.name}`);
    if (route.namespace !== undefined) response.setHeader('OCI-Namespace', route.namespace);

    const { endpoint } = route;
    const method = request.method ?? '';
    const { pull, push } = methods[endpoint.kind];
    const isPush = push.includes(method);
    if (!pull.includes(method) && !(isPush && door.registry.push === 'allow')) {
      const allowed = door.registry.push === 'allow' ? [...pull, ...push] : pull;
      const message = isPush
        ? `pushes to ${door.registry.name} are not carried`
        : `${method} is not for this endpoint`;
      return answerError(response, 405, { code: 'UNSUPPORTED', message }, { Allow: allowed.join(', ') });
    }
    if (endpoint.kind === 'base' && !(route.isDirect && door.registry.auth === 'forward')) {
      return this.#base(request, response, route);
    }
    const caller = await this.#authorisation.callerOf(request, response, route);
    if (caller === undefined) return;
    const asked = { request, response, door, route, caller, view: this.#viewOf(request, route) };
    // The registry's own challenge is what docker and podman look for at `/v2/`.
    if (endpoint.kind === 'base') return this.#carry(asked);
    if (endpoint.kind === 'manifest' && !isPush) {
      return this.#pull.answer(asked, endpoint, (extraHeaders) => this.#carry(asked, extraHeaders));
    }
    if (endpoint.kind === 'blob' && !isPush) return this.#blob.answer(asked, endpoint);
    const coverage = this.#coverage(door, endpoint.repository);
    const { retryAfter } = this.#options.config.limits;
    if (endpoint.kind === 'referrers') {
      return answerReferrers(asked, endpoint, coverage.kind === 'unjudged', retryAfter);
    }
    if (coverage.kind === 'deny') return answerUncovered(response, coverage);
    if (endpoint.kind === 'tags') {
      const { repository } = endpoint;
      const pullable = this.#options.judge.pullableTags({ registry: door.registry.name, repository });
      if (pullable !== undefined) return answerTags(asked, endpoint, pullable, retryAfter);
    }
    if (endpoint.kind !== 'uploads') return this.#carry(asked);
    const isServed = (repository: RepositoryName): boolean =>
      this.#coverage(door, repository).kind === 'unjudged';
    const mounted = { ...route, endpoint: mountFrom(endpoint, route, isServed) };
    return this.#carry({ ...asked, route: mounted });
  }

  /** `/v2/` of a registry that does not speak for itself there: where it is not alone, or its credentials are ours. */
  async #base(request: IncomingMessage, response: ServerResponse, route: Routed): Promise<void> {
    const { registry, isDirect, namespace, before } = route;
    if (!isDirect) {
      const isNamed = namespace !== undefined || before !== undefined;
      const meant = isNamed ? [registry] : this.#registries();
      return this.#authorisation.base(request, response, isNamed ? route : undefined, meant);
    }
    // podman takes nothing but 200 and 401 here: who lacks a certificate is told at the first request that needs one.
    if (this.#options.config.clients.kind === 'certificates') return answerBase(response);
    const caller = await this.#authorisation.callerOf(request, response, route);
    if (caller !== undefined) answerBase(response);
  }

  #coverage(door: RegistryDoor, repository: RepositoryName): Verdict {
    return this.#options.judge.coverage({ registry: door.registry.name, repository });
  }

  async #carry(
    { request, response, door, route, caller, view }: Asked,
    extraHeaders: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const { endpoint } = route;
    const repository = endpoint.kind === 'base' ? undefined : endpoint.repository;
    const actions = pulls.includes(request.method ?? '') ? 'pull' : 'pull,push';
    const authorization = await door.authorizationFor(caller.authorization, repository, actions);
    if (authorization instanceof DownloadError) {
      return this.#unavailable(response, authorization);
    }
    await door.passThrough.carry(request, response, {
      endpoint,
      authorization,
      extraHeaders,
      ...view,
    });
  }

  #unavailable(response: ServerResponse, cause: DownloadError): void {
    const headers = { 'Retry-After': retryAfterSeconds(this.#options.config.limits.retryAfter) };
    answerError(response, 503, { code: 'UNAVAILABLE', message: cause.message }, headers);
  }

  #viewOf(request: IncomingMessage, route: Routed): ClientView {
    const { prefix, before, namespace } = route;
    return {
      publicPrefix: before === undefined ? '' : `/${before}`,
      toClient: (repository) => (prefix === undefined ? repository : `${prefix}/${repository}`),
      namespace,
      publicUrl: this.#options.config.publicUrl,
      challenge: this.#authorisation.challengeFor(request, route),
    };
  }
}
