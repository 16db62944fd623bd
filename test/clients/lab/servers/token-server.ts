import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Lab } from '../lab.ts';
import type { Pki } from '../pki.ts';
import { freePort, listenOn } from '../port.ts';

/** A question to the token server, and how it ended. */
export interface TokenRequest {
  readonly method: string;
  readonly scopes: readonly string[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly status: number;
}

/** An account: nobody is one as well, and has no name. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

const issuer = 'lab-issuer';

/**
 * Gives tokens as Docker Hub does (distribution, token authentication, and its OAuth 2 form): who gives no password may
 * pull from repositories below `library/`, its one account everything, and a wrong password is 401. What a token does not
 * allow is left out of it, and the registry says so.
 */
export class TokenServer {
  readonly realm: string;
  readonly requests: TokenRequest[] = [];
  /** The `auth` section of a docker-registry that believes these tokens. */
  readonly registryAuth: object;
  readonly #account: Login;
  readonly #key: ReturnType<typeof createPrivateKey>;
  readonly #certificate: string;
  readonly #audience = 'registry.lab';

  private constructor(port: number, pki: Pki, account: Login, key: Buffer, certificate: Buffer) {
    this.realm = `https://127.0.0.1:${port}/token`;
    this.registryAuth = {
      token: { realm: this.realm, service: this.#audience, issuer, rootcertbundle: pki.caFile },
    };
    this.#account = account;
    this.#key = createPrivateKey(key);
    this.#certificate = new X509Certificate(certificate).raw.toString('base64');
  }

  /** Starts it with one account. */
  static async start(lab: Lab, pki: Pki, account: Login): Promise<TokenServer> {
    const [key, cert] = [await readFile(pki.keyFile), await readFile(pki.certFile)];
    const port = await freePort();
    const tokens = new TokenServer(port, pki, account, key, cert);
    const server = createServer({ key, cert }, (request, response) => {
      tokens.#answer(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : undefined);
      });
    });
    await listenOn(server, port);
    lab.defer(async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    });
    return tokens;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const isForm = method === 'POST';
    const asked = isForm ? new URLSearchParams(await text(request)) : new URL(url, this.realm).searchParams;
    const [username, password] = isForm
      ? [asked.get('username') ?? undefined, asked.get('password') ?? undefined]
      : basic(headers.authorization);
    const scopes = asked.getAll('scope').flatMap((scope) => scope.split(' '));
    const isAccount = username === this.#account.username && password === this.#account.password;
    const status = isAccount || (username === undefined && !isForm) ? 200 : 401;
    this.requests.push({ method, scopes, username, password, status });
    if (status === 401) {
      const body = { errors: [{ code: 'UNAUTHORIZED', message: 'incorrect username or password' }] };
      response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      return;
    }
    const access = scopes.flatMap((scope) => granted(scope, isAccount));
    const token = this.#token(access, isAccount ? this.#account.username : '');
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ token, access_token: token, expires_in: 300 }));
  }

  /** A JWT (RFC 7519) as docker-registry reads it: ES256, with the certificate of its key. */
  #token(access: readonly object[], subject: string): string {
    const now = Math.floor(Date.now() / 1000);
    const times = { iat: now, nbf: now - 10, exp: now + 300 };
    const claims = { iss: issuer, sub: subject, aud: this.#audience, ...times, jti: randomUUID(), access };
    const head = { typ: 'JWT', alg: 'ES256', x5c: [this.#certificate] };
    const signed = [head, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = sign('sha256', Buffer.from(signed), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }
}

/** Takes `repository:<name>:<actions>`; gives what of it is allowed, as a token says it. */
function granted(scope: string, isAccount: boolean): object[] {
  const [, type = '', name = '', actions = ''] = /^([a-z]+):(.+):([a-z,*]*)$/.exec(scope) ?? [];
  const allowed = actions
    .split(',')
    .filter((action) => isAccount || (action === 'pull' && name.startsWith('library/')));
  return allowed.length === 0 ? [] : [{ type, name, actions: allowed }];
}

function basic(authorization = ''): [string | undefined, string | undefined] {
  const encoded = /^Basic (.+)$/.exec(authorization)?.[1];
  if (encoded === undefined) return [undefined, undefined];
  const account = Buffer.from(encoded, 'base64').toString();
  const colon = account.indexOf(':');
  return [account.slice(0, colon), account.slice(colon + 1)];
}
