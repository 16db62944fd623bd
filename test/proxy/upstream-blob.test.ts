import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { BlobRequest } from '../../src/proxy/upstream/upstream.ts';
import { digest, registryAt, repository, serve, serveRaw, upstreamOf } from './wire.ts';

const getBlob: BlobRequest = { method: 'GET', headers: {}, authorization: 'Bearer of-the-client' };

test('a blob streams with its own header fields and no others', async (t) => {
  const headers = {
    'content-type': 'application/octet-stream',
    'content-length': '3',
    'docker-content-digest': digest,
    etag: '"x"',
    'accept-ranges': 'bytes',
  };
  const origin = await serve(t, (request, response) => {
    assert.equal(request.url, `/v2/team/app/blobs/${digest}`);
    assert.equal(request.headers.authorization, 'Bearer of-the-client');
    assert.equal(request.headers['accept-encoding'], 'identity');
    const more = { 'set-cookie': 'a=b', 'cache-control': 'max-age=9', 'x-other': '1', refresh: '0; url=/' };
    response.writeHead(200, { ...headers, ...more }).end('abc');
  });
  const answer = await upstreamOf(t, registryAt(origin)).blob(repository, digest, getBlob);
  assert.ok(answer.kind === 'answer');
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.headers, headers);
  assert.equal((await answer.body.toArray()).join(''), 'abc');
});

test('a HEAD of a blob gives its length and no body', async (t) => {
  const origin = await serve(t, (_, response) => response.writeHead(200, { 'content-length': '1234' }).end());
  const upstream = upstreamOf(t, registryAt(origin));
  const answer = await upstream.blob(repository, digest, { ...getBlob, method: 'HEAD' });
  assert.ok(answer.kind === 'answer');
  assert.deepEqual(answer.headers, { 'content-length': '1234' });
  assert.deepEqual(await answer.body.toArray(), []);
});

for (const status of [404, 416]) {
  test(`${status} for a blob is passed on`, async (t) => {
    const origin = await serve(t, (_, response) => response.writeHead(status).end('{}'));
    const answer = await upstreamOf(t, registryAt(origin)).blob(repository, digest, getBlob);
    assert.ok(answer.kind === 'answer');
    assert.equal(answer.status, status);
    assert.equal((await answer.body.toArray()).join(''), '{}');
  });
}

test('401 for a blob is the word of the registry, 500 is an outage', async (t) => {
  let status = 401;
  const origin = await serve(t, (_, response) => response.writeHead(status).end('no'));
  const upstream = upstreamOf(t, registryAt(origin));
  const refused = await upstream.blob(repository, digest, getBlob);
  assert.deepEqual(refused, { kind: 'refused', status: 401, headers: {}, body: Buffer.from('no') });
  status = 500;
  const answer = await upstream.blob(repository, digest, getBlob);
  assert.ok(answer.kind === 'unavailable');
  assert.equal(answer.cause.failure, 'outage');
});

test('a content coding of a blob is not named, so that its bytes stay what the digest says', async (t) => {
  const coded = gzipSync('abc');
  const origin = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(coded);
  });
  const answer = await upstreamOf(t, registryAt(origin)).blob(repository, digest, getBlob);
  assert.ok(answer.kind === 'answer');
  assert.equal(answer.headers['content-encoding'], undefined);
  assert.deepEqual(Buffer.concat(await answer.body.toArray()), coded);
});

test('a registry that resets the connection under a body nobody reads breaks that transfer and nothing else', async (t) => {
  const first = Promise.withResolvers<Socket>();
  let served = 0;
  const origin = await serveRaw(t, (socket) => {
    served += 1;
    if (served > 1) {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc');
      return;
    }
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n');
    socket.write(Buffer.alloc(8 * 1024 * 1024));
    first.resolve(socket);
  });
  const upstream = upstreamOf(t, registryAt(origin));
  const answer = await upstream.blob(repository, digest, getBlob);
  assert.ok(answer.kind === 'answer');
  // Read one piece, then let the rest wait: undici pauses the connection.
  await once(answer.body, 'readable');
  answer.body.read(1);
  const socket = await first.promise;
  socket.resetAndDestroy();
  await once(socket, 'close');

  const next = await upstream.blob(repository, digest, getBlob);
  assert.ok(next.kind === 'answer');
  assert.equal((await next.body.toArray()).join(''), 'abc');
  await assert.rejects(answer.body.toArray());
});

test('a registry that ends a connection early under a body nobody reads breaks that transfer', async (t) => {
  const origin = await serveRaw(t, (socket) => {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
  });
  const answer = await upstreamOf(t, registryAt(origin)).blob(repository, digest, getBlob);
  assert.ok(answer.kind === 'answer');
  await assert.rejects(answer.body.toArray());
});

test('destroying the body ends the transfer at the registry', async (t) => {
  const closed = Promise.withResolvers<undefined>();
  const origin = await serve(t, (_, response) => {
    response.on('close', () => closed.resolve(undefined));
    response.writeHead(200, { 'content-length': '100000000' }).write(Buffer.alloc(1024));
  });
  const answer = await upstreamOf(t, registryAt(origin)).blob(repository, digest, getBlob);
  assert.ok(answer.kind === 'answer');
  answer.body.on('error', () => undefined).destroy();
  await closed.promise;
});

test('a client that leaves while the registry thinks ends the request there', async (t) => {
  const arrived = Promise.withResolvers<undefined>();
  const closed = Promise.withResolvers<undefined>();
  const origin = await serveRaw(t, (socket) => {
    socket.on('close', () => closed.resolve(undefined));
    arrived.resolve(undefined);
  });
  const client = new AbortController();
  const upstream = upstreamOf(t, registryAt(origin));
  const answer = upstream.blob(repository, digest, { ...getBlob, signal: client.signal });
  await arrived.promise;
  client.abort();
  assert.equal((await answer).kind, 'unavailable');
  await closed.promise;
});

test('the deadline is for the head of a blob, not for its body', async (t) => {
  const limits = { manifestBytes: 1024, downloadTimeout: 1000 };
  const origin = await serveRaw(t, (socket, head) => {
    if (head.startsWith('HEAD')) return;
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n');
    let left = 8;
    const drip = setInterval(() => {
      socket.write('a');
      left -= 1;
      if (left === 0) clearInterval(drip);
    }, 150);
  });
  const upstream = upstreamOf(t, registryAt(origin), { limits });
  const slow = await upstream.blob(repository, digest, getBlob);
  assert.ok(slow.kind === 'answer');
  assert.equal((await slow.body.toArray()).join(''), 'aaaaaaaa');
  const silent = await upstream.blob(repository, digest, { ...getBlob, method: 'HEAD' });
  assert.ok(silent.kind === 'unavailable');
  assert.match(silent.cause.message, /gave no whole answer in time/);
});
