import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';

export interface HttpOptions {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array;
  /** PEM, for TLS. */
  readonly ca?: string;
}

/** An answer as it came, nothing followed and nothing decoded. */
export interface HttpAnswer {
  readonly status: number;
  readonly statusMessage: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as JSON; undefined if it is none. */
  readonly json: unknown;
}

/** Takes an origin and a request target, which is sent as it is; gives the whole answer. Rejects with what Node says
 * when the connection breaks, also in the middle of the body. */
export function send(origin: string, target: string, options: HttpOptions = {}): Promise<HttpAnswer> {
  const { protocol, hostname, port } = new URL(origin);
  const { method = 'GET', headers = {}, body, ca } = options;
  const request = protocol === 'https:' ? tlsRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path: target, method, headers, ca, agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.once('error', reject);
      incoming.once('end', () => {
        const { statusCode = 0, statusMessage = '' } = incoming;
        const bytes = Buffer.concat(chunks);
        resolve({
          status: statusCode,
          statusMessage,
          headers: incoming.headers,
          body: bytes,
          json: parse(bytes),
        });
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Takes a value from JSON and a path into it; gives what is there, or undefined. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value;
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<string | number, unknown>)[step];
  }
  return here;
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined; // Most bodies are not JSON.
  }
}
