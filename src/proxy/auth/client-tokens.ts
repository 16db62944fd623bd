import { createHash } from 'node:crypto';
import { getCACertificates } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { Agent } from 'undici';
import type { Limits, Registry } from '../../config/config.ts';
import type { Credential } from '../../oci/docker-config.ts';
import { printEndpoint } from '../../oci/endpoint.ts';
import { DownloadError } from '../../trust/download-error.ts';
import { withOurs } from '../upstream/headers.ts';
import type { Challenged } from '../../trust/token-client.ts';
import { TokenClient, wireError } from '../../trust/token-client.ts';

/** How long what a client was given a token for serves for its next one, in milliseconds. */
const reuse = 60_000;
const rememberedClients = 10_000;
/** How long a registry's word on what it asks for holds, in milliseconds; a 401 renews it at any time. */
const challengeLifetime = 300_000;
/** What a token must be good for when it is handed out, in seconds (distribution, token specification: `expires_in`). */
const shortestLifetime = 60;

/** What a client is to show the registry, for how many seconds; `refused`: the credentials are wrong, or too little. */
export type ClientToken =
  | {
      readonly kind: 'granted';
      readonly authorization: string | undefined;
      readonly lifetime: number;
    }
  | { readonly kind: 'refused' };

interface Pinged extends Challenged {
  readonly statusCode: number;
}

/**
 * Gets tokens for the clients of one registry whose `auth` is `forward`, with the credentials of each. A client's
 * password goes to the registry, and to a token server on the registry's host or named by `token_realm`.
 */
export class ClientTokens {
  readonly #registry: Registry;
  readonly #origin: URL;
  readonly #timeout: number;
  readonly #retryAfter: number;
  readonly #hop: string;
  readonly #own: Agent;
  readonly #elsewhere: Agent;
  readonly #clients: LRUCache<string, TokenClient>;
  /** The last `WWW-Authenticate`; `undefined` within: the registry asks for nothing. */
  #finding: Promise<boolean> | undefined;
  readonly #asked = new LRUCache<'/v2/', { readonly challenge: string | undefined }>({ max: 1 });

  /** `hop`: as what this instance names itself in `Via`. */
  constructor(
    registry: Registry,
    { downloadTimeout: timeout, retryAfter }: Pick<Limits, 'downloadTimeout' | 'retryAfter'>,
    hop: string,
  ) {
    const { ca } = registry;
    const wire = { headersTimeout: timeout, bodyTimeout: timeout, allowH2: false };
    const connect = { rejectUnauthorized: true, timeout };
    this.#registry = registry;
    this.#origin = new URL(registry.upstream);
    this.#timeout = timeout;
    this.#retryAfter = retryAfter;
    this.#hop = hop;
    this.#own = new Agent({ ...wire, connect: { ...connect, ...(ca !== undefined && { ca }) } });
    const anyCa = ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] };
    this.#elsewhere = new Agent({ ...wire, connect: { ...connect, ...anyCa } });
    this.#clients = new LRUCache({ max: rememberedClients, ttl: reuse });
  }

  /**
   * Whether the registry asks clients who they are. One that does not say may: its clients get to hear of it later. Takes
   * the `via` of the client: the question may come back to us.
   */
  isAsking(via: string | undefined): Promise<boolean> {
    const known = this.#asked.get('/v2/');
    if (known !== undefined) return Promise.resolve(known.challenge !== undefined);
    this.#finding ??= this.#findOut(via).finally(() => (this.#finding = undefined));
    return this.#finding;
  }

  async #findOut(via: string | undefined): Promise<boolean> {
    try {
      const answer = await this.#ping(undefined, via);
      await answer.body.dump();
      const { statusCode: status, headers } = answer;
      if (status === 401) this.learn([headers['www-authenticate'] ?? []].flat());
      else if (status === 200) this.#asked.set('/v2/', { challenge: undefined }, { ttl: challengeLifetime });
      if (status === 200 || status === 401) return status === 401;
    } catch (error) {
      wireError(error, this.#origin.host); // throws what is not the wire's
    }
    this.#asked.set('/v2/', { challenge: '' }, { ttl: this.#retryAfter });
    return true;
  }

  /** Takes the challenge of any 401 of the registry: what it asks for there, it is asked at first. */
  learn(challenges: readonly string[]): void {
    if (challenges.length === 0) return;
    this.#asked.set('/v2/', { challenge: challenges.join(', ') }, { ttl: challengeLifetime });
  }

  /** Takes scopes as text, who asks, and the `via` of the request; gives what they are granted, or why nobody knows. */
  async token(
    scopes: readonly string[],
    credential: Credential | undefined,
    via: string | undefined,
  ): Promise<ClientToken | DownloadError> {
    const key = createHash('sha256')
      .update(JSON.stringify(credential ?? null))
      .digest('base64');
    const scope = scopes.join(' ');
    let client = this.#clients.get(key);
    const remaining = client?.remaining(scope) ?? 0;
    // A token that would end before the client expects it to is not handed out again.
    if (client === undefined || (remaining > 0 && remaining < shortestLifetime)) {
      client = this.#clientOf(credential);
      this.#clients.set(key, client);
    }
    let authorization: string | undefined;
    try {
      const ours = [via ?? [], `1.1 ${this.#hop}`].flat().join(', ');
      const attempt = (header: string | undefined): Promise<Pinged> => {
        authorization = header;
        return this.#attempt(header, via);
      };
      const answer = await client.authorized(scope, attempt, ours);
      await answer.body.dump();
      const { statusCode: status } = answer;
      if (status === 401) return this.#forget(key);
      if (status !== 200) {
        return new DownloadError(
          status >= 500 ? 'outage' : 'protocol',
          `${this.#origin.host} answers ${status}`,
        );
      }
      const lifetime = Math.max(Math.floor(client.remaining(scope)), shortestLifetime);
      return { kind: 'granted', authorization, lifetime };
    } catch (error) {
      const failure = wireError(error, this.#origin.host);
      if (failure.failure === 'unauthorized' && failure.status !== undefined) return this.#forget(key);
      return failure;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#own.destroy(), this.#elsewhere.destroy()]);
  }

  #forget(key: string): ClientToken {
    this.#clients.delete(key);
    return { kind: 'refused' };
  }

  #clientOf(credential: Credential | undefined): TokenClient {
    return new TokenClient({
      server: this.#origin,
      credentials: credential && { credentials: () => Promise.resolve(credential) },
      tokenRealm: this.#registry.tokenRealm,
      dispatcher: this.#elsewhere,
      timeout: this.#timeout,
    });
  }

  /** What the registry is known to ask for need not be asked again; whether a password is right, it has to say. */
  #attempt(authorization: string | undefined, via: string | undefined): Promise<Pinged> {
    const body = { dump: () => Promise.resolve() };
    if (authorization?.startsWith('Bearer ') === true)
      return Promise.resolve({ statusCode: 200, headers: {}, body });
    const challenge = this.#asked.get('/v2/')?.challenge ?? '';
    if (authorization !== undefined || challenge === '') return this.#ping(authorization, via);
    return Promise.resolve({ statusCode: 401, headers: { 'www-authenticate': challenge }, body });
  }

  #ping(authorization: string | undefined, via: string | undefined): Promise<Pinged> {
    return this.#own.request({
      origin: this.#origin.origin,
      path: printEndpoint({ kind: 'base' }),
      method: 'GET',
      headers: withOurs(
        { 'user-agent': 'tufgate', ...(via !== undefined && { via }) },
        authorization,
        this.#hop,
      ),
      signal: AbortSignal.timeout(this.#timeout),
    });
  }
}
