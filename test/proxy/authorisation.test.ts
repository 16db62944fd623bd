import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { AccessOptions, User } from '../../src/demo/access.ts';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { answer } from '../world/fault.ts';
import type { HttpAnswer } from '../world/http.ts';
import { at, send } from '../world/http.ts';
import { LyingRegistry } from '../world/lying-registry.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { account, basic } from './account.ts';
import { askedDuring, withRegistry } from './evidence.ts';

const child = buildImage('child');
const image = buildIndex([child]);
const blob = `/v2/team/app/blobs/${digestOf(child.config)}`;

const everything = [{ repository: '*', actions: ['*'] }] as const;
const robot: User = { username: 'robot', password: 'canary-5f3a9', grants: everything };

async function worldWith(t: TestContext, auth: unknown, access?: Partial<AccessOptions>): Promise<World> {
  const world = await startWorld(t, {
    ...(access !== undefined && { registry: { access: { kind: 'bearer', users: [robot], ...access } } }),
    // By a Host name of its own: what the registry and the client say to each other passes as it is.
    config: (tree) => withRegistry(tree, { auth, hosts: ['127.0.0.1'] }),
  });
  world.registry.put('team/app', image, '1.0');
  world.notary.sign('team/app', '1.0', image);
  return world;
}

const manifests = [`/v2/team/app/manifests/1.0`, `/v2/team/app/manifests/${child.digest}`];

test('under forward, the Authorization of the client reaches the registry unchanged, and no notary', async (t) => {
  const { proxy, registry, notary } = await worldWith(t, 'forward');
  const authorization = 'Bearer a.b-c_d~e+f/g==';
  for (const target of ['/v2/', ...manifests, blob, '/v2/team/app/tags/list']) {
    const before = registry.requests.length;
    assert.equal((await proxy.request(target, { headers: { authorization } })).status, 200, target);
    const sent = registry.requests.slice(before);
    assert.ok(sent.length > 0, target);
    for (const { headers } of sent) assert.equal(headers.authorization, authorization, target);
  }
  assert.ok(notary.requests.every(({ headers }) => headers.authorization === undefined));
});

for (const kind of ['basic', 'bearer'] as const) {
  test(`under forward, the registry's ${kind} challenge reaches the client for all it may ask, and its account is then let in`, async (t) => {
    const { proxy, registry } = await worldWith(t, 'forward', { kind });
    for (const target of ['/v2/', ...manifests, blob, '/v2/team/app/tags/list']) {
      for (const method of target === '/v2/team/app/tags/list' ? ['GET'] : ['GET', 'HEAD']) {
        const refused = await proxy.request(target, { method });
        assert.equal(refused.status, 401, `${method} ${target}`);
        assert.match(
          String(refused.headers['www-authenticate']),
          kind === 'basic' ? /^Basic / : /^Bearer realm=/,
        );
        assert.doesNotMatch(refused.body.toString() + refused.statusMessage, /content trust/);
      }
    }
    const authorization = kind === 'basic' ? basic(robot) : await tokenOf(registry, 'team/app');
    for (const target of [...manifests, blob])
      assert.equal((await proxy.request(target, { headers: { authorization } })).status, 200, target);
  });
}

async function tokenOf(registry: LyingRegistry, name: string): Promise<string> {
  const target = `/token?service=demo&scope=repository:${name}:pull`;
  const { json } = await send(registry.url, target, { headers: { authorization: basic(robot) } });
  return `Bearer ${String(at(json, 'token'))}`;
}

test('under forward, what one client has fetched is not given to another whom the registry refuses', async (t) => {
  const stranger: User = { username: 'stranger', password: 'x', grants: [] };
  const { proxy, registry, clock } = await worldWith(t, 'forward', {
    kind: 'basic',
    users: [robot, stranger],
  });
  const pull = (target: string, authorization?: string): Promise<HttpAnswer> =>
    proxy.request(target, authorization === undefined ? {} : { headers: { authorization } });
  for (const target of manifests) assert.equal((await pull(target, basic(robot))).status, 200);

  for (const target of manifests) {
    assert.deepEqual([(await pull(target)).status, (await pull(target, basic(stranger))).status], [401, 403]);
    const again = async (): Promise<void> => {
      assert.equal((await pull(target, basic(robot))).status, 200);
    };
    assert.deepEqual(await askedDuring(registry, again), [], 'the yes is remembered');
    clock.advance(60_001);
    const isTag = target.endsWith('1.0');
    const digest = isTag ? image.digest : child.digest;
    assert.deepEqual(await askedDuring(registry, again), [
      `HEAD /v2/team/app/manifests/${digest}`,
      // Beside the pull: whether the tag drifted.
      ...(isTag ? ['HEAD /v2/team/app/manifests/1.0'] : []),
    ]);
  }
});

