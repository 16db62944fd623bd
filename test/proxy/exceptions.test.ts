import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { User } from '../../src/demo/access.ts';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { answer, reset } from '../world/fault.ts';
import { at } from '../world/http.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { basic } from './account.ts';
import { askedDuring, pullLabels, rise, samples, withRegistry } from './evidence.ts';
import { ask, assertRefused, assertServed } from './reach-world.ts';

const signed = buildImage('signed');
const child = buildImage('hotfix');
const hotfix = buildIndex([child]);
const moved = buildImage('moved');
const [layer = Buffer.alloc(0)] = child.layers;
const everything = [
  ['manifests', hotfix.digest, hotfix.bytes],
  ['manifests', child.digest, child.bytes],
  ['blobs', digestOf(child.config), child.config],
  ['blobs', digestOf(layer), layer],
] as const;
const why = 'CVE-2026-1, the signer is on leave';
const hour = 3_600_000;
const inAnHour = (): string => `${new Date(Date.now() + hour).toISOString().slice(0, 19)}Z`;
const used = 'rule="reg.test/**"';

const byBoth = { reference: 'hotfix', digest: hotfix.digest };
const byDigest = { digest: hotfix.digest };
const byReference = { reference: 'hotfix' };
const kinds = [
  ['by reference and digest', byBoth],
  ['by digest alone', byDigest],
  ['by reference alone', byReference],
] as const;

async function exceptedWorld(
  t: TestContext,
  exception: object,
  options: WorldOptions = {},
  isSigned = true,
): Promise<World> {
  const exceptions = [{ until: inAnHour(), why, ...exception }];
  const world = await startWorld(t, { ...options, rule: { exceptions, ...options.rule } });
  world.registry.put('team/app', hotfix, 'hotfix');
  world.registry.put('team/app', moved, 'moved');
  world.registry.put('team/app', signed, '1.0');
  if (isSigned) world.notary.sign('team/app', '1.0', signed);
  return world;
}

async function assertExcepted({ proxy }: World): Promise<void> {
  for (const [endpoint, digest, bytes] of everything) await assertServed(proxy, endpoint, digest, bytes);
}

async function assertNotExcepted({ proxy }: World): Promise<void> {
  assert.equal((await proxy.pull('team/app:hotfix')).reason, 'TAG_NOT_SIGNED');
  for (const [, digest] of everything) await assertRefused(proxy, digest);
}

for (const [what, exception] of kinds) {
  test(`an exception ${what} allows its digest and all below it until it expires, and nothing else`, async (t) => {
    const world = await exceptedWorld(t, exception);
    await assertExcepted(world);
    await world.proxy.restart();
    await assertExcepted(world);
    await assertRefused(world.proxy, moved.digest);
    await assertRefused(world.proxy, digestOf(moved.config));
    assert.equal((await world.proxy.pull('team/app:moved')).reason, 'TAG_NOT_SIGNED');
    world.clock.advance(hour);
    await assertNotExcepted(world);
  });

  test(`an exception ${what} that has expired is as if it were not there`, async (t) => {
    await assertNotExcepted(await exceptedWorld(t, { ...exception, until: '2026-01-01T00:00:00Z' }));
  });

  for (const [when, reason, isSigned, spoil] of [
    ['the notary is down', 'NOTARY_UNAVAILABLE', true, ({ notary }: World) => notary.intercept(() => reset)],
    [
      'the notary refuses',
      'NOTARY_UNAUTHORIZED',
      true,
      ({ notary }: World) => notary.intercept(() => answer(403)),
    ],
    [
      'the trust data has expired',
      'EXPIRED',
      true,
      ({ notary }: World) => {
        notary.repository('team/app').setExpires('timestamp', new Date(Date.now() - 1000));
        notary.repository('team/app').publish();
      },
    ],
    ['nothing of the repository is signed', 'REPOSITORY_NOT_SIGNED', false, () => undefined],
  ] as const) {
    test(`an exception ${what} holds when ${when}`, async (t) => {
      const world = await exceptedWorld(t, exception, {}, isSigned);
      spoil(world);
      await assertExcepted(world);
      if (exception !== byDigest) {
        const pulled = await world.proxy.pull('team/app:hotfix');
        assert.deepEqual([pulled.status, pulled.body], [200, hotfix.bytes]);
      }
      assert.equal((await ask(world.proxy, 'manifests', moved.digest)).reason, reason);
      assert.equal((await ask(world.proxy, 'blobs', digestOf(moved.config))).reason, reason);
      assert.equal((await world.proxy.pull('team/app:1.0')).reason, reason);
    });
  }
}

test('an exception by reference and digest is of that digest, wherever the registry has moved the tag', async (t) => {
  const { proxy, registry } = await exceptedWorld(t, byBoth);
  registry.put('team/app', moved, 'hotfix');
  const pulled = await proxy.pull('team/app:hotfix');
  assert.deepEqual([pulled.status, pulled.body], [200, hotfix.bytes]);
  await assertRefused(proxy, moved.digest);
});

test('an exception by reference alone is of what the registry has there: by tag, and by the digest that HEAD showed', async (t) => {
  const world = await exceptedWorld(t, byReference);
  world.registry.put('team/app', hotfix, 'hotfix');
  const head = await world.proxy.pull('team/app:hotfix', { method: 'HEAD' });
  const shown = String(head.headers['docker-content-digest']);
  assert.deepEqual([head.status, shown], [200, hotfix.digest]);
  await assertServed(world.proxy, 'manifests', shown, hotfix.bytes);
  const get = await world.proxy.pull('team/app:hotfix');
  assert.deepEqual([get.status, get.body], [200, hotfix.bytes]);
  await assertExcepted(world);
});

