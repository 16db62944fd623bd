import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { AccessOptions, User } from '../../src/demo/access.ts';
import { buildImage } from '../../src/demo/image.ts';
import { answer } from '../world/fault.ts';
import { at, send } from '../world/http.ts';
import type { ConfigurationTree, World, WorldOptions } from '../world/world.ts';
import { registryName, startWorld } from '../world/world.ts';
import { askedDuring, withRegistry } from './evidence.ts';
import { account, basic } from './account.ts';
import { askRealm, bearerOf } from './token-client.ts';

// Docker Content Trust through the proxy: `/v2/<host>/<repository>/_trust/tuf/…`.

const image = buildImage('signed');
const everything = [{ repository: '*', actions: ['*'] }] as const;
const alice: User = { username: 'alice', password: 'canary-a1ce', grants: everything };
const files = ['root.json', '1.root.json', 'timestamp.json', 'snapshot.json', 'targets.json'];

const pathOf = (file: string, gun = `${registryName}/team/app`): string => `/v2/${gun}/_trust/tuf/${file}`;

async function signedWorld(
  t: TestContext,
  registry: ConfigurationTree = {},
  options: WorldOptions & { readonly access?: AccessOptions } = {},
): Promise<World> {
  const world = await startWorld(t, {
    ...options,
    ...(options.access && { registry: { access: options.access } }),
    config: (tree) => withRegistry(tree, registry),
  });
  world.registry.put('team/app', image, '1.0');
  world.notary.sign('team/app', '1.0', image);
  return world;
}

test("trust data is the notary's own bytes where the rule's GUN is the very name that was asked", async (t) => {
  const { proxy, notary } = await signedWorld(t);
  for (const file of files) {
    const [carried, direct] = await Promise.all([
      proxy.request(pathOf(file)),
      send(notary.url, pathOf(file)),
    ]);
    assert.deepEqual([carried.status, direct.status], [200, 200], file);
    assert.deepEqual(carried.body, direct.body, file);
    assert.equal(carried.headers['content-length'], String(direct.body.length));
  }
});

test('the GUN carries the name under which clients know the proxy, with its port, if the rule says so', async (t) => {
  const host = 'gate.test:5000';
  const { proxy, notary } = await signedWorld(
    t,
    { hosts: [host] },
    { rule: { gun: `${host}/{repository}` } },
  );
  notary.intercept(({ path }) =>
    path === pathOf('root.json', `${host}/team/app`)
      ? answer(200, { body: '{"of":"gate.test"}' })
      : undefined,
  );
  const carried = await proxy.request(pathOf('root.json', `${host}/team/app`), { headers: { host } });
  assert.deepEqual([carried.status, carried.json], [200, { of: 'gate.test' }]);
});

test('a name that is no GUN of a judged rule is not known, in the form of a notary, and no notary is asked', async (t) => {
  const { proxy, notary } = await signedWorld(
    t,
    {},
    {
      rules: [
        { match: `${registryName}/free/**`, mode: 'allow' },
        { match: `${registryName}/shut/**`, mode: 'deny' },
      ],
    },
  );
  for (const gun of [
    `${registryName}/free/app`,
    `${registryName}/shut/app`,
    `${registryName}/app`,
    'elsewhere.test/app',
  ]) {
    const refused = await proxy.request(pathOf('root.json', gun));
    assert.deepEqual(
      [refused.status, at(refused.json, 'errors', 0, 'code')],
      [404, 'METADATA_NOT_FOUND'],
      gun,
    );
    assert.equal(refused.headers['content-type'], 'application/json');
  }
  assert.deepEqual(notary.requests, []);
});

test('another GUN of the notary cannot be read through a rule that has one of its own', async (t) => {
  const { proxy, notary } = await signedWorld(t, {}, { rule: { gun: 'other.test/{repository}' } });
  const refused = await proxy.request(pathOf('root.json'));
  assert.equal(refused.status, 404);
  assert.deepEqual(notary.requests, []);
});

test('what the notary does not have is not known, and a notary that is not there leaves it open', async (t) => {
  const { proxy, notary } = await signedWorld(t);
  const missing = await proxy.request(pathOf('targets/nobody.json'));
  assert.deepEqual([missing.status, at(missing.json, 'errors', 0, 'code')], [404, 'METADATA_NOT_FOUND']);
  notary.intercept(() => answer(502));
  const open = await proxy.request(pathOf('root.json'));
  assert.deepEqual([open.status, Number(open.headers['retry-after']) > 0], [503, true]);
});

test('what is no file of trust data is no endpoint', async (t) => {
  const { proxy, notary } = await signedWorld(t);
  for (const file of [
    '../x.json',
    'root',
    'mirrors.json',
    '01.root.json',
    'root.sha.json',
    'targets/A.json',
    'x.key',
  ]) {
    assert.equal((await proxy.request(pathOf(file))).status, 404, file);
  }
  assert.deepEqual(notary.requests, []);
});

