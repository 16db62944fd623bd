import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config, Registry } from '../../config/config.ts';
import type { Credential } from '../../oci/docker-config.ts';
import type { QueryParameter } from '../../oci/query.ts';
import { parseQuery } from '../../oci/query.ts';
import { parseRepositoryName } from '../../oci/reference.ts';
import type { TokenEndpoint as Target } from '../../oci/request-target.ts';
import type { Scope } from '../../oci/scope.ts';
import { parseScopes, printScope } from '../../oci/scope.ts';
import { DownloadError } from '../../trust/download-error.ts';
import { readBounded } from '../../trust/token-client.ts';
import { answerError, retryAfterSeconds } from '../answer.ts';
import type { Asked, Route, Router } from '../route.ts';
import type { AuthorisationOptions } from './client-authorisation.ts';
import { isHeld, ourRealm } from './client-authorisation.ts';
import type { ClientToken } from './client-tokens.ts';
import { printRegistryToken } from './registry-token.ts';

const longestForm = 64 * 1024;
/** What a token is good for where nothing behind it ends, in seconds. */
const ownLifetime = 300;

/** Which registry a token is asked for, with the scopes under that registry's own names; none: nothing says which. */
interface Wanted {
  readonly registry: Registry | undefined;
  readonly scopes: readonly Scope[];
}

/**
 * Our own token endpoint (distribution, token authentication; RFC 6749 §4.3 for its POST form): asks the registry's token
 * server in the client's name, with the client's credentials and for the registry's own repository names.
 */
export class TokenEndpoint {
  readonly #options: Omit<AuthorisationOptions, 'config'> & {
    readonly config: Pick<Config, 'registries' | 'clients' | 'limits'>;
  };
  readonly #router: Router;

  constructor(options: AuthorisationOptions, router: Router) {
    this.#options = options;
    this.#router = router;
  }

  /** Takes a request for a token; answers it. */
  async answer(request: IncomingMessage, response: ServerResponse, target: Asked<Target>): Promise<void> {
    if (!this.#isNeeded()) {
      return answerError(response, 404, { code: 'UNSUPPORTED', message: 'not an endpoint of a registry' });
    }
    const bad = (message: string): void => answerError(response, 400, { code: 'UNSUPPORTED', message });
    const asked = await readAsked(request, target.endpoint.query);
    if (typeof asked === 'string') return bad(asked);
    const scopes = parseScopes(asked.parameters.filter(([name]) => name === 'scope').map(([, text]) => text));
    const wanted = this.#wanted(scopes, target.namespaces, request.headers.host ?? '');
    if (typeof wanted === 'string') return bad(wanted);

    const token = await this.#grant(request, wanted, asked.credential);
    if (token instanceof DownloadError) {
      const headers = { 'Retry-After': retryAfterSeconds(this.#options.config.limits.retryAfter) };
      return answerError(response, 503, { code: 'UNAVAILABLE', message: token.message }, headers);
    }
    switch (token.kind) {
      case 'refused':
        return answerError(
          response,
          401,
          { code: 'UNAUTHORIZED', message: 'wrong user name or password' },
          { 'WWW-Authenticate': `Basic realm="${ourRealm}"` },
        );
      case 'granted':
        return answerToken(response, wanted.registry?.name ?? '', token);
    }
  }

  /** Whether any challenge of ours names this endpoint. */
  #isNeeded(): boolean {
    const { tokens, config } = this.#options;
    return (
      tokens.size > 0 || (config.clients.kind === 'htpasswd' && [...config.registries.values()].some(isHeld))
    );
  }

  /**
   * The registry that the scopes mean. containerd adds to the scope of the challenge one with the path it asked, without
   * what it takes for a prefix; what leads nowhere is left out, so that the request itself says what is wrong with it.
   */
  #wanted(scopes: readonly Scope[], namespaces: readonly string[], host: string): Wanted | string {
    // The realm that we gave says which registry is meant; the host it was fetched from is then only our address.
    const at = namespaces.length > 0 ? '' : host;
    const found = new Map<Registry, Scope[]>();
    for (const { name, actions } of scopes) {
      // Docker Content Trust asks under the name of the image, host included.
      const repository = parseRepositoryName(
        name.startsWith(`${host}/`) ? name.slice(host.length + 1) : name,
      );
      if (repository === undefined) continue;
      const route = this.#router.route({ endpoint: { kind: 'tags', repository, query: [] }, namespaces }, at);
      if (route.kind !== 'registry' || !('repository' in route.endpoint)) continue;
      const own = { name: route.endpoint.repository, actions };
      const known = found.get(route.registry) ?? [];
      if (!known.some((scope) => printScope(scope) === printScope(own))) known.push(own);
      found.set(route.registry, known);
    }
    const [first, ...others] = found;
    if (others.length > 0) return 'the scopes name repositories of different registries';
    if (first !== undefined) return { registry: first[0], scopes: first[1] };
    const base: Route = this.#router.route({ endpoint: { kind: 'base' }, namespaces }, at);
    return { registry: base.kind === 'registry' ? base.registry : undefined, scopes: [] };
  }

  async #grant(
    request: IncomingMessage,
    { registry, scopes }: Wanted,
    credential: Credential | undefined,
  ): Promise<ClientToken | DownloadError> {
    const { config, access, tokens } = this.#options;
    const nothing = { kind: 'granted', authorization: undefined, lifetime: ownLifetime } as const;
    const isOurs = registry === undefined ? [...config.registries.values()].every(isHeld) : isHeld(registry);
    if (isOurs) {
      const header = basicOf(credential);
      const admission = await access.admit(request, header);
      if (admission === 'busy') return new DownloadError('outage', 'too many passwords are being checked');
      // Without a certificate the request itself is told so: a token would not be what is missing.
      if (admission === 'unknown') return { kind: 'refused' };
      return config.clients.kind === 'htpasswd' ? { ...nothing, authorization: header } : nothing;
    }
    const own = registry && tokens.get(registry.name);
    return own === undefined ? nothing : own.token(scopes.map(printScope), credential, request.headers.via);
  }
}

