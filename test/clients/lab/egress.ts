import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Lab } from './lab.ts';
import { freePort, listenOn } from './port.ts';
import { debianPath } from './process.ts';

/** The only way out for a client, and it is a wall: it records each attempt and refuses it. */
export interface Egress {
  /** `host:port` of each CONNECT, or the URL of a plain request, in order. */
  readonly attempts: readonly string[];
  readonly forget: () => void;
  /** The environment that makes a Go program take this way for all but loopback. */
  readonly env: Readonly<Record<string, string>>;
}

/** Starts the CONNECT proxy for the clients' HTTPS_PROXY and HTTP_PROXY. */
export async function startEgress(lab: Lab): Promise<Egress> {
  const attempts: string[] = [];
  const server = createServer((request, response) => {
    attempts.push(request.url ?? '');
    response.writeHead(502).end('no egress\n');
  });
  server.on('connect', (request, socket) => {
    attempts.push(request.url ?? '');
    socket.on('error', () => socket.destroy());
    socket.end('HTTP/1.1 502 no egress\r\ncontent-length: 0\r\n\r\n');
  });
  const port = await freePort();
  await listenOn(server, port);
  lab.defer(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });
  const proxy = `http://127.0.0.1:${port}`;
  return {
    attempts,
    forget: () => {
      attempts.length = 0;
    },
    env: {
      PATH: debianPath,
      HOME: lab.dir,
      HTTPS_PROXY: proxy,
      HTTP_PROXY: proxy,
      NO_PROXY: '127.0.0.1,localhost',
    },
  };
}
