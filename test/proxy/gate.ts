import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { createServer, request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import type { Registry } from '../../src/config/config.ts';
import { parseEndpoint } from '../../src/oci/endpoint.ts';
import type { Carriage, Carried, PassThroughOptions } from '../../src/proxy/upstream/pass-through.ts';
import { PassThrough } from '../../src/proxy/upstream/pass-through.ts';
import type { Connections } from './connections.ts';
import { listen } from './connections.ts';
import { known } from './wire.ts';

export interface Gate {
  readonly origin: string;
  /** Those of its clients. */
  readonly connections: Connections;
  /** How each request ended, in the order in which they ended. */
  readonly ended: Carried[];
  /** Resolves when that many requests have ended. */
  readonly whenEnded: (count: number) => Promise<void>;
  /** Keeps no idle connection to the registry. */
  readonly close: () => void;
}

/** A server that carries everything to one registry. */
export async function startGate(
  t: TestContext,
  registry: Registry,
  carriage: Partial<Carriage> = {},
  options: PassThroughOptions = { limits: { retryAfter: 5000 } },
): Promise<Gate> {
  const passThrough = new PassThrough(registry, options);
  const ended: Carried[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const server = createServer((request, response) => {
    const { endpoint } = known(parseEndpoint(request.url ?? ''));
    const { authorization } = request.headers;
    void passThrough
      .carry(request, response, {
        endpoint,
        authorization,
        publicPrefix: '',
        toClient: (repository) => repository,
        ...carriage,
      })
      .then((end) => {
        ended.push(end);
        for (const { count, resolve } of waiting) if (ended.length >= count) resolve();
      });
  });
  server.keepAliveTimeout = 0; // what stays open shows
  const { origin, connections } = await listen(t, server);
  const close = (): void => {
    passThrough.close();
  };
  t.after(close);
  const whenEnded = (count: number): Promise<void> =>
    new Promise((resolve) => {
      if (ended.length >= count) resolve();
      else waiting.push({ count, resolve });
    });
  return { origin, connections, ended, whenEnded, close };
}

/** Asks and gives the answer with its body unread; rejects if none comes. */
export function open(
  origin: string,
  path: string,
  options: RequestOptions = {},
  body?: string,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // The path is set as an option: a URL would be read and printed again.
    const { hostname, port } = new URL(origin);
    const request = httpRequest({ hostname, port, path, agent: false, ...options }, resolve);
    request.on('error', reject).end(body);
  });
}

/** Asks and reads the answer. */
export async function ask(
  origin: string,
  path: string,
  options: RequestOptions = {},
  body?: string,
): Promise<{ status: number | undefined; headers: IncomingHttpHeaders; body: string }> {
  const answer = await open(origin, path, options, body);
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}
