import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { createServer as createTls } from 'node:tls';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { certified } from '../config/folder.ts';
import { startWorld } from '../world/world.ts';
import type { Visit } from './node.ts';
import { unreachable, visit } from './node.ts';

const bothAt = (upstream: string): object => ({ hub: { upstream }, quay: { upstream: unreachable } });

/** Lets a server listen on a free port of the loopback until the test ends; gives the port. */
async function listening(t: TestContext, server: Server): Promise<number> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => open.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const reached = (found: Visit): string[] =>
  found.findings
    .filter(({ code }) => code === 'registry' || code.endsWith('-reachable') || code.startsWith('proxy-'))
    .map(({ status, message }) => `${status}: ${message}`);

test('a registry that answers this node is a way round, whatever it answers', async (t) => {
  const { registry } = await startWorld(t);
  const found = await visit(t, {}, { registries: bothAt(registry.url) });
  assert.deepEqual([found.exit, found.bad], [1, ['registry-reachable -']]);
  assert.deepEqual(reached(found), [
    `open: hub is reached directly: ${registry.url} answers 404`,
    `ok: quay is not reached directly: ${unreachable} fails with ECONNREFUSED`,
  ]);
  const asked = registry.requests.map(({ url }) => url);
  assert.equal(asked.length, 1);
  assert.match(String(asked[0]), /^\/v2\/tufgate-canary\/manifests\/unsigned-[0-9a-f]{16}$/);
});

test('a name that leads to the gate is no way round', async (t) => {
  const { proxy } = await startWorld(t);
  const found = await visit(t, {}, { registries: bothAt(proxy.url) });
  assert.deepEqual([found.exit, found.bad], [0, []]);
  assert.equal(reached(found)[0], `ok: hub is not reached directly: ${proxy.url} is the gate`);
});

test('a registry whose own name leads to the gate needs no setting of a runtime', async (t) => {
  const answer = 'HTTP/1.1 403 content trust: no\r\nContent-Length: 0\r\n\r\n';
  const port = await listening(
    t,
    createTls(certified(), (socket) => socket.end(answer)),
  );
  const name = `127.0.0.1:${port}`;
  const changes = {
    registries: { [name]: { upstream: `https://${name}` } },
    default_registry: name,
    rules: [{ match: `${name}/**`, mode: 'deny' }],
  };
  const found = await visit(t, { '/usr/bin/podman': '' }, changes);
  assert.deepEqual([found.exit, found.bad], [0, []]);
});

test('a registry is reached even if nobody here knows its certificate, or if it does not speak TLS', async (t) => {
  const secure = await listening(
    t,
    createTls(certified(), (socket) => socket.end('HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n')),
  );
  const plain = await listening(
    t,
    createServer((socket) => socket.end('what?\r\n')),
  );
  for (const [port, answer] of [
    [secure, 'answers 401'],
    [plain, 'answers, with '],
  ] as const) {
    const url = `https://127.0.0.1:${port}`;
    const found = await visit(t, {}, { registries: bothAt(url) });
    assert.deepEqual([found.exit, found.bad], [1, ['registry-reachable -']]);
    assert.ok(
      reached(found)[0]?.startsWith(`open: hub is reached directly: ${url} ${answer}`),
      reached(found)[0],
    );
  }
});

test('a firewall that cuts the connection leaves no way', async (t) => {
  const port = await listening(
    t,
    createServer((socket) => socket.resetAndDestroy()),
  );
  const found = await visit(t, {}, { registries: bothAt(`https://127.0.0.1:${port}`) });
  assert.deepEqual([found.exit, found.bad], [0, []]);
});

test('ctr is a way round where a registry is reached, and only there', async (t) => {
  const { registry } = await startWorld(t);
  const tree = { '/usr/bin/ctr': '' };
  const open = await visit(t, tree, { registries: bothAt(registry.url) });
  assert.deepEqual([open.exit, open.bad], [1, ['registry-reachable -', 'ctr-goes-direct /usr/bin/ctr']]);
  assert.deepEqual((await visit(t, tree)).bad, []);
});

test('a proxy of the runtime that leads to the registry is a way round; one that refuses is none', async (t) => {
  const { registry } = await startWorld(t);
  const { port: target } = new URL(registry.url);
  let isOpen = true;
  const proxy = createHttp().on('connect', (_request, client: Socket) => {
    if (!isOpen) return client.end('HTTP/1.1 403 No\r\n\r\n');
    const socket = connect(Number(target), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(client).pipe(socket);
    });
    return client;
  });
  const port = await listening(t, proxy);
  const tree = {
    '/etc/docker/daemon.json': `{"proxies": {\n"https-proxy": "http://me:secret@127.0.0.1:${port}"}}`,
  };
  const registries = { hub: { upstream: 'https://hub.invalid' }, quay: { upstream: 'https://quay.invalid' } };
  const place = '/etc/docker/daemon.json:2';
  const open = await visit(t, tree, { registries });
  assert.deepEqual(
    [open.exit, open.bad.filter((line) => line.startsWith('proxy'))],
    [1, [`proxy-leads-round ${place}`, `proxy-leads-round ${place}`]],
  );
  assert.ok(!JSON.stringify(open).includes('secret'));
  isOpen = false;
  assert.deepEqual((await visit(t, tree, { registries })).bad, []);

  const odd = {
    '/etc/default/docker': 'HTTPS_PROXY=socks5://127.0.0.1:1\n',
    '/etc/docker/daemon.json': '{}',
  };
  const unknown = await visit(t, odd);
  assert.deepEqual(
    [unknown.exit, unknown.bad],
    [3, ['proxy-undecided /etc/default/docker:1', 'proxy-undecided /etc/default/docker:1']],
  );
});
