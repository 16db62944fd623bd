import assert from 'node:assert/strict';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { inspect } from 'node:util';
import { Agent } from 'undici';
import type { Account } from '../../src/config/config.ts';
import type { Credential } from '../../src/oci/docker-config.ts';
import type { CredentialSource } from '../../src/trust/credentials/credential-source.ts';
import { DownloadError } from '../../src/trust/download-error.ts';
import { TokenClient } from '../../src/trust/token-client.ts';

export const account: Account = { username: 'robot', password: 'hunter2' };
export const basicHeader = `Basic ${Buffer.from('robot:hunter2').toString('base64')}`;
const scope = 'repository:team/app:pull';

interface Registry {
  readonly url: URL;
  /** What each request carried as Authorization. */
  readonly seen: (string | undefined)[];
  readonly tokenRequests: IncomingMessage[];
}

const longRefusal = 'who are you? '.repeat(20_000);

/** Every name in these tests stands for this machine. */
function localAgent(t: TestContext): Agent {
  const agent = new Agent({
    connections: 1, // to each server: an answer that is not read to its end would hold up all that follows
    connect: {
      lookup: (_name, _options, give) => {
        give(null, [{ address: '127.0.0.1', family: 4 }]);
      },
    },
  });
  t.after(() => agent.destroy());
  return agent;
}

/** Serves with `listener` on this machine until the test ends; gives the port. */
export async function listen(t: TestContext, listener: RequestListener): Promise<number> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A registry that lets in only those who carry one of `accepts`, and its token server on the same host. */
export async function startRegistry(
  t: TestContext,
  {
    accepts,
    challenge,
    token = (_, response) => response.end(),
  }: {
    accepts: readonly string[];
    challenge: (port: number) => string | string[];
    token?: RequestListener;
  },
): Promise<Registry> {
  const seen: (string | undefined)[] = [];
  const tokenRequests: IncomingMessage[] = [];
  const port = await listen(t, (request, response) => {
    if (request.url?.startsWith('/token') === true) {
      tokenRequests.push(request);
      token(request, response);
      return;
    }
    seen.push(request.headers.authorization);
    if (accepts.includes(request.headers.authorization ?? '')) response.end('welcome');
    else response.writeHead(401, { 'www-authenticate': challenge(port) }).end(longRefusal);
  });
  return { url: new URL(`http://registry.example:${port}`), seen, tokenRequests };
}

/** A token client of `registry`, and what a request of ours through it is answered with. */
export function clientFor(
  t: TestContext,
  registry: Registry,
  as: Credential | CredentialSource | undefined,
  tokenRealm?: string,
) {
  const dispatcher = localAgent(t);
  const client = new TokenClient({
    server: registry.url,
    credentials: as && ('credentials' in as ? as : { credentials: () => Promise.resolve(as) }),
    tokenRealm,
    dispatcher,
    timeout: 10_000,
  });
  const ask = async (asked = scope): Promise<number> => {
    const answer = await client.authorized(asked, (authorization) =>
      dispatcher.request({
        origin: registry.url.origin,
        path: '/v2/team/app/manifests/v1',
        method: 'GET',
        headers: authorization === undefined ? {} : { authorization },
      }),
    );
    await answer.body.dump();
    return answer.statusCode;
  };
  return { ask };
}

export const bearer = (port: number): string =>
  `Bearer realm="http://registry.example:${port}/token?x=1",service="the registry",scope="repository:secret:push"`;
/** For `assert.rejects`: the error is this one, and nothing in it gives away a password or token. */
export function isDownloadError(failure: DownloadError['failure'], message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof DownloadError, String(error));
    assert.equal(error.failure, failure);
    assert.match(error.message, message);
    assert.doesNotMatch(inspect(error), /hunter2|cm9ib3Q6aHVudGVyMg|token-1/);
    return true;
  };
}
