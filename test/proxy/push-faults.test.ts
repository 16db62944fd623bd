import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { connect, createServer as createSocketServer } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { Connections } from './connections.ts';
import { heldConnections, listen } from './connections.ts';
import type { Gate } from './gate.ts';
import { startGate } from './gate.ts';
import { registryAt } from './wire.ts';

// Either side leaves in the middle of a push, three hundred times. What is counted: connections where they arrive at
// the proxy, where they arrive at the registry, and all that the process holds, which is both ends of both.

const count = 300;
const atOnce = 30;
const session = '/v2/team/app/blobs/uploads/x';
const chunkedHead = `PATCH ${session} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`;
const wholeHead = `PATCH ${session} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n`;
const firstChunk = '5\r\nabcde\r\n';

interface Side {
  readonly gate: Gate;
  readonly registry: Connections;
  /** The next connection on which a body has begun to arrive at the registry. */
  readonly nextBody: () => Promise<Socket>;
}

/** A registry that reads and says nothing, unless the test makes it; a proxy before it. */
async function sides(t: TestContext, talk: (socket: Socket) => void = () => undefined): Promise<Side> {
  const bodies: Socket[] = [];
  const waiting: ((socket: Socket) => void)[] = [];
  const server = createSocketServer({ allowHalfOpen: true }, (socket) => {
    let received = '';
    socket
      .once('end', () => socket.end())
      .on('data', (bytes: Buffer) => {
        const before = received.includes('abcde');
        received += bytes.toString('latin1');
        if (before || !received.includes('abcde')) return;
        talk(socket);
        const next = waiting.shift();
        if (next === undefined) bodies.push(socket);
        else next(socket);
      });
  });
  const { origin, connections } = await listen(t, server);
  const nextBody = (): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = bodies.shift();
      if (socket === undefined) waiting.push(resolve);
      else resolve(socket);
    });
  return { gate: await startGate(t, registryAt(origin)), registry: connections, nextBody };
}

function dial(gate: Gate): Socket {
  const { hostname, port } = new URL(gate.origin);
  return connect(Number(port), hostname).on('error', () => undefined);
}

const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));

/** Does it three hundred times; then nothing may be open, and every transfer must have ended as it should. */
async function repeatedly(
  t: TestContext,
  side: Side,
  ends: unknown,
  run: () => Promise<unknown>,
): Promise<void> {
  const before = heldConnections();
  for (let started = 0; started < count; started += atOnce) {
    await Promise.all(Array.from({ length: atOnce }, run));
  }
  await side.gate.whenEnded(count);
  side.gate.close();
  await Promise.all([side.gate.connections.none(), side.registry.none()]);
  assert.equal(side.gate.connections.opened, count);
  // One turn: a handle leaves the count of the process with the event that tells of its end, or right behind it.
  await new Promise(setImmediate);
  assert.equal(heldConnections(), before);
  assert.equal(side.gate.ended.length, count);
  for (const end of side.gate.ended) assert.partialDeepStrictEqual(end, ends);
  t.diagnostic(`${side.registry.opened} connections to the registry`);
}

test('of clients that leave in the middle of a chunk, nothing stays', async (t) => {
  const side = await sides(t);
  await repeatedly(t, side, { kind: 'aborted' }, async () => {
    const client = dial(side.gate);
    client.write(chunkedHead + firstChunk);
    const upstream = await side.nextBody();
    client.destroy();
    await closed(upstream);
  });
});

test('of clients that reset the connection in the middle of a chunk, nothing stays', async (t) => {
  const side = await sides(t);
  await repeatedly(t, side, { kind: 'aborted' }, async () => {
    const client = dial(side.gate);
    client.write(chunkedHead + firstChunk);
    const upstream = await side.nextBody();
    client.resetAndDestroy();
    await closed(upstream);
  });
});

test('of clients that have sent everything and leave before the answer, nothing stays', async (t) => {
  const side = await sides(t);
  await repeatedly(t, side, { kind: 'aborted' }, async () => {
    const client = dial(side.gate);
    client.write(`${wholeHead}abcde`);
    const upstream = await side.nextBody();
    client.destroy();
    await closed(upstream);
  });
});

for (const [what, die] of [
  ['resets the connection', (socket: Socket) => socket.resetAndDestroy()],
  ['closes the connection', (socket: Socket) => socket.destroy()],
  // It sends no more, and would go on reading.
  ['ends its own half of the connection', (socket: Socket) => socket.end()],
] as const) {
  test(`a registry that ${what} in the middle of the body is 503, and nothing stays`, async (t) => {
    const side = await sides(t, die);
    await repeatedly(t, side, { kind: 'unavailable', status: 503 }, async () => {
      const client = dial(side.gate);
      client.write(chunkedHead + firstChunk);
      const [answer] = (await once(client, 'data')) as [Buffer];
      assert.match(answer.toString(), /^HTTP\/1\.1 503 /);
      assert.match(answer.toString(), /^retry-after: 5\r$/im);
      client.destroy();
    });
  });

  test(`a registry that ${what} in the middle of its answer cuts the client off, and nothing stays`, async (t) => {
    const head = 'HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n';
    const side = await sides(t, (socket) => socket.write(`${head}half`));
    await repeatedly(t, side, { kind: 'cut', status: 202 }, async () => {
      const client = dial(side.gate);
      client.write(`${wholeHead}abcde`);
      const upstream = await side.nextBody();
      let answer = '';
      client.on('data', (bytes: Buffer) => {
        answer += bytes.toString('latin1');
        if (answer.endsWith('half')) die(upstream);
      });
      await closed(client);
      assert.match(answer, /^HTTP\/1\.1 202 [^]*half$/);
    });
  });
}

