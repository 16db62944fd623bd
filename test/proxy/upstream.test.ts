import assert from 'node:assert/strict';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Registry } from '../../src/config/config.ts';
import type { ManifestAnswer } from '../../src/proxy/upstream/upstream.ts';
import { acceptManifests } from '../../src/oci/media-type.ts';
import type { DownloadFailure } from '../../src/trust/download-error.ts';
import { digest, registryAt, repository, serve, serveRaw, upstreamOf } from './wire.ts';

const clientToken = 'Bearer of-the-client';

/** Asks a registry that answers with `listener` for the manifest; gives the answer and what the registry was asked. */
async function ask(
  t: TestContext,
  listener: RequestListener,
  more: Partial<Registry> = {},
): Promise<{ answer: ManifestAnswer; asked: IncomingMessage[] }> {
  const asked: IncomingMessage[] = [];
  const origin = await serve(t, (request, response) => {
    asked.push(request);
    listener(request, response);
  });
  const upstream = upstreamOf(t, registryAt(origin, more));
  return { answer: await upstream.manifest(repository, digest, { authorization: clientToken }), asked };
}

function assertUnavailable(answer: { kind: string }, failure: DownloadFailure, message: RegExp): void {
  assert.ok('cause' in answer && answer.cause instanceof Error && 'failure' in answer.cause, answer.kind);
  assert.equal(answer.kind, 'unavailable');
  assert.equal(answer.cause.failure, failure);
  assert.match(answer.cause.message, message);
}

test('a manifest is asked for by digest, in every form, uncoded, with the authorization of the client', async (t) => {
  const { answer, asked } = await ask(t, (_, response) => response.end('{"a":1}'));
  assert.deepEqual(answer, { kind: 'found', bytes: Buffer.from('{"a":1}') });
  assert.equal(asked.length, 1);
  const [request] = asked;
  assert.equal(request?.method, 'GET');
  assert.equal(request.url, `/v2/team/app/manifests/${digest}`);
  assert.equal(request.headers.accept, acceptManifests);
  assert.equal(request.headers['accept-encoding'], 'identity');
  assert.equal(request.headers.authorization, clientToken);
  assert.equal(request.headers['user-agent'], 'tufgate');
});

test('404 is missing', async (t) => {
  const { answer } = await ask(t, (_, response) => response.writeHead(404).end('{}'));
  assert.deepEqual(answer, { kind: 'missing' });
});

for (const status of [401, 403, 429]) {
  test(`${status} is the registry's own word to this client, with its challenge and without its cookies`, async (t) => {
    const { answer } = await ask(t, (_, response) => {
      const challenge = 'Bearer realm="https://auth.example/token"';
      const headers = { 'www-authenticate': challenge, 'retry-after': '7', 'set-cookie': 'a=b', server: 'x' };
      response.writeHead(status, { ...headers, 'content-type': 'application/json' }).end('{"errors":[]}');
    });
    assert.deepEqual(answer, {
      kind: 'refused',
      status,
      headers: {
        'content-type': 'application/json',
        'retry-after': '7',
        'www-authenticate': 'Bearer realm="https://auth.example/token"',
      },
      body: Buffer.from('{"errors":[]}'),
    });
  });
}

for (const [status, failure] of [
  [500, 'outage'],
  [503, 'outage'],
  [400, 'protocol'],
  [206, 'protocol'],
  [204, 'protocol'],
] as const) {
  test(`${status} for a manifest is ${failure}`, async (t) => {
    const { answer } = await ask(t, (_, response) => response.writeHead(status).end());
    assertUnavailable(answer, failure, new RegExp(`^127\\.0\\.0\\.1:\\d+ answers ${status}$`));
  });
}

test('a manifest in a content coding that was not asked for is not decoded', async (t) => {
  const { answer } = await ask(t, (_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(1024 * 1024)));
  });
  assertUnavailable(answer, 'protocol', /manifest in the coding gzip, asked for none$/);
});

test('a manifest that says it is too long is not read', async (t) => {
  const cut = Promise.withResolvers<undefined>();
  const { answer } = await ask(t, (_, response) => {
    response.on('close', () => cut.resolve(undefined));
    response.writeHead(200, { 'content-length': '65537' }).write('{');
  });
  assertUnavailable(answer, 'too-large', /manifest of 65537 bytes, allowed are 65536$/);
  await cut.promise;
});

