import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { Hold, answer } from '../world/fault.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { asked, askedDuring, pullLabels, rise, samples } from './evidence.ts';

// What a pull costs notary and registry, counted in their own logs.

const child = buildImage('child');
const index = buildIndex([child]);

async function signedWorld(t: TestContext, rule = {}, more = {}): Promise<World> {
  const world = await startWorld(t, { rule: { check_every: '60s', ...rule }, ...more });
  world.registry.put('team/app', index, '1.0');
  world.notary.sign('team/app', '1.0', index);
  return world;
}

/** Pulls from one agent, some hundred at a time; gives how often each status came. */
async function pullAll(
  t: TestContext,
  url: string,
  targets: readonly string[],
): Promise<Record<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  t.after(() => agent.destroy());
  const { hostname, port } = new URL(url);
  const statuses = await Promise.all(
    targets.map(
      (path) =>
        new Promise<number>((resolve, reject) => {
          request({ hostname, port, path, agent }, (incoming) => {
            incoming.resume().once('end', () => resolve(incoming.statusCode ?? 0));
          })
            .once('error', reject)
            .end();
        }),
    ),
  );
  return Object.fromEntries(
    [...new Set(statuses)].map((code) => [code, statuses.filter((s) => s === code).length]),
  );
}

test('a pull that was made before asks neither notary nor registry', async (t) => {
  const { notary, registry, proxy } = await signedWorld(t);
  const pulls = async (): Promise<void> => {
    for (const image of ['team/app:1.0', `team/app@${index.digest}`, `team/app@${child.digest}`])
      for (const method of ['HEAD', 'GET']) assert.equal((await proxy.pull(image, { method })).status, 200);
  };
  await pulls();
  assert.deepEqual(await askedDuring(notary, () => askedDuring(registry, pulls)), []);
  assert.deepEqual(await askedDuring(registry, pulls), []);
});

test('another tag of a repository that was asked for asks the notary nothing', async (t) => {
  const { notary, proxy } = await signedWorld(t);
  await proxy.pull('team/app:1.0');
  assert.deepEqual(await askedDuring(notary, () => proxy.pull('team/app:2.0')), []);
});

test('after check_every the notary is asked again, for as little as it takes, and the registry for no manifest', async (t) => {
  const { notary, registry, proxy, clock } = await signedWorld(t);
  await proxy.pull('team/app:1.0');
  clock.advance(59_000);
  assert.deepEqual(await askedDuring(notary, () => proxy.pull('team/app:1.0')), []);
  clock.advance(1_000);
  const requests = await askedDuring(notary, async () => {
    // A minute has passed for drift as well.
    const looked = 'HEAD /v2/team/app/manifests/1.0';
    assert.deepEqual(await askedDuring(registry, () => proxy.pull('team/app:1.0')), [looked]);
  });
  const files = requests.map((line) => line.slice(line.lastIndexOf('/') + 1)).toSorted();
  assert.deepEqual(files, ['2.root.json', 'root.json', 'timestamp.json']);
});

test('a verified answer that expires within check_every is not served beyond that', async (t) => {
  const { notary, proxy, clock } = await signedWorld(t, { check_every: '720h' });
  await proxy.pull('team/app:1.0');
  clock.advance(13 * 86_400_000);
  assert.deepEqual(await askedDuring(notary, () => proxy.pull('team/app:1.0')), []);
  clock.advance(86_400_000);
  assert.equal((await proxy.pull('team/app:1.0')).reason, 'EXPIRED');
});

test('a clock that went back makes nothing fresh', async (t) => {
  const { notary, proxy, clock } = await signedWorld(t);
  await proxy.pull('team/app:1.0');
  clock.advance(-1_000);
  assert.notDeepEqual(await askedDuring(notary, () => proxy.pull('team/app:1.0')), []);
});

test('with check_every: 0 the notary is asked for every pull', async (t) => {
  const { notary, proxy } = await signedWorld(t, { check_every: 0 });
  await proxy.pull('team/app:1.0');
  for (let pull = 0; pull < 3; pull += 1)
    assert.equal((await askedDuring(notary, () => proxy.pull('team/app:1.0'))).length, 3);
});

