import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createSocketServer } from 'node:net';
import type { TestContext } from 'node:test';
import type { Registry } from '../../src/config/config.ts';
import type { UpstreamOptions } from '../../src/proxy/upstream/upstream.ts';
import { Upstream } from '../../src/proxy/upstream/upstream.ts';
import { parseDigest, parseRepositoryName } from '../../src/oci/reference.ts';

/** Takes what a parser gave; throws if that is nothing. */
export function known<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new TypeError('the test wrote something that does not parse');
  return value;
}

export const repository = known(parseRepositoryName('team/app'));
export const digest = known(parseDigest(`sha256:${'a'.repeat(64)}`));

/** Serves HTTP on this machine until the test ends; gives the origin. */
export async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Serves raw connections on this machine until the test ends: `talk` runs once a request's head has come. */
export async function serveRaw(
  t: TestContext,
  talk: (socket: Socket, head: string) => void,
): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createSocketServer((socket) => {
    sockets.add(socket);
    let head = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      const before = head.includes('\r\n\r\n');
      head += chunk.toString('latin1');
      if (!before && head.includes('\r\n\r\n')) talk(socket, head);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export function registryAt(upstream: string, more: Partial<Registry> = {}): Registry {
  return {
    name: 'registry.example',
    upstream,
    hosts: [],
    aliases: [],
    auth: 'forward',
    push: 'allow',
    blobs: 'proxy',
    tokenRealm: undefined,
    ca: undefined,
    ...more,
  };
}

export function upstreamOf(
  t: TestContext,
  registry: Registry,
  more: Partial<UpstreamOptions> = {},
): Upstream {
  const limits = { manifestBytes: 64 * 1024, downloadTimeout: 10_000 };
  const upstream = new Upstream(registry, { limits, ...more });
  t.after(() => upstream.close());
  return upstream;
}
