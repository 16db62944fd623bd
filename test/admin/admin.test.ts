import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { AdminListener, AdminOptions } from '../../src/admin/admin.ts';
import { startAdmin } from '../../src/admin/admin.ts';
import type { Readiness } from '../../src/admin/health.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';

async function start(
  t: TestContext,
  change: Partial<AdminOptions> = {},
): Promise<AdminListener & { url: string }> {
  const admin = await startAdmin(
    { host: '127.0.0.1', port: 0 },
    {
      metrics: new Metrics({ version: '1.2.3', registries: [], notaries: [] }),
      readiness: () => 'ready',
      version: '1.2.3',
      onError: (error) => {
        throw error;
      },
      ...change,
    },
  );
  t.after(() => admin.close());
  return { ...admin, url: `http://127.0.0.1:${admin.address.port}` };
}

async function sendRaw({ port }: AddressInfo, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

test('/livez says that the process runs', async (t) => {
  const { url } = await start(t);
  const answer = await fetch(`${url}/livez`);
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { status: 'alive', version: '1.2.3' });
});

test('/readyz follows the state: ready, draining, a state that cannot be written', async (t) => {
  let readiness: Readiness = 'ready';
  const { url } = await start(t, { readiness: () => Promise.resolve(readiness) });
  const ready = await fetch(`${url}/readyz`);
  assert.equal(ready.status, 200);
  assert.deepEqual(await ready.json(), { status: 'ready', reason: null });
  for (readiness of ['draining', 'STATE_UNAVAILABLE'] as const) {
    const answer = await fetch(`${url}/readyz`);
    assert.equal(answer.status, 503);
    assert.deepEqual(await answer.json(), { status: 'unready', reason: readiness });
  }
});

test('/metrics gives the metrics in Prometheus text format, also with a query', async (t) => {
  const { url } = await start(t);
  for (const path of ['/metrics', '/metrics?name=x']) {
    const answer = await fetch(url + path);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.match(await answer.text(), /^tufgate_build_info\{version="1\.2\.3",node="[0-9.]+"\} 1$/m);
  }
});

test('answers are not cached and do not name the software', async (t) => {
  const { url } = await start(t);
  for (const path of ['/livez', '/readyz', '/metrics', '/nowhere']) {
    const { headers } = await fetch(url + path);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('server'), null);
    assert.equal(headers.get('x-powered-by'), null);
  }
});

test('HEAD gives the head that GET gives', async (t) => {
  const { url } = await start(t);
  const [head, get] = [await fetch(`${url}/livez`, { method: 'HEAD' }), await fetch(`${url}/livez`)];
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('content-length'), get.headers.get('content-length'));
  assert.equal(await head.text(), '');
});

test('other methods are refused with 405 and Allow, other paths with 404', async (t) => {
  const { url } = await start(t);
  for (const path of ['/livez', '/readyz', '/metrics']) {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await fetch(url + path, { method });
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.get('allow'), 'GET, HEAD');
    }
  }
  for (const path of ['/', '/metrics/', '/v2/', '/debug/pprof', '//metrics', '/%6detrics', '/constructor']) {
    assert.equal((await fetch(url + path)).status, 404, path);
  }
});

test('a page that fails is answered with 500 without its error, which is reported', async (t) => {
  const failure = new Error('disk /var/lib/x is gone');
  const reported: Error[] = [];
  const readiness = (): Promise<Readiness> => Promise.reject(failure);
  const { url } = await start(t, { readiness, onError: (error) => reported.push(error) });
  const answer = await fetch(`${url}/readyz`);
  assert.equal(answer.status, 500);
  assert.deepEqual(await answer.json(), { error: 'internal error' });
  assert.deepEqual(reported, [failure]);
  assert.equal((await fetch(`${url}/livez`)).status, 200);
});

test('headers above 8 KiB, CONNECT and what is no HTTP get no page', async (t) => {
  const { address, url } = await start(t);
  const large = `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(9000)}\r\n\r\n`;
  assert.match(await sendRaw(address, large), /^HTTP\/1\.1 431 /);
  assert.equal(await sendRaw(address, 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'), '');
  assert.match(await sendRaw(address, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.equal((await fetch(`${url}/livez`)).status, 200);
});

test('close cuts open connections and frees the address', async (t) => {
  const { address, close } = await start(t);
  const idle = connect(address.port, '127.0.0.1');
  await once(idle, 'connect');
  idle.on('error', () => undefined);
  const cut = once(idle, 'close');
  await close();
  await cut;
  await assert.rejects(fetch(`http://127.0.0.1:${address.port}/livez`));
});

test('an address that is taken is an error at the start', async (t) => {
  const { address } = await start(t);
  const options = {
    metrics: new Metrics({ version: '1', registries: [], notaries: [] }),
    readiness: () => 'ready' as const,
    version: '1',
    onError: () => undefined,
  };
  await assert.rejects(startAdmin({ host: '127.0.0.1', port: address.port }, options), {
    code: 'EADDRINUSE',
  });
});
