import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { User } from '../../src/demo/access.ts';
import { buildImage } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { answer } from '../world/fault.ts';
import type { HttpAnswer } from '../world/http.ts';
import { at, send } from '../world/http.ts';
import { LyingRegistry } from '../world/lying-registry.ts';
import type { ConfigurationTree, World } from '../world/world.ts';
import { registryName, startWorld } from '../world/world.ts';
import { basic } from './account.ts';
import { askedDuring } from './evidence.ts';
import { askRealm, bearerOf, challengeOf } from './token-client.ts';

// One listener for several registries: the clients' tokens come from our own endpoint.

const alice: User = {
  username: 'alice',
  password: 'canary-a1ce',
  grants: [{ repository: '*', actions: ['*'] }],
};
const image = buildImage('private');
const byPrefix = `/v2/${registryName}/team/app/manifests/1.0`;
const other = 'other.test';

interface Shared extends World {
  /** A second registry behind the same listener. */
  readonly second: LyingRegistry;
}

async function sharedWorld(
  t: TestContext,
  kind: 'basic' | 'bearer',
  change: (tree: ConfigurationTree) => ConfigurationTree = (tree) => tree,
): Promise<Shared> {
  const second = await LyingRegistry.start({ access: { kind: 'basic', users: [alice] } });
  t.after(() => second.close());
  const world = await startWorld(t, {
    registry: { access: { kind, users: [alice] } },
    config: (tree) => {
      const registries = tree['registries'] as Record<string, ConfigurationTree>;
      const first = { ...registries[registryName], auth: 'forward' };
      const rules = [
        ...(tree['rules'] as readonly ConfigurationTree[]),
        { match: `${other}/**`, mode: 'allow' },
      ];
      return change({
        ...tree,
        registries: { [registryName]: first, [other]: { upstream: second.url, auth: 'forward' } },
        rules,
      });
    },
  });
  world.registry.put('team/app', image, '1.0');
  world.notary.sign('team/app', '1.0', image);
  return { ...world, second };
}

/** What the token server of the registry was asked, by whom and for which scopes. */
function tokensAsked({ registry }: World): { authorization: string | undefined; scopes: string[] }[] {
  return registry.requests
    .filter(({ url }) => url.startsWith('/token'))
    .map(({ url, headers }) => ({
      authorization: headers.authorization,
      scopes: new URL(url, 'a:/').searchParams.getAll('scope'),
    }));
}

for (const [way, target, scope] of [
  ['a path prefix', byPrefix, `repository:${registryName}/team/app:pull`],
  ['ns', `/v2/team/app/manifests/1.0?ns=${registryName}`, 'repository:team/app:pull'],
  ['a path before /v2/', `/${registryName}/v2/team/app/manifests/1.0`, 'repository:team/app:pull'],
  ['the default', '/v2/team/app/manifests/1.0', 'repository:team/app:pull'],
] as const) {
  for (const kind of ['basic', 'bearer'] as const) {
    test(`by ${way}, a client of a registry with ${kind} authentication gets its token from us, under its own name`, async (t) => {
      const world = await sharedWorld(t, kind);
      const { proxy, registry } = world;
      const refused = await proxy.request(target);
      const challenge = challengeOf(refused);
      assert.equal(challenge.realm.href, `${proxy.url}/token?ns=${registryName}`);
      assert.deepEqual([challenge.service, challenge.scope], ['tufgate', scope]);

      const authorization = bearerOf(await askRealm(refused, alice));
      const pulled = await proxy.request(target, { headers: { authorization } });
      assert.deepEqual([pulled.status, pulled.body], [200, image.bytes]);
      const asked = tokensAsked(world);
      const expected = { authorization: basic(alice), scopes: ['repository:team/app:pull'] };
      assert.deepEqual(asked, kind === 'bearer' ? [expected] : []);
      // The password is shown to the registry's token server only, if it has one, and the token to the registry only.
      const shown = new Set(
        registry.requests
          .filter(({ url }) => !url.startsWith('/token'))
          .map((it) => it.headers.authorization),
      );
      assert.equal(shown.has(basic(alice)), kind === 'basic');
      assert.ok([...shown].every((text) => !(text ?? '').includes('tufgate')));
      assert.ok(world.second.requests.every(({ headers }) => headers.authorization === undefined));
    });
  }
}

