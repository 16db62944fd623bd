import { LRUCache } from 'lru-cache';
import { Agent } from 'undici';
import type { Registry } from '../../config/config.ts';
import { printEndpoint } from '../../oci/endpoint.ts';
import type { RepositoryName } from '../../oci/reference.ts';
import { credentialSource } from '../../trust/credentials/credential-source.ts';
import { DownloadError } from '../../trust/download-error.ts';
import { TokenClient, wireError } from '../../trust/token-client.ts';
import { withOurs } from './headers.ts';

/** How long a header is used without asking again, in milliseconds: less than the margin that tokens are renewed with. */
const lifetime = 5_000;
const rememberedScopes = 10_000;

/**
 * The Authorization of carried requests where the client's own is not sent. They stream, and so cannot be sent again
 * after a 401: what the registry wants to see is found out at `/v2/` first.
 */
export class CarriedAuthorization {
  readonly #origin: URL;
  readonly #agent: Agent;
  readonly #tokens: TokenClient;
  readonly #hasAccount: boolean;
  readonly #timeout: number;
  readonly #hop: string;
  readonly #known = new LRUCache<string, { readonly header: string | undefined }>({
    max: rememberedScopes,
    ttl: lifetime,
  });

  /** Takes a registry whose `auth` is not `forward`, the time for one answer in milliseconds, and our own name for `Via`. */
  constructor(registry: Registry, timeout: number, hop: string) {
    this.#hop = hop;
    this.#origin = new URL(registry.upstream);
    this.#timeout = timeout;
    this.#hasAccount = typeof registry.auth !== 'string';
    this.#agent = new Agent({
      connect: { timeout, rejectUnauthorized: true, ...(registry.ca !== undefined && { ca: registry.ca }) },
      headersTimeout: timeout,
      bodyTimeout: timeout,
    });
    this.#tokens = new TokenClient({
      server: this.#origin,
      credentials: credentialSource(registry.auth, this.#origin.host),
      tokenRealm: registry.tokenRealm,
      dispatcher: this.#agent,
      timeout,
    });
  }

  /** Gives the header's value, or undefined for none; a DownloadError if the registry or its token server fails. */
  async header(
    repository: RepositoryName,
    actions: 'pull' | 'pull,push',
  ): Promise<string | undefined | DownloadError> {
    const scope = `repository:${repository}:${actions}`;
    const known = this.#known.get(scope);
    if (known !== undefined) return known.header;
    let header: string | undefined;
    try {
      const answer = await this.#tokens.authorized(scope, (authorization) => {
        header = authorization;
        return this.#agent.request({
          origin: this.#origin.origin,
          path: printEndpoint({ kind: 'base' }),
          method: 'GET',
          headers: withOurs({ 'user-agent': 'tufgate' }, authorization, this.#hop),
          signal: AbortSignal.timeout(this.#timeout),
        });
      });
      await answer.body.dump();
      if (answer.statusCode === 401 && this.#hasAccount) {
        // Carried on, it would be a 401 without a challenge: a client could only ask its user for a password of ours.
        const message = `${this.#origin.host} answers 401 to the configured account`;
        return new DownloadError('unauthorized', message, { status: 401 });
      }
    } catch (error) {
      return wireError(error, this.#origin.host);
    }
    this.#known.set(scope, { header });
    return header;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}
