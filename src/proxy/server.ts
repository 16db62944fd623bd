import { once } from 'node:events';
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import { createServer as createHttpServer, STATUS_CODES } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Address, Certificate } from '../config/config.ts';
import type { ErrorCode } from '../oci/error-body.ts';
import { errorBody } from '../oci/error-body.ts';
import { tlsOptions } from './tls-options.ts';

export interface ListenerOptions {
  readonly listen: Address;
  /** Empty: plain HTTP. Several: the first that is for the name asked for (SNI), else the first. */
  readonly tls: readonly Certificate[];
  /** PEM certificates of the authorities of clients; undefined: clients are not asked for certificates. */
  readonly clientCa: string | undefined;
  /** Answers one request. Pipelined requests run side by side. */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** How long `drain` waits for answers under way, in milliseconds. */
  readonly drainTimeout: number;
  /** How long `drain` still accepts, so that load balancers see /readyz first, in milliseconds; within drainTimeout. */
  readonly drainGrace?: number;
  readonly onError: (error: Error) => void;
}

export interface Listener {
  readonly address: AddressInfo;
  /** Stops accepting, lets the answers under way finish up to drainTimeout, then cuts them. */
  readonly drain: () => Promise<void>;
  /** Cuts everything at once. */
  readonly close: () => Promise<void>;
}

const httpOptions = {
  // A body may take long (uploads); a head may not (attack: slow headers).
  headersTimeout: 10_000,
  requestTimeout: 0,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 60_000,
  maxHeaderSize: 16 * 1024,
  // Ours to say, with a body that clients can show.
  requireHostHeader: false,
} satisfies ServerOptions;
/** A connection on which no byte moves in either direction, in milliseconds. */
const silenceTimeout = 300_000;
/** How long a client may go on sending a body that nobody reads, after its answer, in milliseconds. */
const unreadBodyTimeout = 5_000;

/**
 * Opens the listener of the registry API. Rejects if the address cannot be had, or if a certificate does not parse,
 * has expired or does not belong to its key: never plain HTTP where TLS was asked for.
 */
export async function startServer(options: ListenerOptions): Promise<Listener> {
  const server = openServer(options);
  const traffic = new Traffic(server, options);
  server.listen({ host: options.listen.host, port: options.listen.port });
  await once(server, 'listening');
  server.on('error', options.onError);
  return {
    address: server.address() as AddressInfo,
    drain: () => traffic.drain(),
    close: () => traffic.close(),
  };
}

/** What is open on a listener: its connections, and the answers under way on them. */
class Traffic {
  readonly #server: Server;
  readonly #options: ListenerOptions;
  readonly #sockets = new Set<Socket>();
  /** The connections that speak HTTP (within TLS, if there is TLS), each with its answers under way. */
  readonly #connections = new Map<Duplex, Set<ServerResponse>>();
  readonly #closing = new WeakSet<Duplex>();
  readonly #closed = Promise.withResolvers<void>();
  #draining = false;

