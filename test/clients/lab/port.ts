import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';

/** What starts a server's error when the port is taken. */
function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

/** Listens on 127.0.0.1 and waits until it does; throws what `listen` throws. */
export async function listenOn(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}

/**
 * A free port of 127.0.0.1 below 32768: above it Linux takes the source ports of outgoing connections, and a
 * program that comes back on its own port could find it lent to one of them.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_768);
    const server = createServer();
    try {
      await listenOn(server, port);
    } catch (error) {
      if (!isTaken(error)) throw error;
      // Someone has it: try another.
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Whether something accepts a connection on the port. */
export async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
