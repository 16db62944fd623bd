import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Lab } from '../lab.ts';
import { freePort, listenOn } from '../port.ts';
import { debianPath } from '../process.ts';

/** The only way out for a client, and it is a wall: it records each attempt and refuses it. */
export interface Egress {
  /** `host:port` of each CONNECT, or the URL of a plain request, in order. */
  readonly attempts: readonly string[];
  /** From now on a CONNECT to this `host:port` is no attempt: it leads to this port of 127.0.0.1, as DNS would. */
  readonly lead: (address: string, port: number) => void;
  /** The `host:port` of each CONNECT that was led, in order. */
  readonly led: readonly string[];
  /** The environment that makes a Go program take this way for all but loopback. */
  readonly env: Readonly<Record<string, string>>;
}

/** Starts the CONNECT proxy for the clients' HTTPS_PROXY and HTTP_PROXY; they trust the authority, if one is given. */
export async function startEgress(lab: Lab, caFile?: string): Promise<Egress> {
  const attempts: string[] = [];
  const led: string[] = [];
  const leads = new Map<string, number>();
  const tunnels = new Set<Duplex>();
  const server = createServer((request, response) => {
    attempts.push(request.url ?? '');
    response.writeHead(502).end('no egress\n');
  });
  server.on('connect', (request, socket) => {
    const address = request.url ?? '';
    const port = leads.get(address);
    socket.on('error', () => socket.destroy());
    if (port !== undefined) {
      led.push(address);
      tunnels.add(socket);
      const target = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(target).pipe(socket);
      });
      target.on('error', () => socket.destroy());
      socket.on('close', () => target.destroy());
      return;
    }
    attempts.push(address);
    socket.end('HTTP/1.1 502 no egress\r\ncontent-length: 0\r\n\r\n');
  });
  const port = await freePort();
  await listenOn(server, port);
  lab.defer(async () => {
    server.close();
    server.closeAllConnections();
    // The server has let go of a connection that became a tunnel.
    for (const tunnel of tunnels) tunnel.destroy();
    await once(server, 'close');
  });
  const proxy = `http://127.0.0.1:${port}`;
  return {
    attempts,
    lead: (address, port) => {
      leads.set(address, port);
    },
    led,
    env: {
      PATH: debianPath,
      HOME: lab.dir,
      HTTPS_PROXY: proxy,
      HTTP_PROXY: proxy,
      NO_PROXY: '127.0.0.1,localhost',
      ...(caFile !== undefined && { SSL_CERT_FILE: caFile }),
    },
  };
}
