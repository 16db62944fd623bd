import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { BlobMismatch, verifiedBody } from '../../src/proxy/upstream/verified-blob.ts';
import { digestBy, startBlobGate } from './blob-gate.ts';

const algorithm = fc.constantFrom('sha256', 'sha512');
/** Longer than what a connection gives at once. */
const large = fc
  .record({ length: fc.integer({ min: 65_000, max: 140_000 }), from: fc.nat(255) })
  .map(({ length, from }) => Uint8Array.from({ length }, (_, at) => (from + at * at) >> 4));
/** Pieces of a blob as they come: often of one byte, sometimes of none. */
const small = fc.oneof(fc.uint8Array({ maxLength: 1 }), fc.uint8Array({ maxLength: 40 }));
const pieces = fc.array(fc.oneof(small, small, large), { maxLength: 8 });
/** What a registry does to a blob: nothing; another byte somewhere, one too many, one too few. */
const damage = fc.record({
  kind: fc.constantFrom('none', 'change', 'add', 'drop'),
  at: fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
});

type Damage = typeof damage extends fc.Arbitrary<infer Value> ? Value : never;

function damaged(given: readonly Uint8Array[], { kind, at }: Damage): Uint8Array[] {
  const sent = given.map((bytes) => Uint8Array.from(bytes));
  const filled = sent.filter(({ length }) => length > 0);
  const index = Math.floor(at * (filled.length - 1));
  const piece = filled[index];
  if (kind === 'add') return [...sent, Uint8Array.of(0)];
  if (kind === 'none' || piece === undefined) return sent;
  if (kind === 'drop') return sent.map((bytes) => (bytes === piece ? bytes.subarray(1) : bytes));
  const byte = Math.floor(at * (piece.length - 1));
  piece[byte] = 255 - (piece[byte] ?? 0);
  return sent;
}

test('however it is cut and damaged, the end of a wrong body is never released, and all of a right one is', async () => {
  await fc.assert(
    fc.asyncProperty(algorithm, pieces, damage, fc.boolean(), async (name, given, harm, hasLength) => {
      const blob = Buffer.concat(given);
      const sent = damaged(given, harm);
      const bytes = Buffer.concat(sent);
      const length = hasLength ? blob.length : undefined;
      const released: Uint8Array[] = [];
      const read = async (): Promise<void> => {
        const body = Readable.from(sent);
        for await (const chunk of verifiedBody(body, { digest: digestBy(name, blob), length }))
          released.push(chunk);
      };
      if (bytes.equals(blob)) {
        await read();
        assert.ok(Buffer.concat(released).equals(blob));
        return;
      }
      await assert.rejects(read(), BlobMismatch);
      const left = Buffer.concat(released);
      assert.ok(left.length < bytes.length || bytes.length === 0);
      assert.ok(left.equals(bytes.subarray(0, left.length)));
    }),
    { numRuns: 200, seed: 5 },
  );
});

/** What came over a connection: all that was promised, or a part. */
async function pull(
  origin: string,
  close: boolean,
): Promise<{ status: number; body: Buffer; isWhole: boolean }> {
  const { hostname, port } = new URL(origin);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { connection: close ? 'close' : 'keep-alive' };
    httpRequest({ hostname, port, path: '/', headers, agent: false }, resolve).on('error', reject).end();
  });
  const chunks: Buffer[] = [];
  answer.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => answer.once('close', resolve).once('error', () => undefined));
  return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks), isWhole: answer.complete };
}

test('over real connections, a client has the whole right blob, or an answer that is no blob, or a cut one', async (t) => {
  const seen = { whole: 0, refused: 0, cut: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        name: algorithm,
        given: pieces,
        harm: damage,
        hasSize: fc.boolean(),
        isStated: fc.boolean(),
        close: fc.boolean(),
      }),
      async ({ name, given, harm, hasSize, isStated, close }) => {
        const blob = Buffer.concat(given);
        const sent = damaged(given, harm);
        const bytes = Buffer.concat(sent);
        const expected = { digest: digestBy(name, blob), size: hasSize ? blob.length : undefined };
        const gate = await startBlobGate(t, expected, (_, response) => {
          response.writeHead(200, isStated ? { 'content-length': bytes.length } : {});
          response.flushHeaders();
          for (const piece of sent) response.write(piece);
          response.end();
        });
        const { status, body, isWhole } = await pull(gate.origin, close);
        await gate.whenEnded(1);
        const isRight = bytes.equals(blob);
        assert.equal(gate.ended[0]?.kind, isRight ? 'verified' : 'mismatch');
        if (isRight) {
          assert.deepEqual([status, isWhole], [200, true]);
          assert.ok(body.equals(blob));
          seen.whole += 1;
        } else if (status === 403) {
          assert.equal(body.length, 0);
          seen.refused += 1;
        } else {
          assert.deepEqual([status, isWhole], [200, false]);
          assert.ok(body.length < bytes.length);
          seen.cut += 1;
        }
      },
    ),
    { numRuns: 80, seed: 7 },
  );
  for (const [what, count] of Object.entries(seen)) assert.ok(count >= 10, `${what}: ${count}`);
});
