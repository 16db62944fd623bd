import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  account,
  basicHeader,
  clientFor,
  isDownloadError,
  listen,
  startRegistry,
} from './challenging-registry.ts';

test('the account is not shown to a token server on another host, and the error names both and the remedy', async (t) => {
  let contacted = 0;
  const port = await listen(t, (_, response) => {
    contacted += 1;
    response.end('{}');
  });
  const registry = await startRegistry(t, {
    accepts: [],
    challenge: () => `Bearer realm="http://attacker.example:${port}/token"`,
  });
  const { ask } = clientFor(t, registry, account);
  await assert.rejects(
    ask(),
    isDownloadError(
      'unauthorized',
      new RegExp(
        `^registry\\.example:\\d+ names attacker\\.example:${port} as its token server.*set token_realm: http://attacker\\.example:${port}/token$`,
      ),
    ),
  );
  assert.equal(contacted, 0);
});

test('a host that merely ends like the server, or that the server is a part of, is another host', async (t) => {
  for (const host of ['evilregistry.example', 'example', 'registry.example.evil.example']) {
    const registry = await startRegistry(t, {
      accepts: [],
      challenge: () => `Bearer realm="http://${host}/token"`,
    });
    const { ask } = clientFor(t, registry, account);
    await assert.rejects(ask(), isDownloadError('unauthorized', /which is not its own host/));
  }
});

test('the account is shown to a token server below the server, and to the one the account names', async (t) => {
  for (const [host, named] of [
    ['auth.registry.example', false],
    ['auth.example', true],
  ] as const) {
    const asked: (string | undefined)[] = [];
    const port = await listen(t, (request, response) => {
      asked.push(request.headers.authorization);
      response.end('{"token":"token-1"}');
    });
    const registry = await startRegistry(t, {
      accepts: ['Bearer token-1'],
      challenge: () => `Bearer realm="http://${host}:${port}/token"`,
    });
    const tokenRealm = named ? `http://${host}:${port}/token` : undefined;
    const { ask } = clientFor(t, registry, account, tokenRealm);
    assert.equal(await ask(), 200);
    assert.deepEqual(asked, [basicHeader]);
  }
});

test('a realm inside our network is not asked, not even anonymously', async (t) => {
  let contacted = 0;
  const port = await listen(t, (_, response) => {
    contacted += 1;
    response.end('{"token":"token-1"}');
  });
  for (const realm of [
    `http://127.0.0.1:${port}/`,
    `http://[::ffff:7f00:1]:${port}/`,
    `http://0177.1:${port}/`,
  ]) {
    const registry = await startRegistry(t, { accepts: [], challenge: () => `Bearer realm="${realm}"` });
    const { ask } = clientFor(t, registry, undefined);
    await assert.rejects(
      ask(),
      isDownloadError('protocol', /token server that is not asked: .* has no public name/),
    );
  }
  assert.equal(contacted, 0);
});

test('a realm with a password in it, or of another scheme, is not asked', async (t) => {
  for (const realm of ['http://a:b@registry.example/', 'file:///etc/passwd']) {
    const registry = await startRegistry(t, { accepts: [], challenge: () => `Bearer realm="${realm}"` });
    const { ask } = clientFor(t, registry, account);
    await assert.rejects(ask(), isDownloadError('protocol', /token server that is not asked/));
  }
});
