import { getCACertificates } from 'node:tls';
import { Agent, type Dispatcher, Pool } from 'undici';
import type { Limits, Registry } from '../../config/config.ts';
import type { Endpoint } from '../../oci/endpoint.ts';
import { printEndpoint } from '../../oci/endpoint.ts';
import { acceptLists, acceptManifests } from '../../oci/media-type.ts';
import { redirectTarget } from '../../oci/redirect.ts';
import type { Digest, Identifier, RepositoryName, Tag } from '../../oci/reference.ts';
import { parseDigest } from '../../oci/reference.ts';
import { credentialSource } from '../../trust/credentials/credential-source.ts';
import { DownloadError } from '../../trust/download-error.ts';
import { TokenClient, readBounded, wireError } from '../../trust/token-client.ts';
import type { Caller, HeaderFields } from './headers.ts';
import { blobResponseHeaders, carriedResponseHeaders, manifestRequestHeaders, withOurs } from './headers.ts';
import type { BlobAnswer, BlobRequest, ListAnswer } from './registry-answer.ts';
import type { ManifestAnswer, ManifestPresence, Refusal, Unavailable } from './registry-answer.ts';
import { longestRefusal, readWhole } from './registry-answer.ts';

export type * from './registry-answer.ts';

const connectTimeout = 10_000;
const mostRedirects = 3;
/** Bytes of one page of a list: 100,000 tags of the longest are less, and a registry need not make pages at all. */
const longestList = 16 * 1024 * 1024;

/** Called once for each answer of a registry, or of the storage it sent us to; `error` where none came. */
export type OnAnswer = (registry: string, code: number | 'error', seconds: number) => void;

export interface UpstreamOptions {
  readonly limits: Pick<Limits, 'manifestBytes' | 'downloadTimeout'>;
  readonly onAnswer?: OnAnswer;
  readonly hop?: string; // as what this instance names itself in `Via`
}

interface Asked {
  readonly method: 'GET' | 'HEAD';
  readonly repository: RepositoryName;
  readonly path: string;
  readonly headers: HeaderFields;
  readonly authorization: string | undefined;
  readonly signal: AbortSignal;
}
type ListEndpoint = Extract<Endpoint, { kind: 'tags' | 'referrers' }>;
interface Answered {
  readonly url: URL;
  readonly answer: Dispatcher.ResponseData;
}

/**
 * Asks one registry for what is judged: manifests and blobs, by digest. Nothing it meets on the wire is thrown: it is
 * `unavailable`. A caller's Authorization is sent only where the registry's `auth` is `forward`.
 */
export class Upstream {
  readonly #registry: Registry;
  readonly #options: UpstreamOptions;
  readonly #origin: URL;
  readonly #pool: Pool;
  /** Storage and token servers. They may be signed by anyone whom the system, or the configuration, trusts. */
  readonly #elsewhere: Agent;
  readonly #tokens: TokenClient | undefined;

