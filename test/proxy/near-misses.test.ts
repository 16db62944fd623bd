import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { asked, reconfigure, withRegistry } from './evidence.ts';
import { exchange } from './door.ts';
import { digest } from './wire.ts';

// What is nearly an endpoint, as raw bytes: a client library would tidy it up. None of it may reach anybody.

const good = buildImage('good');
const hex = digest.slice('sha256:'.length);

const targets = [
  '//v2/team/app/manifests/1.0',
  '/v2//team/app/manifests/1.0',
  '/v2/team//app/manifests/1.0',
  '/v2/team/app/manifests//1.0',
  '/v2/team/app//manifests/1.0',
  '/v2/team/app/manifests/1.0/',
  '/v2/team/app/manifests/',
  '/v2/team/../team/app/manifests/1.0',
  '/v2/./team/app/manifests/1.0',
  '/v2/team/app/manifests/../manifests/1.0',
  '/v2/team/app/manifests/..',
  '/v2/../v2/team/app/manifests/1.0',
  '/v2/team%2Fapp/manifests/1.0',
  '/v2/team%2fapp/manifests/1.0',
  '/v2/team%252Fapp/manifests/1.0',
  '/v2/%74eam/app/manifests/1.0',
  '/v2/team/app/manifests/1%2e0',
  '/v2/team/app/%6danifests/1.0',
  '/v2/team/app/manifests/1.0%00',
  '/v2/team/app/manifests/1.0%0d%0aHost:%20evil.test',
  '/v2/team/app/manifests/1.0%20HTTP/1.1%0d%0a',
  '/v2/team/app/manifests/1.0#fragment',
  '/v2/team/app/manifests/1.0;a=b',
  '/v2/team/app/manifests/1.0?ns=%zz',
  '/v2/team/app/manifests/1.0\\..\\2.0',
  '/v2/team\\app/manifests/1.0',
  '/V2/team/app/manifests/1.0',
  '/v2/Team/app/manifests/1.0',
  '/v2/team/app/Manifests/1.0',
  '/v1/team/app/manifests/1.0',
  '/v2/team/app/manifests/-1.0',
  '/v2/team/app/manifests/.1.0',
  `/v2/team/app/manifests/${'t'.repeat(129)}`,
  `/v2/team/app/manifests/sha256:${hex.toUpperCase()}`,
  `/v2/team/app/manifests/SHA256:${hex}`,
  `/v2/team/app/manifests/sha256:${hex.slice(1)}`,
  `/v2/team/app/manifests/sha256:${hex}0`,
  `/v2/team/app/manifests/sha1:${hex.slice(0, 40)}`,
  `/v2/team/app/manifests/sha256%3A${hex}`,
  `/v2/team/app/manifests/1.0@sha256:${hex}`,
  `/v2/team/app/blobs/${hex}`,
  '/v2/team/app/blobs/1.0',
  '/v2/team/app/blobs/uploads/../../manifests/1.0',
  `/v2/${'a/'.repeat(200)}manifests/1.0`,
  '/v2/_catalog',
  '/v2/team/app/_trust/tuf/root.json',
  '/v2/team/app/tags',
  '/v2/team/app/tags/list/',
  '/v2/team-/app/manifests/1.0',
  '/v2/team..x/app/manifests/1.0',
  '/v2/manifests/1.0',
  '/token',
  '/metrics',
  '/',
  '*',
  'http://127.0.0.1/v2/team/app/manifests/1.0',
];
const nonAscii = [
  '/v2/team/app/manifests/1.0\u00e9',
  '/v2/t\u00ebam/app/manifests/1.0',
  '/v2/team/app/manifests/1.0\u0085',
];

const assertNobodyAsked = ({ notary, registry }: World): void => {
  assert.deepEqual([asked(notary.requests), asked(registry.requests)], [[], []]);
};
const portOf = ({ proxy }: World): number => Number(new URL(proxy.url).port);
const rawRequest = (method: string, target: string): string =>
  `${method} ${target} HTTP/1.1\r\nHost: reg.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;

test('what is nearly an endpoint reaches neither notary nor registry, under any mode and method', async (t) => {
  const world = await startWorld(t, {
    config: (tree) => withRegistry(tree, { push: 'allow' }),
  });
  world.registry.put('team/app', good, '1.0');
  for (const rules of [undefined, [{ match: 'reg.test/**', mode: 'allow' }]]) {
    if (rules !== undefined) await reconfigure(world.proxy, (tree) => ({ ...tree, rules }));
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      for (const target of [...targets, ...nonAscii]) {
        const answer = await exchange(portOf(world), rawRequest(method, target));
        assert.match(answer, /^HTTP\/1\.1 40[04] /, `${method} ${target}`);
      }
    }
  }
  assertNobodyAsked(world);
});

test('a request line or header that two servers could read differently reaches nobody', async (t) => {
  const world = await startWorld(t);
  world.registry.put('team/app', good, '1.0');
  const target = '/v2/team/app/manifests/1.0';
  for (const text of [
    `GET ${target} HTTP/1.1\r\nHost: reg.test\r\nHost: evil.test\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\nHost: reg.test:443:80\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\nHost: a@reg.test\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\nHost : reg.test\r\n\r\n`,
    `GET ${target} evil HTTP/1.1\r\nHost: reg.test\r\n\r\n`,
    `GET\t${target} HTTP/1.1\r\nHost: reg.test\r\n\r\n`,
    `GET ${target} HTTP/2.0\r\nHost: reg.test\r\n\r\n`,
    `GET ${target}\r\n\r\n`,
    `get ${target} HTTP/1.1\r\nHost: reg.test\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\nHost: reg.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\nHost: reg.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\nHost: reg.test\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\nHost: reg.test\r\n x: folded\r\n\r\n`,
    `GET ${target} HTTP/1.1\r\nHost: reg.test\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    `CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n`,
  ]) {
    assert.match(await exchange(portOf(world), text), /^HTTP\/1\.1 (?:400|405|431|501) /, text.slice(0, 200));
  }
  assertNobodyAsked(world);
});

test('a refused answer is not split by what the client wrote into the target', async (t) => {
  const world = await startWorld(t);
  const answer = await exchange(portOf(world), rawRequest('GET', '/v2/team/app/manifests/1.0'));
  const [head = ''] = answer.split('\r\n\r\n');
  const [status = '', ...lines] = head.split('\r\n');
  assert.match(status, /^HTTP\/1\.1 403 content trust: [\x20-\x7e]+$/);
  for (const line of lines) assert.match(line, /^[A-Za-z-]+: [\x20-\x7e]*$/);
});