test('under forward and audit, a request that the registry refuses does not use up the look at the tag', async (t) => {
  const { proxy, registry, notary } = await startWorld(t, {
    rule: { mode: 'audit' },
    registry: { access: { kind: 'basic', users: [robot] } },
    config: (tree) => withRegistry(tree, { auth: 'forward', hosts: ['127.0.0.1'] }),
  });
  registry.put('team/app', image, '1.0');
  notary.sign('team/app', '1.0', image);
  const pull = (headers = {}): Promise<HttpAnswer> => proxy.pull('team/app:1.0', { headers });
  const looks = (): number => registry.requests.filter(({ method }) => method === 'HEAD').length;
  assert.deepEqual([(await pull()).status, looks()], [401, 0]);
  assert.deepEqual([(await pull({ authorization: basic(robot) })).status, looks()], [200, 1]);
});

test('under forward, a yes to one client, for one repository, is none for another client or repository', async (t) => {
  const narrow: User = {
    username: 'narrow',
    password: 'x',
    grants: [{ repository: 'team/app', actions: ['pull'] }],
  };
  const { proxy, registry, notary } = await worldWith(t, 'forward', {
    kind: 'basic',
    users: [robot, narrow],
  });
  registry.put('team/other', image, '1.0');
  notary.sign('team/other', '1.0', image);
  const status = async (name: string, user: User): Promise<number> =>
    (await proxy.pull(`${name}:1.0`, { headers: { authorization: basic(user) } })).status;
  assert.deepEqual([await status('team/app', narrow), await status('team/other', robot)], [200, 200]);
  assert.deepEqual([await status('team/other', narrow), await status('team/other', robot)], [403, 200]);
});

test('under forward, who is refused by the registry does not learn which blobs belong to what is signed', async (t) => {
  const stranger: User = { username: 'stranger', password: 'x', grants: [] };
  const { proxy } = await worldWith(t, 'forward', { kind: 'basic', users: [robot, stranger] });
  const unsigned = `/v2/team/app/blobs/sha256:${'0'.repeat(64)}`;
  const ask = (target: string, authorization?: string): Promise<HttpAnswer> =>
    proxy.request(target, { headers: authorization === undefined ? {} : { authorization } });
  for (const known of [false, true]) {
    if (known) assert.equal((await ask(blob, basic(robot))).status, 200);
    for (const [authorization, expected] of [
      [undefined, 401],
      [basic(stranger), 403],
    ] as const) {
      const answers = [await ask(blob, authorization), await ask(unsigned, authorization)];
      for (const { status, body, statusMessage } of answers) {
        assert.equal(status, expected);
        assert.deepEqual(body, answers[0]?.body);
        assert.doesNotMatch(statusMessage + body.toString(), /content trust/);
      }
    }
  }
  assert.match((await ask(unsigned, basic(robot))).statusMessage, /DIGEST_NOT_SIGNED/);
});

test('under forward, who is refused by the registry does not learn which tags are signed', async (t) => {
  const stranger: User = { username: 'stranger', password: 'x', grants: [] };
  const { proxy } = await worldWith(t, 'forward', { kind: 'basic', users: [robot, stranger] });
  for (const [authorization, expected] of [
    [undefined, 401],
    [basic(stranger), 403],
  ] as const) {
    const answers = await Promise.all(
      ['1.0', 'unsigned', `sha256:${'0'.repeat(64)}`].map((reference) =>
        proxy.request(`/v2/team/app/manifests/${reference}`, {
          headers: authorization === undefined ? {} : { authorization },
        }),
      ),
    );
    for (const { status, body, statusMessage } of answers) {
      assert.equal(status, expected);
      assert.deepEqual(body, answers[0]?.body);
      assert.doesNotMatch(statusMessage + body.toString(), /content trust/);
    }
  }
  const told = await proxy.pull('team/app:unsigned', { headers: { authorization: basic(robot) } });
  assert.deepEqual([told.status, told.reason], [403, 'TAG_NOT_SIGNED']);
});

test('under forward, a refusal is not told while the registry cannot say who may hear it', async (t) => {
  const { proxy, registry } = await worldWith(t, 'forward', { kind: 'basic' });
  registry.fault('team/app', 'manifests/unsigned', answer(500));
  const refused = await proxy.pull('team/app:unsigned', { headers: { authorization: basic(robot) } });
  assert.deepEqual([refused.status, refused.reason], [503, 'UPSTREAM_UNAVAILABLE']);
});

test('under forward, a registry that hides a manifest from a client hides its cached bytes too', async (t) => {
  const { proxy, registry, clock } = await worldWith(t, 'forward');
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
  clock.advance(60_001);
  registry.fault('team/app', `manifests/${image.digest}`, answer(404));
  const refused = await proxy.pull('team/app:1.0');
  assert.deepEqual([refused.status, refused.reason], [404, 'CONTENT_MISSING']);
});