test('a thousand concurrent pulls of what nobody knows yet are one refresh, one manifest and no refusal', async (t) => {
  const { notary, registry, proxy } = await signedWorld(t);
  const targets = Array.from({ length: 1000 }, () => '/v2/team/app/manifests/1.0');
  const refreshes = await rise(proxy, 'tufgate_trust_refresh_total', async () => {
    assert.deepEqual(await pullAll(t, proxy.url, targets), { 200: 1000 });
    await proxy.settled();
  });
  assert.deepEqual(refreshes, { 'notary="main",result="ok"': 1 });
  const looked = 'HEAD /v2/team/app/manifests/1.0';
  assert.deepEqual(asked(registry.requests), [`GET /v2/team/app/manifests/${index.digest}`, looked]);
  assert.equal(new Set(asked(notary.requests)).size, notary.requests.length);
});

test('a thousand concurrent pulls of tags, digests and children share what they need', async (t) => {
  const { registry, proxy } = await signedWorld(t);
  const names = ['1.0', index.digest, child.digest, '2.0'];
  const targets = Array.from(
    { length: 1000 },
    (_, at) => `/v2/team/app/manifests/${names[at % names.length]}`,
  );
  const refreshes = await rise(proxy, 'tufgate_trust_refresh_total', async () => {
    assert.deepEqual(await pullAll(t, proxy.url, targets), { 200: 750, 403: 250 });
    await proxy.settled();
  });
  assert.deepEqual(refreshes, { 'notary="main",result="ok"': 1 });
  assert.deepEqual(asked(registry.requests).toSorted(), [
    ...[child, index].map(({ digest }) => `GET /v2/team/app/manifests/${digest}`).toSorted(),
    'HEAD /v2/team/app/manifests/1.0',
  ]);
});

test('a manifest whose download fails fails for all who wait for it, and for nobody after', async (t) => {
  const { registry, proxy } = await signedWorld(t);
  const hold = new Hold();
  const takeOff = registry.fault('team/app', `manifests/${index.digest}`, async (honest, asking) => {
    await hold.after(honest, asking);
    return answer(500)(honest, asking);
  });
  const waiting = Promise.all(Array.from({ length: 5 }, () => proxy.pull('team/app:1.0')));
  await hold.arrived;
  hold.release();
  for (const { reason } of await waiting) assert.equal(reason, 'UPSTREAM_UNAVAILABLE');
  takeOff();
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
});

test('what is cached is counted as such', async (t) => {
  const { proxy } = await signedWorld(t);
  for (let pull = 0; pull < 3; pull += 1) await proxy.pull('team/app:1.0');
  const counted = await samples(proxy, 'tufgate_cache_requests_total');
  assert.deepEqual(counted.get('cache="manifest",result="miss"'), 1);
  assert.deepEqual(counted.get('cache="manifest",result="hit"'), 2);
});

test('what one repository has cached is not served for another that signs it too', async (t) => {
  const { notary, registry, proxy } = await signedWorld(t);
  notary.sign('team/other', '1.0', index);
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
  const refused = await proxy.pull('team/other:1.0');
  assert.deepEqual([refused.status, refused.reason], [404, 'CONTENT_MISSING']);
  registry.put('team/other', index);
  assert.equal((await proxy.pull('team/other:1.0')).status, 200);
});

test('an outage is bridged for outage_grace after the notary last confirmed, and counted as served', async (t) => {
  const { notary, proxy, clock } = await signedWorld(t, { check_every: '60s', outage_grace: '1h' });
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
  notary.intercept(() => answer(503));
  clock.advance(3_590_000);
  const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
    const agent = { 'user-agent': 'another' };
    assert.equal((await proxy.pull('team/app:1.0', { headers: agent })).status, 200);
  });
  assert.deepEqual(counted, { [pullLabels('enforce', 'allow')]: 1 });
  assert.match(String(proxy.logs.at(-1)?.['outage']), /503/);
  clock.advance(60_000);
  const refused = await proxy.pull('team/app:1.0');
  assert.deepEqual([refused.status, refused.reason], [503, 'NOTARY_UNAVAILABLE']);
});
