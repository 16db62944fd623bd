import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { LocalServer } from '../../src/demo/local-server.ts';
import type { Fault } from './fault.ts';
import {
  Faults,
  Flood,
  Hold,
  answer,
  changeBody,
  changeHeaders,
  gzipped,
  hang,
  loginPage,
  raw,
  redirect,
  reset,
  slow,
  truncated,
} from './fault.ts';
import { send } from './http.ts';

/** A server whose honest answer is `honest`, with one fault on everything. */
async function lying(t: TestContext, fault?: Fault): Promise<{ url: string; faults: Faults }> {
  const faults = new Faults();
  const honest = { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from('honest') };
  const server = await LocalServer.start(() => honest, { through: faults.through });
  t.after(() => server.close());
  if (fault !== undefined) faults.intercept(() => fault);
  return { url: server.origin, faults };
}

test('without a fault the honest answer is given', async (t) => {
  const { url } = await lying(t);
  assert.equal((await send(url, '/')).body.toString(), 'honest');
});

test('faults are put on and taken off while the server runs; the newest that fits decides', async (t) => {
  const { url, faults } = await lying(t);
  const status = async (path: string): Promise<number> => (await send(url, path)).status;
  faults.intercept(() => answer(500));
  const takeOff = faults.intercept(({ path }) => (path === '/a' ? answer(404) : undefined));
  assert.deepEqual([await status('/a'), await status('/b')], [404, 500]);
  takeOff();
  assert.equal(await status('/a'), 500);
  faults.clear();
  assert.equal(await status('/a'), 200);
});

test('an answer may be any status, page or redirect', async (t) => {
  const teapot = await lying(t, answer(418, { reason: 'Short And Stout', body: 'tea' }));
  const { status, statusMessage, body } = await send(teapot.url, '/');
  assert.deepEqual([status, statusMessage, body.toString()], [418, 'Short And Stout', 'tea']);
  const page = await send((await lying(t, loginPage)).url, '/');
  assert.deepEqual([page.status, page.headers['content-type']], [200, 'text/html']);
  const moved = await send((await lying(t, redirect('http://elsewhere.test/'))).url, '/');
  assert.deepEqual([moved.status, moved.headers.location], [307, 'http://elsewhere.test/']);
});

test('body and headers of the honest answer may be changed', async (t) => {
  const changed = await send(
    (
      await lying(
        t,
        changeBody((body) => Buffer.concat([body, Buffer.from('!')])),
      )
    ).url,
    '/',
  );
  assert.deepEqual([changed.body.toString(), changed.headers['content-length']], ['honest!', '7']);
  const fault = changeHeaders({ 'content-type': undefined, etag: '"x"' });
  const { headers, body } = await send((await lying(t, fault)).url, '/');
  assert.deepEqual([headers['content-type'], headers.etag, body.toString()], [undefined, '"x"', 'honest']);
});

test('a body may be compressed unasked', async (t) => {
  const { headers, body } = await send((await lying(t, gzipped)).url, '/');
  assert.equal(headers['content-encoding'], 'gzip');
  assert.equal(gunzipSync(body).toString(), 'honest');
});

test('a truncated body promises more than it brings', async (t) => {
  const { url } = await lying(t, truncated(3));
  const incoming = await begin(url);
  assert.equal(incoming.headers['content-length'], '6');
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [error] = (await once(incoming, 'error')) as [Error & { code?: string }];
  assert.equal(error.code, 'ECONNRESET');
  assert.equal(Buffer.concat(chunks).toString(), 'hon');
});

test('a slow body comes piece by piece, and whole', async (t) => {
  const incoming = await begin((await lying(t, slow(1, 2))).url);
  const chunks: string[] = [];
  for await (const chunk of incoming) chunks.push(String(chunk));
  assert.equal(chunks.join(''), 'honest');
  assert.ok(chunks.length > 1);
});

test('a connection may be reset, or left without an answer until the server closes', async (t) => {
  await assert.rejects(send((await lying(t, reset)).url, '/'), { code: 'ECONNRESET' });
  const server = await LocalServer.start(() => hang(() => Promise.reject(new Error('not asked')), nobody));
  const waiting = assert.rejects(send(server.origin, '/'), { code: 'ECONNRESET' });
  while (server.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await server.close();
  await waiting;
});

test('what is not HTTP goes out as it is', async (t) => {
  await assert.rejects(send((await lying(t, raw('SSH-2.0-x\r\n'))).url, '/'), /Parse Error/);
});

test('an answer can be held back: as it was, or as it then is', async (t) => {
  for (const [when, expected] of [
    ['before', 'old'],
    ['after', 'new'],
  ] as const) {
    let body = 'old';
    const hold = new Hold();
    const faults = new Faults();
    faults.intercept(() => hold[when]);
    const server = await LocalServer.start(() => ({ status: 200, body: Buffer.from(body) }), {
      through: faults.through,
    });
    t.after(() => server.close());
    const pending = send(server.origin, '/');
    await hold.arrived;
    body = 'new';
    hold.release();
    assert.equal((await pending).body.toString(), expected);
  }
});

test('a flood runs until the client goes away, and knows how much it wrote', async (t) => {
  const flood = new Flood();
  const incoming = await begin((await lying(t, flood.fault)).url);
  let read = 0;
  for await (const chunk of incoming) {
    read += (chunk as Buffer).length;
    if (read > 1024 * 1024) break; // Leaving the loop destroys the connection.
  }
  await flood.ended;
  assert.ok(flood.written >= 1024 * 1024);
  assert.ok(flood.written < 64 * 1024 * 1024, `${flood.written} bytes`);
});

test('a flood may have an end', async (t) => {
  const flood = new Flood({ size: 300_000, headers: { 'content-type': 'text/plain' } });
  const { headers, body } = await send((await lying(t, flood.fault)).url, '/');
  assert.deepEqual([headers['content-type'], body.length], ['text/plain', 300_000]);
  await flood.ended;
  assert.equal(flood.written, 300_000);
});

const nobody = {
  method: '',
  url: '',
  headers: {},
  path: '',
  query: new URLSearchParams(),
  body: () => Promise.resolve(undefined),
};

function begin(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { agent: false }, resolve).once('error', reject).end();
  });
}