  constructor(server: Server, options: ListenerOptions) {
    this.#server = server;
    this.#options = options;
    server.once('close', this.#closed.resolve);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on(options.tls.length === 0 ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.#connections.set(socket, new Set());
      socket.once('close', () => this.#connections.delete(socket));
    });
    const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#answer(request, response);
    server.on('request', onRequest);
    // An expectation that nobody knows may be ignored (RFC 9110 §10.1.1); Node's own answer has no error body.
    server.on('checkExpectation', onRequest);
    server.on('connect', (_request: IncomingMessage, socket: Duplex) => refuseTunnel(socket));
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      // Once the head of an answer is out, any more bytes would read as its body.
      const answering = [...(this.#connections.get(socket) ?? [])].some((response) => response.headersSent);
      if (answering || !socket.writable) socket.destroy();
      else endWith(socket, clientFault(error.code, socket));
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const answers = this.#connections.get(socket);
    // RFC 9112 §9.6: what follows the last request of a connection is not a request.
    if (answers === undefined || this.#closing.has(socket)) return;
    answers.add(response);
    response.once('close', () => {
      answers.delete(response);
      if (this.#draining && answers.size === 0) socket.destroySoon();
      else if (!request.complete)
        setTimeout(() => request.complete || socket.destroy(), unreadBodyTimeout).unref();
    });
    response.on('error', this.#options.onError);

    const fault = faultOf(request);
    if (this.#draining || fault !== undefined || hasUselessBody(request)) this.#closeAfter(response);
    if (fault !== undefined) return refuse(response, fault);
    try {
      await this.#options.handler(request, response);
    } catch (error) {
      // Of any class: the last door. What a handler did not foresee costs this answer, not the process.
      this.#options.onError(
        error instanceof Error ? error : new TypeError('a handler threw what is no Error', { cause: error }),
      );
      this.#failAnswer(response);
    }
  }

  #failAnswer(response: ServerResponse): void {
    if (response.headersSent) {
      if (!response.writableEnded) response.destroy();
      return;
    }
    this.#closeAfter(response);
    refuse(response, { status: 500, code: 'UNAVAILABLE', message: 'internal error' });
  }

  #closeAfter(response: ServerResponse): void {
    response.shouldKeepAlive = false;
    this.#closing.add(response.req.socket);
  }

  async drain(): Promise<void> {
    const { drainTimeout, drainGrace = 2_000 } = this.#options;
    this.#draining = true;
    for (const answers of this.#connections.values()) {
      // Only the last of a pipeline: the answers before it are under way too.
      const last = [...answers].at(-1);
      if (last !== undefined && !last.headersSent) this.#closeAfter(last);
    }
    const grace = Math.min(drainGrace, drainTimeout);
    await wait(grace);
    this.#server.close();
    for (const [socket, answers] of this.#connections) if (answers.size === 0) socket.destroy();
    await Promise.race([this.#closed.promise, wait(drainTimeout - grace)]);
    await this.close();
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await this.#closed.promise;
  }
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}

function openServer({ tls, clientCa }: ListenerOptions): Server {
  const server =
    tls.length === 0
      ? createHttpServer(httpOptions)
      : createHttpsServer({
          ...httpOptions,
          ...tlsOptions(tls, clientCa),
          handshakeTimeout: httpOptions.headersTimeout,
        });
  // The size of the head is the limit. By default Node forgets the headers after the 2,000th, a second Host among them.
  server.maxHeadersCount = 0;
  server.setTimeout(silenceTimeout);
  return server;
}

interface Fault {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Headers that Node joins or drops silently when they come twice, while another server might read the other one. */
const single = ['authorization', 'content-type', 'range'];

/** What makes a request one that two servers could read differently. Node's parser has refused the rest. */
function faultOf(request: IncomingMessage): Fault | undefined {
  const { httpVersion, headers, url = '' } = request;
  const names = request.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
  const count = (wanted: string): number => names.filter((name) => name === wanted).length;
  const bad = (message: string): Fault => ({ status: 400, code: 'UNSUPPORTED', message });

  // Node also reads HTTP/0.9 and 2.0 in this syntax.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return bad('not HTTP/1.1');
  // RFC 9112 §3.2: exactly one, and a valid one. HTTP/1.0 knew none.
  if (count('host') > 1 || (count('host') === 0 && httpVersion === '1.1'))
    return bad('not exactly one Host header');
  if (headers.host !== undefined && !isHost(headers.host)) return bad('invalid Host header');
  const twice = single.find((name) => count(name) > 1);
  if (twice !== undefined) return bad(`more than one ${twice} header`);
  const coding = headers['transfer-encoding'];
  // RFC 9112 §6.1.
  if (coding !== undefined && httpVersion === '1.0') return bad('transfer coding in HTTP/1.0');
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return { status: 501, code: 'UNSUPPORTED', message: 'transfer coding other than chunked' };
  }
  // RFC 9112 §3.2.1: origin form. The forms for proxies and servers as a whole name no endpoint of a registry.
  return url.startsWith('/') ? undefined : { status: 404, code: 'UNSUPPORTED', message: 'not an endpoint' };
}

const hostName =
  /^(?<name>[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[(?<v6>[0-9A-Fa-f:.]{2,45})\])(?::(?<port>[0-9]{1,5}))?$/;

function isHost(host: string): boolean {
  const parts = hostName.exec(host)?.groups;
  if (parts === undefined) return false;
  const v6 = parts['v6'];
  return Number(parts['port'] ?? 0) <= 65_535 && (v6 === undefined || isIPv6(v6));
}

/** A body on GET or HEAD means nothing (RFC 9110 §9.3.1); the connection is not used again after one. */
function hasUselessBody({ method, headers }: IncomingMessage): boolean {
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
  return hasBody && (method === 'GET' || method === 'HEAD');
}

function clientFault(code: string | undefined, socket: Duplex): Fault {
  const fault = (status: number, message: string): Fault => ({ status, code: 'UNSUPPORTED', message });
  if (socket instanceof TLSSocket && String(socket.authorizationError) === 'CERT_SIGNATURE_FAILURE') {
    // A forged certificate is for the handler to refuse like any other, but OpenSSL takes it for a fault of the wire too.
    return { status: 403, code: 'DENIED', message: 'this certificate is not that of a client known here' };
  }
  if (code === 'HPE_HEADER_OVERFLOW') return fault(431, 'the headers are too large');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return fault(408, 'the request took too long');
  return fault(400, 'not an HTTP request');
}

function refuse(response: ServerResponse, { status, code, message }: Fault): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const body = errorBody(code, message);
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  response.writeHead(status, STATUS_CODES[status], headers).end(body);
}

function refuseTunnel(socket: Duplex): void {
  // The parser has let go of the socket, and with it of its errors: a client that hangs up is none of ours.
  socket.on('error', () => socket.destroy());
  endWith(socket, { status: 405, code: 'UNSUPPORTED', message: 'no tunnels' }, 'Allow: GET, HEAD\r\n');
}

function endWith(socket: Duplex, { status, code, message }: Fault, headers = ''): void {
  const body = errorBody(code, message);
  const head =
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n${headers}` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  socket.end(head + body, () => socket.destroy());
}
