import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { tokenLifetime } from '../../src/trust/token-client.ts';
import {
  account,
  basicHeader,
  bearer,
  clientFor,
  isDownloadError,
  startRegistry,
} from './challenging-registry.ts';

const gives =
  (answer: unknown): RequestListener =>
  (_, response) => {
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  };

test('a Basic challenge is answered with the account, which later requests carry at once', async (t) => {
  const registry = await startRegistry(t, { accepts: [basicHeader], challenge: () => 'Basic realm="x"' });
  const { ask } = clientFor(t, registry, account);
  assert.equal(await ask(), 200);
  assert.equal(await ask(), 200);
  assert.deepEqual(registry.seen, [undefined, basicHeader, basicHeader]);
});

test('a Basic challenge without an account is an error that says so', async (t) => {
  const registry = await startRegistry(t, { accepts: [], challenge: () => 'Basic realm="x"' });
  const { ask } = clientFor(t, registry, undefined);
  await assert.rejects(
    ask(),
    isDownloadError('unauthorized', /asks for a user name, and no account is configured/),
  );
});

test('a Bearer challenge is answered with a token for our own scope, asked for with the account', async (t) => {
  const token = gives({ token: 'token-1', expires_in: 300 });
  const registry = await startRegistry(t, { accepts: ['Bearer token-1'], challenge: bearer, token });
  const { ask } = clientFor(t, registry, account);
  assert.equal(await ask(), 200);
  assert.equal(await ask(), 200);
  assert.deepEqual(registry.seen, [undefined, 'Bearer token-1', 'Bearer token-1']);
  assert.equal(registry.tokenRequests.length, 1);
  const [asked] = registry.tokenRequests;
  assert.equal(asked?.headers.authorization, basicHeader);
  assert.equal(asked.url, '/token?x=1&service=the+registry&scope=repository%3Ateam%2Fapp%3Apull');
});

test('without an account the token is asked for anonymously', async (t) => {
  const token = gives({ access_token: 'token-1' });
  const registry = await startRegistry(t, { accepts: ['Bearer token-1'], challenge: bearer, token });
  const { ask } = clientFor(t, registry, undefined);
  assert.equal(await ask(), 200);
  assert.equal(registry.tokenRequests[0]?.headers.authorization, undefined);
});

test('of several challenges on several lines Bearer is answered, and the password stays away from the server', async (t) => {
  const registry = await startRegistry(t, {
    accepts: ['Bearer token-1'],
    challenge: (port) => ['Basic realm="x"', bearer(port)],
    token: gives({ token: 'token-1' }),
  });
  const { ask } = clientFor(t, registry, account);
  assert.equal(await ask(), 200);
  assert.deepEqual(registry.seen, [undefined, 'Bearer token-1']);
});

test('each scope has its own token', async (t) => {
  const registry = await startRegistry(t, {
    accepts: ['Bearer repository:a:pull', 'Bearer repository:b:pull'],
    challenge: bearer,
    token: (request, response) => {
      const asked = new URL(request.url ?? '', 'http://x').searchParams.get('scope');
      response.end(JSON.stringify({ token: asked }));
    },
  });
  const { ask } = clientFor(t, registry, account);
  assert.equal(await ask('repository:a:pull'), 200);
  assert.equal(await ask('repository:b:pull'), 200);
  assert.deepEqual(registry.seen, [
    undefined,
    'Bearer repository:a:pull',
    undefined,
    'Bearer repository:b:pull',
  ]);
});

test('requests that need a token at the same time share one question to the token server', async (t) => {
  // The token server answers when all five requests have been refused once.
  const refused = Promise.withResolvers<undefined>();
  let challenges = 0;
  const registry = await startRegistry(t, {
    accepts: ['Bearer token-1'],
    challenge: (port) => {
      challenges += 1;
      if (challenges === 5) refused.resolve(undefined);
      return bearer(port);
    },
    token: (_, response) => {
      void refused.promise.then(() => response.end(JSON.stringify({ token: 'token-1' })));
    },
  });
  const { ask } = clientFor(t, registry, account);
  assert.deepEqual(await Promise.all([ask(), ask(), ask(), ask(), ask()]), [200, 200, 200, 200, 200]);
  assert.equal(registry.tokenRequests.length, 1);
});

