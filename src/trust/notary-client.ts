import type { Dispatcher } from 'undici';
import { Agent } from 'undici';
import type { Notary } from '../config/config.ts';
import { RepositoryError } from '../tuf/error.ts';
import { credentialSource } from './credentials/credential-source.ts';
import { DownloadError } from './download-error.ts';
import { readBounded, TokenClient, wireError } from './token-client.ts';
import type { FetchLimit, MetadataSource } from './updater.ts';

/** Invented repository names cost the notary requests, but not an unbounded number at once. */
const mostConnections = 64;

/** A notary server over HTTP (notary-v1 §1): GET only, HTTP/1.1, no redirects, no compression. */
export class NotaryClient {
  readonly #notary: Notary;
  readonly #base: URL;
  readonly #timeout: number;
  readonly #via: { readonly via?: string };
  readonly #agent: Agent;
  readonly #tokens: TokenClient;

  /** Takes the notary, the time for one file, from request to last byte, in milliseconds, and our own name for `Via`. */
  constructor(notary: Notary, timeout: number, hop?: string) {
    this.#notary = notary;
    this.#base = new URL(notary.url);
    this.#timeout = timeout;
    this.#via = hop === undefined ? {} : { via: `1.1 ${hop}` };
    this.#agent = new Agent({
      connections: mostConnections,
      // Named outright, so that no environment variable can switch it off.
      connect: { timeout, rejectUnauthorized: true, ...(notary.ca !== undefined && { ca: notary.ca }) },
      headersTimeout: timeout,
      bodyTimeout: timeout,
      allowH2: false, // The one protocol that the limits below were proven with.
    });
    this.#tokens = new TokenClient({
      server: this.#base,
      credentials: credentialSource(notary.auth, this.#base.host),
      tokenRealm: notary.tokenRealm,
      dispatcher: this.#agent,
      timeout,
    });
  }

  /** The files of one GUN, which has to have the form of a repository with its host. */
  of(gun: string): MetadataSource {
    return { fetch: (name, limit) => this.#fetch(gun, name, limit) };
  }

  /** One file of at most so many bytes, to be passed on as it is: nothing of it is verified. Gives it, or why not. */
  async unverified(gun: string, name: string, most: number): Promise<Uint8Array | DownloadError> {
    try {
      return await this.#fetch(gun, name, { most, excess: 'MALFORMED', fresh: true });
    } catch (error) {
      if (error instanceof DownloadError) return error;
      // The one thing that is wrong with a file that nobody reads.
      if (error instanceof RepositoryError)
        return new DownloadError('too-large', error.message, { cause: error });
      throw error;
    }
  }

  /** Asks for the API base; gives the status. Throws DownloadError if nothing answers. */
  async ping(): Promise<number> {
    return this.#request(`${this.#base.pathname.replace(/\/$/, '')}/v2/`, undefined, true, async (answer) => {
      await answer.body.dump();
      return answer.statusCode;
    });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #fetch(gun: string, name: string, { most, excess, fresh }: FetchLimit): Promise<Uint8Array> {
    const path = `${this.#base.pathname.replace(/\/$/, '')}/v2/${gun}/_trust/tuf/${name}.json`;
    return this.#request(path, `repository:${gun}:pull`, fresh, async (answer) => {
      const status = answer.statusCode;
      if (status !== 200) {
        await answer.body.dump({ limit: 64 * 1024 });
        throw statusError(this.#base.host, `${name}.json of ${gun}`, status);
      }
      const declared = Number(answer.headers['content-length'] ?? 0);
      if (declared > most) {
        // Breaks off at once; a bare `destroy` would end in an 'error' event that nobody hears, and with it the process.
        await answer.body.dump({ limit: most });
        throw tooLong(excess, name, declared, most);
      }
      try {
        return await readBounded(answer.body, most, this.#base.host);
      } catch (error) {
        if (!(error instanceof DownloadError) || error.failure !== 'too-large') throw error;
        throw tooLong(excess, name, undefined, most);
      }
    });
  }

  async #request<Result>(
    path: string,
    scope: string | undefined,
    fresh: boolean,
    read: (answer: Dispatcher.ResponseData) => Promise<Result>,
  ): Promise<Result> {
    // One deadline for the whole file, not only for silence: a drip feed is slow retrieval (TUF §1.5.2).
    const signal = AbortSignal.timeout(this.#timeout);
    const attempt = (authorization: string | undefined): Promise<Dispatcher.ResponseData> =>
      this.#agent.request({
        origin: this.#base.origin,
        path,
        method: 'GET',
        headers: {
          accept: 'application/json, text/plain',
          'accept-encoding': 'identity',
          'user-agent': 'tufgate',
          ...this.#via, // a notary's address may lead back to us
          // A cache in front may hold a timestamp for five minutes.
          ...(fresh && { 'cache-control': 'no-cache' }),
          ...(authorization !== undefined && { authorization }),
        },
        signal,
      });
    try {
      const answer =
        scope === undefined ? await attempt(undefined) : await this.#tokens.authorized(scope, attempt);
      return await read(answer);
    } catch (error) {
      if (error instanceof RepositoryError) throw error;
      const failure = wireError(error, `notary ${this.#notary.name} (${this.#base.host})`);
      // A 401 is a "no" to us also where its challenge is missing, or none that can be answered.
      if (failure.status !== 401 || failure.failure === 'unauthorized') throw failure;
      throw new DownloadError('unauthorized', failure.message, { status: 401, cause: failure });
    }
  }
}

function statusError(host: string, what: string, status: number): DownloadError {
  const message = `${host} answers ${status} for ${what}`;
  if (status === 404) return new DownloadError('missing', message, { status });
  if (status === 401 || status === 403) return new DownloadError('unauthorized', message, { status });
  // Only 5xx is an outage; a redirect, for one, is somebody else answering.
  return new DownloadError(status >= 500 ? 'outage' : 'protocol', message, { status });
}

function tooLong(
  excess: FetchLimit['excess'],
  name: string,
  length: number | undefined,
  most: number,
): RepositoryError {
  const found = length === undefined ? `more than ${most}` : String(length);
  const what = excess === 'BAD_HASH' ? 'are signed' : 'are the limit';
  return new RepositoryError(excess, `${name}.json has ${found} bytes, and ${most} ${what}`);
}
