import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

// What the embedded registry and notary have in common: an HTTP/1.1 server on the loopback address that answers with
// whole values and remembers what it was asked.

export interface RequestRecord {
  readonly method: string;
  /** As it was sent: path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface LocalRequest extends RequestRecord {
  readonly path: string;
  readonly query: URLSearchParams;
  /** Gives the whole body, or undefined when it is longer than `limit` bytes. */
  body(limit: number): Promise<Buffer | undefined>;
}

export interface Answer {
  readonly status: number;
  /** Default: the usual phrase of the status. */
  readonly reason?: string;
  readonly headers?: OutgoingHttpHeaders;
  /** Left out on HEAD, but counted in Content-Length. */
  readonly body?: Buffer;
  /** Sent in chunks, without Content-Length. */
  readonly chunked?: boolean;
}

/** An answer, or whoever takes the connection over and does with it what no honest server does. */
export type Outcome = Answer | ((response: ServerResponse) => void);
export type Handler = (request: LocalRequest) => Promise<Outcome> | Outcome;

export interface LocalServerOptions {
  /** PEM. Without it: plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Default 0: any free one. */
  readonly port?: number;
  /** Wraps the server's own handler, at start: the place of faults. */
  readonly through?: (honest: Handler) => Handler;
}

/** The log keeps this many: a server that stays up must not grow. */
const longestLog = 10_000;

/** An HTTP server on 127.0.0.1. */
export class LocalServer {
  /** The last requests, oldest first, as they came in. */
  readonly requests: RequestRecord[] = [];
  readonly #server: ReturnType<typeof createServer>;
  readonly #scheme: 'http' | 'https';

  private constructor(handler: Handler, options: LocalServerOptions) {
    const handle = options.through?.(handler) ?? handler;
    const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
      void this.#answer(handle, incoming, response);
    };
    this.#scheme = options.tls === undefined ? 'http' : 'https';
    this.#server =
      options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  }

  /** Listens; throws what the system says when the port is taken. */
  static async start(handler: Handler, options: LocalServerOptions = {}): Promise<LocalServer> {
    const server = new LocalServer(handler, options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The origin: scheme, host and port. */
  get origin(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  /** Stops listening and ends every connection, also those with an answer under way. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(handle: Handler, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = incoming;
    this.requests.push({ method, url, headers });
    if (this.requests.length > longestLog) this.requests.shift();
    const mark = url.indexOf('?');
    const outcome = await handle({
      method,
      url,
      headers,
      path: mark < 0 ? url : url.slice(0, mark),
      query: new URLSearchParams(mark < 0 ? '' : url.slice(mark)),
      body: (limit) => readBody(incoming, limit),
    });
    if (typeof outcome === 'function') outcome(response);
    else send(outcome, response);
  }
}

function send({ status, reason, headers = {}, body, chunked }: Answer, response: ServerResponse): void {
  if (reason !== undefined) response.statusMessage = reason;
  const length = chunked === true || status === 204 ? {} : { 'content-length': body?.length ?? 0 };
  response.writeHead(status, { ...length, ...headers });
  if (chunked === true && body !== undefined) response.write(body); // Two steps, or Node would set a length.
  response.end(chunked === true ? undefined : body);
}

/** A client that goes away in the middle gives what came so far; nobody reads the answer then. */
function readBody(incoming: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    incoming.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limit) chunks.push(chunk);
    });
    incoming.once('error', () => incoming.destroy());
    incoming.once('close', () => resolve(length <= limit ? Buffer.concat(chunks) : undefined));
  });
}
