import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '../oci/error-body.ts';
import { errorBody } from '../oci/error-body.ts';
import type { Answer, LocalRequest } from './local-server.ts';

// Who may do what at an embedded server: HTTP Basic (RFC 7617), or Bearer tokens from its own token endpoint, as the
// distribution project's token specification has it.

export type Action = 'pull' | 'push' | 'delete' | '*';

export interface Permission {
  readonly repository: string;
  readonly action: Action;
}

export interface Grant {
  /** A repository or GUN, or `*` for every one. */
  readonly repository: string;
  readonly actions: readonly Action[];
}

export interface User {
  readonly username: string;
  readonly password: string;
  readonly grants: readonly Grant[];
}

export interface AccessOptions {
  readonly kind: 'basic' | 'bearer';
  readonly users: readonly User[];
  /** What may be done without logging in. */
  readonly anonymous?: readonly Grant[];
  /** Seconds until a token expires; default 300. */
  readonly tokenLifetime?: number;
  /** Milliseconds since the epoch; default the system's clock. */
  readonly now?: () => number;
}

interface IssuedToken {
  readonly grants: readonly Grant[];
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

const service = 'demo';

/** The gate of one server. */
export class Access {
  /** What a client must quote in its token request. */
  readonly service = service;
  readonly #options: AccessOptions;
  readonly #tokens = new Map<string, IssuedToken>();

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** Takes a request and what it needs (nothing: any login); gives the refusal, or undefined when it may go on. */
  refuse(
    request: LocalRequest,
    realm: string,
    needed: Permission | undefined,
    pingScope?: string,
  ): Answer | undefined {
    if (this.#options.kind === 'basic') return this.#refuseBasic(request, needed);
    const value = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const token = value === undefined ? undefined : this.#live(value);
    if (token !== undefined && (needed === undefined || covers(token.grants, needed))) return undefined;
    const scope =
      needed === undefined ? pingScope : `repository:${needed.repository}:${scopeActions[needed.action]}`;
    const error =
      value === undefined ? '' : `,error="${token === undefined ? 'invalid_token' : 'insufficient_scope'}"`;
    const challenge = `Bearer realm="${realm}",service="${service}"${scope === undefined ? '' : `,scope="${scope}"`}${error}`;
    return unauthorized(challenge);
  }

  /** The token endpoint, GET only: one token for what was asked as far as it is granted; 401 for a wrong password. */
  issue(request: LocalRequest): Answer {
    if (request.method !== 'GET') return { status: 404 };
    const header = request.headers.authorization;
    const user = this.#login(header);
    if (header !== undefined && user === undefined) return unauthorized(`Basic realm="${service}"`);
    if (request.query.get('service') !== service) return { status: 400 };
    const rights = user?.grants ?? this.#options.anonymous ?? [];
    const scopes = request.query.getAll('scope').flatMap((text) => text.split(' '));
    const grants = scopes.flatMap((scope) => grantScope(scope, rights));
    const lifetime = this.#options.tokenLifetime ?? 300;
    const token = randomBytes(24).toString('base64url');
    this.#tokens.set(token, { grants, expires: this.#now() + lifetime * 1000 });
    const body = {
      token,
      access_token: token,
      expires_in: lifetime,
      issued_at: new Date(this.#now()).toISOString(),
    };
    return json(200, JSON.stringify(body));
  }

  /** Forgets every token, as a token server that has lost its key. */
  revokeTokens(): void {
    this.#tokens.clear();
  }

  #refuseBasic(request: LocalRequest, needed: Permission | undefined): Answer | undefined {
    const user = this.#login(request.headers.authorization);
    const grants = user?.grants ?? this.#options.anonymous ?? [];
    if (needed === undefined ? user !== undefined : covers(grants, needed)) return undefined;
    return user === undefined
      ? unauthorized(`Basic realm="${service}"`)
      : json(403, errorBody('DENIED', 'requested access to the resource is denied'));
  }

  #login(header: string | undefined): User | undefined {
    const encoded = /^Basic (\S+)$/i.exec(header ?? '')?.[1];
    if (encoded === undefined) return undefined;
    const pair = Buffer.from(encoded, 'base64').toString();
    return this.#options.users.find(({ username, password }) => pair === `${username}:${password}`);
  }

  #live(value: string): IssuedToken | undefined {
    const token = this.#tokens.get(value);
    if (token === undefined || token.expires > this.#now()) return token;
    this.#tokens.delete(value);
    return undefined;
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }
}

const scopeActions: Record<Action, string> = { pull: 'pull', push: 'pull,push', delete: 'delete', '*': '*' };

function covers(grants: readonly Grant[], { repository, action }: Permission): boolean {
  return grants.some((grant) => fits(grant, repository) && allows(grant, action));
}

function fits(grant: Grant, repository: string): boolean {
  return grant.repository === '*' || grant.repository === repository;
}

function allows(grant: Grant, action: Action): boolean {
  return grant.actions.includes(action) || grant.actions.includes('*');
}

/** Takes one scope (`repository:<name>:<action>,<action>`) and the rights there are; gives what both have. The name
 * may contain colons: a port. */
function grantScope(scope: string, rights: readonly Grant[]): Grant[] {
  const [type, ...rest] = scope.split(':');
  const actions = rest.pop()?.split(',') ?? [];
  const repository = rest.join(':');
  if (type !== 'repository') return [];
  const known = Object.keys(scopeActions) as Action[];
  const granted = known.filter(
    (action) => actions.includes(action) && covers(rights, { repository, action }),
  );
  return [{ repository, actions: granted }];
}

function unauthorized(challenge: string): Answer {
  const code: ErrorCode = 'UNAUTHORIZED';
  return json(401, errorBody(code, 'authentication required'), { 'www-authenticate': challenge });
}

function json(status: number, text: string, headers: Record<string, string> = {}): Answer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: Buffer.from(text) };
}
