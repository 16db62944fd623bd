import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { answer } from '../world/fault.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { pullLabels, rise, samples } from './evidence.ts';

const child = buildImage('child');
const index = buildIndex([child]);

async function signedWorld(t: TestContext): Promise<World> {
  const world = await startWorld(t);
  world.registry.put('team/app', index, '1.0');
  world.notary.sign('team/app', '1.0', index);
  return world;
}

const pullsLogged = ({ proxy }: World): readonly Record<string, unknown>[] =>
  proxy.logs.filter(({ msg }) => msg === 'pull');
const docker = { 'user-agent': 'docker/29.0' };

test('an allowed pull is one line: who asked for what, and on whose signature it stands', async (t) => {
  const world = await signedWorld(t);
  await world.proxy.pull('team/app:1.0', { headers: docker });
  const [line, ...more] = pullsLogged(world);
  assert.equal(more.length, 0);
  const { time, seconds, ...fields } = line ?? {};
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
  assert.equal(typeof seconds, 'number');
  assert.deepEqual(fields, {
    level: 'info',
    msg: 'pull',
    verdict: 'allow',
    registry: 'reg.test',
    repository: 'team/app',
    reference: '1.0',
    digest: index.digest,
    gun: 'reg.test/team/app',
    rule: 'reg.test/**',
    mode: 'enforce',
    role: 'targets',
    status: 200,
    method: 'GET',
    client: '127.0.0.1',
    agent: 'docker/29.0',
  });
});

test('a refused pull is one line, with what the client was told and what was left out of that', async (t) => {
  const world = await signedWorld(t);
  world.notary.fault('team/app', 'timestamp', answer(200, { body: 'x' }));
  const refused = await world.proxy.pull('team/app:1.0', { headers: docker });
  const [line, ...more] = pullsLogged(world);
  assert.equal(more.length, 0);
  const { time: _time, seconds: _seconds, cause, ...fields } = line ?? {};
  assert.match(String(cause), /^timestamp is not the JSON of metadata at character 0/);
  assert.deepEqual(fields, {
    level: 'warn',
    msg: 'pull',
    verdict: 'deny',
    reason: 'MALFORMED',
    message: refused.statusMessage,
    registry: 'reg.test',
    repository: 'team/app',
    reference: '1.0',
    gun: 'reg.test/team/app',
    rule: 'reg.test/**',
    mode: 'enforce',
    status: 403,
    method: 'GET',
    client: '127.0.0.1',
    agent: 'docker/29.0',
  });
});

test('the requests of one docker pull are one pull in metric and log', async (t) => {
  const world = await signedWorld(t);
  const counted = await rise(world.proxy, 'tufgate_pulls_total', async () => {
    await world.proxy.pull('team/app:1.0', { method: 'HEAD', headers: docker });
    for (const image of ['team/app:1.0', `team/app@${index.digest}`, `team/app@${child.digest}`])
      assert.equal((await world.proxy.pull(image, { headers: docker })).status, 200);
  });
  assert.deepEqual(counted, { [pullLabels('enforce', 'allow')]: 1 });
  assert.equal(pullsLogged(world).length, 1);
});

test('HEAD and GET of a refused tag are one refusal; another client, tag or outcome is another pull', async (t) => {
  const world = await signedWorld(t);
  const denied = pullLabels('enforce', 'deny', 'TAG_NOT_SIGNED');
  const pull =
    (image: string, agent: string, method = 'GET') =>
    (): Promise<unknown> =>
      world.proxy.pull(image, { method, headers: { 'user-agent': agent } });
  for (const [asking, counted] of [
    [pull('team/app:2.0', 'a', 'HEAD'), { [denied]: 1 }],
    [pull('team/app:2.0', 'a'), {}],
    [pull('team/app:2.0', 'b'), { [denied]: 1 }],
    [pull('team/app:3.0', 'a'), { [denied]: 1 }],
  ] as const) {
    assert.deepEqual(await rise(world.proxy, 'tufgate_pulls_total', asking), counted);
  }
  world.notary.sign('team/app', '2.0', index);
  const allowed = await rise(world.proxy, 'tufgate_pulls_total', pull('team/app:2.0', 'a'));
  assert.deepEqual(allowed, { [pullLabels('enforce', 'allow')]: 1 });
  assert.equal(pullsLogged(world).length, 4);
});

test('requests are counted by endpoint, and what is none is unknown', async (t) => {
  const { proxy } = await signedWorld(t);
  await proxy.request('/v2/');
  await proxy.pull('team/app:1.0');
  await proxy.pull('team/app:2.0', { method: 'HEAD' });
  await proxy.request('/nothing/here', { method: 'PUT' });
  assert.deepEqual(Object.fromEntries(await samples(proxy, 'tufgate_requests_total')), {
    'route="base",method="GET",code="200"': 1,
    'route="manifest",method="GET",code="200"': 1,
    'route="manifest",method="HEAD",code="403"': 1,
    'route="unknown",method="PUT",code="404"': 1,
  });
});

test('requests to registry and notary are counted with what came of them', async (t) => {
  const { proxy, registry, notary } = await signedWorld(t);
  await proxy.pull('team/app:1.0');
  notary.sign('team/app', '2.0', child);
  registry.fault('team/app', `manifests/${child.digest}`, answer(502));
  await proxy.pull('team/app:2.0');
  assert.deepEqual(Object.fromEntries(await samples(proxy, 'tufgate_upstream_requests_total')), {
    // The manifest, and beside it the look at what the tag means there.
    'registry="reg.test",code="200"': 2,
    'registry="reg.test",code="502"': 1,
  });
  notary.intercept(() => answer(503));
  await proxy.pull('team/app:1.0');
  assert.deepEqual(Object.fromEntries(await samples(proxy, 'tufgate_trust_refresh_total')), {
    'notary="main",result="ok"': 2,
    'notary="main",result="unavailable"': 1,
  });
});

test('a log line holds no header of a client but its User-Agent, and that not without end', async (t) => {
  const world = await signedWorld(t);
  const headers = {
    'user-agent': 'x'.repeat(5000),
    cookie: 'canary-cookie',
    authorization: 'Bearer canary-token',
  };
  await world.proxy.pull('team/app:1.0', { headers });
  const text = JSON.stringify(world.proxy.logs);
  assert.doesNotMatch(text, /canary/);
  assert.ok(text.length < 2000);
});