test('what a token opens is not only the manifest: blobs and tags too, and the refusal of an unsigned tag', async (t) => {
  const { proxy, registry } = await sharedWorld(t, 'bearer');
  registry.put('team/app', buildImage('unsigned'), 'unsigned');
  const authorization = bearerOf(await askRealm(await proxy.request(byPrefix), alice));
  const status = async (path: string): Promise<number> =>
    (await proxy.request(`/v2/${registryName}/team/app/${path}`, { headers: { authorization } })).status;
  assert.equal(await status(`blobs/${digestOf(image.config)}`), 200);
  assert.equal(await status('tags/list'), 200);
  assert.equal(await status('manifests/unsigned'), 403);
});

test('containerd asks for the scope of the challenge and for one of its own: one is asked of the registry', async (t) => {
  const world = await sharedWorld(t, 'bearer');
  const refused = await world.proxy.request(byPrefix);
  bearerOf(await askRealm(refused, alice, ['repository:team/app:pull']));
  assert.deepEqual(tokensAsked(world).map(({ scopes }) => scopes), [['repository:team/app:pull']]); // prettier-ignore
});

test('scopes of two repositories of one registry, as for a mount, are both asked of it', async (t) => {
  const world = await sharedWorld(t, 'bearer');
  const scope = `repository:${registryName}/team/app:push,pull repository:${registryName}/team/base:pull`;
  const answered = await send(world.proxy.url, `/token?service=tufgate&scope=${encodeURIComponent(scope)}`, {
    headers: { authorization: basic(alice) },
  });
  bearerOf(answered);
  assert.deepEqual(tokensAsked(world).map(({ scopes }) => scopes), [['repository:team/app:pull,push', 'repository:team/base:pull']]); // prettier-ignore
});

test('scopes of two registries are refused: one token is for one registry', async (t) => {
  const world = await sharedWorld(t, 'bearer');
  const scope = `scope=repository:${registryName}/team/app:pull&scope=repository:${other}/team/app:pull`;
  const refused = await send(world.proxy.url, `/token?${scope}`, {
    headers: { authorization: basic(alice) },
  });
  assert.equal(refused.status, 400);
  assert.deepEqual([tokensAsked(world), world.second.requests], [[], []]);
});

test('a token for one registry is not shown to another', async (t) => {
  const { proxy, second } = await sharedWorld(t, 'bearer');
  const authorization = bearerOf(await askRealm(await proxy.request(byPrefix), alice));
  const refused = await proxy.request(`/v2/${other}/team/app/manifests/1.0`, { headers: { authorization } });
  assert.equal(challengeOf(refused).realm.search, `?ns=${other}`);
  assert.ok(second.requests.length > 0);
  assert.ok(second.requests.every(({ headers }) => headers.authorization === undefined));
});

for (const kind of ['basic', 'bearer'] as const) {
  test(`a wrong password brings no token of a registry with ${kind} authentication`, async (t) => {
    const { proxy } = await sharedWorld(t, kind);
    const answered = await askRealm(await proxy.request(byPrefix), { ...alice, password: 'wrong' });
    assert.deepEqual([answered.status, at(answered.json, 'errors', 0, 'code')], [401, 'UNAUTHORIZED']);
  });
}

