import { request as requestHttp, type IncomingHttpHeaders } from 'node:http';
import { request as requestHttps } from 'node:https';
import { buffer } from 'node:stream/consumers';

/** An answer, with the reason phrase that some clients show alone. */
export interface Answer {
  readonly status: number;
  readonly phrase: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What is asked beside the address; the default is a plain GET. */
export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The authority that an `https:` server's certificate must be of. */
  readonly ca?: Buffer;
}

/** One request on a connection of its own; undefined if nobody listens or the connection breaks. */
export async function ask(
  url: string,
  { method = 'GET', headers = {}, body, ca }: Asking = {},
): Promise<Answer | undefined> {
  return await new Promise((resolve, reject) => {
    const make = url.startsWith('https:') ? requestHttps : requestHttp;
    const request = make(
      url,
      { method, headers, agent: false, ...(ca !== undefined && { ca }) },
      (response) => {
        const { statusCode: status = 0, statusMessage: phrase = '', headers: itsHeaders } = response;
        buffer(response).then(
          (bytes) => resolve({ status, phrase, headers: itsHeaders, body: bytes }),
          reject,
        );
      },
    );
    request.on('error', () => resolve(undefined));
    request.end(body);
  });
}
