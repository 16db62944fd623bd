import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config, Registry } from '../../config/config.ts';
import type { Challenge } from '../../oci/challenge.ts';
import { parseChallenges, printChallenge } from '../../oci/challenge.ts';
import { parseScopes, printScope } from '../../oci/scope.ts';
import { answerBase, answerError, retryAfterSeconds } from '../answer.ts';
import type { Routed } from '../route.ts';
import type { ClientTokens } from './client-tokens.ts';
import type { Caller } from '../upstream/headers.ts';
import type { ClientAccess } from './client-access.ts';
import { authorizationAt, isAnonymous } from './registry-token.ts';

// Who a client is to a registry, and what it is told when it has to say so. Three ways (docs/request-handling.md,
// "Whose credentials"): straight to the registry of a Host name, whose challenge it sees; through our own token
// endpoint, where one listener stands for several registries or their repositories have a prefix; to us, where we hold
// the registry's credentials.

export interface AuthorisationOptions {
  readonly config: Pick<Config, 'registries' | 'publicUrl' | 'clients' | 'limits'>;
  /** Those of the registries whose `auth` is `forward`, by their names. */
  readonly tokens: ReadonlyMap<string, ClientTokens>;
  readonly access: ClientAccess;
}

/** As what we ask clients for tokens and passwords. */
export const ourRealm = 'tufgate';

/** Says whether a registry's credentials are ours, so that it is for us to say who may use them. */
export function isHeld({ auth }: Registry): boolean {
  return typeof auth !== 'string';
}

export class ClientAuthorisation {
  readonly #options: AuthorisationOptions;

  constructor(options: AuthorisationOptions) {
    this.#options = options;
  }

  /** Takes a request for something of a registry; gives who asks for it, or undefined after answering why not. */
  async callerOf(
    request: IncomingMessage,
    response: ServerResponse,
    route: Routed,
  ): Promise<Caller | undefined> {
    const { registry, isDirect } = route;
    const { authorization: header, via } = request.headers;
    const caller = (authorization: string | undefined): Caller => ({
      ...(authorization !== undefined && { authorization }),
      ...(via !== undefined && { via }),
    });
    if (!isHeld(registry)) {
      if (registry.auth === 'anonymous') return caller(undefined);
      return caller(isDirect ? header : authorizationAt(registry.name, header));
    }
    const admission = await this.#options.access.admit(request, authorizationAt(registry.name, header));
    switch (admission) {
      case 'admitted':
        return caller(undefined);
      case 'unknown': {
        const challenge = isDirect
          ? { scheme: 'basic' as const, realm: ourRealm }
          : this.#ours(request, route);
        this.#refuse(response, 401, 'UNAUTHORIZED', 'authentication required', challenge);
        return undefined;
      }
      case 'no-certificate':
        this.#refuse(
          response,
          403,
          'DENIED',
          'a certificate of a client is required here, and none was shown',
        );
        return undefined;
      case 'busy':
        this.#refuse(response, 503, 'UNAVAILABLE', 'too many passwords are being checked');
        return undefined;
    }
  }

  /**
   * Takes a request of `/v2/` and the registries that it may be for; answers it. Here docker, podman and skopeo look for
   * the challenge, and only here, so it stands for all of these registries.
   */
  async base(
    request: IncomingMessage,
    response: ServerResponse,
    route: Routed | undefined,
    registries: readonly Registry[],
  ): Promise<void> {
    // Whoever says who they are is told elsewhere whether that is enough: here nobody knows what for.
    if (
      !isAnonymous(request.headers.authorization) ||
      !(await this.#isAsking(registries, request.headers.via))
    )
      return answerBase(response);
    this.#refuse(response, 401, 'UNAUTHORIZED', 'authentication required', this.#ours(request, route));
  }

  /**
   * Takes a request's route; gives what turns the registry's challenge into the one that this client can follow. The
   * repository has the client's name in it.
   */
  challengeFor(request: IncomingMessage, route: Routed): (upstream: readonly string[]) => string | undefined {
    return (upstream) => {
      if (route.isDirect) return upstream.join(', ');
      this.#options.tokens.get(route.registry.name)?.learn(upstream);
      const asked = parseChallenges(upstream.join(', ')).find(({ scheme }) => scheme === 'bearer');
      const ours = this.#ours(request, route, asked);
      return ours && printChallenge(ours);
    };
  }

  async #isAsking(registries: readonly Registry[], via: string | undefined): Promise<boolean> {
    if (this.#options.config.clients.kind === 'htpasswd' && registries.some(isHeld)) return true;
    const asking = await Promise.all(
      registries
        .flatMap(({ name }) => this.#options.tokens.get(name) ?? [])
        .map((tokens) => tokens.isAsking(via)),
    );
    return asking.includes(true);
  }

  /** Our own challenge. Its realm says which registry is meant, where the request does and the scope would not. */
  #ours(request: IncomingMessage, route: Routed | undefined, asked?: Challenge): Challenge | undefined {
    const origin = this.#options.config.publicUrl ?? originOf(request);
    if (origin === undefined) return undefined;
    const registry = route?.registry.name;
    const query = registry === undefined ? '' : `?ns=${encodeURIComponent(registry)}`;
    const repository = route && 'repository' in route.endpoint ? route.endpoint.repository : undefined;
    const actions = parseScopes([asked?.scope ?? '']).find(({ name }) => name === repository)?.actions;
    return {
      scheme: 'bearer',
      realm: `${origin}/token${query}`,
      service: ourRealm,
      ...(route !== undefined &&
        repository !== undefined && {
          scope: printScope({ name: clientName(route, repository), actions: actions ?? actionsOf(request) }),
        }),
      ...(asked?.error !== undefined && isPlain(asked.error) && { error: asked.error }),
    };
  }

  #refuse(
    response: ServerResponse,
    status: 401 | 403 | 503,
    code: 'UNAUTHORIZED' | 'DENIED' | 'UNAVAILABLE',
    message: string,
    challenge?: Challenge,
  ): void {
    const retry = { 'Retry-After': retryAfterSeconds(this.#options.config.limits.retryAfter) };
    answerError(
      response,
      status,
      { code, message },
      {
        ...(challenge !== undefined && { 'WWW-Authenticate': printChallenge(challenge) }),
        ...(status === 503 && retry),
      },
      // Of a refused HEAD containerd shows the status line, and nothing else.
      status === 401 ? undefined : `tufgate: ${message}`,
    );
  }
}

function clientName({ prefix }: Routed, name: string): string {
  return prefix === undefined ? name : `${prefix}/${name}`;
}

/** How this client reached us, as far as we can know; a TLS terminator before us is `public_url`'s to tell. */
function originOf({ headers, socket }: IncomingMessage): string | undefined {
  if (headers.host === undefined) return undefined;
  return `${'encrypted' in socket ? 'https' : 'http'}://${headers.host}`;
}

function actionsOf({ method = '' }: IncomingMessage): readonly ('pull' | 'push' | 'delete')[] {
  if (method === 'DELETE') return ['pull', 'delete'];
  return method === 'GET' || method === 'HEAD' ? ['pull'] : ['pull', 'push'];
}

function isPlain(text: string): boolean {
  return /^[a-z_]{1,64}$/.test(text);
}
