import assert from 'node:assert/strict';
import type { OutgoingHttpHeaders } from 'node:http';
import { test } from 'node:test';
import { BlobMismatch } from '../../src/proxy/upstream/verified-blob.ts';
import { digestBy, startBlobGate } from './blob-gate.ts';
import { ask, open } from './gate.ts';

const blob = Buffer.from('0123456789');
const wrong = Buffer.from('0123456780');
const digest = digestBy('sha256', blob);
const range = 'bytes=0-';

/** What a client gets, and how it ends, of a registry that answers with `bytes` whatever it is asked. */
async function partOf(
  t: Parameters<typeof startBlobGate>[0],
  bytes: Uint8Array,
  headers: OutgoingHttpHeaders,
  { size, asked = { range }, status = 206, method = 'GET' }: Case = {},
): Promise<{ status: number | undefined; body: string; headers: object; end: unknown }> {
  const gate = await startBlobGate(t, { digest, size }, (_, response) => {
    response.writeHead(status, headers).end(bytes);
  });
  const answer = await ask(gate.origin, '/', { method, headers: asked });
  const [end] = gate.ended;
  const told = end?.kind === 'unavailable' ? [end.kind, end.cause.failure] : end;
  return { status: answer.status, body: answer.body, headers: answer.headers, end: told };
}
interface Case {
  readonly size?: number;
  readonly asked?: Record<string, string>;
  readonly status?: number;
  readonly method?: string;
}
const unverified = { kind: 'unverified' };
const verified = { kind: 'verified' };
const protocol = ['unavailable', 'protocol'];

for (const [what, contentRange, bytes] of [
  ['the end', 'bytes 3-9/10', blob.subarray(3)],
  ['the beginning', 'bytes 0-8/10', blob.subarray(0, 9)],
  ['the beginning of who knows how much', 'bytes 0-8/*', blob.subarray(0, 9)],
] as const) {
  for (const size of [{ size: 10 }, {}]) {
    test(`a part of a blob passes as it is, unverified: ${what}, size ${size.size}`, async (t) => {
      const { status, body, headers, end } = await partOf(t, bytes, { 'content-range': contentRange }, size);
      assert.deepEqual([status, body, end], [206, bytes.toString(), unverified]);
      assert.equal('content-range' in headers && headers['content-range'], contentRange);
      assert.equal('content-length' in headers && headers['content-length'], String(bytes.length));
    });
  }
}

test('a part that is the whole blob is verified', async (t) => {
  for (const [contentRange, size] of [
    ['bytes 0-9/10', {}],
    ['bytes 0-9/10', { size: 10 }],
    ['bytes 0-9/*', { size: 10 }],
  ] as const) {
    const right = await partOf(t, blob, { 'content-range': contentRange }, size);
    assert.deepEqual([right.status, right.body, right.end], [206, '0123456789', verified]);
    const other = await partOf(t, wrong, { 'content-range': contentRange }, size);
    const mismatch = new BlobMismatch(digestBy('sha256', wrong), digest);
    assert.deepEqual([other.status, other.body, other.end], [403, '', { kind: 'mismatch', mismatch }]);
  }
});

test('the whole blob in answer to a request for a part is verified', async (t) => {
  const right = await partOf(t, blob, {}, { status: 200 });
  assert.deepEqual([right.status, right.body, right.end], [200, '0123456789', verified]);
  assert.equal((await partOf(t, wrong, {}, { status: 200 })).status, 403);
});

test('a part that nobody has asked for does not reach the client', async (t) => {
  for (const asked of [{}, { range, connection: 'close, range' }]) {
    for (const method of ['GET', 'HEAD']) {
      const part = await partOf(t, blob, { 'content-range': 'bytes 0-9/10' }, { asked, method });
      assert.deepEqual([part.status, part.body, part.end], [503, '', protocol]);
    }
  }
});

for (const [what, contentRange, found] of [
  ['of a longer blob', 'bytes 0-8/11', 11],
  ['of a shorter blob', 'bytes 0-8/9', 9],
  ['that goes on behind the end', 'bytes 3-10/*', 11],
] as const) {
  test(`a part ${what} than the descriptor's is refused`, async (t) => {
    const { status, end } = await partOf(t, blob, { 'content-range': contentRange }, { size: 10 });
    assert.deepEqual([status, end], [403, { kind: 'mismatch', mismatch: new BlobMismatch(found, 10) }]);
  });
}

for (const [what, headers] of [
  ['is not said', {}],
  ['is said in other units', { 'content-range': 'lines 0-9/10' }],
  ['is said in another way', { 'content-range': 'bytes=0-9/10' }],
  ['is said to end before it begins', { 'content-range': 'bytes 5-3/10' }],
  ['is said to end behind the end', { 'content-range': 'bytes 3-10/10' }],
  ['has another length than is said', { 'content-range': 'bytes 0-8/10', 'content-length': 10 }],
  ['is said in several parts', { 'content-type': 'multipart/byteranges; boundary=x' }],
] as const) {
  test(`a part does not reach the client if which it is ${what}`, async (t) => {
    const { status, body, end } = await partOf(t, blob, headers);
    assert.deepEqual([status, body, end], [503, '', protocol]);
  });
}

test('several parts pass if several were asked for', async (t) => {
  const headers = { 'content-type': 'Multipart/Byteranges; boundary=x' };
  const { status, body, end } = await partOf(t, blob, headers, {
    size: 10,
    asked: { range: 'bytes=0-1,5-6' },
  });
  assert.deepEqual([status, body, end], [206, '0123456789', unverified]);
});

test('a part without end is cut off where it says that it ends, and a shorter one too', async (t) => {
  const piece = Buffer.alloc(300_000);
  for (const pieces of [1, 3]) {
    const gate = await startBlobGate(t, { digest, size: undefined }, (_, response) => {
      response.writeHead(206, { 'content-range': 'bytes 5-600004/*' });
      for (let sent = 0; sent < pieces; sent += 1) response.write(piece);
      if (pieces === 1) response.end();
    });
    const answer = await open(gate.origin, '/', { headers: { range: 'bytes=5-600004' } });
    await assert.rejects(answer.toArray(), { code: 'ECONNRESET' });
    await gate.whenEnded(1);
    assert.ok(gate.ended[0]?.kind === 'mismatch' && gate.ended[0].mismatch.expected === 600_000);
  }
});

test('416 passes as it is, unverified', async (t) => {
  const headers = { 'content-range': 'bytes */10', 'content-length': 2 };
  const answer = await partOf(t, Buffer.from('{}'), headers, { status: 416, size: 10 });
  assert.deepEqual([answer.status, answer.body, answer.end], [416, '{}', unverified]);
  assert.equal('content-range' in answer.headers && answer.headers['content-range'], 'bytes */10');
});