interface TokenRequest {
  readonly parameters: readonly QueryParameter[];
  readonly credential: Credential | undefined;
}

/** Takes a request and its query; gives what is asked, and by whom; or what is wrong with it. */
async function readAsked(
  request: IncomingMessage,
  query: readonly QueryParameter[],
): Promise<TokenRequest | string> {
  const credential = readBasic(request.headers.authorization);
  if (credential === 'malformed') return 'the Authorization is no user name and password';
  if (request.method === 'GET') return { parameters: query, credential };
  if (request.method !== 'POST') return 'a token is asked for with GET or POST';
  const parameters = await readForm(request);
  if (parameters === undefined) return 'the body is no form';
  const one = (name: string): string | undefined => parameters.find(([key]) => key === name)?.[1];
  const grant = one('grant_type');
  if (grant === 'password') {
    const [username = '', password = ''] = [one('username'), one('password')];
    return {
      parameters,
      credential: username === '' && password === '' ? undefined : { username, password },
    };
  }
  const identityToken = one('refresh_token') ?? '';
  return grant === 'refresh_token' && identityToken !== ''
    ? { parameters, credential: { identityToken } }
    : 'grant_type must be password, or refresh_token with one';
}

async function readForm(request: IncomingMessage): Promise<readonly QueryParameter[] | undefined> {
  try {
    return parseQuery((await readBounded(request, longestForm, 'the client')).toString('latin1'));
  } catch (error) {
    if (!(error instanceof DownloadError)) throw error;
    return undefined; // longer than any form of a client
  }
}

/** Takes an Authorization; gives the account it names (RFC 7617), undefined for nobody. */
function readBasic(header: string | undefined): Credential | undefined | 'malformed' {
  if (header === undefined) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (encoded === undefined) return 'malformed';
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 0) return 'malformed';
  if (text === ':') return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function basicOf(credential: Credential | undefined): string | undefined {
  if (credential === undefined || !('password' in credential)) return undefined;
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
}

/** Docker's token servers say `token`, OAuth 2 says `access_token`; clients look for either. */
function answerToken(
  response: ServerResponse,
  registry: string,
  { authorization, lifetime }: Extract<ClientToken, { kind: 'granted' }>,
): void {
  const token = printRegistryToken({ registry, authorization });
  const body = JSON.stringify({
    token,
    access_token: token,
    expires_in: lifetime,
    issued_at: new Date().toISOString(),
  });
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  response.end(body);
}
