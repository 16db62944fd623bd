import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { answerOk, assertOciError, dial, exchange, get, open, post, readUntil, target } from './door.ts';

test('a request is handed on, and connections are kept for the next', async (t) => {
  const { port, seen } = await open(t);
  const answer = await exchange(port, get('Host: a\r\n') + get('Host: a\r\nConnection: close\r\n'));
  assert.equal(answer.match(/HTTP\/1\.1 200 OK\r\n/g)?.length, 2);
  assert.doesNotMatch(answer, /\r\n(?:Server|X-Powered-By):/i);
  assert.deepEqual(seen, [`GET ${target}`, `GET ${target}`]);
});

test('a bad chunk in a body that is being read ends the request and the connection', async (t) => {
  const handler = async (request: IncomingMessage): Promise<void> => {
    for await (const chunk of request) void chunk;
  };
  const { port, errors } = await open(t, { handler });
  assertOciError(await exchange(port, post('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\nZZ\r\n')), 400);
  assert.equal(errors.length, 1);
});

test('garbage behind an answer that has begun cuts it, and is not answered inside it', async (t) => {
  const begun = (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.writeHead(200, { 'Content-Length': 1000 }).write('part');
    return Promise.resolve();
  };
  const { port } = await open(t, { handler: begun });
  const socket = dial(port);
  socket.write(get('Host: a\r\n'));
  assert.match(await readUntil(socket, 'part'), /^HTTP\/1\.1 200 /);
  let more = '';
  socket.on('data', (chunk: Buffer) => (more += chunk.toString('latin1')));
  socket.write('\0\0\0\0\r\n\r\n');
  await once(socket, 'close');
  assert.equal(more, '');
});

test('a client that resets its connection after CONNECT is no error of ours', async (t) => {
  const { port, errors } = await open(t);
  const socket = dial(port);
  await once(socket, 'connect');
  socket.write('CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n');
  socket.resetAndDestroy();
  await once(socket, 'close');
  assert.match(await exchange(port, get('Host: a\r\nConnection: close\r\n')), /^HTTP\/1\.1 200 /);
  assert.deepEqual(errors, []);
});

for (const protocol of ['websocket', 'h2c']) {
  test(`an upgrade to ${protocol} is ignored: the normal answer`, async (t) => {
    const { port, seen } = await open(t);
    const socket = dial(port);
    socket.write(get(`Host: a\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n`));
    assert.match(await readUntil(socket, 'ok'), /^HTTP\/1\.1 200 OK\r\n/);
    assert.deepEqual(seen, [`GET ${target}`]);
    socket.destroy();
  });
}

test('an expectation that nobody knows is ignored', async (t) => {
  const { port } = await open(t);
  const answer = await exchange(port, get('Host: a\r\nExpect: miracles\r\nConnection: close\r\n'));
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
});

for (const method of ['GET', 'HEAD']) {
  test(`a body on ${method} is no second request, and ends the connection`, async (t) => {
    const { port, seen } = await open(t);
    const inner = `GET /v2/secret/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n`;
    for (const framing of [
      `Content-Length: ${inner.length}\r\n\r\n${inner}`,
      `Transfer-Encoding: chunked\r\n\r\n${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`,
    ]) {
      const answer = await exchange(port, `${method} ${target} HTTP/1.1\r\nHost: a\r\n${framing}`);
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(answer, /\r\nConnection: close\r\n/);
    }
    assert.deepEqual(seen, [`${method} ${target}`, `${method} ${target}`]);
  });
}

test('GET with a body of no bytes keeps the connection', async (t) => {
  const { port, seen } = await open(t);
  const last = get('Host: a\r\nConnection: close\r\n');
  await exchange(port, get('Host: a\r\nContent-Length: 0\r\n') + last);
  assert.equal(seen.length, 2);
});

test('a body that nobody reads is not read for ever', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const answered = Promise.withResolvers<void>();
  const handler = (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.once('close', answered.resolve);
    return answerOk(_request, response);
  };
  const { port } = await open(t, { handler });
  const socket = dial(port);
  socket.write(post('Content-Length: 1000000\r\n', 'the beginning'));
  assert.match(await readUntil(socket, 'ok'), /^HTTP\/1\.1 200 /);
  await answered.promise;
  t.mock.timers.tick(5_000);
  await once(socket, 'close');
});

test('a handler that fails before its answer costs a 500 without details, and is reported', async (t) => {
  const failure = new Error('the secret is swordfish');
  const handler = (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.setHeader('Docker-Content-Digest', 'sha256:0');
    return Promise.reject(failure);
  };
  const { port, errors } = await open(t, { handler });
  const answer = await exchange(port, get('Host: a\r\n'));
  assertOciError(answer, 500);
  assert.doesNotMatch(answer, /swordfish|Docker-Content-Digest/);
  assert.deepEqual(errors, [failure]);
});

