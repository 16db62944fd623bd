import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { BlobEnd, ExpectedBlob } from '../../src/proxy/upstream/verified-blob.ts';
import { digestBy, startBlobGate } from './blob-gate.ts';
import { heldConnections, listen } from './connections.ts';
import { ask, open } from './gate.ts';
import { serveRaw } from './wire.ts';

const blob = Buffer.from(Array.from({ length: 500_000 }, (_, at) => (at * at) >> 8));
const expected: ExpectedBlob = { digest: digestBy('sha256', blob), size: blob.length };
const withLength = { 'content-length': blob.length };
const cutByClient: BlobEnd = { kind: 'cut', cause: undefined };

test('a client that leaves in the middle ends the transfer at the registry', async (t) => {
  const closed = Promise.withResolvers<undefined>();
  const gate = await startBlobGate(t, expected, (_, response) => {
    response.once('close', () => closed.resolve(undefined));
    response.writeHead(200, withLength).write(blob.subarray(0, -1));
  });
  const answer = await open(gate.origin, '/');
  await once(answer, 'readable');
  answer.on('error', () => undefined).destroy();
  await closed.promise;
  await gate.whenEnded(1);
  assert.deepEqual(gate.ended, [cutByClient]);
});

test(
  'a client that leaves while everything is held back ends the transfer at the registry',
  { timeout: 20_000 },
  async (t) => {
    const closed = Promise.withResolvers<undefined>();
    const gate = await startBlobGate(t, expected, (_, response) => {
      response.once('close', () => closed.resolve(undefined));
      response.writeHead(200, withLength).write('a');
    });
    const leaving = new AbortController();
    const left = assert.rejects(open(gate.origin, '/', { signal: leaving.signal }), { code: 'ABORT_ERR' });
    await gate.sending;
    leaving.abort();
    await left;
    await closed.promise;
    await gate.whenEnded(1);
    assert.deepEqual(gate.ended, [cutByClient]);
  },
);

test(
  'a client that has left before the registry answers ends the transfer at the registry',
  { timeout: 20_000 },
  async (t) => {
    const [arrived, gone] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const closed = Promise.withResolvers<undefined>();
    const gate = await startBlobGate(t, expected, (_, response) => {
      response.once('close', () => closed.resolve(undefined));
      arrived.resolve(undefined);
      void gone.promise.then(() => response.writeHead(200, withLength).write('a'));
    });
    const leaving = new AbortController();
    const left = assert.rejects(open(gate.origin, '/', { signal: leaving.signal }), { code: 'ABORT_ERR' });
    await arrived.promise;
    leaving.abort();
    await left;
    await gate.connections.none();
    gone.resolve(undefined);
    await closed.promise;
    await gate.whenEnded(1);
    assert.deepEqual(gate.ended, [cutByClient]);
  },
);

