import type { IncomingHttpHeaders } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { Dispatcher } from 'undici';
import { errors } from 'undici';
import type { Challenge } from '../oci/challenge.ts';
import { parseChallenges } from '../oci/challenge.ts';
import type { Credential } from '../oci/docker-config.ts';
import { redirectTarget } from '../oci/redirect.ts';
import type { CredentialSource } from './credentials/credential-source.ts';
import { DownloadError } from './download-error.ts';

// Answers the 401 of a registry or notary with our own credentials, or with an anonymous token (Docker Registry v2
// token authentication, and its OAuth 2 form for an identity token; RFC 7617 for Basic).

const longestAnswer = 64 * 1024;
const knownScopes = 10_000;
const shortestLifetime = 60;
const longestLifetime = 3600;
/** A token is not used in its last seconds: the request that carries it must arrive before it expires. */
const expiryMargin = 10;
const visibleAscii = /^[\x21-\x7e]+$/;

export interface TokenClientOptions {
  /** The server whose challenges are answered; only its origin counts. */
  readonly server: URL;
  /** Undefined: tokens are asked for anonymously. */
  readonly credentials: CredentialSource | undefined;
  /** A token server that may be shown the credentials although it is on another host. */
  readonly tokenRealm: string | undefined;
  /** Reaches any origin; its TLS settings hold for the token server. */
  readonly dispatcher: Dispatcher;
  /** For one question to the token server, from request to last byte, in milliseconds. */
  readonly timeout: number;
}

/** What `authorized` needs to see of an answer; undici's `ResponseData` is one. */
export interface Challenged {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: { dump(): Promise<void> };
}

/** What a token is to be had for, and on whose way (RFC 9110 §7.6.3): a token server may lead back to us. */
interface Asked {
  readonly challenge: Challenge;
  readonly via: string | undefined;
}

export class TokenClient {
  readonly #options: TokenClientOptions;
  readonly #known: LRUCache<string, string, Asked>;

  constructor(options: TokenClientOptions) {
    this.#options = options;
    this.#known = new LRUCache<string, string, Asked>({
      max: knownScopes,
      ignoreFetchAbort: true, // Those who wait for a token get it, even if its place is needed for another meanwhile.
      // Concurrent questions for one scope share this one call; a failure is remembered by nobody.
      fetchMethod: async (scope, _stale, { context, options: entry }) => {
        const { header, lifetime } = await this.#obtain(scope, context);
        entry.ttl = lifetime * 1000;
        return header;
      },
    });
  }

  /**
   * Sends one request of ours that needs `scope` (`repository:<name>:pull`). `attempt` sends it to the server with the
   * given Authorization, to no other origin; it runs with what the server asked for before, and after a 401 once more
   * with what its challenge asks for; a token server is told `via`. Gives the last answer, which may be a 401 again. Throws DownloadError if the
   * challenge cannot be answered, and what `attempt` throws.
   */
  async authorized<Answer extends Challenged>(
    scope: string,
    attempt: (authorization: string | undefined) => Promise<Answer>,
    via?: string,
  ): Promise<Answer> {
    const sent = this.#known.get(scope);
    const first = await attempt(sent);
    if (first.statusCode !== 401) return first;
    await first.body.dump();

    // Another request may have got a new token while this one was under way.
    if (sent !== undefined && this.#known.get(scope) === sent) this.#known.delete(scope);
    const context = { challenge: this.#chosen(first.headers['www-authenticate']), via };
    const authorization = await this.#known.fetch(scope, { context });
    return attempt(authorization);
  }

  /** For how many seconds more what was got for a scope is used; 0 if nothing is known. */
  remaining(scope: string): number {
    return this.#known.getRemainingTTL(scope) / 1000;
  }

  #chosen(header: string | readonly string[] | undefined): Challenge {
    const challenges = parseChallenges([header ?? []].flat().join(', '));
    // Bearer first: it does not show the password to the server itself.
    const challenge =
      challenges.find(({ scheme, realm }) => scheme === 'bearer' && realm !== undefined) ??
      challenges.find(({ scheme }) => scheme === 'basic');
    if (challenge === undefined) {
      const { host } = this.#options.server;
      throw new DownloadError('protocol', `${host} answers 401 without a challenge we understand`, {
        status: 401,
      });
    }
    return challenge;
  }

  async #obtain(scope: string, asked: Asked): Promise<{ header: string; lifetime: number }> {
    const { credentials, server } = this.#options;
    if (asked.challenge.scheme === 'bearer') return this.#askTokenServer(scope, asked);
    const credential = await credentials?.credentials(repositoryOf(scope));
    if (credential !== undefined && 'password' in credential) {
      return { header: basic(credential), lifetime: longestLifetime };
    }
    const held = credential === undefined ? 'no account is configured' : 'we hold an identity token only';
    throw new DownloadError('unauthorized', `${server.host} asks for a user name, and ${held}`, {
      status: 401,
    });
  }

  async #askTokenServer(
    scope: string,
    { challenge, via }: Asked,
  ): Promise<{ header: string; lifetime: number }> {
    const { credentials, dispatcher, timeout } = this.#options;
    const url = this.#tokenServer(challenge.realm ?? '');
    const credential = await credentials?.credentials(repositoryOf(scope));
    const asked = new URLSearchParams();
    if (challenge.service !== undefined) asked.set('service', challenge.service);
    // Our own scope, never the challenge's: a server cannot make us ask for more than this request needs.
    if (scope !== '') asked.set('scope', scope);
    try {
      const signal = AbortSignal.timeout(timeout);
      const request = tokenRequest(url, asked, credential);
      const headers = { ...request.headers, ...(via !== undefined && { via }) };
      const answer = await dispatcher.request({ ...request, headers, signal });
      if (answer.statusCode !== 200) {
        await answer.body.dump({ limit: longestAnswer, signal });
        throw statusError(url, answer.statusCode);
      }
      return readToken(url, await readBounded(answer.body, longestAnswer, url.host));
    } catch (error) {
      throw wireError(error, `token server ${url.host}`);
    }
  }

  /** Takes a realm; gives its address if the server may send us, and our password, there. Throws DownloadError. */
  #tokenServer(realm: string): URL {
    const { credentials, server, tokenRealm } = this.#options;
    const url = redirectTarget(server, realm);
    if (!(url instanceof URL)) {
      throw new DownloadError(
        'protocol',
        `${server.host} names a token server that is not asked: ${url.refused}`,
      );
    }
    const own = url.hostname === server.hostname || url.hostname.endsWith(`.${server.hostname}`);
    const named = tokenRealm === undefined ? undefined : new URL(tokenRealm).origin;
    if (credentials !== undefined && !own && url.origin !== named) {
      // Not silently anonymous: that would hide what is private, and say "missing" for "not allowed".
      throw new DownloadError(
        'unauthorized',
        `${server.host} names ${url.host} as its token server, which is not its own host; ` +
          `to show it the credentials for ${server.host}, set token_realm: ${url.origin}${url.pathname}`,
      );
    }
    return url;
  }
}

