import assert from 'node:assert/strict';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { DownloadError } from '../../src/trust/download-error.ts';
import type { BlobRequest, Upstream } from '../../src/proxy/upstream/upstream.ts';
import { digest, known, registryAt, repository, serve, upstreamOf } from './wire.ts';

const clientToken = 'Bearer of-the-client';
const getBlob: BlobRequest = { method: 'GET', headers: {}, authorization: clientToken };

async function listen(t: TestContext, listener: RequestListener) {
  const asked: IncomingMessage[] = [];
  const origin = await serve(t, (request, response) => {
    asked.push(request);
    listener(request, response);
  });
  return { origin, asked };
}

const redirectTo =
  (location: string, status = 307): RequestListener =>
  (_, response) => {
    response.writeHead(status, { location }).end();
  };

async function manifestCause(upstream: Upstream): Promise<DownloadError> {
  const answer = await upstream.manifest(repository, digest, { authorization: clientToken });
  assert.ok(answer.kind === 'unavailable' && answer.cause instanceof DownloadError, answer.kind);
  return answer.cause;
}

test('a manifest redirect is followed inside, and the authorization stays with the registry', async (t) => {
  const storage = await listen(t, (_, response) => response.end('{}'));
  const registry = await listen(t, redirectTo(`${storage.origin}/x?signature=a%2Fb`));
  const upstream = upstreamOf(t, registryAt(registry.origin));
  assert.equal((await upstream.manifest(repository, digest, { authorization: clientToken })).kind, 'found');
  assert.equal(registry.asked[0]?.headers.authorization, clientToken);
  assert.equal(storage.asked[0]?.url, '/x?signature=a%2Fb');
  assert.equal(storage.asked[0].headers.authorization, undefined);
});

test('within the registry the authorization goes along; once dropped it does not come back', async (t) => {
  const seen: (string | undefined)[][] = [];
  const storage = await listen(t, (request, response) => {
    seen.push(['storage', request.headers.authorization]);
    response.writeHead(302, { location: `${registry.origin}/last` }).end();
  });
  const registry = await listen(t, (request, response) => {
    seen.push([request.url, request.headers.authorization]);
    if (request.url === '/last') response.end('{}');
    else if (request.url === '/second') response.writeHead(308, { location: storage.origin }).end();
    else response.writeHead(301, { location: '/second' }).end();
  });
  const upstream = upstreamOf(t, registryAt(registry.origin));
  assert.equal((await upstream.manifest(repository, digest, { authorization: clientToken })).kind, 'found');
  assert.deepEqual(seen, [
    [`/v2/team/app/manifests/${digest}`, clientToken],
    ['/second', clientToken],
    ['storage', undefined],
    ['/last', undefined],
  ]);
});

test('more than three redirects are not followed', async (t) => {
  const registry = await listen(t, redirectTo('/again'));
  const cause = await manifestCause(upstreamOf(t, registryAt(registry.origin)));
  assert.equal(cause.failure, 'protocol');
  assert.match(cause.message, /redirects, which is not followed: more than 3 in a row$/);
  assert.equal(registry.asked.length, 4);
});

test('a redirect into our network reaches nobody', async (t) => {
  const canary = await listen(t, (_, response) => response.end('secret'));
  const port = new URL(canary.origin).port;
  for (const location of [
    `http://localhost:${port}/`,
    `http://[::ffff:7f00:1]:${port}/`,
    `http://127.0.0.2:${port}/`,
    'http://169.254.169.254/latest/meta-data/',
    'file:///etc/passwd',
    `http://user:password@127.0.0.1:${port}/`,
  ]) {
    const registry = await listen(t, redirectTo(location));
    const cause = await manifestCause(upstreamOf(t, registryAt(registry.origin)));
    assert.equal(cause.failure, 'protocol');
    assert.match(cause.message, /redirects, which is not followed/);
    assert.doesNotMatch(cause.message, /password@/);
  }
  assert.equal(canary.asked.length, 0);
});

test('a redirect to nowhere is not followed', async (t) => {
  const registry = await listen(t, (_, response) => response.writeHead(302).end());
  const cause = await manifestCause(upstreamOf(t, registryAt(registry.origin)));
  assert.match(cause.message, /not followed: no address is given$/);
});

test('the refusal of a storage is not the word of the registry', async (t) => {
  const storage = await listen(t, (_, response) => {
    response.writeHead(403, { 'www-authenticate': 'Basic realm="give me your password"' }).end();
  });
  const registry = await listen(t, redirectTo(storage.origin));
  const cause = await manifestCause(upstreamOf(t, registryAt(registry.origin)));
  assert.equal(cause.failure, 'protocol');
  assert.match(cause.message, / answers 403$/);
});

test('a 401 of a storage is not answered with our account', async (t) => {
  const storage = await listen(t, (_, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
  });
  const registry = await listen(t, (request, response) => {
    if (request.headers.authorization !== undefined) redirectTo(storage.origin)(request, response);
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
  });
  const auth = { username: 'robot', password: 'hunter2' };
  const cause = await manifestCause(upstreamOf(t, registryAt(registry.origin, { auth })));
  assert.match(cause.message, / answers 401$/);
  assert.deepEqual(
    storage.asked.map(({ headers }) => headers.authorization),
    [undefined],
  );
});

test('a blob redirect is followed inside, with the range and without the authorization', async (t) => {
  const storage = await listen(t, (_, response) => {
    response.writeHead(206, { 'content-range': 'bytes 1-2/3', 'x-amz-request-id': 'x' }).end('bc');
  });
  const registry = await listen(t, redirectTo(`${storage.origin}/x`));
  const upstream = upstreamOf(t, registryAt(registry.origin));
  const answer = await upstream.blob(repository, digest, { ...getBlob, headers: { range: 'bytes=1-2' } });
  assert.ok(answer.kind === 'answer');
  assert.equal(answer.status, 206);
  assert.deepEqual(answer.headers, { 'content-range': 'bytes 1-2/3' });
  assert.equal((await answer.body.toArray()).join(''), 'bc');
  assert.equal(known(storage.asked[0]).headers.range, 'bytes=1-2');
  assert.equal(known(storage.asked[0]).headers.authorization, undefined);
});

test('where clients may follow it, a blob redirect to a storage is given back and not followed', async (t) => {
  const storage = await listen(t, (_, response) => response.end('abc'));
  const registry = await listen(t, redirectTo(`${storage.origin}/x?y=z`));
  const upstream = upstreamOf(t, registryAt(registry.origin, { blobs: 'redirect' }));
  const answer = await upstream.blob(repository, digest, getBlob);
  assert.deepEqual(answer, { kind: 'redirect', status: 307, location: `${storage.origin}/x?y=z` });
  assert.equal(storage.asked.length, 0);
});

test('where clients may follow redirects, one within the registry is still followed inside', async (t) => {
  const registry = await listen(t, (request, response) => {
    if (request.url === '/artifacts/x') response.end('abc');
    else redirectTo('/artifacts/x')(request, response);
  });
  const upstream = upstreamOf(t, registryAt(registry.origin, { blobs: 'redirect' }));
  const answer = await upstream.blob(repository, digest, getBlob);
  assert.ok(answer.kind === 'answer');
  assert.equal((await answer.body.toArray()).join(''), 'abc');
  assert.equal(registry.asked[1]?.headers.authorization, clientToken);
});
