import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { digestOf } from '../../src/demo/registry/content.ts';
import { withRegistry } from '../proxy/evidence.ts';
import type { ConfigurationTree, World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { good } from './attack.ts';
import { RequestTap } from './request-tap.ts';

// H-45: a proxy whose upstream is, in the end, itself. Every request that leaves it carries its name in Via (RFC 9110
// §7.6.3), and one that comes back is answered with 508.

const rings = ['one proxy', 'two proxies'] as const;
type Ring = (typeof rings)[number];

interface Looped {
  readonly world: World;
  /** On the wires between the proxies. */
  readonly taps: readonly RequestTap[];
}

/** Proxies of which each is the registry of the one before, and the first that of the last. */
async function startRing(t: TestContext, ring: Ring, auth: string, mode: string): Promise<Looped> {
  const taps: RequestTap[] = [];
  const worlds: World[] = [];
  for (const _ of ring === 'one proxy' ? [1] : [1, 2]) {
    const tap = await RequestTap.start(t);
    const config = (tree: ConfigurationTree): ConfigurationTree => ({
      ...withRegistry(tree, { upstream: tap.url, auth, push: 'allow' }),
      ...(mode === 'allow' && { rules: [{ match: 'reg.test/**', mode }] }),
    });
    const world = await startWorld(t, { config });
    world.notary.sign('team/app', '1.0', good);
    taps.push(tap);
    worlds.push(world);
  }
  taps.forEach((tap, index) => {
    tap.upstream = worlds[(index + 1) % worlds.length]?.proxy.url ?? '';
  });
  const [world] = worlds;
  assert.ok(world !== undefined);
  return { world, taps };
}

const asks: readonly (readonly [what: string, method: string, path: string])[] = [
  ['a signed tag', 'GET', 'manifests/1.0'],
  ['a signed tag by HEAD', 'HEAD', 'manifests/1.0'],
  ['a digest', 'GET', `manifests/${good.digest}`],
  ['a blob', 'GET', `blobs/${digestOf(good.config)}`],
  ['a list', 'GET', 'tags/list'],
  ['a push', 'POST', 'blobs/uploads/'],
];

for (const ring of rings) {
  for (const [auth, mode] of [
    ['anonymous', 'enforce'],
    ['forward', 'enforce'],
    ['forward', 'allow'],
  ] as const) {
    test(`H-45 cold: ${ring} in a ring, auth ${auth}, mode ${mode}: every request ends after one round`, async (t) => {
      const { world, taps } = await startRing(t, ring, auth, mode);
      for (const [what, method, path] of asks) {
        const before = taps.map(({ requests }) => requests.length);
        const answer = await world.proxy.request(`/v2/team/app/${path}`, { method });
        assert.ok([503, 508].includes(answer.status), `${what}: ${answer.status} ${answer.body.toString()}`);
        taps.forEach(({ requests, faults }, index) => {
          const made = requests.slice(before[index]).filter(({ target }) => target !== '/v2/');
          assert.ok(made.length <= 1, `${what}: ${made.length} requests`);
          assert.deepEqual(faults, []);
        });
      }
      const all = taps.flatMap(({ requests }) => requests).filter(({ target }) => target !== '/v2/');
      assert.ok(all.length > 0);
      for (const { headers } of all)
        assert.match(new Map(headers).get('via') ?? '', /^(?:1\.1 tufgate-[0-9a-f]{16}(?:, |$))+$/);
    });
  }
}

test('H-45 warm: a chain of proxies is no ring, and what a client writes into Via harms nobody', async (t) => {
  const tap = await RequestTap.start(t);
  const first = await startWorld(t, { config: (tree) => withRegistry(tree, { upstream: tap.url }) });
  const second = await startWorld(t);
  tap.upstream = second.proxy.url;
  for (const { notary } of [first, second]) notary.sign('team/app', '1.0', good);
  second.registry.put('team/app', good, '1.0');
  for (const via of [
    '1.1 tufgate',
    '1.1 tufgate-0000000000000000',
    'HTTP/1.1 a, 1.0 b (c, d)',
    ', ,',
    'v'.repeat(8000),
  ]) {
    const { status, body } = await first.proxy.pull('team/app:1.0', {
      headers: { via, 'user-agent': via.slice(0, 20) },
    });
    assert.equal(status, 200, via.slice(0, 40));
    assert.deepEqual(body, good.bytes);
    assert.equal(
      (await first.proxy.request(`/v2/team/app/blobs/${digestOf(good.config)}`, { headers: { via } })).status,
      200,
    );
  }
});

for (const ring of rings) {
  test(`H-45 cold: ${ring} in a ring: what asks for no repository ends after one round too`, async (t) => {
    const { world, taps } = await startRing(t, ring, 'forward', 'enforce');
    for (const target of ['/v2/', '/v2/?ns=reg.test', '/token?scope=repository:team/app:pull']) {
      const before = taps.map(({ requests }) => requests.length);
      const answer = await world.proxy.request(target);
      assert.ok([401, 503].includes(answer.status), `${target}: ${answer.status}`);
      taps.forEach(({ requests }, index) => {
        const made = requests.length - (before[index] ?? 0);
        assert.ok(made <= 1, `${target}: ${made} requests`);
      });
    }
  });
}
