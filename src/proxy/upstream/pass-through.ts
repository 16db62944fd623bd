import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { pipeline, Readable } from 'node:stream';
import { createProxyServer } from 'http-proxy';
import type { Limits, Registry } from '../../config/config.ts';
import type { Endpoint } from '../../oci/endpoint.ts';
import { printEndpoint } from '../../oci/endpoint.ts';
import type { TrustEndpoint } from '../../oci/request-target.ts';
import { printTrust } from '../../oci/request-target.ts';
import { DownloadError } from '../../trust/download-error.ts';
import { wireError } from '../../trust/token-client.ts';
import { answerError, retryAfterSeconds } from '../answer.ts';
import type { HeaderFields } from './headers.ts';
import { carriedRequestHeaders, carriedResponseHeaders } from './headers.ts';
import type { ClientView } from './location.ts';
import { answerLocation, clientAddress, nextLink } from './location.ts';
import { isSealed, UploadSeal } from './sealed-upload.ts';
import type { OnAnswer } from './upstream.ts';

const connectTimeout = 10_000;
/** Without a byte either way. A registry that hashes and stores a large layer at its last PUT is silent for long. */
const silenceTimeout = 300_000;
/** How long a connection is kept without a request, in milliseconds. A registry may close an idle one at the very moment
 * it is used again, and a body cannot be sent twice: so no connection grows old enough for that. */
const idleTimeout = 4_000;
/** The methods that carry a body. The others are idempotent too (RFC 9110 §9.2.2). */
const bodyMethods: ReadonlySet<string> = new Set(['PATCH', 'POST', 'PUT']);

export interface PassThroughOptions {
  readonly limits: Pick<Limits, 'retryAfter'>;
  readonly onAnswer?: OnAnswer;
  /** As what this instance names itself in `Via`. */
  readonly hop?: string;
  /** The path of a notary's base address, without a slash at its end. */
  readonly base?: string;
}

export interface Carriage extends ClientView {
  readonly endpoint: Endpoint | TrustEndpoint;
  /** What to send upstream as Authorization; the client's own is sent only if it is given here. */
  readonly authorization: string | undefined;
  /** Added to the answer, by lower-case name; a `warning` stands beside the upstream's. */
  readonly extraHeaders?: Readonly<Record<string, string>>;
}

/** How it ended. `cut`: an answer began and one side left before its end. `aborted`: the client left before that. */
export type Carried =
  | { readonly kind: 'answered' | 'cut'; readonly status: number }
  | { readonly kind: 'unavailable'; readonly status: 502 | 503; readonly cause: DownloadError }
  | { readonly kind: 'aborted' };

interface Exchange {
  /** The head of the registry's answer, its body unread; the error, if none came; undefined if the client left. */
  readonly answer: IncomingMessage | Error | undefined;
  readonly sending: ClientRequest | undefined;
}

/** A request as the client put it, and the path that was asked at the registry for it. */
interface Asked {
  readonly carriage: Carriage;
  readonly path: string;
}

/** A server that is carried to: a registry, or a notary. */
export type Carrier = Pick<Registry, 'name' | 'upstream' | 'auth' | 'ca'>;

/** Carries to one registry, and back, what is not judged: pushes, lists, and pulls under the modes allow and audit. */
export class PassThrough {
  readonly #registry: Carrier;
  readonly #options: PassThroughOptions;
  readonly #origin: URL;
  readonly #agent: HttpAgent;
  readonly #seal = new UploadSeal();

