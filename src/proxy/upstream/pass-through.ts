import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { pipeline, Readable } from 'node:stream';
import { createProxyServer } from 'http-proxy';
import type { Limits, Registry } from '../../config/config.ts';
import type { Endpoint } from '../../oci/endpoint.ts';
import { printEndpoint } from '../../oci/endpoint.ts';
import { errorBody } from '../../oci/error-body.ts';
import { redirectTarget } from '../../oci/redirect.ts';
import { DownloadError } from '../../trust/download-error.ts';
import { wireError } from '../../trust/token-client.ts';
import { retryAfterSeconds } from '../answer.ts';
import type { HeaderFields } from './headers.ts';
import { carriedRequestHeaders, carriedResponseHeaders } from './headers.ts';
import type { ClientView } from './location.ts';
import { clientAddress, nextLink } from './location.ts';
import type { OnAnswer } from './upstream.ts';

const connectTimeout = 10_000;
/** Without a byte either way. A registry that hashes and stores a large layer at its last PUT is silent for long. */
const silenceTimeout = 300_000;
const bodyMethods: ReadonlySet<string> = new Set(['PATCH', 'POST', 'PUT']);

export interface PassThroughOptions {
  readonly limits: Pick<Limits, 'retryAfter'>;
  readonly onAnswer?: OnAnswer;
  /** As what this instance names itself in `Via`. */
  readonly hop?: string;
}

export interface Carriage extends ClientView {
  readonly endpoint: Endpoint;
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

/** Carries to one registry, and back, what is not judged: pushes, lists, and pulls under the modes allow and audit. */
export class PassThrough {
  readonly #registry: Registry;
  readonly #options: PassThroughOptions;
  readonly #origin: URL;
  readonly #agent: HttpAgent;

  constructor(registry: Registry, options: PassThroughOptions) {
    const { ca } = registry;
    this.#registry = registry;
    this.#options = options;
    this.#origin = new URL(registry.upstream);
    // `rejectUnauthorized` is said aloud because NODE_TLS_REJECT_UNAUTHORIZED=0 would win over the default.
    const tls = { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) };
    this.#agent =
      this.#origin.protocol === 'https:'
        ? new HttpsAgent({ keepAlive: true, ...tls })
        : new HttpAgent({ keepAlive: true });
  }

  /** Takes a client's request and answers it with what the registry says; gives how that ended. What either side does
   * to the wire is in the result and never thrown. */
  async carry(request: IncomingMessage, response: ServerResponse, carriage: Carriage): Promise<Carried> {
    // Its `close` has been and does not come again: nothing would ever end the upstream's transfer.
    if (response.destroyed) return { kind: 'aborted' };
    // Seven of them are those of stream.pipeline; more than ten would be a warning on stderr with every request.
    response.setMaxListeners(20);
    const started = performance.now();
    const answer = await this.#exchange(request, response, carriage);
    if (answer === undefined) return { kind: 'aborted' };
    const code = answer instanceof Error ? 'error' : (answer.statusCode ?? 0);
    this.#options.onAnswer?.(this.#registry.name, code, (performance.now() - started) / 1000);

    if (response.destroyed) {
      if (!(answer instanceof Error)) answer.destroy();
      return { kind: 'aborted' };
    }
    if (answer instanceof Error) return this.#fail(response, 503, wireError(answer, this.#origin.host));
    const headers = this.#headersFor(answer, request.method ?? '', carriage);
    if (headers instanceof DownloadError) {
      answer.destroy();
      return this.#fail(response, 502, headers);
    }
    return relay(answer, response, headers);
  }

  /** Lets what is under way finish, and keeps no connection after that. */
  close(): void {
    this.#agent.maxFreeSockets = 0;
    for (const socket of Object.values(this.#agent.freeSockets).flat()) socket?.destroy();
  }

  /** Gives the head of the registry's answer, its body unread; the error, if none came; undefined if the client left. */
  #exchange(
    request: IncomingMessage,
    response: ServerResponse,
    { endpoint, authorization }: Carriage,
  ): Promise<IncomingMessage | Error | undefined> {
    const { hostname, host, port, protocol } = this.#origin;
    const { url, headers, method = '' } = request;
    const sent: HeaderFields = { ...carriedRequestHeaders(headers, authorization, this.#options.hop), host };
    // Without a length, node:http sends chunks.
    if (bodyMethods.has(method) && headers['transfer-encoding'] === undefined) {
      sent['content-length'] = headers['content-length'] ?? '0';
    }
    return new Promise((resolve) => {
      response.once('close', () => {
        resolve(undefined);
      });
      const proxy = createProxyServer();
      proxy.once('proxyRes', resolve);
      // An answer of 101 is none: node:http then closes the connection without an error.
      proxy.once('proxyReq', (sending) => {
        sending.once('close', () => {
          resolve(new DownloadError('protocol', `${host} closed the connection without an answer`));
        });
      });
      // http-proxy takes path and header fields from the request, before `web` returns: it gets the printed path and
      // the fields that may pass, and the request is then again what the client sent.
      request.url = printEndpoint(endpoint);
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
  }

  /** Gives the header fields for the client, or why this answer cannot be passed on. */
  #headersFor(answer: IncomingMessage, method: string, carriage: Carriage): HeaderFields | DownloadError {
    const { endpoint, extraHeaders = {} } = carriage;
    const { statusCode: status = 0, headers: upstream } = answer;
    const { host } = this.#origin;
    if (status < 200 || status > 599)
      return new DownloadError('protocol', `${host} answers with status ${status}`);
    const asked = new URL(printEndpoint(endpoint), this.#origin);
    const headers = carriedResponseHeaders(upstream, this.#registry.auth);

    if (upstream.location !== undefined) {
      const ours = clientAddress(asked, upstream.location, carriage);
      const location = ours ?? followable(asked, upstream.location, { endpoint, method, status });
      if (location !== undefined) headers['location'] = location;
      else if (isNeeded(endpoint, status)) {
        return new DownloadError('protocol', `${host} sends this request to an address that is not carried`);
      }
    }
    const next =
      endpoint.kind === 'tags' || endpoint.kind === 'referrers'
        ? nextLink(joined(upstream['link']))
        : undefined;
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

  #fail(response: ServerResponse, status: 502 | 503, cause: DownloadError): Carried {
    const body = errorBody('UNAVAILABLE', cause.message);
    const headers: HeaderFields = {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    };
    if (status === 503) headers['retry-after'] = retryAfterSeconds(this.#options.limits.retryAfter);
    response.writeHead(status, headers).end(body);
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

/** A redirect of a pull that is not judged may lead the client elsewhere, as the registry alone would lead it. */
function followable(
  asked: URL,
  location: string,
  { endpoint, method, status }: { endpoint: Endpoint; method: string; status: number },
): string | undefined {
  const isPull =
    (endpoint.kind === 'blob' || endpoint.kind === 'manifest') && (method === 'GET' || method === 'HEAD');
  if (!isPull || status < 300 || status > 399) return undefined;
  const target = redirectTarget(asked, location);
  return target instanceof URL ? target.href : undefined;
}

/** Says whether a client cannot go on without the Location: a redirect, or an upload that is under way. */
function isNeeded(endpoint: Endpoint, status: number): boolean {
  const isUpload = endpoint.kind === 'uploads' || endpoint.kind === 'upload';
  return (status >= 300 && status <= 399) || (isUpload && status >= 200 && status <= 299 && status !== 201);
}

function joined(link: string | string[] | undefined): string {
  return [link ?? []].flat().join(', ');
}

function defaultPort(protocol: string): number {
  return protocol === 'https:' ? 443 : 80;
}