for (const [what, head] of [
  ['with a length', 'Content-Length: 1000000'],
  ['in chunks', 'Transfer-Encoding: chunked'],
] as const) {
  for (const [how, leave] of [
    ['resets', (socket: Socket): unknown => socket.resetAndDestroy()],
    ['ends', (socket: Socket): unknown => socket.end()],
  ] as const) {
    test(`a registry that ${how} a blob ${what} in the middle cuts the client off, and is to blame`, async (t) => {
      const serving = Promise.withResolvers<Socket>();
      const origin = await serveRaw(t, (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`);
        if (head.endsWith('chunked')) socket.write('F4240\r\n');
        socket.write(blob);
        serving.resolve(socket);
      });
      const gate = await startBlobGate(t, { ...expected, size: undefined }, origin);
      const answer = await open(gate.origin, '/');
      leave(await serving.promise);
      await assert.rejects(answer.toArray(), { code: 'ECONNRESET' });
      await gate.whenEnded(1);
      const [end] = gate.ended;
      assert.ok(end?.kind === 'cut' && end.cause?.failure === 'outage', JSON.stringify(end));
    });
  }
}

test('a registry that leaves while everything is held back leaves it for another try', async (t) => {
  const origin = await serveRaw(t, (socket) => {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 500000\r\nETag: "x"\r\n\r\nabc');
  });
  const gate = await startBlobGate(t, expected, origin);
  const { status, headers } = await ask(gate.origin, '/');
  assert.deepEqual([status, headers.etag], [503, undefined]);
  const [end] = gate.ended;
  assert.ok(end?.kind === 'unavailable' && end.cause.failure === 'outage');
});

test('a client that does not read makes the registry wait, and little is held in between', async (t) => {
  const total = 1024 ** 3;
  const [one, seen] = [Buffer.alloc(64 * 1024), { sent: 0, held: 0 }];
  let isFlood = true;
  const gate = await startBlobGate(t, { ...expected, size: undefined }, (_, response) => {
    if (!isFlood) return void response.writeHead(200, withLength).end(blob);
    response.writeHead(200, { 'content-length': total });
    const pour = (): void => {
      response.write(one, (error) => {
        seen.held = Math.max(seen.held, gate.held());
        if (error || seen.sent >= total) return;
        seen.sent += one.length;
        pour();
      });
    };
    return pour();
  });
  const answer = await open(gate.origin, '/');
  await once(answer, 'readable');
  isFlood = false;
  // The clock: what goes by at full speed meanwhile is several times what the buffers of the system take.
  for (let others = 0; others < 200; others += 1) {
    assert.equal((await ask(gate.origin, '/')).status, 200);
    seen.held = Math.max(seen.held, gate.held());
  }
  const [sent, { bytesRead }] = [seen.sent, answer.socket];
  assert.ok(sent - bytesRead < 32 * 1024 ** 2, `${sent} bytes sent, ${bytesRead} read`);
  assert.ok(seen.held < 1024 ** 2, `${seen.held} bytes held`);

  // The client reads again, and the registry goes on.
  const until = sent + 64 * 1024 ** 2;
  for await (const _ of answer) if (answer.socket.bytesRead > until) break;
  assert.ok(seen.sent > sent);
  await gate.whenEnded(201);
  assert.deepEqual(gate.ended.at(-1), cutByClient);
  assert.equal(gate.held(), 0);
});

const ways: Record<string, (response: ServerResponse) => unknown> = {
  right: (response) => response.end(blob),
  wrong: (response) => response.end(Buffer.concat([blob.subarray(1), blob.subarray(0, 1)])),
  endless: (response) => response.write(blob.subarray(0, -1)),
  broken: (response) => response.write(blob.subarray(0, -1), () => response.socket?.resetAndDestroy()),
};

test('of three hundred blobs at once that end in four ways, no connection and no byte is left', async (t) => {
  const before = heldConnections();
  const registry = createServer((request, response) => {
    response.writeHead(200, withLength);
    ways[request.headers.accept ?? '']?.(response);
  });
  const { origin, connections } = await listen(t, registry);
  const gate = await startBlobGate(t, expected, origin);
  const pull = async (way: string): Promise<unknown> => {
    const answer = await open(gate.origin, '/', { headers: { accept: way } });
    if (way !== 'endless') return answer.toArray();
    await once(answer, 'readable');
    return answer.on('error', () => undefined).destroy();
  };
  const pulls = Array.from({ length: 75 }, () => Object.keys(ways).map(pull)).flat();
  await Promise.allSettled(pulls);
  await gate.whenEnded(300);
  const count = Object.groupBy(gate.ended, (end) => {
    if (end.kind !== 'cut') return end.kind === 'unavailable' ? 'registry' : end.kind;
    return end.cause === undefined ? 'client' : 'registry';
  });
  assert.deepEqual(Object.fromEntries(Object.entries(count).map(([kind, ends]) => [kind, ends.length])), {
    verified: 75,
    mismatch: 75,
    client: 75,
    registry: 75,
  });
  assert.equal(gate.held(), 0);
  await gate.close();
  await Promise.all([gate.connections.none(), connections.none()]);
  assert.equal(heldConnections(), before);
});