  constructor(registry: Carrier, options: PassThroughOptions) {
    const { ca } = registry;
    this.#registry = registry;
    this.#options = options;
    this.#origin = new URL(registry.upstream);
    // `rejectUnauthorized` is said aloud because NODE_TLS_REJECT_UNAUTHORIZED=0 would win over the default.
    const tls = { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) };
    const kept = { keepAlive: true, timeout: idleTimeout };
    this.#agent =
      this.#origin.protocol === 'https:' ? new HttpsAgent({ ...kept, ...tls }) : new HttpAgent(kept);
  }

  /** Takes a client's request and answers it with what the registry says; gives how that ended. What either side does
   * to the wire is in the result and never thrown. */
  async carry(request: IncomingMessage, response: ServerResponse, carriage: Carriage): Promise<Carried> {
    // Its `close` has been and does not come again: nothing would ever end the upstream's transfer.
    if (response.destroyed) return { kind: 'aborted' };
    // Seven of them are those of stream.pipeline; more than ten would be a warning on stderr with every request.
    response.setMaxListeners(20);
    const { endpoint } = carriage;
    const path = this.#pathOf(endpoint);
    if (path === undefined) {
      // Sealed by another process, or by nobody. A client that knows of no upload begins another.
      const message = 'no such upload is under way: begin it again';
      answerError(response, 404, { code: 'BLOB_UPLOAD_UNKNOWN', message });
      return { kind: 'answered', status: 404 };
    }
    const started = performance.now();
    let exchange = await this.#exchange(request, response, path, carriage.authorization);
    if (isStale(exchange) && !bodyMethods.has(request.method ?? '')) {
      // RFC 9112 §9.3.1: nothing of it was answered, and it may be asked twice. The other idle ones may be as old.
      this.#dropIdle();
      exchange = await this.#exchange(request, response, path, carriage.authorization);
    }
    const { answer, sending } = exchange;
    if (answer === undefined) return { kind: 'aborted' };
    const code = answer instanceof Error ? 'error' : (answer.statusCode ?? 0);
    this.#options.onAnswer?.(this.#registry.name, code, (performance.now() - started) / 1000);

    // To close with a body unread is a reset, which may overtake the answer. Node would do that for a client that asked
    // for the close, as docker and podman always do. How long that body may take, the listener says.
    const { shouldKeepAlive } = response;
    if (!request.complete && bodyMethods.has(request.method ?? '')) response.shouldKeepAlive = true;
    const carried = await this.#answer(answer, request, response, { carriage, path });
    // Where the answer came before the end of the body, the rest is for nobody: the registry is not sent it, and the
    // client is read on, so that it comes to reading the answer.
    if (sending?.writableFinished !== true) sending?.destroy();
    if (!shouldKeepAlive) request.once('end', () => request.socket.destroySoon());
    request.unpipe().resume();
    return carried;
  }

  /** Lets what is under way finish, and keeps no connection after that. */
  close(): void {
    this.#agent.maxFreeSockets = 0;
    this.#dropIdle();
  }

  #pathOf(endpoint: Carriage['endpoint']): string | undefined {
    if (endpoint.kind === 'trust') return (this.#options.base ?? '') + printTrust(endpoint);
    return endpoint.kind === 'upload' && isSealed(endpoint)
      ? this.#seal.open(endpoint)
      : printEndpoint(endpoint);
  }

  #dropIdle(): void {
    for (const socket of Object.values(this.#agent.freeSockets).flat()) socket?.destroy();
  }

  /** Takes what came of it at the registry; answers the client. */
  async #answer(
    answer: IncomingMessage | Error,
    request: IncomingMessage,
    response: ServerResponse,
    asked: Asked,
  ): Promise<Carried> {
    if (response.destroyed) {
      if (!(answer instanceof Error)) answer.destroy();
      return { kind: 'aborted' };
    }
    if (answer instanceof Error) return this.#fail(response, 503, wireError(answer, this.#origin.host));
    const headers = this.#headersFor(answer, request.method ?? '', asked);
    if (headers instanceof DownloadError) {
      answer.destroy();
      return this.#fail(response, 502, headers);
    }
    return relay(answer, response, headers);
  }

  async #exchange(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    authorization: string | undefined,
  ): Promise<Exchange> {
    const { hostname, host, port, protocol } = this.#origin;
    const { url, headers, method = '' } = request;
    const sent: HeaderFields = { ...carriedRequestHeaders(headers, authorization, this.#options.hop), host };
    // Without a length, node:http sends chunks.
    if (bodyMethods.has(method) && headers['transfer-encoding'] === undefined) {
      sent['content-length'] = headers['content-length'] ?? '0';
    }
    let sending: ClientRequest | undefined;
    const answer = await new Promise<Exchange['answer']>((resolve) => {
      response.once('close', () => {
        resolve(undefined);
      });
      const proxy = createProxyServer();
      proxy.once('proxyRes', resolve);
      proxy.once('proxyReq', (upstream) => {
        sending = upstream;
        // An answer of 101 is none: node:http then closes the connection without an error.
        upstream.once('close', () => {
          resolve(new DownloadError('protocol', `${host} closed the connection without an answer`));
        });
      });
      // http-proxy takes path and header fields from the request, before `web` returns: it gets the printed path and
      // the fields that may pass, and the request is then again what the client sent.
      request.url = path;
      request.headers = {};
      proxy.web(
        request,
        response,
        {
          target: { protocol, hostname, host: hostname, port: Number(port) || defaultPort(protocol) },
          toProxy: true, // do not parse and print the path again
          headers: sent,
          agent: this.#agent,
          selfHandleResponse: true,
          connectTimeout,
          proxyTimeout: silenceTimeout,
          // Without Content-Length a body would reach the registry as the start of another request.
          ...(bodyMethods.has(method) ? {} : { buffer: Readable.from([]) }),
        },
        resolve,
      );
      request.url = url ?? '';
      request.headers = headers;
    });
    return { answer, sending };
  }

  /** Gives the header fields for the client, or why this answer cannot be passed on. */
  #headersFor(
    answer: IncomingMessage,
    method: string,
    { carriage, path }: Asked,
  ): HeaderFields | DownloadError {
    const { endpoint, extraHeaders = {}, challenge } = carriage;
    const { statusCode: status = 0, headers: upstream } = answer;
    const { host, origin } = this.#origin;
    if (status < 200 || status > 599)
      return new DownloadError('protocol', `${host} answers with status ${status}`);
    const asked = new URL(origin + path);
    const headers = carriedResponseHeaders(upstream, this.#registry.auth, challenge);

    if (upstream.location !== undefined) {
      const location = answerLocation(upstream.location, {
        asked,
        endpoint,
        method,
        status,
        view: carriage,
        seal: this.#seal,
      });
      if (location instanceof DownloadError) return location;
      if (location !== undefined) headers['location'] = location;
    }
    const isList = endpoint.kind === 'tags' || endpoint.kind === 'referrers';
    const next = isList ? nextLink([upstream['link'] ?? []].flat().join(', ')) : undefined;
    if (next !== undefined) {
      const ours = clientAddress(asked, next, carriage);
      // Without it, the client would take the first page for the whole list.
      if (ours === undefined)
        return new DownloadError('protocol', `${host} names a next page that is not carried`);
      headers['link'] = `<${ours}>; rel="next"`;
    }
    for (const [name, value] of Object.entries(extraHeaders)) {
      headers[name] = name === 'warning' ? [headers[name] ?? [], value].flat() : value;
    }
    return headers;
  }

  async #fail(response: ServerResponse, status: 502 | 503, cause: DownloadError): Promise<Carried> {
    const later = { 'Retry-After': retryAfterSeconds(this.#options.limits.retryAfter) };
    answerError(
      response,
      status,
      { code: 'UNAVAILABLE', message: cause.message },
      status === 503 ? later : {},
    );
    await new Promise((resolve) => response.once('close', resolve));
    return { kind: 'unavailable', status, cause };
  }
}

/** A side that leaves takes the other with it: the client must not take a part for the whole, the registry must not
 * send to nobody. */
async function relay(
  answer: IncomingMessage,
  response: ServerResponse,
  headers: HeaderFields,
): Promise<Carried> {
  const status = answer.statusCode ?? 0;
  response.writeHead(status, headers);
  await new Promise((resolve) => {
    response.once('close', resolve);
    pipeline(answer, response, () => undefined); // a failure destroys both; `close` comes either way
  });
  return { kind: response.writableFinished ? 'answered' : 'cut', status };
}

/** Says whether a connection was used again that the registry had closed meanwhile. */
function isStale({ answer, sending }: Exchange): boolean {
  return (
    answer instanceof Error &&
    'code' in answer &&
    answer.code === 'ECONNRESET' &&
    sending?.reusedSocket === true
  );
}

function defaultPort(protocol: string): number {
  return protocol === 'https:' ? 443 : 80;
}