test('a server that always answers 401 is asked twice, and its second answer is given back', async (t) => {
  const token = gives({ token: 'token-1' });
  const registry = await startRegistry(t, { accepts: [], challenge: bearer, token });
  const { ask } = clientFor(t, registry, account);
  assert.equal(await ask(), 401);
  assert.deepEqual(registry.seen, [undefined, 'Bearer token-1']);
});

test('a token that is no longer accepted is replaced by a new one', async (t) => {
  const accepts = ['Bearer token-1'];
  let next = 1;
  const registry = await startRegistry(t, {
    accepts,
    challenge: bearer,
    token: (_, response) => response.end(JSON.stringify({ token: `token-${next++}`, expires_in: 3600 })),
  });
  const { ask } = clientFor(t, registry, account);
  assert.equal(await ask(), 200);
  accepts.splice(0, 1, 'Bearer token-2');
  assert.equal(await ask(), 200);
  assert.equal(await ask(), 200);
  assert.deepEqual(registry.seen, [
    undefined,
    'Bearer token-1',
    'Bearer token-1',
    'Bearer token-2',
    'Bearer token-2',
  ]);
});

test('a 401 without a challenge we understand is an error', async (t) => {
  for (const challenge of ['Negotiate', 'Bearer service="x"', 'Bearer realm="http://registry.example']) {
    const registry = await startRegistry(t, { accepts: [], challenge: () => challenge });
    const { ask } = clientFor(t, registry, account);
    await assert.rejects(ask(), isDownloadError('protocol', /answers 401 without a challenge we understand/));
  }
});

for (const [what, answer] of [
  ['a login page', '<html>token-1</html>'],
  ['a token that is no string', { token: 1 }],
  ['no token', {}],
  ['an empty token', { token: '' }],
  ['two different tokens', { token: 'token-1', access_token: 'token-2' }],
  ['a token with a line break', { token: 'token-1\r\nX: y' }],
  ['a token with other than ASCII', { token: 'token-1é' }],
  ['JSON that is no object', '"token-1"'],
] as const) {
  test(`${what} from the token server is an error that does not repeat it`, async (t) => {
    const registry = await startRegistry(t, { accepts: [], challenge: bearer, token: gives(answer) });
    const { ask } = clientFor(t, registry, account);
    await assert.rejects(ask(), isDownloadError('protocol', /answers without one usable token/));
    assert.deepEqual(registry.seen, [undefined]);
  });
}

test('an answer of the token server is read up to 64 KiB', async (t) => {
  const token = gives({ token: 'a'.repeat(64 * 1024) });
  const registry = await startRegistry(t, { accepts: [], challenge: bearer, token });
  const { ask } = clientFor(t, registry, account);
  await assert.rejects(ask(), isDownloadError('too-large', /longer than 65536 bytes/));
});

for (const [status, failure] of [
  [401, 'unauthorized'],
  [403, 'unauthorized'],
  [302, 'protocol'],
  [404, 'protocol'],
  [429, 'outage'],
  [503, 'outage'],
] as const) {
  test(`status ${status} of the token server is ${failure}, and is not followed`, async (t) => {
    const registry = await startRegistry(t, {
      accepts: [],
      challenge: bearer,
      token: (_, response) => response.writeHead(status, { location: '/token' }).end('{"token":"token-1"}'),
    });
    const { ask } = clientFor(t, registry, account);
    await assert.rejects(ask(), isDownloadError(failure, new RegExp(`answers ${status}$`)));
    assert.equal(registry.tokenRequests.length, 1);
  });
}

test('a token server that cuts the connection is an outage, and the next request asks again', async (t) => {
  let cut = true;
  const registry = await startRegistry(t, {
    accepts: ['Bearer token-1'],
    challenge: bearer,
    token: (_, response) => {
      if (cut) response.destroy();
      else response.end('{"token":"token-1"}');
    },
  });
  const { ask } = clientFor(t, registry, account);
  await assert.rejects(ask(), isDownloadError('outage', /^token server registry\.example:\d+: /));
  cut = false;
  assert.equal(await ask(), 200);
});

test('a token is used for what it says, within one minute and one hour, until ten seconds before its end', () => {
  assert.equal(tokenLifetime(300), 290);
  assert.equal(tokenLifetime(undefined), 50);
  assert.equal(tokenLifetime('300'), 50);
  assert.equal(tokenLifetime(-1), 50);
  assert.equal(tokenLifetime(1e9), 3590);
  assert.equal(tokenLifetime(Number.NaN), 50);
});