test('a form is as good as a query, whether it has a password or a refresh token', async (t) => {
  const world = await sharedWorld(t, 'bearer');
  const { proxy, registry } = world;
  const form = (fields: Record<string, string>): Promise<HttpAnswer> =>
    send(proxy.url, `/token?ns=${registryName}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        service: 'tufgate',
        scope: 'repository:team/app:pull',
        ...fields,
      }).toString(),
    });
  const { username, password } = alice;
  const authorization = bearerOf(await form({ grant_type: 'password', client_id: 'c', username, password }));
  assert.equal((await proxy.request(byPrefix, { headers: { authorization } })).status, 200);
  assert.equal((await form({ grant_type: 'authorization_code', code: 'x' })).status, 400);

  const granted = answer(200, {
    headers: { 'content-type': 'application/json' },
    body: '{"access_token":"granted"}',
  });
  registry.intercept(({ method, path }) => (method === 'POST' && path === '/token' ? granted : undefined));
  bearerOf(await form({ grant_type: 'refresh_token', refresh_token: 'canary-refresh' }));
});

test('nobody in particular is asked for a token without credentials, also where an empty password is sent', async (t) => {
  const world = await sharedWorld(t, 'bearer');
  const refused = await world.proxy.request(byPrefix);
  for (const login of [undefined, { username: '', password: '' }]) bearerOf(await askRealm(refused, login));
  for (const { authorization } of tokensAsked(world)) assert.equal(authorization, undefined);
  const empty = await world.proxy.request(byPrefix, { headers: { authorization: 'Basic Og==' } });
  assert.equal(empty.status, 401);
  assert.ok(world.registry.requests.every(({ headers }) => headers.authorization !== 'Basic Og=='));
});

test('a token that does not reach is answered with what is missing, under the name that the client knows', async (t) => {
  const { proxy, registry, notary } = await sharedWorld(t, 'bearer');
  registry.put('team/other', image, '1.0');
  notary.sign('team/other', '1.0', image);
  const authorization = bearerOf(await askRealm(await proxy.request(byPrefix), alice));
  const refused = await proxy.request(`/v2/${registryName}/team/other/manifests/1.0`, {
    headers: { authorization },
  });
  assert.match(
    String(refused.headers['www-authenticate']),
    new RegExp(`scope="repository:${registryName}/team/other:pull",error="insufficient_scope"$`),
  );
});

test('/v2/ asks for a token where a registry asks for credentials, and not where none does', async (t) => {
  const closed = await sharedWorld(t, 'bearer');
  const refused = await closed.proxy.request('/v2/');
  const { realm, scope } = challengeOf(refused);
  assert.deepEqual([realm.href, scope], [`${closed.proxy.url}/token`, '']);
  const authorization = bearerOf(
    await askRealm(refused, alice, [`repository:${registryName}/team/app:pull`]),
  );
  for (const target of ['/v2/', byPrefix]) {
    assert.equal((await closed.proxy.request(target, { headers: { authorization } })).status, 200);
  }
  const open = await startWorld(t, {
    config: (tree) => ({
      ...tree,
      registries: {
        [registryName]: {
          ...(tree['registries'] as Record<string, ConfigurationTree>)[registryName],
          auth: 'forward',
        },
      },
    }),
  });
  assert.equal((await open.proxy.request('/v2/')).status, 200);
});

test('what a registry asks for is remembered: /v2/ does not ask it each time', async (t) => {
  const { proxy, registry } = await sharedWorld(t, 'bearer');
  await proxy.request('/v2/');
  assert.deepEqual(await askedDuring(registry, () => proxy.request('/v2/')), []);
});

test('public_url is where tokens are to be had, if it is configured', async (t) => {
  const publicUrl = 'https://gate.example';
  const { proxy } = await sharedWorld(t, 'bearer', (tree) => ({ ...tree, public_url: publicUrl }));
  assert.equal(challengeOf(await proxy.request('/v2/')).realm.href, `${publicUrl}/token`);
});

test("a client's password is shown to no realm on another host, unless token_realm names it", async (t) => {
  const elsewhere = await LyingRegistry.start();
  t.after(() => elsewhere.close());
  const world = await sharedWorld(t, 'bearer');
  const realm = `${elsewhere.url.replace('127.0.0.1', 'localhost')}/token`;
  world.registry.intercept(() =>
    answer(401, { headers: { 'www-authenticate': `Bearer realm="${realm}",service="x"` } }),
  );
  const answered = await askRealm(await world.proxy.request(byPrefix), alice);
  assert.equal(answered.status, 503);
  assert.deepEqual(elsewhere.requests, []);
  const said = JSON.stringify([answered.body.toString(), world.proxy.logs]);
  assert.ok(!said.includes(alice.password) && !said.includes(basic(alice).slice(6)));
});

test('a malformed request for a token is refused, and goes nowhere', async (t) => {
  const { proxy, registry } = await sharedWorld(t, 'bearer');
  const before = registry.requests.length;
  const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
  for (const [target, options] of [
    ['/token', { headers: { authorization: 'Basic !!' } }],
    ['/token', { headers: { authorization: 'Basic bm9jb2xvbg==' } }],
    ['/token', { headers: { authorization: 'Bearer x' } }],
    ['/token', { ...form, body: 'grant_type=refresh_token' }],
    ['/token', { ...form, body: '%zz' }],
    ['/token', { ...form, body: `grant_type=password&username=${'a'.repeat(65_536)}` }],
    ['/token', { method: 'DELETE' }],
  ] as const) {
    assert.equal((await send(proxy.url, target, options)).status, 400, JSON.stringify(options).slice(0, 100));
  }
  assert.equal(registry.requests.length, before);
});
