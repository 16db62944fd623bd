import assert from 'node:assert/strict';
import diagnostics from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { DownloadError } from '../../src/trust/download-error.ts';
import { RepositoryError } from '../../src/tuf/error.ts';
import type { Fault } from '../world/fault.ts';
import { answer, Flood, hang, raw, reset, slow, truncated } from '../world/fault.ts';
import { LyingNotary } from '../world/lying-notary.ts';
import { clientOf, gun, target } from './trust-world.ts';

const limit = 64 * 1024;
const slack = 64 * 1024;
const most = { most: limit, excess: 'MALFORMED', fresh: true } as const;

/** A notary whose timestamp is this fault, and how to fetch it; `read` counts what the client took off the wire. */
async function startFault(t: TestContext, fault: Fault, timeout?: number) {
  const sockets: Socket[] = [];
  const connected = (message: unknown): void => {
    sockets.push((message as { socket: Socket }).socket);
  };
  diagnostics.subscribe('undici:client:connected', connected);
  t.after(() => diagnostics.unsubscribe('undici:client:connected', connected));
  const notary = await LyingNotary.start({ gunPrefix: 'reg.test/' });
  t.after(() => notary.close());
  notary.sign('app', '1.0', target('1'));
  const takeOff = notary.fault('app', 'timestamp', fault);
  const source = clientOf(t, { url: notary.url }, timeout).of(gun);
  const read = (): number => sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  return { notary, takeOff, read, fetch: () => source.fetch('timestamp', most), source };
}

const declared = { 'content-length': 100_000_000 };

for (const [what, headers, found] of [
  ['a declared length of 100 MB', declared, '100000000'],
  ['100 MB in chunks', {}, 'more than 65536'],
] as const) {
  test(`${what} is refused, and not read beyond the limit`, async (t) => {
    const flood = new Flood({ size: 100_000_000, headers });
    const { fetch, read } = await startFault(t, flood.fault);
    await assert.rejects(fetch(), (error) => {
      assert.ok(error instanceof RepositoryError, String(error));
      assert.equal(error.code, 'MALFORMED');
      assert.equal(error.message, `timestamp.json has ${found} bytes, and 65536 are the limit`);
      return true;
    });
    await flood.ended;
    assert.ok(read() <= limit + slack + 1024, `read ${read()} bytes`);
  });
}

test('of a signed length, one byte more is BAD_HASH, and the very length is none', async (t) => {
  const { fetch, source, takeOff, notary } = await startFault(t, answer(200, { body: Buffer.alloc(501) }));
  const signed = { most: 500, excess: 'BAD_HASH', fresh: false } as const;
  await assert.rejects(source.fetch('timestamp', signed), (error) => {
    assert.ok(error instanceof RepositoryError, String(error));
    assert.equal(error.code, 'BAD_HASH');
    assert.match(error.message, /has 501 bytes, and 500 are signed/);
    return true;
  });
  takeOff();
  notary.fault('app', 'timestamp', answer(200, { body: Buffer.alloc(limit), chunked: true }));
  assert.equal((await fetch()).length, limit);
});

for (const [status, failure] of [
  [404, 'missing'],
  [503, 'outage'],
] as const) {
  test(`an endless body below a ${status} is not read to its end, and the status decides`, async (t) => {
    const ended = Promise.withResolvers<void>();
    const endless: Fault = () => (response) => {
      response.writeHead(status);
      const pour = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(limit)));
      };
      response.on('drain', pour).once('close', ended.resolve);
      pour();
    };
    const { fetch, read } = await startFault(t, endless);
    await assert.rejects(fetch(), { name: 'DownloadError', failure, status });
    await ended.promise;
    assert.ok(read() <= limit + 2 * slack, `read ${read()} bytes`);
  });
}

const late: Readonly<Record<string, Fault>> = {
  'no answer': hang,
  'a byte now and then': slow(20),
  'headers without end': () => (response) => {
    response.socket?.write('HTTP/1.1 200 OK\r\n');
    const timer = setInterval(() => response.socket?.write('x: y\r\n'), 10);
    response.once('close', () => clearInterval(timer));
  },
  'informational answers without end': () => (response) => {
    const timer = setInterval(() => response.socket?.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 10);
    response.once('close', () => clearInterval(timer));
  },
  'a whole head and then nothing': () => (response) => {
    response.writeHead(200, { 'content-length': 10 });
    response.flushHeaders();
  },
};

for (const [what, fault] of Object.entries(late)) {
  test(`${what}: cut off at the deadline, as an outage`, async (t) => {
    const { fetch } = await startFault(t, fault, 400);
    await assert.rejects(fetch(), (error) => {
      assert.ok(error instanceof DownloadError, String(error));
      assert.equal(error.failure, 'outage', error.message);
      return true;
    });
  });
}

const broken: Readonly<Record<string, readonly [Fault, DownloadError['failure']]>> = {
  'a reset before the answer': [reset, 'outage'],
  'an end in the middle of the body': [truncated(20), 'outage'],
  'an end in the middle of a chunk': [
    raw('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"signed"'),
    'outage',
  ],
  'no HTTP': [raw('SSH-2.0-OpenSSH_9.2\r\n'), 'protocol'],
  'two lengths': [raw('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'), 'protocol'],
  'a length and chunks': [
    raw('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'),
    'protocol',
  ],
  'headers of 64 KiB': [raw(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(64 * 1024)}\r\n\r\n`), 'protocol'],
};

for (const [what, [fault, failure]] of Object.entries(broken)) {
  test(`${what} is ${failure}, and the next answer counts again`, async (t) => {
    const { fetch, takeOff } = await startFault(t, fault);
    await assert.rejects(fetch(), (error) => {
      assert.ok(error instanceof DownloadError, String(error));
      assert.equal(error.failure, failure, error.message);
      return true;
    });
    takeOff();
    assert.ok((await fetch()).length > 0);
  });
}

test('nobody there is an outage', async (t) => {
  const { fetch, notary } = await startFault(t, hang);
  await notary.close();
  await assert.rejects(fetch(), { name: 'DownloadError', failure: 'outage' });
});