test('an exception for a tag that is signed changes nothing', async (t) => {
  const { proxy, registry } = await exceptedWorld(t, { reference: '1.0', digest: moved.digest });
  registry.put('team/app', moved, '1.0');
  const counted = await rise(proxy, 'tufgate_exceptions_used_total', async () => {
    const pulled = await proxy.pull('team/app:1.0');
    assert.deepEqual([pulled.status, pulled.body], [200, signed.bytes]);
    assert.match(String(pulled.headers['tufgate-trust']), /^signed; /);
  });
  assert.deepEqual(counted, {});
});

test('each use is counted once a pull as unjudged, logged as a warning with the reason, and says no trust header', async (t) => {
  const { proxy } = await exceptedWorld(t, byReference);
  const until = proxy.logs.length;
  const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
    for (const method of ['HEAD', 'GET']) {
      const { status, headers } = await proxy.pull('team/app:hotfix', { method });
      assert.deepEqual([status, headers['tufgate-trust']], [200, undefined]);
    }
    assert.equal((await proxy.pull(`team/app@${child.digest}`)).headers['tufgate-trust'], undefined);
    assert.equal((await ask(proxy, 'blobs', digestOf(layer))).status, 200);
  });
  assert.deepEqual(counted, { [pullLabels('enforce', 'unjudged')]: 1 });
  assert.deepEqual(Object.fromEntries(await samples(proxy, 'tufgate_exceptions_used_total')), { [used]: 1 });
  const [line, ...more] = proxy.logs.slice(until);
  assert.deepEqual(more, []);
  const { level, verdict, exception, exceptionUntil, digest, reason } = line ?? {};
  assert.deepEqual(
    [level, verdict, exception, digest, reason],
    ['warn', 'unjudged', why, hotfix.digest, undefined],
  );
  assert.ok(Date.parse(String(exceptionUntil)) > Date.now());
});

test('a list of tags shows an excepted tag as long as it is one', async (t) => {
  const { proxy, clock } = await exceptedWorld(t, byReference);
  const tags = async (): Promise<unknown> => at((await proxy.request('/v2/team/app/tags/list')).json, 'tags');
  assert.deepEqual(await tags(), ['1.0', 'hotfix']);
  clock.advance(hour);
  assert.deepEqual(await tags(), ['1.0']);
});

test('under audit a use counts too, and enforcing would not have refused it', async (t) => {
  const { proxy } = await exceptedWorld(t, byReference, { rule: { mode: 'audit' } });
  const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
    const { status, headers } = await proxy.pull('team/app:hotfix');
    assert.deepEqual([status, headers['warning']], [200, undefined]);
  });
  assert.deepEqual(counted, { [pullLabels('audit', 'unjudged')]: 1 });
  assert.deepEqual(Object.fromEntries(await samples(proxy, 'tufgate_exceptions_used_total')), { [used]: 1 });
});

test('what the registry cannot say of an excepted tag is not decided, and not denied', async (t) => {
  const { proxy, registry } = await exceptedWorld(t, byReference);
  registry.fault('team/app', 'manifests/hotfix', answer(500));
  const byTag = await proxy.pull('team/app:hotfix');
  assert.deepEqual([byTag.status, byTag.reason], [503, 'UPSTREAM_UNAVAILABLE']);
  for (const endpoint of ['manifests', 'blobs'] as const) {
    const { status, reason } = await ask(proxy, endpoint, digestOf(layer));
    assert.deepEqual([status, reason], [503, 'UPSTREAM_UNAVAILABLE']);
  }
  // What is signed does not depend on it.
  await assertServed(proxy, 'blobs', digestOf(signed.config), signed.config);
  registry.behave();
  assert.equal((await proxy.pull('team/app:hotfix')).status, 200);
});

test('an excepted tag that the registry has not leaves a pull as it was judged', async (t) => {
  const { proxy } = await exceptedWorld(t, { reference: 'absent' });
  assert.equal((await proxy.pull('team/app:absent')).reason, 'TAG_NOT_SIGNED');
  await assertRefused(proxy, hotfix.digest);
});

for (const down of [false, true]) {
  test(`under forward the registry’s challenge reaches a client that asks for an excepted tag, ${down ? 'also when the notary is down' : 'and no other learns of it'}`, async (t) => {
    const login = { username: 'robot', password: 'x' };
    const user: User = { ...login, grants: [{ repository: '*', actions: ['*'] }] };
    const world = await exceptedWorld(t, byReference, {
      registry: { access: { kind: 'basic', users: [user] } },
      config: (tree) => withRegistry(tree, { auth: 'forward', hosts: ['reg.test'] }),
    });
    if (down) world.notary.intercept(() => reset);
    const request = { headers: { host: 'reg.test' } };
    const known = { headers: { host: 'reg.test', authorization: basic(login) } };
    for (let time = 0; time < 2; time += 1) {
      assert.equal((await world.proxy.pull('team/app:hotfix', request)).status, 401);
      for (const [endpoint, digest] of everything)
        assert.equal((await ask(world.proxy, endpoint, digest, request)).status, 401);
      assert.equal((await world.proxy.pull('team/app:hotfix', known)).status, 200);
      for (const [endpoint, digest] of everything)
        assert.equal((await ask(world.proxy, endpoint, digest, known)).status, 200);
    }
  });
}

test('what is signed costs no look at the tags of exceptions', async (t) => {
  const { proxy, registry } = await exceptedWorld(t, byReference);
  const requests = await askedDuring(registry, async () => {
    await assertServed(proxy, 'manifests', signed.digest, signed.bytes);
    await assertServed(proxy, 'blobs', digestOf(signed.config), signed.config);
  });
  assert.ok(!requests.some((request) => request.endsWith('/hotfix')), String(requests));
});
