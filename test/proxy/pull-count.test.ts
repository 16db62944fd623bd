import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { clientOf, PullCount } from '../../src/proxy/pull-count.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const child = `sha256:${'b'.repeat(64)}`;

function startCount(capacity?: number): { count: PullCount; clock: { now: number } } {
  const clock = { now: 1_000_000 };
  return { count: new PullCount(() => clock.now, 30_000, capacity), clock };
}

test('HEAD and GET of one tag by one client count once', () => {
  const { count, clock } = startCount();
  assert.equal(count.isFirst('me', 'docker.io', 'library/alpine', '3.22'), true);
  clock.now += 29_999;
  assert.equal(count.isFirst('me', 'docker.io', 'library/alpine', '3.22'), false);
});

test('the same pull after the window counts again, and asking in between does not put that off', () => {
  const { count, clock } = startCount();
  count.isFirst('me', 'docker.io', 'library/alpine', '3.22');
  clock.now += 20_000;
  assert.equal(count.isFirst('me', 'docker.io', 'library/alpine', '3.22'), false);
  clock.now += 10_000;
  assert.equal(count.isFirst('me', 'docker.io', 'library/alpine', '3.22'), true);
});

test('another client, registry, repository or tag is another pull', () => {
  const { count } = startCount();
  count.isFirst('me', 'docker.io', 'library/alpine', '3.22');
  assert.equal(count.isFirst('you', 'docker.io', 'library/alpine', '3.22'), true);
  assert.equal(count.isFirst('me', 'quay.io', 'library/alpine', '3.22'), true);
  assert.equal(count.isFirst('me', 'docker.io', 'library/busybox', '3.22'), true);
  assert.equal(count.isFirst('me', 'docker.io', 'library/alpine', '3.21'), true);
});

test('the digest a pull led to, and its children, belong to that pull', () => {
  const { count, clock } = startCount();
  count.isFirst('me', 'docker.io', 'library/alpine', '3.22');
  count.note('me', 'docker.io', 'library/alpine', [digest, child]);
  assert.equal(count.isFirst('me', 'docker.io', 'library/alpine', digest), false);
  assert.equal(count.isFirst('me', 'docker.io', 'library/alpine', child), false);
  assert.equal(count.isFirst('you', 'docker.io', 'library/alpine', digest), true);
  clock.now += 30_000;
  assert.equal(count.isFirst('me', 'docker.io', 'library/alpine', digest), true);
});

test('what is remembered is bounded: the oldest pulls are forgotten', () => {
  const { count } = startCount(100);
  for (let i = 0; i < 101; i += 1) count.isFirst('me', 'docker.io', 'library/alpine', `v${i}`);
  assert.equal(count.isFirst('me', 'docker.io', 'library/alpine', 'v100'), false);
  assert.equal(count.isFirst('me', 'docker.io', 'library/alpine', 'v0'), true);
});

test('a client is its address and its User-Agent, of which only a short hash is kept', async (t) => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(clientOf(request));
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  for (const agent of ['docker/29', 'docker/29', 'x'.repeat(9000), undefined]) {
    const sent = get({
      port: (server.address() as AddressInfo).port,
      host: '127.0.0.1',
      agent: false,
      headers: agent === undefined ? {} : { 'User-Agent': agent },
    }).end();
    const [response] = (await once(sent, 'response')) as [NodeJS.ReadableStream];
    response.resume();
  }
  assert.equal(seen[0], seen[1]);
  assert.equal(new Set(seen).size, 3);
  for (const client of seen) assert.match(client, /^127\.0\.0\.1 [A-Za-z0-9_-]{16}$/);
});
