import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Address } from '../config/config.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Readiness } from './health.ts';
import { livenessBody, readinessBody } from './health.ts';

export interface AdminOptions {
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  /** Asked for every /readyz. */
  readonly readiness: () => Readiness | Promise<Readiness>;
  readonly version: string;
  readonly onError: (error: Error) => void;
}

export interface AdminListener {
  readonly address: AddressInfo;
  /** Stops accepting and cuts what is open. */
  readonly close: () => Promise<void>;
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const json = 'application/json';

/** Opens the admin listener (contract: /livez, /readyz, /metrics). Rejects if the address cannot be had. */
export async function startAdmin(address: Address, options: AdminOptions): Promise<AdminListener> {
  const limits = {
    headersTimeout: 5_000,
    requestTimeout: 10_000,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 8 * 1024,
  };
  const server = createServer(limits, (request, response) => void answer(request, response));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Cache-Control', 'no-store');
    try {
      const page = await pageFor(request, options);
      if (page.status === 405) response.setHeader('Allow', 'GET, HEAD');
      send(response, page);
    } catch (error) {
      // Of any class: the last door. A page that fails must not end the process that pulls go through.
      options.onError(
        error instanceof Error ? error : new TypeError('a page threw what is no Error', { cause: error }),
      );
      send(response, problem(500, 'internal error'));
    }
  }

  server.listen({ host: address.host, port: address.port });
  await once(server, 'listening');
  server.on('error', options.onError);
  const closed = new Promise<void>((resolve) => {
    server.once('close', resolve);
  });
  return {
    address: server.address() as AddressInfo,
    close() {
      server.close();
      server.closeAllConnections();
      return closed;
    },
  };
}

type PageWriter = (options: AdminOptions) => Page | Promise<Page>;

const pages: ReadonlyMap<string, PageWriter> = new Map<string, PageWriter>([
  ['/livez', ({ version }) => ({ status: 200, type: json, body: livenessBody(version) })],
  [
    '/readyz',
    async (options) => {
      const readiness = await options.readiness();
      return { status: readiness === 'ready' ? 200 : 503, type: json, body: readinessBody(readiness) };
    },
  ],
  [
    '/metrics',
    async ({ metrics }) => ({
      status: 200,
      type: metrics.contentType,
      body: await metrics.text(),
    }),
  ],
]);

function pageFor({ method, url = '' }: IncomingMessage, options: AdminOptions): Page | Promise<Page> {
  const page = pages.get(url.split('?', 1)[0] ?? '');
  if (page === undefined) return problem(404, 'not a page of the admin listener');
  return method === 'GET' || method === 'HEAD' ? page(options) : problem(405, 'only GET and HEAD');
}

function problem(status: number, error: string): Page {
  return { status, type: json, body: JSON.stringify({ error }) };
}

function send(response: ServerResponse, { status, type, body }: Page): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }).end(body);
}