for (const [what, more, after] of [
  ['and reads on', '', () => undefined],
  ['and closes', 'Connection: close\r\n', (socket: Socket) => socket.end()],
] as const) {
  test(`a registry that answers before the end of the body, ${what}, is heard, and nothing stays`, async (t) => {
    const answer = `HTTP/1.1 413 Too Large\r\n${more}Content-Length: 4\r\n\r\nfull`;
    const side = await sides(t, (socket) => {
      socket.write(answer);
      after(socket);
    });
    await repeatedly(t, side, { kind: 'answered', status: 413 }, async () => {
      const client = dial(side.gate);
      client.write(chunkedHead + firstChunk);
      let said = '';
      client.on('data', (bytes: Buffer) => {
        said += bytes.toString('latin1');
        if (said.endsWith('full')) client.destroy();
      });
      await closed(client);
      assert.match(said, /^HTTP\/1\.1 413 [^]*full$/);
    });
  });
}

const large = Buffer.alloc(64 * 1024 * 1024, 'x');

for (const [what, talk, status] of [
  [
    'answers and does not read on',
    (socket: Socket) => {
      socket.pause().write('HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nfull');
    },
    413,
  ],
  ['dies', (socket: Socket) => void socket.resetAndDestroy(), 503],
] as const) {
  test(`a client that reads only when it has sent everything hears a registry that ${what}`, async (t) => {
    const side = await sides(t, talk);
    const client = dial(side.gate);
    client.pause();
    client.write(
      `PATCH ${session} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${5 + large.length}\r\n\r\nabcde`,
    );
    const upstream = await side.nextBody();
    await new Promise((resolve) => client.write(large, resolve));
    assert.match(await text(client), new RegExp(`^HTTP/1\\.1 ${status} `));
    side.gate.close();
    upstream.resume();
    await Promise.all([side.gate.connections.none(), side.registry.none()]);
  });
}

/** Resolves when nothing has been moving for many turns, or everything has moved. */
async function standstill(moved: () => number, all: number): Promise<number> {
  let last = -1;
  for (let still = 0; still < 200 && moved() < all; still += 1) {
    if (moved() !== last) still = 0;
    last = moved();
    await new Promise(setImmediate);
  }
  return moved();
}

/** What systems keep in the buffers of two connections, and more; far below what is sent. */
const buffered = 32 * 1024 * 1024;

test('while the registry does not read, the proxy does not take the body from the client', async (t) => {
  const started = Promise.withResolvers<() => Promise<string>>();
  const { origin, connections } = await listen(
    t,
    createServer((request, response) => {
      started.resolve(() => {
        request.once('end', () => response.writeHead(202).end());
        return text(request);
      });
    }),
  );
  const gate = await startGate(t, registryAt(origin));
  const client = dial(gate);
  client.write(
    `PATCH ${session} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${large.length}\r\n\r\n`,
  );
  client.write(large);
  const readOn = await started.promise;
  const [from] = gate.connections.open;
  const [to] = connections.open;
  assert.ok(from && to);
  const taken = await standstill(() => from.bytesRead, large.length);
  assert.ok(taken - to.bytesRead < buffered, `${taken} taken, ${to.bytesRead} read`);
  assert.equal((await readOn()).length, large.length);
  assert.match(await text(client), /^HTTP\/1\.1 202 /);
  gate.close();
  await Promise.all([gate.connections.none(), connections.none()]);
});

test('while the client does not read, the proxy does not take the answer from the registry', async (t) => {
  const { origin, connections } = await listen(
    t,
    createServer((_, response) => response.end(large)),
  );
  const gate = await startGate(t, registryAt(origin));
  const client = dial(gate);
  client.write(`GET ${session} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await once(client, 'readable');
  const [from] = connections.open;
  assert.ok(from);
  const sent = (): number => from.bytesWritten - from.writableLength;
  const taken = await standstill(sent, large.length);
  assert.ok(taken - client.bytesRead < buffered, `${taken} taken, ${client.bytesRead} read`);
  assert.ok((await text(client)).endsWith('x'.repeat(1024)));
  assert.ok(client.bytesRead > large.length);
  gate.close();
  await Promise.all([gate.connections.none(), connections.none()]);
});
