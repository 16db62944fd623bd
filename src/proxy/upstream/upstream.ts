import type { Readable } from 'node:stream';
import { getCACertificates } from 'node:tls';
import { Agent, type Dispatcher, Pool } from 'undici';
import type { Limits, Registry } from '../../config/config.ts';
import { printEndpoint } from '../../oci/endpoint.ts';
import { redirectTarget } from '../../oci/redirect.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import { DownloadError } from '../../trust/download-error.ts';
import { TokenClient, readBounded, wireError } from '../../trust/token-client.ts';
import type { Caller, HeaderFields } from './headers.ts';
import { blobResponseHeaders, carriedResponseHeaders, manifestRequestHeaders, withOurs } from './headers.ts';

const connectTimeout = 10_000;
const mostRedirects = 3;
const longestRefusal = 64 * 1024;

/** Called once for each answer of a registry, or of the storage it sent us to; `error` where none came. */
export type OnAnswer = (registry: string, code: number | 'error', seconds: number) => void;

export interface UpstreamOptions {
  readonly limits: Pick<Limits, 'manifestBytes' | 'downloadTimeout'>;
  readonly onAnswer?: OnAnswer;
  readonly hop?: string; // as what this instance names itself in `Via`
}

/** The registry's own "no" to this client, to be passed on as it is. `headers` is without Content-Length. */
export interface Refusal {
  readonly kind: 'refused';
  readonly status: number;
  readonly headers: HeaderFields;
  readonly body: Uint8Array;
}
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly cause: DownloadError;
}
export type ManifestAnswer =
  | { readonly kind: 'found'; readonly bytes: Uint8Array }
  | { readonly kind: 'missing' }
  | Refusal
  | Unavailable;
export type ManifestPresence = { readonly kind: 'found' | 'missing' } | Refusal | Unavailable;
/** `answer` has status 200, 206, 404 or 416; whoever gets it reads or destroys its body. */
export type BlobAnswer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: HeaderFields;
      readonly body: Readable;
    }
  | { readonly kind: 'redirect'; readonly status: number; readonly location: string }
  | Refusal
  | Unavailable;

export interface BlobRequest {
  readonly method: 'GET' | 'HEAD';
  /** As `blobRequestHeaders` gives them. */
  readonly headers: HeaderFields;
  readonly authorization: string | undefined;
  /** Aborted, without a reason of its own, when the client has gone. */
  readonly signal?: AbortSignal;
}

interface Asked {
  readonly method: 'GET' | 'HEAD';
  readonly repository: RepositoryName;
  readonly path: string;
  readonly headers: HeaderFields;
  readonly authorization: string | undefined;
  readonly signal: AbortSignal;
}
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
        account: auth === 'anonymous' ? undefined : auth,
        dispatcher: this.#elsewhere,
        timeout: downloadTimeout,
      });
    }
  }

  /** Gives the bytes that the registry has under this digest; whether they hash to it is not judged here. */
  async manifest(repository: RepositoryName, digest: Digest, caller: Caller): Promise<ManifestAnswer> {
    const limit = this.#options.limits.manifestBytes;
    return this.#guarded(async () => {
      const { answer, url } = await this.#askManifest('GET', repository, digest, caller);
      const { statusCode, headers, body } = answer;
      if (statusCode === 404) {
        await body.dump();
        return { kind: 'missing' };
      }
      if (statusCode !== 200) return this.#refusal(url, answer);
      const coding = String(headers['content-encoding'] ?? 'identity');
      const stated = Number(headers['content-length'] ?? 0);
      if (coding !== 'identity' || stated > limit) {
        await body.dump({ limit: longestRefusal });
        throw stated > limit
          ? new DownloadError('too-large', `${url.host}: manifest of ${stated} bytes, allowed are ${limit}`)
          : new DownloadError('protocol', `${url.host}: manifest in the coding ${coding}, asked for none`);
      }
      return { kind: 'found', bytes: await readBounded(body, limit, url.host) };
    });
  }

  /** Asks only whether the registry would serve this manifest to this client: what is cached is not for everyone. */
  async headManifest(repository: RepositoryName, digest: Digest, caller: Caller): Promise<ManifestPresence> {
    return this.#guarded(async () => {
      const { answer, url } = await this.#askManifest('HEAD', repository, digest, caller);
      if (answer.statusCode !== 200 && answer.statusCode !== 404) return this.#refusal(url, answer);
      await answer.body.dump();
      return { kind: answer.statusCode === 200 ? 'found' : 'missing' };
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

  /** Lets what is under way finish, and opens no connection after that. */
  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#elsewhere.close()]);
  }

  async #guarded<Answer>(ask: () => Promise<Answer>): Promise<Answer | Unavailable> {
    try {
      return await ask();
    } catch (error) {
      // Here the wire becomes an answer; `wireError` throws on what is not the wire's.
      return { kind: 'unavailable', cause: wireError(error, this.#origin.host) };
    }
  }

  async #askManifest(
    method: 'GET' | 'HEAD',
    repository: RepositoryName,
    digest: Digest,
    caller: Caller,
  ): Promise<Answered> {
    const path = printEndpoint({ kind: 'manifest', repository, identifier: { kind: 'digest', digest } });
    const headers = manifestRequestHeaders(caller);
    const { authorization } = caller;
    const signal = AbortSignal.timeout(this.#options.limits.downloadTimeout);
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
    const { statusCode: status, headers: upstream } = answer;
    const { auth, name } = this.#registry;
    const fromRegistry = url.origin === this.#origin.origin;
    if (fromRegistry && (status === 429 || (auth === 'forward' && (status === 401 || status === 403)))) {
      const headers = carriedResponseHeaders(upstream, auth);
      delete headers['content-length']; // of an answer to HEAD it would promise a body that does not come
      return {
        kind: 'refused',
        status,
        headers,
        body: await readBounded(answer.body, longestRefusal, url.host),
      };
    }
    await answer.body.dump({ limit: longestRefusal });
    if (fromRegistry && (status === 401 || status === 403)) {
      const who = auth === 'anonymous' ? 'anonymous access' : 'the configured account';
      const message = `${url.host} answers ${status} to ${who}: check "auth" of the registry ${name}`;
      throw new DownloadError('unauthorized', message, { status });
    }
    const failure = status >= 500 || status === 429 ? 'outage' : 'protocol';
    throw new DownloadError(failure, `${url.host} answers ${status}`, { status });
  }
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}
