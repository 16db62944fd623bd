import assert from 'node:assert/strict';
import type { OutgoingHttpHeaders, RequestListener } from 'node:http';
import { Agent } from 'node:http';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { BlobMismatch, verifiedBody } from '../../src/proxy/upstream/verified-blob.ts';
import { digestBy, exchange, startBlobGate } from './blob-gate.ts';
import { ask, open } from './gate.ts';

// More than any one piece that a connection gives.
const blob = Buffer.from(Array.from({ length: 500_000 }, (_, at) => (at * at) >> 8));
const piece = 100_000;
const digest = digestBy('sha256', blob);
const wrong = Buffer.from(blob);
wrong[wrong.length - 1] = 255 - (blob.at(-1) ?? 0);
const wrongDigest = digestBy('sha256', wrong);
const known = { digest, size: blob.length };
const unknown = { digest, size: undefined };
const chunked = {};
const withLength = { 'content-length': blob.length };
const isMismatch = { kind: 'mismatch', mismatch: new BlobMismatch(wrongDigest, digest) } as const;

/** Answers with these bytes in pieces; without Content-Length, each is a chunk of its own. */
function send(
  bytes: Uint8Array,
  headers: OutgoingHttpHeaders = chunked,
  status = 200,
  size = piece,
): RequestListener {
  return (_, response) => {
    response.writeHead(status, headers);
    response.flushHeaders();
    for (let at = 0; at < bytes.length; at += size) response.write(bytes.subarray(at, at + size));
    response.end();
  };
}

/** Reads the chunks (RFC 9112 §7.1) that came whole; gives their bytes, and what follows them. The last one is empty. */
function readChunks(body: Buffer): [data: Buffer, rest: string] {
  const chunks: Buffer[] = [];
  let rest = body;
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/.exec(rest.toString('latin1', 0, 20));
    const from = size?.[0]?.length ?? 0;
    const length = Number.parseInt(size?.[1] ?? '0', 16);
    if (length === 0 || rest.length < from + length + 2)
      return [Buffer.concat(chunks), rest.toString('latin1')];
    chunks.push(rest.subarray(from, from + length));
    rest = rest.subarray(from + length + 2);
  }
}

for (const algorithm of ['sha256', 'sha512'] as const) {
  for (const size of [blob.length, undefined]) {
    for (const [framing, headers] of [
      ['a length', withLength],
      ['chunks', chunked],
    ] as const) {
      const what = `${algorithm} with ${framing} from the registry and ${size === undefined ? 'no' : 'a'} descriptor`;
      test(`the right blob comes whole and a wrong last byte cuts it off: ${what}`, async (t) => {
        let sent = blob;
        const expected = { digest: digestBy(algorithm, blob), size };
        const gate = await startBlobGate(t, expected, (...to) => send(sent, headers)(...to));
        const right = await open(gate.origin, '/');
        const length = headers === withLength || size !== undefined ? String(blob.length) : undefined;
        assert.equal(right.headers['content-length'], length);
        assert.ok(Buffer.concat(await right.toArray()).equals(blob));
        sent = wrong;
        const cut = await open(gate.origin, '/');
        await assert.rejects(cut.toArray(), { code: 'ECONNRESET' });
        await gate.whenEnded(2);
        const mismatch = new BlobMismatch(digestBy(algorithm, wrong), expected.digest);
        assert.deepEqual(gate.ended, [{ kind: 'verified' }, { kind: 'mismatch', mismatch }]);
      });
    }
  }
}

test('a wrong blob ends a connection that was kept open, and the next request has one of its own', async (t) => {
  let sent = blob;
  const gate = await startBlobGate(t, known, (...to) => send(sent)(...to));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (const bytes of [blob, wrong, blob]) {
    sent = bytes;
    const answer = await open(gate.origin, '/', { agent });
    const body = answer.toArray().then((chunks: Buffer[]) => Buffer.concat(chunks));
    if (bytes === blob) assert.ok((await body).equals(blob));
    else await assert.rejects(body, { code: 'ECONNRESET' });
  }
  assert.equal(gate.connections.opened, 2);
});

