import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Lab } from '../lab.ts';
import { freePort, listenOn } from '../port.ts';

/** A TCP relay: the cable between a client and a server, which can be pulled, put back, and plugged in elsewhere. */
export class Relay {
  readonly port: number;
  #target: number;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
  }

  /** Opens a relay to `target`, a port of 127.0.0.1. */
  static async open(lab: Lab, target: number): Promise<Relay> {
    const relay = new Relay(await freePort(), target);
    await relay.reconnect();
    lab.defer(() => relay.cut());
    return relay;
  }

  /** Refuses new connections and breaks those there are. */
  async cut(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(server, 'close');
  }

  /** Accepts connections again, on the same port; `target`, if given, is where they now lead. */
  async reconnect(target = this.#target): Promise<void> {
    await this.cut();
    this.#target = target;
    const server = createServer((client) => this.#join(client, connect(this.#target, '127.0.0.1')));
    await listenOn(server, this.port);
    this.#server = server;
  }

  #join(client: Socket, target: Socket): void {
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      this.#sockets.add(from);
      from.pipe(to);
      // A broken connection is what this relay is for: both ends get to feel it.
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        this.#sockets.delete(from);
      });
    }
  }
}