test('a handler that fails within its answer cuts it, and is reported', async (t) => {
  const failure = new Error('lost');
  const handler = (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.writeHead(200, { 'Content-Length': 1000 }).write('part');
    return Promise.reject(failure);
  };
  const { port, errors } = await open(t, { handler });
  const answer = await exchange(port, get('Host: a\r\n'));
  assert.doesNotMatch(answer, /500/);
  assert.deepEqual(errors, [failure]);
});

test('a handler that fails after its answer does not cut it', async (t) => {
  const handler = (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.end('x'.repeat(20_000_000));
    return Promise.reject(new Error('late'));
  };
  const { port, errors } = await open(t, { handler });
  const answer = await exchange(port, get('Host: a\r\nConnection: close\r\n'));
  assert.ok(answer.length > 20_000_000);
  assert.equal(errors[0]?.message, 'late');
});

test('a handler that throws at once, or writes after the end, does not end the process', async (t) => {
  const handler = (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url === '/throws') throw new TypeError('at once');
    response.end('ok');
    response.write('more');
    return Promise.resolve();
  };
  const { port, errors } = await open(t, { handler });
  assertOciError(await exchange(port, 'GET /throws HTTP/1.1\r\nHost: a\r\n\r\n'), 500);
  assert.match(await exchange(port, get('Host: a\r\nConnection: close\r\n')), /^HTTP\/1\.1 200 /);
  assert.deepEqual(
    errors.map((error) => ('code' in error ? error.code : error.message)),
    ['at once', 'ERR_STREAM_WRITE_AFTER_END'],
  );
});

/** A handler whose answers wait until the test lets them end; `called` resolves with the first. */
function holdAnswers(): {
  handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  called: Promise<ServerResponse>;
} {
  const called = Promise.withResolvers<ServerResponse>();
  return {
    called: called.promise,
    handler: async (_request, response) => {
      called.resolve(response);
      await once(response, 'close');
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(port);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('close', () => resolve(false));
  });
}

test('drain lets the answer under way finish, says that it is the last, and then ends', async (t) => {
  const { handler, called } = holdAnswers();
  const { port, drain } = await open(t, { handler });
  const answer = exchange(port, get('Host: a\r\n'));
  const response = await called;
  const drained = drain();
  response.end('all of it');
  assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n[^]*\r\nConnection: close\r\n[^]*all of it$/);
  await drained;
});

test('drain lets an answer whose head is out finish whole', async (t) => {
  const { handler, called } = holdAnswers();
  const { port, drain } = await open(t, { handler });
  const answer = exchange(port, get('Host: a\r\n'));
  const response = await called;
  response.writeHead(200, { 'Content-Length': 300_000 }).write('x'.repeat(100_000));
  const drained = drain();
  while (await accepts(port));
  response.write('x'.repeat(100_000));
  response.end('x'.repeat(100_000));
  assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nx{300000}$/);
  await drained;
});

test('drain closes idle connections and those that never asked, and refuses new ones', async (t) => {
  const { port, drain } = await open(t);
  const [used, silent] = [dial(port), dial(port)];
  used.write(get('Host: a\r\n'));
  await readUntil(used, 'ok');
  const closed = Promise.all([once(used, 'close'), once(silent, 'close')]);
  await drain();
  await closed;
  const late = dial(port);
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
});

test('until the grace ends, drain still answers, once a connection', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { port, drain } = await open(t, { drainGrace: 2_000 });
  const drained = drain();
  const answer = await exchange(port, get('Host: a\r\n'));
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*\r\nConnection: close\r\n/);
  t.mock.timers.tick(2_000);
  await drained;
});

test('drain cuts what is not finished in time', async (t) => {
  const { handler, called } = holdAnswers();
  const { port, drain } = await open(t, { handler, drainTimeout: 50 });
  const answer = exchange(port, get('Host: a\r\n'));
  await called;
  await Promise.all([drain(), drain()]);
  assert.equal(await answer, '');
});

test('close cuts answers under way at once', async (t) => {
  const { handler, called } = holdAnswers();
  const { port, close } = await open(t, { handler });
  const answer = exchange(port, get('Host: a\r\n'));
  await called;
  await close();
  assert.equal(await answer, '');
});

test('an address that is taken is an error at the start', async (t) => {
  const { port } = await open(t);
  await assert.rejects(open(t, { listen: { host: '127.0.0.1', port } }), { code: 'EADDRINUSE' });
});
