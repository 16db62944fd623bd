import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { TestContext } from 'node:test';

// A wire between the proxy and a server, read by a second and stricter reader of HTTP/1.1 than any server has: what a
// lenient one would take for a request of its own shall be seen here.

export interface TappedRequest {
  readonly line: string;
  readonly method: string;
  readonly target: string;
  /** In their order, as they were written. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const requestLine = /^(?<method>[A-Z]+) (?<target>\S+) HTTP\/1\.1$/;
const headerLine = /^(?<name>[A-Za-z0-9-]+): (?<value>[\t\x20-\x7e]*)$/;

/** Passes connections on to a server byte by byte, and writes down every request on them. */
export class RequestTap {
  readonly requests: TappedRequest[] = [];
  /** What was sent and is not HTTP/1.1 as RFC 9112 has it. */
  readonly faults: string[] = [];
  /** Origin of the server; to be set before the first connection. */
  upstream = '';
  readonly #server = createServer({ allowHalfOpen: false }, (socket) => this.#join(socket));
  readonly #sockets = new Set<Socket>();

  /** Listens on a free port until the test ends. */
  static async start(t: TestContext): Promise<RequestTap> {
    const tap = new RequestTap();
    await new Promise<void>((resolve) => tap.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      for (const socket of tap.#sockets) socket.destroy();
      tap.#server.close();
    });
    return tap;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #join(client: Socket): void {
    const server = connect(Number(new URL(this.upstream).port), '127.0.0.1');
    const reader = new RequestReader(this);
    client.on('data', (bytes: Buffer) => reader.read(bytes));
    client.pipe(server).pipe(client);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => one.destroy());
      one.once('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}

type Body = { readonly kind: 'length'; left: number } | { readonly kind: 'chunks' };

/** The requests of one connection, one after the other. */
class RequestReader {
  readonly #tap: RequestTap;
  #unread = Buffer.alloc(0);
  #body: Body | undefined;
  #lost = false;

  constructor(tap: RequestTap) {
    this.#tap = tap;
  }

  read(bytes: Buffer): void {
    if (this.#lost) return;
    this.#unread = Buffer.concat([this.#unread, bytes]);
    for (let went = true; went && !this.#lost;) went = this.#body === undefined ? this.#head() : this.#rest();
  }

  /** Says whether there was a whole head to read. */
  #head(): boolean {
    const end = this.#unread.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [first = '', ...lines] = this.#unread.subarray(0, end).toString('latin1').split('\r\n');
    this.#unread = this.#unread.subarray(end + 4);
    const { method, target } = requestLine.exec(first)?.groups ?? {};
    const headers = lines.map((line) => {
      const { name, value } = headerLine.exec(line)?.groups ?? {};
      return name === undefined || value === undefined
        ? this.#fail(line)
        : ([name.toLowerCase(), value] as const);
    });
    if (method === undefined || target === undefined) return this.#fail(first) !== undefined;
    this.#tap.requests.push({
      line: first,
      method,
      target,
      headers: headers.filter((one) => one !== undefined),
    });
    this.#body = this.#framing(
      first,
      headers.filter((one) => one !== undefined),
    );
    return true;
  }

  #framing(line: string, headers: TappedRequest['headers']): Body | undefined {
    const all = (wanted: string): string[] =>
      headers.filter(([name]) => name === wanted).map(([, value]) => value);
    const [lengths, codings, hosts] = [all('content-length'), all('transfer-encoding'), all('host')];
    if (hosts.length !== 1 || lengths.length + codings.length > 1) this.#fail(`${line}: ambiguous head`);
    if (codings.length > 0) {
      if (codings[0] !== 'chunked') this.#fail(`${line}: Transfer-Encoding: ${codings[0]}`);
      return { kind: 'chunks' };
    }
    const [length = '0'] = lengths;
    if (!/^[0-9]{1,15}$/.test(length)) this.#fail(`${line}: Content-Length: ${length}`);
    return Number(length) === 0 ? undefined : { kind: 'length', left: Number(length) };
  }

  /** Says whether the body of the request came to its end. */
  #rest(): boolean {
    const body = this.#body;
    if (body?.kind === 'length') {
      const taken = Math.min(body.left, this.#unread.length);
      this.#unread = this.#unread.subarray(taken);
      body.left -= taken;
      if (body.left > 0) return false;
      this.#body = undefined;
      return true;
    }
    const end = this.#unread.indexOf('\r\n');
    if (end < 0) return false;
    const line = this.#unread.subarray(0, end).toString('latin1');
    if (!/^[0-9A-Fa-f]{1,8}$/.test(line)) return this.#fail(`chunk size ${line}`) !== undefined;
    const size = Number.parseInt(line, 16);
    const whole = end + 2 + size + 2;
    if (this.#unread.length < whole) return false;
    if (this.#unread.toString('latin1', whole - 2, whole) !== '\r\n') this.#fail('a chunk without its end');
    this.#unread = this.#unread.subarray(whole);
    if (size === 0) this.#body = undefined;
    return true;
  }

  #fail(what: string): undefined {
    this.#lost = true;
    this.#tap.faults.push(what.slice(0, 200));
  }
}