test('a manifest without end is cut soon after the limit', async (t) => {
  let sent = 0;
  const cut = Promise.withResolvers<undefined>();
  const { answer } = await ask(t, (_, response) => {
    const pump = (): void => {
      while (response.write(Buffer.alloc(1024, 'a'))) sent += 1024;
    };
    response.on('drain', pump).on('close', () => cut.resolve(undefined));
    pump();
  });
  assertUnavailable(answer, 'too-large', /answer is longer than 65536 bytes$/);
  await cut.promise;
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were taken from the registry`);
});

test('a registry that drips is cut at the deadline of the whole manifest', async (t) => {
  const origin = await serveRaw(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
    const drip = setInterval(() => socket.write('a'), 10);
    socket.on('close', () => {
      clearInterval(drip);
    });
  });
  const limits = { manifestBytes: 64 * 1024, downloadTimeout: 200 };
  const upstream = upstreamOf(t, registryAt(origin), { limits });
  assertUnavailable(
    await upstream.manifest(repository, digest, {}),
    'outage',
    /gave no whole answer in time/,
  );
});

test('informational answers without end are cut at the deadline', async (t) => {
  const origin = await serveRaw(t, (socket) => {
    const drip = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 10);
    socket.on('close', () => {
      clearInterval(drip);
    });
  });
  const limits = { manifestBytes: 64 * 1024, downloadTimeout: 200 };
  const upstream = upstreamOf(t, registryAt(origin), { limits });
  assertUnavailable(
    await upstream.manifest(repository, digest, {}),
    'outage',
    /gave no whole answer in time/,
  );
});

for (const [what, answerText, failure] of [
  ['a body shorter than it says', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345', 'outage'],
  ['a cut chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n12345', 'outage'],
  [
    'both Content-Length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'protocol',
  ],
  [
    'two Content-Length',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456',
    'protocol',
  ],
  ['no HTTP at all', 'SSH-2.0-OpenSSH\r\n', 'protocol'],
  ['nothing', '', 'outage'],
] as const) {
  test(`${what} is ${failure}`, async (t) => {
    const origin = await serveRaw(t, (socket) => socket.end(answerText));
    const answer = await upstreamOf(t, registryAt(origin)).manifest(repository, digest, {});
    assertUnavailable(answer, failure, /^127\.0\.0\.1:\d+: /);
  });
}

test('a registry that does not listen is an outage', async (t) => {
  const upstream = upstreamOf(t, registryAt('http://127.0.0.1:1'));
  const answer = await upstream.headManifest(repository, { kind: 'digest', digest }, {});
  assertUnavailable(answer, 'outage', /ECONNREFUSED/);
});

test('without forwarding, the authorization of the client stays with us and an anonymous token is fetched', async (t) => {
  const { answer, asked } = await ask(
    t,
    (request, response) => {
      const realm = `Bearer realm="http://${request.headers.host}/token"`;
      if (request.url?.startsWith('/token') === true) response.end('{"token":"anonymous"}');
      else if (request.headers.authorization === 'Bearer anonymous') response.end('{}');
      else response.writeHead(401, { 'www-authenticate': realm }).end();
    },
    { auth: 'anonymous' },
  );
  assert.equal(answer.kind, 'found');
  assert.deepEqual(
    asked.map(({ url, headers }) => [url, headers.authorization]),
    [
      [`/v2/team/app/manifests/${digest}`, undefined],
      ['/token?scope=repository%3Ateam%2Fapp%3Apull', undefined],
      [`/v2/team/app/manifests/${digest}`, 'Bearer anonymous'],
    ],
  );
});

test('a refusal of our own account is not passed on: it is for the operator', async (t) => {
  const account = { username: 'robot', password: 'hunter2' };
  for (const [auth, message] of [
    ['anonymous', /answers 403 to anonymous access: check "auth" of the registry registry\.example$/],
    [account, /answers 403 to the configured account: check "auth" of the registry registry\.example$/],
  ] as const) {
    const { answer } = await ask(t, (_, response) => response.writeHead(403).end(), { auth });
    assertUnavailable(answer, 'unauthorized', message);
  }
});

test('a HEAD says whether this client may have the manifest and under which digest, and reads nothing', async (t) => {
  const seen: unknown[] = [];
  let status = 200;
  let said: Record<string, string> = { 'docker-content-digest': `sha512:${'5'.repeat(128)}` };
  const origin = await serve(t, (request, response) => {
    seen.push([request.method, request.headers.authorization]);
    response
      .writeHead(status, { 'content-length': '1234', 'content-type': 'application/json', ...said })
      .end();
  });
  const upstream = upstreamOf(t, registryAt(origin));
  assert.deepEqual(
    await upstream.headManifest(repository, { kind: 'digest', digest }, { authorization: clientToken }),
    {
      kind: 'found',
      digest: `sha512:${'5'.repeat(128)}`,
    },
  );
  for (const nothing of [
    {},
    { 'docker-content-digest': '' },
    { 'docker-content-digest': `${digest}, ${digest}` },
  ]) {
    said = nothing;
    const found = { kind: 'found', digest: undefined };
    assert.deepEqual(await upstream.headManifest(repository, { kind: 'digest', digest }, {}), found);
  }
  said = {};
  status = 404;
  assert.deepEqual(
    await upstream.headManifest(repository, { kind: 'digest', digest }, { authorization: clientToken }),
    {
      kind: 'missing',
    },
  );
  status = 401;
  assert.deepEqual(await upstream.headManifest(repository, { kind: 'digest', digest }, {}), {
    kind: 'refused',
    status: 401,
    headers: { 'content-type': 'application/json' },
    body: Buffer.alloc(0),
  });
  assert.deepEqual(seen, [
    ['HEAD', clientToken],
    ...Array.from({ length: 3 }, () => ['HEAD', undefined]),
    ['HEAD', clientToken],
    ['HEAD', undefined],
  ]);
});

test('every answer is reported once, with its status or as an error', async (t) => {
  const codes: unknown[] = [];
  const origin = await serve(t, (request, response) => {
    if (request.method === 'HEAD') response.destroy();
    else response.writeHead(503).end();
  });
  const onAnswer = (registry: string, code: number | 'error', seconds: number): void => {
    codes.push([registry, code, seconds >= 0]);
  };
  const upstream = upstreamOf(t, registryAt(origin), { onAnswer });
  await upstream.manifest(repository, digest, {});
  await upstream.headManifest(repository, { kind: 'digest', digest }, {});
  assert.deepEqual(codes, [
    ['registry.example', 503, true],
    ['registry.example', 'error', true],
  ]);
});
