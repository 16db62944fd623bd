import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import type { Listener, ListenerOptions } from '../../src/proxy/server.ts';
import { startServer } from '../../src/proxy/server.ts';

// The listener with a handler of the test's choice, and raw bytes to send at it.

export interface Door extends Listener {
  readonly port: number;
  /** `method target` of each request that came through. */
  readonly seen: string[];
  readonly errors: Error[];
}

/** Opens a listener on a free port, closed when the test ends; answers `ok` if the test does not say otherwise. */
export async function open(t: TestContext, change: Partial<ListenerOptions> = {}): Promise<Door> {
  const seen: string[] = [];
  const errors: Error[] = [];
  const { handler = answerOk, ...rest } = change;
  const listener = await startServer({
    listen: { host: '127.0.0.1', port: 0 },
    tls: [],
    clientCa: undefined,
    handler: (request, response) => {
      seen.push(`${request.method} ${request.url}`);
      return handler(request, response);
    },
    drainTimeout: 10_000,
    drainGrace: 0,
    onError: (error) => errors.push(error),
    ...rest,
  });
  t.after(() => listener.close());
  return { ...listener, port: listener.address.port, seen, errors };
}

export function answerOk(_request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader('Content-Length', 2);
  response.end('ok');
  return Promise.resolve();
}

export function dial(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  // What counts is what arrived before the end, be it a FIN or a reset.
  socket.on('error', () => undefined);
  return socket;
}

/** Sends bytes; gives all that comes back until the connection closes. */
export async function exchange(port: number, text: string): Promise<string> {
  const socket = dial(port);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  socket.write(text, 'latin1');
  await once(socket, 'close');
  return answer;
}

/** Reads on until what was read ends with `end`. */
export async function readUntil(socket: Socket, end: string): Promise<string> {
  let text = '';
  while (!text.endsWith(end)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString('latin1');
  }
  return text;
}

/** Asserts that an answer is one OCI error with this status, and the last on its connection. */
export function assertOciError(answer: string, status: number): void {
  assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} [A-Z][A-Za-z ]+\r\n`));
  assert.match(answer, /\r\nConnection: close\r\n/);
  assert.match(answer, /\r\nContent-Type: application\/json\r\n/);
  assert.doesNotMatch(answer, /\r\n(?:Server|X-Powered-By):/i);
  const [, body = ''] = answer.split('\r\n\r\n');
  assert.ok(answer.includes(`\r\nContent-Length: ${body.length}\r\n`));
  const { errors } = JSON.parse(body) as { errors: { code: string; message: string }[] };
  assert.equal(errors.length, 1);
  assert.match(errors[0]?.code ?? '', /^[A-Z_]+$/);
}

export const target = '/v2/library/alpine/manifests/3.22';
export const get = (headers: string): string => `GET ${target} HTTP/1.1\r\n${headers}\r\n`;
export const post = (headers: string, body: string): string =>
  `POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\n${headers}\r\n${body}`;