/** Takes `expires_in` as a token server gave it (seconds, default 60); gives how long to use the token, in seconds. */
export function tokenLifetime(expiresIn: unknown): number {
  const stated = typeof expiresIn === 'number' && Number.isFinite(expiresIn) ? expiresIn : shortestLifetime;
  return Math.min(Math.max(stated, shortestLifetime), longestLifetime) - expiryMargin;
}

/**
 * Takes what a request to `peer` failed with; gives the DownloadError it stands for (itself, if it is one). An error
 * that is not the wire's but ours, such as a TypeError, is thrown as it is.
 */
export function wireError(error: unknown, peer: string): DownloadError {
  if (error instanceof DownloadError) return error;
  const isTimeout =
    error instanceof DOMException && (error.name === 'TimeoutError' || error.name === 'AbortError');
  if (isTimeout) return new DownloadError('outage', `${peer} gave no whole answer in time`, { cause: error });
  if (
    !(error instanceof Error) ||
    error instanceof TypeError ||
    error instanceof errors.InvalidArgumentError
  ) {
    throw error;
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  // The parser of undici has its own class, the one of node:http its own codes.
  const isBroken =
    error instanceof errors.HTTPParserError ||
    (code !== undefined && (code.startsWith('HPE_') || brokenHttp.has(code)));
  if (code === undefined && !isBroken) throw error;
  // An AggregateError (every address of a host failed) has no message of its own.
  const message = `${peer}: ${error.message || String(code)}`;
  return new DownloadError(isBroken ? 'protocol' : 'outage', message, { cause: error });
}

const brokenHttp: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
]);

/** Reads a body of at most `limit` bytes; throws DownloadError `too-large` as soon as it is longer. */
export async function readBounded(
  body: AsyncIterable<unknown>,
  limit: number,
  peer: string,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a body consists of bytes');
    length += chunk.length;
    // Leaving the loop destroys the body and closes its connection.
    if (length > limit) throw new DownloadError('too-large', `${peer}: answer is longer than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Takes a token server and what a token is asked for; gives the request: POST with an identity token, else GET. */
function tokenRequest(
  url: URL,
  asked: URLSearchParams,
  credential: Credential | undefined,
): Omit<Dispatcher.RequestOptions, 'headers'> & { readonly headers: Record<string, string> } {
  const headers = { accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'tufgate' };
  if (credential !== undefined && 'identityToken' in credential) {
    asked.set('grant_type', 'refresh_token');
    asked.set('client_id', 'tufgate');
    asked.set('refresh_token', credential.identityToken);
    return {
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      body: asked.toString(),
    };
  }
  for (const [name, value] of asked) url.searchParams.set(name, value);
  // Several scopes are several parameters here, and words of one in OAuth's form.
  const [first = '', ...others] = (asked.get('scope') ?? '').split(' ');
  if (first !== '') url.searchParams.set('scope', first);
  for (const scope of others) url.searchParams.append('scope', scope);
  return {
    origin: url.origin,
    path: url.pathname + url.search,
    method: 'GET',
    headers: { ...headers, ...(credential && { authorization: basic(credential) }) },
  };
}

/** Takes `repository:<name>:<actions>`; gives the name. */
function repositoryOf(scope: string): string {
  return scope.slice(scope.indexOf(':') + 1, scope.lastIndexOf(':'));
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function statusError(url: URL, status: number): DownloadError {
  const message = `token server ${url.host} answers ${status}`;
  if (status === 401 || status === 403) return new DownloadError('unauthorized', message, { status });
  return new DownloadError(status >= 500 || status === 429 ? 'outage' : 'protocol', message, { status });
}

function readToken(url: URL, bytes: Buffer): { header: string; lifetime: number } {
  const answer = parseObject(bytes);
  // Docker's token server says `token`, OAuth 2 says `access_token`; servers that say both must mean one.
  const tokens = new Set(
    [answer?.['token'], answer?.['access_token']].filter((token) => token !== undefined),
  );
  const [token] = tokens;
  if (tokens.size !== 1 || typeof token !== 'string' || !visibleAscii.test(token)) {
    throw new DownloadError('protocol', `token server ${url.host} answers without one usable token`, {
      status: 200,
    });
  }
  return { header: `Bearer ${token}`, lifetime: tokenLifetime(answer?.['expires_in']) };
}

function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined; // A login page, say; the message of a SyntaxError would quote it.
  }
}
