import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Config } from '../config/config.ts';
import type { Endpoint } from '../oci/endpoint.ts';
import { parseEndpoint } from '../oci/endpoint.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { Judge } from '../policy/judge.ts';
import type { Verdict } from '../policy/verdict.ts';
import { DownloadError } from '../trust/download-error.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { answerAsUpstream, answerBase, answerError, answerUncovered, retryAfterSeconds } from './answer.ts';
import { blobRequestHeaders, hasPassed } from './upstream/headers.ts';
import type { ClientView } from './upstream/location.ts';
import { ManifestPull } from './manifest-pull.ts';
import type { PullRecord } from './pull-record.ts';
import type { RegistryDoor } from './upstream/registry-door.ts';
import type { Route } from './route.ts';
import { mountFrom, Router } from './route.ts';

export interface HandlerOptions {
  readonly config: Pick<Config, 'registries' | 'defaultRegistry' | 'publicUrl' | 'limits'>;
  readonly doors: ReadonlyMap<string, RegistryDoor>;
  readonly judge: Judge;
  readonly metrics: Metrics;
  readonly record: PullRecord;
  /** As what this instance names itself in `Via`. */
  readonly hop: string;
}

type Routed = Extract<Route, { kind: 'registry' }>;

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
  readonly #pull: ManifestPull;

  constructor(options: HandlerOptions) {
    this.#options = options;
    this.#router = new Router(options.config.registries, options.config.defaultRegistry);
    this.#pull = new ManifestPull(options.judge, options.record, options.config.limits.retryAfter);
  }

  /** Takes a request that the server found unambiguous; answers it. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = parseEndpoint(request.url ?? '');
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
    const route = this.#router.route(target, request.headers.host ?? '');
    switch (route.kind) {
      case 'unknown':
        return answerError(response, 404, { code: 'NAME_UNKNOWN', message: route.message });
      case 'contradiction':
        return answerError(response, 400, { code: 'NAME_INVALID', message: route.message });
      case 'base':
        return answerBase(response);
      case 'registry':
        return this.#atRegistry(request, response, route);
    }
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
    if (endpoint.kind === 'base') {
      // The registry's own challenge is what docker and podman look for here.
      if (door.registry.auth !== 'forward') return answerBase(response);
      return this.#carry(request, response, door, route);
    }
    if (endpoint.kind === 'manifest' && !isPush) {
      return this.#pull.answer(request, response, door, endpoint, (extraHeaders) =>
        this.#carry(request, response, door, route, extraHeaders),
      );
    }
    const coverage = this.#coverage(door, endpoint.repository);
    if (coverage.kind === 'deny') return answerUncovered(response, coverage);
    if (endpoint.kind === 'blob' && !isPush) return this.#blob(request, response, door, endpoint);
    if (endpoint.kind !== 'uploads') return this.#carry(request, response, door, route);
    const isServed = (repository: RepositoryName): boolean =>
      this.#coverage(door, repository).kind === 'unjudged';
    return this.#carry(request, response, door, { ...route, endpoint: mountFrom(endpoint, route, isServed) });
  }

  #coverage(door: RegistryDoor, repository: RepositoryName): Verdict {
    return this.#options.judge.coverage({ registry: door.registry.name, repository });
  }

  async #carry(
    request: IncomingMessage,
    response: ServerResponse,
    door: RegistryDoor,
    route: Routed,
    extraHeaders: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const { endpoint } = route;
    const repository = endpoint.kind === 'base' ? undefined : endpoint.repository;
    const actions = pulls.includes(request.method ?? '') ? 'pull' : 'pull,push';
    const authorization = await door.authorizationFor(request.headers.authorization, repository, actions);
    if (authorization instanceof DownloadError) {
      return this.#unavailable(response, authorization);
    }
    await door.passThrough.carry(request, response, {
      endpoint,
      authorization,
      extraHeaders,
      ...this.#viewOf(route),
    });
  }

  async #blob(
    request: IncomingMessage,
    response: ServerResponse,
    door: RegistryDoor,
    { repository, digest }: Extract<Endpoint, { kind: 'blob' }>,
  ): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const answer = await door.upstream.blob(repository, digest, {
      method: request.method === 'HEAD' ? 'HEAD' : 'GET',
      headers: blobRequestHeaders(request.headers),
      authorization: request.headers.authorization,
      signal: gone.signal,
    });
    switch (answer.kind) {
      case 'refused':
        return answerAsUpstream(response, answer);
      case 'unavailable':
        return this.#unavailable(response, answer.cause);
      case 'redirect':
        response.writeHead(answer.status, { Location: answer.location, 'Content-Length': 0 }).end();
        return;
      case 'answer':
        response.writeHead(answer.status, answer.headers);
        try {
          await pipeline(answer.body, response);
        } catch (error) {
          // One side left; pipeline has cut the other, so that no client takes a part for the whole.
          if (!(error instanceof Error) || !('code' in error)) throw error;
        }
    }
  }

  #unavailable(response: ServerResponse, cause: DownloadError): void {
    const headers = { 'Retry-After': retryAfterSeconds(this.#options.config.limits.retryAfter) };
    answerError(response, 503, { code: 'UNAVAILABLE', message: cause.message }, headers);
  }

  #viewOf({ prefix, namespace }: Routed): ClientView {
    return {
      publicPrefix: '',
      toClient: (repository) => (prefix === undefined ? repository : `${prefix}/${repository}`),
      namespace,
      publicUrl: this.#options.config.publicUrl,
    };
  }
}