for (const connection of ['keep-alive', 'close']) {
  test(`on the wire a wrong blob lacks its last bytes and the last chunk: Connection: ${connection}`, async (t) => {
    const request = `GET / HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`;
    const inChunks = await startBlobGate(t, unknown, send(wrong));
    const chunks = await exchange(inChunks.origin, request);
    assert.match(chunks.head, /\r\nTransfer-Encoding: chunked$/);
    assert.doesNotMatch(chunks.head, /Content-Length/i);
    const [data, rest] = readChunks(chunks.body);
    assert.equal(rest, '');
    assert.ok(data.equals(wrong.subarray(0, data.length)));
    assert.ok(data.length > 0 && data.length < wrong.length);

    const withSize = await startBlobGate(t, known, send(wrong));
    const sized = await exchange(withSize.origin, request);
    assert.match(sized.head, /\r\ncontent-length: 500000\r\n/);
    assert.ok(sized.body.equals(wrong.subarray(0, sized.body.length)));
    assert.ok(sized.body.length > 0 && sized.body.length < wrong.length);
    assert.deepEqual([inChunks.ended, withSize.ended], [[isMismatch], [isMismatch]]);
  });
}

test('a client that knows no chunks is told the length, and gets no blob where none can be told', async (t) => {
  const request = 'GET / HTTP/1.0\r\n\r\n';
  const sized = await exchange((await startBlobGate(t, known, send(blob))).origin, request);
  assert.match(sized.head, /^HTTP\/1\.1 200 OK\r\ncontent-length: 500000\r\n/);
  assert.ok(sized.body.equals(blob));
  const gate = await startBlobGate(t, unknown, send(blob));
  const refused = await exchange(gate.origin, request);
  assert.match(refused.head, /^HTTP\/1\.1 503 /);
  assert.ok(gate.ended[0]?.kind === 'unavailable' && gate.ended[0].cause.failure === 'protocol');
  const head = await exchange(gate.origin, 'HEAD / HTTP/1.0\r\n\r\n');
  assert.match(head.head, /^HTTP\/1\.1 200 /);
});

test('a wrong blob of one piece is refused, and neither a byte nor a header of it leaves', async (t) => {
  const gate = await startBlobGate(t, unknown, send(wrong.subarray(0, 10), { etag: '"x"' }));
  const { status, headers, body } = await ask(gate.origin, '/');
  assert.deepEqual([status, headers.etag, body], [403, undefined, '']);
  const mismatch = new BlobMismatch(digestBy('sha256', wrong.subarray(0, 10)), digest);
  assert.deepEqual(gate.ended, [{ kind: 'mismatch', mismatch }]);
});

for (const size of [0, undefined]) {
  test(`the empty blob is served, and no other in its place: size ${size}`, async (t) => {
    let sent = send(Buffer.alloc(0), { etag: '"x"' });
    const empty = { digest: digestBy('sha256', Buffer.alloc(0)), size };
    const gate = await startBlobGate(t, empty, (...to) => sent(...to));
    const right = await ask(gate.origin, '/');
    assert.deepEqual([right.status, right.headers.etag, right.body], [200, '"x"', '']);
    sent = send(Buffer.from('a'));
    assert.equal((await ask(gate.origin, '/')).status, 403);
    assert.deepEqual(
      gate.ended.map(({ kind }) => kind),
      ['verified', 'mismatch'],
    );
  });
}

test('nothing in the place of a blob is refused', async (t) => {
  for (const [expected, mismatch] of [
    [known, new BlobMismatch(0, blob.length)],
    [unknown, new BlobMismatch(digestBy('sha256', Buffer.alloc(0)), digest)],
  ] as const) {
    const gate = await startBlobGate(t, expected, send(Buffer.alloc(0)));
    assert.equal((await ask(gate.origin, '/')).status, 403);
    assert.deepEqual(gate.ended, [{ kind: 'mismatch', mismatch }]);
  }
});

