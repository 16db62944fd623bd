import { once } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { Answer, Handler, LocalRequest, Outcome } from '../../src/demo/local-server.ts';

/** What happens in place of the honest answer, which is made only if it is asked for. */
export type Fault = (honest: () => Promise<Answer>, request: LocalRequest) => Promise<Outcome> | Outcome;
export type Intercept = (request: LocalRequest) => Fault | undefined;

/** The faults of one server, changeable while it runs; the newest that fits a request decides. */
export class Faults {
  #intercepts: Intercept[] = [];

  /** Give it to a server as its `through`. */
  readonly through = (honest: Handler): Handler => {
    return async (request) => {
      for (const intercept of this.#intercepts) {
        const fault = intercept(request);
        if (fault !== undefined) return fault(async () => asAnswer(await honest(request)), request);
      }
      return honest(request);
    };
  };

  /** Gives back the way to take it off again. */
  intercept(intercept: Intercept): () => void {
    this.#intercepts.unshift(intercept);
    return () => {
      this.#intercepts = this.#intercepts.filter((other) => other !== intercept);
    };
  }

  clear(): void {
    this.#intercepts = [];
  }
}

/** Any answer at all: a status code, an error page, a redirect. */
export function answer(
  status: number,
  options: Omit<Answer, 'status' | 'body'> & { body?: string | Uint8Array } = {},
): Fault {
  const { body, ...rest } = options;
  return () => ({ status, ...rest, ...(body !== undefined && { body: Buffer.from(body) }) });
}

/** The login page of a captive portal. */
export const loginPage: Fault = answer(200, {
  headers: { 'content-type': 'text/html' },
  body: '<!doctype html><title>Log in</title>',
});

export function redirect(location: string, status = 307): Fault {
  return answer(status, { headers: { location } });
}

/** The honest answer with another body, and the Content-Length of that. `change` gets a copy, to alter if it likes. */
export function changeBody(change: (body: Buffer) => Uint8Array): Fault {
  return async (honest) => {
    const real = await honest();
    return { ...real, body: Buffer.from(change(Buffer.from(real.body ?? []))) };
  };
}

/** The honest answer with these headers in place of its own; undefined takes one away. */
export function changeHeaders(headers: OutgoingHttpHeaders): Fault {
  return async (honest) => {
    const real = await honest();
    const merged = Object.entries({ ...real.headers, ...headers }).filter(([, value]) => value !== undefined);
    return { ...real, headers: Object.fromEntries(merged) };
  };
}

/** The honest body compressed, whatever the client accepts. */
export const gzipped: Fault = async (honest) => {
  const real = await honest();
  const headers = { ...real.headers, 'content-encoding': 'gzip' };
  return { ...real, headers, body: gzipSync(real.body ?? Buffer.alloc(0)) };
};

/** Promises the honest length, sends `keep` bytes of it, and ends the connection in good order (FIN). */
export function truncated(keep: number): Fault {
  return async (honest) => {
    const { status, headers, body = Buffer.alloc(0) } = await honest();
    return (response) => {
      response.writeHead(status, { ...headers, 'content-length': body.length });
      response.write(body.subarray(0, keep), () => response.socket?.end());
    };
  };
}

/** The honest answer, `bytes` of it every `interval` milliseconds. */
export function slow(interval: number, bytes = 1): Fault {
  return async (honest) => {
    const { status, headers, body = Buffer.alloc(0) } = await honest();
    return (response) => {
      response.writeHead(status, { ...headers, 'content-length': body.length });
      response.flushHeaders();
      let sent = 0;
      const timer = setInterval(() => {
        response.write(body.subarray(sent, sent + bytes));
        sent += bytes;
        if (sent >= body.length) response.end();
      }, interval);
      response.once('close', () => clearInterval(timer));
    };
  };
}

/** No answer, not even headers, for as long as the client waits. */
export const hang: Fault = () => () => {};

/** The connection is reset (RST) before an answer. */
export const reset: Fault = () => (response) => {
  response.socket?.resetAndDestroy();
};

/** These bytes on the connection as they are, then its end: for what is not HTTP. */
export function raw(bytes: string | Uint8Array): Fault {
  return () => (response) => {
    response.socket?.end(bytes);
  };
}

/** Keeps the honest answer back until it is released: made before, or after, what happens in between. */
export class Hold {
  readonly #released = Promise.withResolvers<void>();
  readonly #arrived = Promise.withResolvers<void>();

  /** The first request is here. */
  get arrived(): Promise<void> {
    return this.#arrived.promise;
  }

  release(): void {
    this.#released.resolve();
  }

  /** The answer as it was when the request came. */
  readonly before: Fault = async (honest) => {
    const early = await honest();
    this.#arrived.resolve();
    await this.#released.promise;
    return early;
  };

  /** The answer as it is when released. */
  readonly after: Fault = async (honest) => {
    this.#arrived.resolve();
    await this.#released.promise;
    return honest();
  };
}

/** A body without end, or of `size` bytes that nobody should read to the end. */
export class Flood {
  readonly #size: number;
  readonly #headers: OutgoingHttpHeaders;
  readonly #ended = Promise.withResolvers<void>();
  #written = 0;

  constructor(options: { readonly size?: number; readonly headers?: OutgoingHttpHeaders } = {}) {
    this.#size = options.size ?? Infinity;
    this.#headers = options.headers ?? {};
  }

  /** Bytes handed to the system so far, in all answers. It buffers up to some megabytes the client has not read. */
  get written(): number {
    return this.#written;
  }

  /** The first connection is over. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  readonly fault: Fault = () => (response) => {
    response.writeHead(200, this.#headers);
    void this.#pour(response);
  };

  async #pour(response: ServerResponse): Promise<void> {
    const closed = once(response, 'close');
    const chunk = Buffer.alloc(64 * 1024, ' ');
    for (let left = this.#size; left > 0 && !response.destroyed; left -= chunk.length) {
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      // A write that fails because the client has gone calls back with an error, and is not counted.
      const flushed = new Promise<void>((resolve) => {
        response.write(part, (error) => {
          if (!error) this.#written += part.length;
          resolve();
        });
      });
      await Promise.race([flushed, closed]);
    }
    response.end();
    await closed;
    this.#ended.resolve();
  }
}

function asAnswer(outcome: Outcome): Answer {
  if (typeof outcome === 'function') throw new TypeError('an honest server gives an answer');
  return outcome;
}
