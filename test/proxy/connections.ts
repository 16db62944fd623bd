import type { AddressInfo, Server, Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** The connections of one server, counted where they arrive. */
export class Connections {
  readonly open = new Set<Socket>();
  /** How many there have been. */
  opened = 0;

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.open.add(socket);
      this.opened += 1;
      socket.on('error', () => socket.destroy()).once('close', () => this.open.delete(socket));
    });
  }

  /** Resolves when none is open. */
  async none(): Promise<void> {
    for (const socket of this.open) await new Promise((resolve) => socket.once('close', resolve));
    if (this.open.size > 0) await this.none();
  }
}

/** Opens a server on this machine until the test ends; gives its origin and what connects to it. */
export async function listen(
  t: TestContext,
  server: Server,
): Promise<{ readonly origin: string; readonly connections: Connections }> {
  const connections = new Connections(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of connections.open) socket.destroy();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connections };
}

/** Every TCP connection that this process holds, whoever has opened it. */
export function heldConnections(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}