for (const method of ['GET', 'HEAD']) {
  for (const size of [blob.length - 1, blob.length + 1]) {
    test(`a stated length that is not the descriptor's is refused before anything leaves: ${method}, ${size}`, async (t) => {
      const closed = Promise.withResolvers<undefined>();
      const gate = await startBlobGate(t, { digest, size }, (_, response) => {
        response.once('close', () => closed.resolve(undefined));
        response.writeHead(200, { ...withLength, etag: '"x"' });
        if (method === 'HEAD') response.end();
        else response.write(blob.subarray(0, -1)); // and never the rest
      });
      const { status, headers } = await ask(gate.origin, '/', { method });
      assert.deepEqual([status, headers.etag], [403, undefined]);
      await closed.promise;
      assert.deepEqual(gate.ended, [{ kind: 'mismatch', mismatch: new BlobMismatch(blob.length, size) }]);
    });
  }
}

test('a blob without end is cut off at its size, and its transfer ends', async (t) => {
  const closed = Promise.withResolvers<undefined>();
  const gate = await startBlobGate(t, { digest, size: blob.length - 1 }, (_, response) => {
    response.once('close', () => closed.resolve(undefined));
    response.writeHead(200);
    for (let at = 0; at < blob.length; at += piece) response.write(blob.subarray(at, at + piece));
  });
  await assert.rejects((await open(gate.origin, '/')).toArray(), { code: 'ECONNRESET' });
  await closed.promise;
  await gate.whenEnded(1);
  const mismatch = new BlobMismatch(blob.length, blob.length - 1);
  assert.deepEqual(gate.ended, [{ kind: 'mismatch', mismatch }]);
});

test('a blob that is shorter than its size is cut off', async (t) => {
  const gate = await startBlobGate(t, known, send(blob.subarray(0, -1)));
  await assert.rejects((await open(gate.origin, '/')).toArray(), { code: 'ECONNRESET' });
  await gate.whenEnded(1);
  const mismatch = new BlobMismatch(blob.length - 1, blob.length);
  assert.deepEqual(gate.ended, [{ kind: 'mismatch', mismatch }]);
});

test('HEAD has the length that GET has, and nothing is hashed', async (t) => {
  for (const [expected, length] of [
    [known, '500000'],
    [unknown, undefined],
  ] as const) {
    const gate = await startBlobGate(t, expected, send(Buffer.alloc(0), { etag: '"x"' }));
    const { status, headers } = await ask(gate.origin, '/', { method: 'HEAD' });
    assert.deepEqual([status, headers.etag, headers['content-length']], [200, '"x"', length]);
    assert.deepEqual(gate.ended, [{ kind: 'bodiless' }]);
  }
});

test('404 is passed on as it is', async (t) => {
  const gate = await startBlobGate(t, known, send(Buffer.from('{}'), { 'content-length': 2 }, 404));
  const { status, body } = await ask(gate.origin, '/');
  assert.deepEqual([status, body, gate.ended], [404, '{}', [{ kind: 'bodiless' }]]);
});

test('an empty piece is not held back in the place of the last one', async () => {
  const pieces = Readable.from([wrong, Buffer.alloc(0), Buffer.alloc(0)]);
  const released: number[] = [];
  const drain = async (): Promise<void> => {
    for await (const bytes of verifiedBody(pieces, { digest, length: wrong.length }))
      released.push(bytes.length);
  };
  await assert.rejects(drain(), isMismatch.mismatch);
  assert.deepEqual(released, []);
});

test('a body that is destroyed has not come to its end', async () => {
  const body = Readable.from([blob, blob], { highWaterMark: 1 });
  const bytes = verifiedBody(body, { digest, length: undefined });
  body.destroy();
  await assert.rejects(bytes.next(), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
});
