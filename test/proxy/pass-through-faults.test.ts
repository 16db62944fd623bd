import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { PassThrough } from '../../src/proxy/upstream/pass-through.ts';
import type { Connections } from './connections.ts';
import { listen } from './connections.ts';
import { ask, open, startGate } from './gate.ts';
import { digest, registryAt, serve, serveRaw } from './wire.ts';

const blob = `/v2/team/app/blobs/${digest}`;
const uploads = '/v2/team/app/blobs/uploads/';

test('of two hundred clients that leave in the middle, no transfer stays open at the registry', async (t) => {
  const count = 200;
  let closed = 0;
  const allClosed = Promise.withResolvers<undefined>();
  const origin = await serve(t, (_, response) => {
    response.on('close', () => {
      closed += 1;
      if (closed === count) allClosed.resolve(undefined);
    });
    response.writeHead(200, { 'content-length': String(1024 ** 3) }).write(Buffer.alloc(256 * 1024));
  });
  const gate = await startGate(t, registryAt(origin));
  for (let started = 0; started < count; started += 20) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => open(gate.origin, blob)));
    await Promise.all(
      answers.map(async (answer) => {
        await once(answer, 'readable');
        answer.on('error', () => undefined).destroy();
      }),
    );
  }
  await allClosed.promise;
  await gate.whenEnded(count);
  assert.deepEqual(new Set(gate.ended.map((end) => end.kind)), new Set(['cut']));
});

test('a client that leaves before the answer ends the request at the registry', async (t) => {
  const arrived = Promise.withResolvers<Socket>();
  const origin = await serveRaw(t, (socket) => {
    arrived.resolve(socket);
  });
  const gate = await startGate(t, registryAt(origin));
  const { hostname, port } = new URL(gate.origin);
  const client = connect(Number(port), hostname, () =>
    client.write(`GET ${blob} HTTP/1.1\r\nHost: x\r\n\r\n`),
  );
  const upstream = await arrived.promise;
  client.destroy();
  await once(upstream, 'close');
  await gate.whenEnded(1);
  assert.deepEqual(gate.ended, [{ kind: 'aborted' }]);
});

test('a client that leaves in the middle of its upload ends it at the registry', async (t) => {
  const arrived = Promise.withResolvers<Socket>();
  const origin = await serveRaw(t, (socket) => {
    arrived.resolve(socket);
  });
  const gate = await startGate(t, registryAt(origin));
  const { hostname, port } = new URL(gate.origin);
  const headers = { 'content-length': '1000000' };
  const request = httpRequest({ hostname, port, path: `${uploads}x`, method: 'PUT', agent: false, headers });
  request.on('error', () => undefined).write('abc');
  const upstream = await arrived.promise;
  request.destroy();
  await once(upstream, 'close');
  await gate.whenEnded(1);
  assert.deepEqual(gate.ended, [{ kind: 'aborted' }]);
});