test('publishing is carried under push: allow, with its whole body, and without the Authorization of the client', async (t) => {
  const { proxy, notary } = await signedWorld(t, { push: 'allow' });
  const bodies: string[] = [];
  notary.intercept(({ method }) =>
    method === 'GET'
      ? undefined
      : async (_honest, request) => {
          bodies.push(
            `${request.method} ${String(request.headers['content-type'])} ${String(await request.body(1000))}`,
          );
          return { status: 200 };
        },
  );
  const headers = { 'content-type': 'multipart/form-data; boundary=b', authorization: basic(alice) };
  assert.equal((await proxy.request(pathOf(''), { method: 'POST', headers, body: 'files' })).status, 200);
  assert.equal(
    (await proxy.request(pathOf('timestamp.key'), { method: 'POST', headers, body: '' })).status,
    200,
  );
  assert.equal((await proxy.request(pathOf(''), { method: 'DELETE' })).status, 200);
  assert.deepEqual(bodies, [
    'POST multipart/form-data; boundary=b files',
    'POST multipart/form-data; boundary=b ',
    'DELETE undefined ',
  ]);
  for (const request of notary.requests) assert.equal(request.headers.authorization, undefined);
});

test('publishing is not carried under push: deny, and other methods never', async (t) => {
  const { proxy, notary } = await signedWorld(t);
  for (const [method, file] of [
    ['POST', ''],
    ['DELETE', ''],
    ['GET', 'timestamp.key'],
    ['HEAD', 'root.json'],
    ['PUT', 'root.json'],
  ] as const) {
    assert.equal((await proxy.request(pathOf(file), { method })).status, 405, `${method} ${file}`);
  }
  assert.deepEqual(notary.requests, []);
});

test('our own account at a notary reads for clients, and never publishes for them', async (t) => {
  const auth = await account(t, alice);
  const world = await startWorld(t, {
    notary: { access: { kind: 'bearer', users: [alice] } },
    config: (tree) => {
      const notaries = tree['notaries'] as { readonly main: ConfigurationTree };
      return { ...withRegistry(tree, { push: 'allow' }), notaries: { main: { ...notaries.main, auth } } };
    },
  });
  world.notary.sign('team/app', '1.0', image);
  assert.equal((await world.proxy.request(pathOf('targets.json'))).status, 200);
  const posts = await askedDuring(world.notary, async () => {
    const refused = await world.proxy.request(pathOf(''), { method: 'POST', body: 'x' });
    assert.equal(refused.status, 405);
    assert.match(refused.body.toString(), /publish to it directly/);
  });
  assert.deepEqual(posts, []);
});

test('trust data of a repository that its registry hides from a client is not known to that client either', async (t) => {
  const { proxy, registry, notary } = await signedWorld(t, { auth: 'forward' });
  registry.fault('team/app', 'tags/list', answer(404));
  const asked = await askedDuring(notary, async () => {
    const hidden = await proxy.request(pathOf('targets.json'));
    assert.deepEqual([hidden.status, at(hidden.json, 'errors', 0, 'code')], [404, 'METADATA_NOT_FOUND']);
  });
  assert.deepEqual(asked, []);
});

for (const kind of ['basic', 'bearer'] as const) {
  test(`trust data of a private repository is for whom its registry lets in (${kind})`, async (t) => {
    const stranger: User = { username: 'stranger', password: 'x', grants: [] };
    const { proxy, notary, clock } = await signedWorld(
      t,
      { auth: 'forward' },
      { access: { kind, users: [alice, stranger] } },
    );
    const read = async (authorization?: string): Promise<{ status: number; body: Buffer }> =>
      proxy.request(pathOf('targets.json'), {
        headers: authorization === undefined ? {} : { authorization },
      });
    const asked = await askedDuring(notary, async () => {
      const refused = await proxy.request(pathOf('targets.json'));
      assert.equal(refused.status, 401);
      const scope = [`repository:${registryName}/team/app:pull`];
      const ofStranger = await askRealm(refused, stranger, scope);
      assert.equal((await read(bearerOf(ofStranger))).status, kind === 'basic' ? 403 : 401);
    });
    assert.deepEqual(asked, []);
    const authorization = bearerOf(await askRealm(await proxy.request(pathOf('targets.json')), alice));
    const told = await read(authorization);
    assert.equal(told.status, 200);
    assert.ok(told.body.includes('1.0'));
    // Remembered, and not for long.
    assert.equal((await read()).status, 401);
    clock.advance(60_001);
    assert.equal((await read(authorization)).status, 200);
  });
}