test('under forward, 429 of the registry reaches the client with its Retry-After', async (t) => {
  const { proxy, registry } = await worldWith(t, 'forward');
  registry.fault('team/app', `manifests/${image.digest}`, answer(429, { headers: { 'retry-after': '77' } }));
  const refused = await proxy.pull('team/app:1.0');
  assert.deepEqual([refused.status, refused.headers['retry-after']], [429, '77']);
});

test('anonymous: the client keeps its Authorization to itself, and a token is fetched where one is asked for', async (t) => {
  const anonymous = [{ repository: 'team/app', actions: ['pull'] }] as const;
  const { proxy, registry } = await worldWith(t, 'anonymous', { anonymous });
  for (const target of ['/v2/', ...manifests, blob, '/v2/team/app/tags/list']) {
    const answered = await proxy.request(target, { headers: { authorization: 'Bearer of-the-client' } });
    assert.equal(answered.status, 200, target);
    assert.equal(answered.headers['www-authenticate'], undefined);
  }
  for (const { url, headers } of registry.requests) {
    assert.doesNotMatch(headers.authorization ?? '', /of-the-client/);
    if (url.startsWith('/token')) assert.equal(headers.authorization, undefined);
  }
  const tokens = registry.requests
    .filter(({ url }) => url.startsWith('/token'))
    .map(({ url }) => new URL(url, 'a:/'));
  for (const { searchParams } of tokens)
    assert.deepEqual(searchParams.getAll('scope'), ['repository:team/app:pull']);
});

for (const kind of ['basic', 'bearer'] as const) {
  test(`an account answers the ${kind} challenge of the registry, and the password is seen nowhere else`, async (t) => {
    const { proxy, registry, notary } = await worldWith(t, await account(t, robot), { kind });
    const said: HttpAnswer[] = [];
    for (const target of ['/v2/', ...manifests, blob, '/v2/team/app/tags/list']) {
      const answered = await proxy.request(target);
      assert.equal(answered.status, 200, target);
      said.push(answered);
    }
    const withPassword = registry.requests.filter(({ headers }) => headers.authorization === basic(robot));
    assert.ok(withPassword.length > 0);
    if (kind === 'bearer') assert.ok(withPassword.every(({ url }) => url.startsWith('/token?')));
    assert.ok(notary.requests.every(({ headers }) => headers.authorization === undefined));
    await assertSilent(proxy, said);
  });
}

test('a wrong password leaves pulls undecided, and is seen nowhere', async (t) => {
  for (const kind of ['basic', 'bearer'] as const) {
    const { proxy } = await worldWith(t, await account(t, { ...robot, password: 'canary-wrong' }), { kind });
    const said = [await proxy.request(manifests[0] ?? ''), await proxy.request(blob)];
    said.push(await proxy.request('/v2/team/app/tags/list'));
    for (const { status, headers } of said) {
      assert.deepEqual([status, headers['www-authenticate']], [503, undefined]);
      assert.match(String(headers['retry-after']), /^[1-9]/);
    }
    await assertSilent(proxy, said);
  }
});

test('an account is not shown to a realm elsewhere, nor is one inside our network asked anonymously', async (t) => {
  const elsewhere = await LyingRegistry.start();
  t.after(() => elsewhere.close());
  for (const auth of [await account(t, robot), 'anonymous']) {
    const { proxy, registry } = await worldWith(t, auth);
    // The same machine under another name, which is all that a realm is told apart by.
    const realm = `${elsewhere.url.replace('127.0.0.1', 'localhost')}/token`;
    registry.intercept(() =>
      answer(401, { headers: { 'www-authenticate': `Bearer realm="${realm}",service="demo"` } }),
    );
    const said = [await proxy.request(manifests[0] ?? ''), await proxy.request(blob)];
    for (const { status } of said) assert.equal(status, 503);
    await assertSilent(proxy, said);
  }
  assert.equal(elsewhere.requests.length, 0);
});

/** The password, in any of the forms it is sent in, is in no answer, log line or metric. */
async function assertSilent(proxy: World['proxy'], said: readonly HttpAnswer[]): Promise<void> {
  const answers = said.map(({ statusMessage, headers, body }) => [
    statusMessage,
    headers,
    body.toString('latin1'),
  ]);
  const all = JSON.stringify([answers, proxy.logs, await proxy.metrics()]);
  for (const password of [robot.password, 'canary-wrong']) {
    const base64 = basic({ username: robot.username, password }).slice('Basic '.length);
    for (const form of [password, base64, Buffer.from(password).toString('hex')])
      assert.ok(!all.includes(form));
  }
}
