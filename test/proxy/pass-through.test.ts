import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { PassThrough } from '../../src/proxy/upstream/pass-through.ts';
import type { Gate } from './gate.ts';
import { ask, startGate } from './gate.ts';
import { digest, registryAt, serve, serveRaw } from './wire.ts';

const uploads = '/v2/team/app/blobs/uploads/';

test('a request reaches the registry with the printed path, our host and only the fields that may pass', async (t) => {
  const origin = await serve(t, (request, response) => {
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  const gate = await startGate(t, registryAt(origin), { authorization: 'Bearer ours' });
  const { body } = await ask(
    gate.origin,
    "/v2/team/app/tags/list?n=2&x=y&last=it's%2Fa&ns=registry.example",
    {
      headers: {
        Authorization: 'Basic mine',
        Connection: 'close, Authorization',
        Cookie: 'a=b',
        'X-Forwarded-Host': 'evil.example',
        'User-Agent': 'docker',
      },
    },
  );
  assert.deepEqual(JSON.parse(body), {
    url: "/v2/team/app/tags/list?n=2&last=it's%2Fa",
    headers: {
      'accept-encoding': 'identity',
      authorization: 'Bearer ours',
      connection: 'keep-alive',
      host: new URL(origin).host,
      'user-agent': 'docker',
    },
  });
});

test('after it was carried, a request reads as the client sent it', async (t) => {
  const origin = await serve(t, (_, response) => response.end());
  const passThrough = new PassThrough(registryAt(origin), { limits: { retryAfter: 1 } });
  t.after(() => {
    passThrough.close();
  });
  const seen = Promise.withResolvers<unknown>();
  const front = await serve(t, (request, response) => {
    const view = { publicPrefix: '', toClient: String, authorization: undefined };
    void passThrough.carry(request, response, { endpoint: { kind: 'base' }, ...view }).then(() => {
      seen.resolve([request.url, request.headers['user-agent']]);
    });
  });
  await ask(front, '/v2/?ns=x', { headers: { 'User-Agent': 'docker' } });
  assert.deepEqual(await seen.promise, ['/v2/?ns=x', 'docker']);
});

test('an answer keeps its status, its challenge and its body, loses what is not for the client, and gets our warning', async (t) => {
  const origin = await serve(t, (_, response) => {
    const headers = {
      'set-cookie': 'a=b',
      server: 'x',
      'tufgate-trust': 'signed',
      warning: '299 - "theirs"',
    };
    response.writeHead(401, { ...headers, 'www-authenticate': 'Basic realm="x"' }).end('{"errors":[]}');
  });
  const gate = await startGate(t, registryAt(origin), { extraHeaders: { warning: '299 - "ours"' } });
  const { status, headers, body } = await ask(gate.origin, '/v2/');
  const { date, ...rest } = headers;
  assert.equal(typeof date, 'string');
  assert.equal(status, 401);
  assert.equal(body, '{"errors":[]}');
  assert.deepEqual(rest, {
    connection: 'close',
    'transfer-encoding': 'chunked',
    warning: '299 - "theirs", 299 - "ours"',
    'www-authenticate': 'Basic realm="x"',
  });
  await gate.whenEnded(1);
  assert.deepEqual(gate.ended, [{ kind: 'answered', status: 401 }]);
});

test('a client is told of our challenge where there is one, and of none where its credentials are not sent', async (t) => {
  let challenges: string[] = [];
  const origin = await serve(t, (_, response) => {
    for (const line of challenges) response.appendHeader('www-authenticate', line);
    response.writeHead(401).end();
  });
  const told: (readonly string[])[] = [];
  const answering = (ours: string | undefined) => ({
    challenge: (theirs: readonly string[]) => {
      told.push(theirs);
      return ours;
    },
  });
  const challengeFrom = async ({ origin: at }: Gate): Promise<unknown> =>
    (await ask(at, '/v2/')).headers['www-authenticate'];
  const ours = await startGate(t, registryAt(origin), answering('Bearer realm="https://gate.example/token"'));
  const silent = await startGate(t, registryAt(origin), answering(undefined));
  const closed = await startGate(t, registryAt(origin, { auth: 'anonymous' }), answering('Basic realm="x"'));

  assert.equal(await challengeFrom(ours), undefined, 'the registry asks for nothing');
  assert.deepEqual(told, []);
  challenges = ['Bearer realm="https://auth.example/token"', 'Basic realm="r"'];
  assert.equal(await challengeFrom(ours), 'Bearer realm="https://gate.example/token"');
  assert.equal(await challengeFrom(silent), undefined);
  assert.deepEqual(told, [[challenges.join(', ')], [challenges.join(', ')]]);
  assert.equal(await challengeFrom(closed), undefined);
  assert.equal(told.length, 2);
});

test('HEAD keeps the length, and the connection is used again', async (t) => {
  const connections = new Set<unknown>();
  const origin = await serve(t, (request, response) => {
    connections.add(request.socket);
    response.writeHead(200, { 'content-length': '1234', 'docker-content-digest': digest }).end();
  });
  const gate = await startGate(t, registryAt(origin));
  for (const count of [1, 2, 3]) {
    const { headers } = await ask(gate.origin, `/v2/team/app/blobs/${digest}`, { method: 'HEAD' });
    assert.equal(headers['content-length'], '1234');
    await gate.whenEnded(count);
  }
  assert.equal(connections.size, 1);
});

test('an upload goes through, chunked or with a length, and with Expect: 100-continue', async (t) => {
  const seen: unknown[] = [];
  const origin = await serve(t, (request, response) => {
    const { 'content-length': length, 'transfer-encoding': coding, expect } = request.headers;
    void text(request).then((body) => {
      seen.push({ method: request.method, length, coding, expect, body });
      response.writeHead(202).end();
    });
  });
  const gate = await startGate(t, registryAt(origin));
  const path = `${uploads}7f?_state=x`;
  await ask(gate.origin, path, { method: 'PATCH', headers: { 'Transfer-Encoding': 'chunked' } }, 'abc');
  await ask(gate.origin, path, { method: 'PUT', headers: { 'Content-Length': 3 } }, 'abc');
  await ask(gate.origin, path, { method: 'POST', headers: { 'Content-Length': 0 } });

  const { hostname, port } = new URL(gate.origin);
  const bare = connect(Number(port), hostname);
  bare.end(`POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await text(bare);

  const headers = { expect: '100-continue', 'content-length': '3' };
  const request = httpRequest({ hostname, port, path, method: 'PUT', agent: false, headers });
  request.flushHeaders();
  await new Promise((resolve) => request.once('continue', resolve));
  const answered = new Promise((resolve) => request.once('response', resolve));
  request.end('xyz');
  await answered;
  assert.deepEqual(seen, [
    { method: 'PATCH', length: undefined, coding: 'chunked', expect: undefined, body: 'abc' },
    { method: 'PUT', length: '3', coding: undefined, expect: undefined, body: 'abc' },
    { method: 'POST', length: '0', coding: undefined, expect: undefined, body: '' },
    { method: 'POST', length: '0', coding: undefined, expect: undefined, body: '' },
    { method: 'PUT', length: '3', coding: undefined, expect: undefined, body: 'xyz' },
  ]);
});

test('the body of a GET or DELETE does not reach the registry, where it could be taken for another request', async (t) => {
  for (const method of ['GET', 'DELETE']) {
    const sent = Promise.withResolvers<string>();
    const origin = await serveRaw(t, (socket, head) => {
      sent.resolve(head);
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    });
    const gate = await startGate(t, registryAt(origin));
    const smuggled = 'PUT /v2/team/app/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
    const headers = { 'content-length': smuggled.length };
    assert.equal(
      (await ask(gate.origin, '/v2/team/app/manifests/v1', { method, headers }, smuggled)).status,
      200,
    );
    const head = await sent.promise;
    assert.ok(head.startsWith(`${method} /v2/team/app/manifests/v1 HTTP/1.1\r\n`));
    assert.ok(head.endsWith('\r\n\r\n'));
    assert.doesNotMatch(head, /PUT|content-length: [1-9]/i);
  }
});

test('the address of an upload, relative or absolute, leads back through the gate with its state', async (t) => {
  let location = '';
  const origin = await serve(t, (_, response) => response.writeHead(202, { location }).end());
  const gate = await startGate(t, registryAt(origin), {
    toClient: (repository) => `docker.io/${repository}`,
    namespace: 'docker.io',
  });
  for (const base of ['', origin, origin.replace('http:', '')]) {
    location = `${base}${uploads}7f?_state=a%2Bb`;
    const { status, headers } = await ask(gate.origin, uploads, { method: 'POST' });
    assert.equal(status, 202);
    assert.equal(headers.location, '/v2/docker.io/team/app/blobs/uploads/7f?_state=a%2Bb&ns=docker.io');
  }
});

test('a pull that is not judged may be redirected to a storage, but not into our network', async (t) => {
  let location = '';
  const origin = await serve(t, (_, response) => response.writeHead(307, { location }).end());
  const gate = await startGate(t, registryAt(origin));
  for (const [sent, got, status] of [
    ['https://storage.example/x?y=z', 'https://storage.example/x?y=z', 307],
    ['/artifacts/x', `${origin}/artifacts/x`, 307],
    [`${origin}/v2/team/app/blobs/${digest}`, `/v2/team/app/blobs/${digest}`, 307],
    ['http://169.254.169.254/x', undefined, 502],
    ['http://a:b@storage.example/x', undefined, 502],
  ] as const) {
    location = sent;
    const answer = await ask(gate.origin, `/v2/team/app/blobs/${digest}`);
    assert.equal(answer.status, status);
    assert.equal(answer.headers.location, got);
  }
  location = 'https://login.example/';
  assert.equal((await ask(gate.origin, '/v2/')).status, 502);
});

test('the next page of a list leads back through the gate', async (t) => {
  let link = '</v2/team/app/tags/list?n=1&last=b>; rel="next"';
  const origin = await serve(t, (_, response) => response.writeHead(200, { link }).end('{}'));
  const gate = await startGate(t, registryAt(origin), {
    publicPrefix: '/hub',
    publicUrl: 'https://gate.example',
  });
  const first = await ask(gate.origin, '/v2/team/app/tags/list?n=1');
  assert.equal(
    first.headers['link'],
    '<https://gate.example/hub/v2/team/app/tags/list?n=1&last=b>; rel="next"',
  );
  link = '</v2/team/app/tags/list?page=2>; rel="next"';
  assert.equal((await ask(gate.origin, '/v2/team/app/tags/list?n=1')).status, 502);
});