  constructor(registry: Registry, options: UpstreamOptions) {
    const { downloadTimeout } = options.limits;
    const wire = { headersTimeout: downloadTimeout, bodyTimeout: downloadTimeout, allowH2: false };
    // `rejectUnauthorized` is said aloud because NODE_TLS_REJECT_UNAUTHORIZED=0 would win over the default.
    const connect = { rejectUnauthorized: true, timeout: Math.min(connectTimeout, downloadTimeout) };
    const { auth, ca } = registry;
    const ownCa = ca === undefined ? {} : { ca };
    const anyCa = ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] };
    this.#registry = registry;
    this.#options = options;
    this.#origin = new URL(registry.upstream);
    this.#pool = new Pool(this.#origin.origin, {
      ...wire,
      connect: { ...connect, ...ownCa },
    });
    this.#elsewhere = new Agent({ ...wire, connect: { ...connect, ...anyCa } });
    if (auth !== 'forward') {
      this.#tokens = new TokenClient({
        server: this.#origin,
        credentials: credentialSource(auth, this.#origin.host),
        tokenRealm: registry.tokenRealm,
        dispatcher: this.#elsewhere,
        timeout: downloadTimeout,
      });
    }
  }

  /** Gives the bytes that the registry has under this digest; whether they hash to it is not judged here. */
  async manifest(repository: RepositoryName, digest: Digest, caller: Caller): Promise<ManifestAnswer> {
    return this.#getManifest(repository, { kind: 'digest', digest }, caller);
  }

  /** Gives the bytes that the registry has under this tag today: whatever they are. */
  async taggedManifest(repository: RepositoryName, tag: Tag, caller: Caller): Promise<ManifestAnswer> {
    return this.#getManifest(repository, { kind: 'tag', tag }, caller);
  }

  /** Asks for one page of a list. */
  async list(endpoint: ListEndpoint, caller: Caller): Promise<ListAnswer> {
    return this.#guarded(async () => {
      const { url, answer } = await this.#ask('GET', endpoint, caller, acceptLists);
      const { statusCode: status, headers: upstream } = answer;
      const isOwn = url.origin === this.#origin.origin && ![401, 403, 429].includes(status);
      if (isOwn && status >= 400 && status <= 499)
        return { ...(await this.#asItSays(url, answer)), kind: 'none' };
      if (status !== 200) return this.#refusal(url, answer);
      const bytes = await readWhole(url, answer, 'list', longestList);
      const headers = carriedResponseHeaders(upstream, this.#registry.auth);
      return { kind: 'found', url, link: [upstream['link'] ?? []].flat().join(', '), headers, bytes };
    });
  }

  /** Asks only whether the registry would serve this manifest to this client, and by which digest it knows it. */
  async headManifest(
    repository: RepositoryName,
    identifier: Identifier,
    caller: Caller,
  ): Promise<ManifestPresence> {
    return this.#guarded(async () => {
      const endpoint = { kind: 'manifest', repository, identifier } as const;
      const { answer, url } = await this.#ask('HEAD', endpoint, caller, acceptManifests);
      if (answer.statusCode !== 200 && answer.statusCode !== 404) return this.#refusal(url, answer);
      await answer.body.dump();
      if (answer.statusCode === 404) return { kind: 'missing' };
      return { kind: 'found', digest: parseDigest(String(answer.headers['docker-content-digest'])) };
    });
  }

  /**
   * Asks for a blob and gives its body as a stream, not yet read. A redirect to another origin is followed, or given
   * back where the registry's `blobs` is `redirect`; one within the registry is always followed.
   */
  async blob(repository: RepositoryName, digest: Digest, request: BlobRequest): Promise<BlobAnswer> {
    const late = new AbortController();
    const { downloadTimeout } = this.#options.limits;
    // Until the headers only: how long a layer takes is for the client's network to say.
    const timer = setTimeout(() => {
      late.abort(new DOMException(`no answer within ${downloadTimeout} ms`, 'TimeoutError'));
    }, downloadTimeout);
    return this.#guarded(async (): Promise<BlobAnswer> => {
      const { method, headers, authorization, signal } = request;
      const path = printEndpoint({ kind: 'blob', repository, digest });
      const signals = signal === undefined ? [late.signal] : [late.signal, signal];
      const asked = { method, repository, path, headers, authorization, signal: AbortSignal.any(signals) };
      const { url, answer } = await this.#follow(asked, this.#registry.blobs === 'redirect');
      const { statusCode: status, body } = answer;
      if (isRedirect(status)) {
        await body.dump();
        return { kind: 'redirect', status, location: url.href };
      }
      if (![200, 206, 404, 416].includes(status)) return this.#refusal(url, answer);
      return { kind: 'answer', status, headers: blobResponseHeaders(answer.headers), body };
    }).finally(() => {
      clearTimeout(timer);
    });
  }

  /** Cuts what is under way, and opens no connection after that. */
  async close(): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#elsewhere.destroy()]);
  }

  async #guarded<Answer>(ask: () => Promise<Answer>): Promise<Answer | Unavailable> {
    try {
      return await ask();
    } catch (error) {
      // Here the wire becomes an answer; `wireError` throws on what is not the wire's.
      return { kind: 'unavailable', cause: wireError(error, this.#origin.host) };
    }
  }

  async #getManifest(
    repository: RepositoryName,
    identifier: Identifier,
    caller: Caller,
  ): Promise<ManifestAnswer> {
    return this.#guarded(async () => {
      const endpoint = { kind: 'manifest', repository, identifier } as const;
      const { answer, url } = await this.#ask('GET', endpoint, caller, acceptManifests);
      if (answer.statusCode === 404) {
        await answer.body.dump();
        return { kind: 'missing' };
      }
      if (answer.statusCode !== 200) return this.#refusal(url, answer);
      const limit = this.#options.limits.manifestBytes;
      return { kind: 'found', bytes: await readWhole(url, answer, 'manifest', limit) };
    });
  }

  async #ask(
    method: 'GET' | 'HEAD',
    endpoint: Extract<Endpoint, { kind: 'manifest' }> | ListEndpoint,
    caller: Caller,
    accept: string,
  ): Promise<Answered> {
    const { repository } = endpoint;
    const headers = { ...manifestRequestHeaders(caller), accept };
    const { authorization } = caller;
    const signal = AbortSignal.timeout(this.#options.limits.downloadTimeout);
    const path = printEndpoint(endpoint);
    return this.#follow({ method, repository, path, headers, authorization, signal }, false);
  }

  /**
   * Sends a request and follows redirects: at most three, each to where `redirectTarget` lets us go, without
   * Authorization from the first other origin on. With `giveBack`, a redirect to another origin ends it: the answer is
   * the redirect, `url` its target.
   */
  async #follow(asked: Asked, giveBack: boolean): Promise<Answered> {
    let authorization: string | undefined;
    let url = new URL(asked.path, this.#origin);
    let answer = await this.#authorized(asked, (proof) => {
      authorization = proof;
      return this.#send(url, asked, proof);
    });
    for (let hops = 0; isRedirect(answer.statusCode); hops += 1) {
      const location = answer.headers['location'];
      const target =
        typeof location === 'string' ? redirectTarget(url, location) : { refused: 'no address is given' };
      if (!(target instanceof URL) || hops === mostRedirects) {
        await answer.body.dump();
        const why = target instanceof URL ? `more than ${mostRedirects} in a row` : target.refused;
        throw new DownloadError('protocol', `${url.host} redirects, which is not followed: ${why}`);
      }
      if (giveBack && target.origin !== this.#origin.origin) return { url: target, answer };
      await answer.body.dump();
      if (target.origin !== url.origin) authorization = undefined;
      url = target;
      answer = await this.#send(url, asked, authorization);
    }
    return { url, answer };
  }

  #authorized(
    asked: Asked,
    attempt: (authorization: string | undefined) => Promise<Dispatcher.ResponseData>,
  ): Promise<Dispatcher.ResponseData> {
    if (this.#tokens === undefined) return attempt(asked.authorization);
    return this.#tokens.authorized(`repository:${asked.repository}:pull`, attempt);
  }

  async #send(url: URL, asked: Asked, authorization: string | undefined): Promise<Dispatcher.ResponseData> {
    const started = performance.now();
    const dispatcher = url.origin === this.#origin.origin ? this.#pool : this.#elsewhere;
    let code: number | 'error' = 'error';
    try {
      const answer = await dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: asked.method,
        headers: withOurs(asked.headers, authorization, this.#options.hop),
        signal: asked.signal,
      });
      code = answer.statusCode;
      return answer;
    } finally {
      this.#options.onAnswer?.(this.#registry.name, code, (performance.now() - started) / 1000);
    }
  }

  /** Any status that is not what was hoped for. */
  async #refusal(url: URL, answer: Dispatcher.ResponseData): Promise<Refusal> {
    const { statusCode: status } = answer;
    const { auth, name } = this.#registry;
    const fromRegistry = url.origin === this.#origin.origin;
    const isDenial = status === 401 || status === 403;
    if (fromRegistry && (status === 429 || (auth === 'forward' && isDenial)))
      return this.#asItSays(url, answer);
    await answer.body.dump({ limit: longestRefusal });
    if (fromRegistry && isDenial) {
      const who = auth === 'anonymous' ? 'anonymous access' : 'the configured account';
      const message = `${url.host} answers ${status} to ${who}: check "auth" of the registry ${name}`;
      throw new DownloadError('unauthorized', message, { status });
    }
    const failure = status >= 500 || status === 429 ? 'outage' : 'protocol';
    throw new DownloadError(failure, `${url.host} answers ${status}`, { status });
  }

  async #asItSays(
    { host }: URL,
    { statusCode: status, headers, body }: Dispatcher.ResponseData,
  ): Promise<Refusal> {
    const told = carriedResponseHeaders(headers, this.#registry.auth);
    delete told['content-length']; // of an answer to HEAD it would promise a body that does not come
    return { kind: 'refused', status, headers: told, body: await readBounded(body, longestRefusal, host) };
  }
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}
