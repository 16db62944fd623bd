import { createHash } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import type { Digest } from '../../src/oci/reference.ts';
import { parseDigest } from '../../src/oci/reference.ts';
import { blobRequestHeaders } from '../../src/proxy/upstream/headers.ts';
import { Upstream } from '../../src/proxy/upstream/upstream.ts';
import type { BlobEnd, ExpectedBlob } from '../../src/proxy/upstream/verified-blob.ts';
import { sendBlob } from '../../src/proxy/upstream/verified-blob.ts';
import type { Connections } from './connections.ts';
import { listen } from './connections.ts';
import { known, registryAt, repository, serve } from './wire.ts';

export function digestBy(algorithm: 'sha256' | 'sha512', bytes: Uint8Array): Digest {
  return known(parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`));
}

export interface BlobGate {
  readonly origin: string;
  /** Those of its clients. */
  readonly connections: Connections;
  /** Keeps no connection to the registry after this. */
  readonly close: () => Promise<void>;
  /** How each blob ended, in the order in which they ended. */
  readonly ended: BlobEnd[];
  /** Resolves when that many have ended. */
  readonly whenEnded: (count: number) => Promise<void>;
  /** Bytes that it holds now: come from the registry, and not yet given to the system for the client. */
  readonly held: () => number;
  /** Resolves when the first answer of the registry is being sent. */
  readonly sending: Promise<unknown>;
}

/** A server all of whose paths are one blob of a registry, which `registry` plays. A mismatch is 403, no answer 503. */
export async function startBlobGate(
  t: TestContext,
  expected: ExpectedBlob,
  registry: RequestListener | string,
): Promise<BlobGate> {
  const at = registryAt(typeof registry === 'string' ? registry : await serve(t, registry));
  const upstream = new Upstream(at, { limits: { manifestBytes: 0, downloadTimeout: 3_600_000 } });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= upstream.close());
  t.after(close);
  const ended: BlobEnd[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const buffered = new Set<() => number>();
  const sending = Promise.withResolvers<undefined>();
  const held = (): number => [...buffered].reduce((sum, count) => sum + count(), 0);
  const server = createServer((request, response) => {
    void (async (): Promise<BlobEnd> => {
      const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
      const asked = {
        method,
        headers: blobRequestHeaders(request.headers),
        authorization: undefined,
      } as const;
      const answer = await upstream.blob(repository, known(expected.digest), asked);
      if (answer.kind !== 'answer') throw new TypeError(`the registry of this test gives ${answer.kind}`);
      const count = (): number => answer.body.readableLength + response.writableLength;
      buffered.add(count);
      const sent = sendBlob(response, asked, answer, expected);
      sending.resolve(undefined);
      const end = await sent;
      buffered.delete(count);
      if (end.kind === 'mismatch' && !response.headersSent) response.writeHead(403).end();
      if (end.kind === 'unavailable') response.writeHead(503).end();
      return end;
    })().then((end) => {
      ended.push(end);
      for (const { count, resolve } of waiting) if (ended.length >= count) resolve();
    });
  });
  const { origin, connections } = await listen(t, server);
  const whenEnded = (count: number): Promise<void> =>
    new Promise((resolve) => {
      if (ended.length >= count) resolve();
      else waiting.push({ count, resolve });
    });
  return { origin, connections, close, ended, whenEnded, held, sending: sending.promise };
}

/** Sends a request as it is and gives all that comes until the connection ends. */
export function exchange(origin: string, text: string): Promise<{ head: string; body: Buffer }> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on('data', (chunk) => chunks.push(chunk)).once('error', reject);
    socket.once('end', () => {
      const bytes = Buffer.concat(chunks);
      const end = bytes.indexOf('\r\n\r\n');
      resolve({ head: bytes.toString('latin1', 0, end), body: bytes.subarray(end + 4) });
    });
  });
}
