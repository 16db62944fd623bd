import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { Credential } from '../../src/oci/docker-config.ts';
import type { CredentialSource } from '../../src/trust/credentials/credential-source.ts';
import { credentialSource } from '../../src/trust/credentials/credential-source.ts';
import { DownloadError } from '../../src/trust/download-error.ts';
import {
  account,
  basicHeader,
  bearer,
  clientFor,
  isDownloadError,
  startRegistry,
} from './challenging-registry.ts';

const identityToken = 'hunter2-of-an-earlier-login';
const givesToken = (_: IncomingMessage, response: ServerResponse): void => {
  response.end('{"access_token":"token-1"}');
};

/** A source that gives what the test puts in `now`, and counts for which repositories. */
function changing(now: Credential): CredentialSource & { now: Credential; readonly asked: string[] } {
  const asked: string[] = [];
  return {
    now,
    asked,
    credentials(repository) {
      asked.push(repository);
      return Promise.resolve(this.now);
    },
  };
}

test('an identity token is exchanged for a token as Docker’s OAuth 2 flow says, and never stands in an address', async (t) => {
  const forms: string[] = [];
  const registry = await startRegistry(t, {
    accepts: ['Bearer token-1'],
    challenge: bearer,
    token: (request, response) => {
      void text(request).then((form) => {
        forms.push(form);
        givesToken(request, response);
      });
    },
  });
  const { ask } = clientFor(t, registry, { identityToken });
  assert.equal(await ask(), 200);
  assert.equal(await ask(), 200);
  assert.deepEqual(
    forms.map((form) => Object.fromEntries(new URLSearchParams(form))),
    [
      {
        grant_type: 'refresh_token',
        service: 'the registry',
        client_id: 'tufgate',
        scope: 'repository:team/app:pull',
        refresh_token: identityToken,
      },
    ],
  );
  const [asked] = registry.tokenRequests;
  assert.equal(asked?.method, 'POST');
  assert.equal(asked.url, '/token?x=1');
  assert.equal(asked.headers['content-type'], 'application/x-www-form-urlencoded');
  assert.equal(asked.headers.authorization, undefined);
});

test('an identity token answers no Basic challenge', async (t) => {
  const registry = await startRegistry(t, { accepts: [], challenge: () => 'Basic realm="x"' });
  const { ask } = clientFor(t, registry, { identityToken });
  await assert.rejects(
    ask(),
    isDownloadError('unauthorized', /asks for a user name, and we hold an identity token only$/),
  );
  assert.deepEqual(registry.seen, [undefined]);
});

test('a token server on another host sees no identity token, and nobody is asked for credentials', async (t) => {
  const registry = await startRegistry(t, {
    accepts: [],
    challenge: () => 'Bearer realm="http://auth.example/token"',
  });
  const source = changing({ identityToken });
  const { ask } = clientFor(t, registry, source);
  await assert.rejects(ask(), isDownloadError('unauthorized', /which is not its own host/));
  assert.deepEqual(source.asked, []);
});

test('a password that no longer does is asked for again, once', async (t) => {
  const accepts = [basicHeader];
  const registry = await startRegistry(t, { accepts, challenge: () => 'Basic realm="x"' });
  const source = changing(account);
  const { ask } = clientFor(t, registry, source);
  assert.equal(await ask(), 200);
  assert.equal(await ask(), 200);
  assert.deepEqual(source.asked, ['team/app']);
  const rotated = `Basic ${Buffer.from('robot:new').toString('base64')}`;
  accepts.splice(0, 1, rotated);
  source.now = { username: 'robot', password: 'new' };
  assert.equal(await ask(), 200);
  assert.deepEqual(registry.seen, [undefined, basicHeader, basicHeader, basicHeader, rotated]);
  accepts.splice(0, 1);
  assert.equal(await ask(), 401);
  assert.deepEqual(registry.seen.slice(5), [rotated, rotated]);
  assert.deepEqual(source.asked, ['team/app', 'team/app', 'team/app']);
});

test('credentials are asked for anew for each token, by the repository that it is for', async (t) => {
  const registry = await startRegistry(t, {
    accepts: ['Bearer token-1'],
    challenge: bearer,
    token: givesToken,
  });
  const source = changing(account);
  const { ask } = clientFor(t, registry, source);
  await ask('repository:team/app:pull');
  await ask('repository:team/app:pull');
  source.now = { username: 'robot', password: 'new' };
  await ask('repository:team/app:pull,push');
  await ask('repository:reg.example:5000/other:pull');
  assert.deepEqual(source.asked, ['team/app', 'team/app', 'reg.example:5000/other']);
  assert.deepEqual(
    registry.tokenRequests.map(({ headers }) => headers.authorization),
    [basicHeader, ...Array.from({ length: 2 }, () => `Basic ${Buffer.from('robot:new').toString('base64')}`)],
  );
});

test('where a source has nothing, nobody is asked for an anonymous token', async (t) => {
  for (const challenge of [bearer, () => 'Basic realm="x"']) {
    const registry = await startRegistry(t, { accepts: [], challenge, token: givesToken });
    const none = new DownloadError('unauthorized', 'the file holds no credentials');
    const { ask } = clientFor(t, registry, { credentials: () => Promise.reject(none) });
    await assert.rejects(ask(), none);
    assert.deepEqual(registry.tokenRequests, []);
  }
});

test('an account is a source of its own, and neither forward nor anonymous is one', async () => {
  assert.deepEqual(await credentialSource(account, 'reg.example')?.credentials('app'), account);
  assert.equal(credentialSource('forward', 'reg.example'), undefined);
  assert.equal(credentialSource('anonymous', 'reg.example'), undefined);
});
