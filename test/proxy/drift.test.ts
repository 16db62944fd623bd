import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { User } from '../../src/demo/access.ts';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { Hold, answer, reset } from '../world/fault.ts';
import { send } from '../world/http.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { basic } from './account.ts';
import { samples, withRegistry } from './evidence.ts';

const child = buildImage('child');
const signed = buildIndex([child]);
const moved = buildImage('moved');
const tag = '/v2/team/app/manifests/1.0';
const drifted = 'registry="reg.test"';

async function driftedWorld(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(t, options);
  world.registry.put('team/app', signed, '1.0');
  world.notary.sign('team/app', '1.0', signed);
  world.registry.put('team/app', moved, '1.0');
  return world;
}

/** What the registry was asked about the tag. */
const askedOfTag = ({ registry }: World): readonly string[] =>
  registry.requests.filter(({ url }) => url === tag).map(({ method }) => method);

/** How often drift was logged, once the proxy has looked. */
async function counted({ proxy }: World): Promise<number> {
  await proxy.settled();
  return proxy.logs.filter(({ msg }) => msg === 'drift').length;
}

/** Asks for the manifest of the tag, and waits for nothing but the answer. */
const ask = ({ proxy }: World, method = 'GET'): ReturnType<typeof send> => send(proxy.url, tag, { method });

test('a tag that was moved is served as signed, and that it was moved shows with both digests', async (t) => {
  const world = await driftedWorld(t);
  const { proxy } = world;
  for (const method of ['HEAD', 'GET']) {
    const pulled = await proxy.pull('team/app:1.0', { method });
    assert.deepEqual([pulled.status, pulled.headers['docker-content-digest']], [200, signed.digest]);
  }
  assert.deepEqual(Object.fromEntries(await samples(proxy, 'tufgate_tag_drift_total')), { [drifted]: 1 });
  assert.equal(await counted(world), 1);
  const { level, image, signed: ours, upstream } = proxy.logs.find(({ msg }) => msg === 'drift') ?? {};
  assert.deepEqual(
    [level, image, ours, upstream],
    ['warn', 'reg.test/team/app:1.0', signed.digest, moved.digest],
  );
  assert.deepEqual(askedOfTag(world), ['HEAD']);
});

test('a tag that means what is signed is looked at and not counted', async (t) => {
  const world = await driftedWorld(t);
  world.registry.put('team/app', signed, '1.0');
  await world.proxy.pull('team/app:1.0');
  assert.equal(await counted(world), 0);
  assert.deepEqual(askedOfTag(world), ['HEAD']);
});

test('a tag is looked at once a minute at most, and another one beside it', async (t) => {
  const world = await driftedWorld(t);
  const { proxy, clock, registry, notary } = world;
  registry.put('team/app', moved, '2.0');
  notary.sign('team/app', '2.0', signed);
  for (let pull = 0; pull < 5; pull += 1) await proxy.pull('team/app:1.0');
  await proxy.pull('team/app:2.0');
  clock.advance(58_000);
  await proxy.pull('team/app:1.0');
  clock.advance(3_000);
  await proxy.pull('team/app:1.0');
  assert.equal(await counted(world), 3);
  assert.deepEqual(askedOfTag(world), ['HEAD', 'HEAD']);
});

test('nobody looks after a digest, a tag that is refused, or a tag that nobody judges', async (t) => {
  const world = await driftedWorld(t);
  const { proxy, registry } = world;
  registry.put('team/app', moved, 'unsigned');
  await proxy.pull(`team/app@${signed.digest}`);
  await proxy.pull(`team/app@${child.digest}`);
  assert.equal((await proxy.pull('team/app:unsigned')).status, 403);
  assert.equal(await counted(world), 0);
  assert.ok(!registry.requests.some(({ method }) => method === 'HEAD'));

  const unjudged = await driftedWorld(t, { rules: [{ match: 'reg.test/**', mode: 'allow' }] });
  await unjudged.proxy.pull('team/app:1.0');
  assert.equal(await counted(unjudged), 0);
  assert.deepEqual(askedOfTag(unjudged), ['GET']);
});

test('nobody looks after a tag that only an exception allows', async (t) => {
  const exception = {
    reference: 'hotfix',
    digest: child.digest,
    until: '2999-01-01T00:00:00Z',
    why: 'urgent',
  };
  const world = await driftedWorld(t, { rule: { exceptions: [exception] } });
  world.registry.put('team/app', moved, 'hotfix');
  assert.equal((await world.proxy.pull('team/app:hotfix')).status, 200);
  assert.equal(await counted(world), 0);
  assert.ok(!world.registry.requests.some(({ method }) => method === 'HEAD'));
});

test('under audit the client gets what was moved there, and that shows too', async (t) => {
  const world = await driftedWorld(t, { rule: { mode: 'audit' } });
  const pulled = await world.proxy.pull('team/app:1.0');
  assert.equal(pulled.headers['docker-content-digest'], moved.digest);
  assert.equal(await counted(world), 1);
});

for (const [what, fault] of [
  ['is down', reset],
  ['fails', answer(500)],
  ['refuses', answer(401)],
  ['has lost the tag', answer(404)],
  ['names no digest', answer(200)],
  ['names one that is none', answer(200, { headers: { 'docker-content-digest': 'sha256:x' } })],
] as const) {
  test(`a registry that ${what} for the tag fails no pull, and has not drifted`, async (t) => {
    const world = await driftedWorld(t);
    world.registry.fault('team/app', 'manifests/1.0', fault);
    assert.equal((await world.proxy.pull('team/app:1.0')).status, 200);
    assert.equal(await counted(world), 0);
    assert.ok(!world.proxy.logs.some(({ level }) => level === 'error'));
  });
}

test('a registry that does not answer for the tag keeps no pull waiting', async (t) => {
  const world = await driftedWorld(t);
  const hold = new Hold();
  world.registry.fault('team/app', 'manifests/1.0', hold.after);
  for (const method of ['GET', 'HEAD', 'GET']) assert.equal((await ask(world, method)).status, 200);
  await hold.arrived;
  assert.deepEqual(askedOfTag(world), ['HEAD']);
  hold.release();
  assert.equal(await counted(world), 1);
});

test(
  'a registry that never answers for the tag does not keep the proxy from stopping',
  { timeout: 20_000 },
  async (t) => {
    const world = await driftedWorld(t, { config: { limits: { download_timeout: '1h' } } });
    const arrived = Promise.withResolvers<void>();
    world.registry.fault('team/app', 'manifests/1.0', () => () => arrived.resolve());
    assert.equal((await ask(world)).status, 200);
    await arrived.promise;
    await world.proxy.close();
  },
);

test('under forward, the look is with the credentials of the client that pulled', async (t) => {
  const login = { username: 'robot', password: 'x' };
  const user: User = { ...login, grants: [{ repository: '*', actions: ['*'] }] };
  const world = await driftedWorld(t, {
    registry: { access: { kind: 'basic', users: [user] } },
    config: (tree) => withRegistry(tree, { auth: 'forward', hosts: ['reg.test'] }),
  });
  const headers = { host: 'reg.test', authorization: basic(login) };
  assert.equal((await world.proxy.pull('team/app:1.0', { headers })).status, 200);
  assert.equal(await counted(world), 1);
  const look = world.registry.requests.filter(({ url, method }) => url === tag && method === 'HEAD');
  assert.deepEqual(
    look.map(({ headers: sent }) => sent.authorization),
    [basic(login)],
  );
});