const reset = (socket: Socket): unknown => socket.resetAndDestroy();
const end = (socket: Socket): unknown => socket.end();
for (const [what, head, leave] of [
  ['resets a body with a length', 'Content-Length: 1000', reset],
  ['ends a body with a length', 'Content-Length: 1000', end],
  ['resets a body in chunks', 'Transfer-Encoding: chunked', reset],
  ['ends a body in chunks', 'Transfer-Encoding: chunked', end],
] as const) {
  test(`a registry that ${what} in the middle cuts the client off too`, async (t) => {
    const serving = Promise.withResolvers<Socket>();
    const origin = await serveRaw(t, (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n5\r\nabc`);
      serving.resolve(socket);
    });
    const gate = await startGate(t, registryAt(origin));
    const answer = await open(gate.origin, blob);
    leave(await serving.promise);
    await assert.rejects(answer.toArray(), { code: 'ECONNRESET' });
    await gate.whenEnded(1);
    assert.deepEqual(gate.ended, [{ kind: 'cut', status: 200 }]);
  });
}

test('a registry that dies under a body the client does not read cuts that client and no other', async (t) => {
  const serving = Promise.withResolvers<Socket>();
  let served = 0;
  const origin = await serveRaw(t, (socket) => {
    served += 1;
    if (served > 1) {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc');
      return;
    }
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
    socket.write(Buffer.alloc(32 * 1024 * 1024));
    serving.resolve(socket);
  });
  const gate = await startGate(t, registryAt(origin));
  const answer = await open(gate.origin, blob);
  await once(answer, 'readable');
  (await serving.promise).resetAndDestroy();
  assert.equal((await ask(gate.origin, blob)).body, 'abc');
  await assert.rejects(answer.toArray(), { code: 'ECONNRESET' });
});

test('a registry that is not there is 503 with Retry-After, and is reported', async (t) => {
  const codes: unknown[] = [];
  const onAnswer = (registry: string, code: number | 'error'): void => void codes.push([registry, code]);
  const registry = registryAt('http://127.0.0.1:1');
  const gate = await startGate(t, registry, {}, { limits: { retryAfter: 4500 }, onAnswer });
  const { status, headers, body } = await ask(gate.origin, '/v2/');
  assert.equal(status, 503);
  assert.equal(headers['retry-after'], '5');
  assert.equal(headers['content-type'], 'application/json');
  assert.match(body, /^\{"errors":\[\{"code":"UNAVAILABLE","message":"127\.0\.0\.1:1: .*ECONNREFUSED/);
  assert.deepEqual(codes, [['registry.example', 'error']]);
  const [end] = gate.ended;
  assert.ok(end?.kind === 'unavailable' && end.cause.failure === 'outage');
});

for (const [what, text] of [
  ['nothing', ''],
  ['no HTTP', 'SSH-2.0-OpenSSH\r\n'],
  ['an Upgrade', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  [
    'a length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
] as const) {
  test(`a registry that answers with ${what} is 503`, async (t) => {
    const origin = await serveRaw(t, (socket) => socket.end(text));
    const gate = await startGate(t, registryAt(origin));
    const headers = { connection: 'Upgrade', upgrade: 'h2c' };
    assert.equal((await ask(gate.origin, '/v2/', { headers })).status, 503);
  });
}

test('a status that is none is 502', async (t) => {
  const origin = await serveRaw(t, (socket) => socket.end('HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n'));
  const gate = await startGate(t, registryAt(origin));
  assert.equal((await ask(gate.origin, '/v2/')).status, 502);
});

test('a field that would not pass our own server is dropped', async (t) => {
  const origin = await serveRaw(t, (socket) => {
    socket.end('HTTP/1.1 200 OK\r\nETag: "\xe9"\r\nOCI-Subject: \x80\r\nContent-Length: 2\r\n\r\nok');
  });
  const gate = await startGate(t, registryAt(origin));
  const { headers, body } = await ask(gate.origin, '/v2/');
  assert.equal(body, 'ok');
  assert.equal(headers.etag, undefined);
});

test('a response that is gone before it is carried opens no connection to the registry', async (t) => {
  let connections = 0;
  const origin = await serveRaw(t, () => {
    connections += 1;
  });
  const passThrough = new PassThrough(registryAt(origin), { limits: { retryAfter: 1 } });
  const carried = Promise.withResolvers<unknown>();
  const front = await serve(t, (request, response) => {
    response.destroy();
    // Later, as after a question to the notary: every event of the departure has been.
    const left = new Promise((resolve) => request.on('error', () => undefined).once('close', resolve));
    void Promise.all([left, once(response, 'close')])
      .then(() => new Promise(setImmediate))
      .then(() => {
        const view = { publicPrefix: '', toClient: String, authorization: undefined };
        carried.resolve(passThrough.carry(request, response, { endpoint: { kind: 'base' }, ...view }));
      });
  });
  await assert.rejects(ask(front, '/v2/'));
  assert.deepEqual(await carried.promise, { kind: 'aborted' });
  assert.equal(connections, 0);
});

/** A registry that closes each connection when a second request comes on it; `seen` are the requests that came. */
async function forgetful(
  t: TestContext,
): Promise<{ origin: string; connections: Connections; seen: string[] }> {
  const seen: string[] = [];
  const answered = new Set<Socket>();
  const server = createServer((request, response) => {
    const isSecond = answered.has(request.socket);
    seen.push(`${request.method}${isSecond ? ', on an old connection' : ''}`);
    answered.add(request.socket);
    if (isSecond) request.socket.destroy();
    else request.resume().once('end', () => response.writeHead(204).end());
  });
  return { ...(await listen(t, server)), seen };
}

for (const method of ['GET', 'HEAD', 'DELETE']) {
  test(`a ${method} that met a connection at its end is asked once more, on a new one`, async (t) => {
    const { origin, connections, seen } = await forgetful(t);
    const gate = await startGate(t, registryAt(origin));
    await Promise.all([1, 2, 3].map(() => ask(gate.origin, blob, { method: 'HEAD' })));
    const before = seen.length;
    assert.equal((await ask(gate.origin, blob, { method })).status, 204);
    assert.deepEqual(seen.slice(before), [`${method}, on an old connection`, method]);
    gate.close();
    await connections.none();
  });
}

for (const method of ['POST', 'PATCH', 'PUT']) {
  test(`a ${method} that met a connection at its end is not sent twice`, async (t) => {
    const { origin, seen } = await forgetful(t);
    const gate = await startGate(t, registryAt(origin));
    await ask(gate.origin, blob, { method: 'HEAD' });
    const { status, headers } = await ask(gate.origin, `${uploads}x`, { method });
    assert.deepEqual([status, headers['retry-after']], [503, '5']);
    assert.deepEqual(seen, ['HEAD', `${method}, on an old connection`]);
  });
}

for (const [what, isAnswered, breakOff, times] of [
  ['breaks a new connection', 0, (socket: Socket) => socket.destroy(), 1],
  ['breaks an old connection and then a new one', 1, (socket: Socket) => socket.destroy(), 3],
  ['answers with no HTTP on an old connection', 1, (socket: Socket) => socket.end('SSH-2.0\r\n'), 2],
] as const) {
  test(`a registry that ${what} is 503, after ${times} requests in all`, async (t) => {
    let seen = 0;
    const server = createServer((request, response) => {
      seen += 1;
      if (seen <= isAnswered) response.end();
      else breakOff(request.socket);
    });
    const gate = await startGate(t, registryAt((await listen(t, server)).origin));
    if (isAnswered > 0) await ask(gate.origin, blob);
    assert.equal((await ask(gate.origin, blob)).status, 503);
    assert.equal(seen, times);
  });
}

test('a connection that nothing is asked on is closed by us, before the registry would', async (t) => {
  const server = createServer((_, response) => response.end());
  server.keepAliveTimeout = 0; // never
  const { origin, connections } = await listen(t, server);
  const gate = await startGate(t, registryAt(origin));
  await ask(gate.origin, blob);
  assert.equal(connections.open.size, 1);
  await connections.none();
});
