import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { hashSync } from 'bcryptjs';
import type { User } from '../../src/demo/access.ts';
import { buildImage } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { HttpAnswer } from '../world/http.ts';
import { at } from '../world/http.ts';
import { LyingRegistry } from '../world/lying-registry.ts';
import type { ConfigurationTree, World } from '../world/world.ts';
import { registryName, startWorld } from '../world/world.ts';
import { account, basic, temporaryFile } from './account.ts';
import { reconfigure, withRegistry } from './evidence.ts';
import { askRealm, bearerOf, challengeOf } from './token-client.ts';

// A registry whose credentials are ours: who may use them is for us to say.

const robot: User = {
  username: 'robot',
  password: 'canary-5f3a9',
  grants: [{ repository: '*', actions: ['*'] }],
};
const alice = { username: 'alice', password: 'canary-a1ce' };
const image = buildImage('private');
const targets = [
  '/v2/team/app/manifests/1.0',
  `/v2/team/app/manifests/${image.digest}`,
  `/v2/team/app/blobs/${digestOf(image.config)}`,
  '/v2/team/app/tags/list',
  `/v2/team/app/referrers/${image.digest}`,
  `/v2/${registryName}/team/app/_trust/tuf/targets.json`,
];

async function heldWorld(t: TestContext, registry: ConfigurationTree = {}): Promise<World> {
  const auth = await account(t, robot);
  const htpasswd = `# who may pull\n${alice.username}:${hashSync(alice.password, 4)}\n`;
  const clients = { htpasswd_file: await temporaryFile(t, 'htpasswd', htpasswd) };
  const world = await startWorld(t, {
    registry: { access: { kind: 'bearer', users: [robot] } },
    config: (tree) => ({ ...withRegistry(tree, { auth, push: 'allow', ...registry }), clients }),
  });
  world.registry.put('team/app', image, '1.0');
  world.notary.sign('team/app', '1.0', image);
  return world;
}

test('nothing of the registry is for a client that does not say who it is, or says it wrongly', async (t) => {
  const { proxy, registry, notary } = await heldWorld(t);
  const said: HttpAnswer[] = [];
  for (const target of targets) {
    for (const authorization of [
      undefined,
      basic({ ...alice, password: 'wrong' }),
      basic(robot),
      'Bearer x',
    ]) {
      const refused = await proxy.request(target, {
        headers: authorization === undefined ? {} : { authorization },
      });
      assert.deepEqual(
        [refused.status, at(refused.json, 'errors', 0, 'code')],
        [401, 'UNAUTHORIZED'],
        target,
      );
      said.push(refused);
    }
  }
  const pushed = await proxy.request('/v2/team/app/blobs/uploads/', { method: 'POST' });
  assert.equal(pushed.status, 401);
  assert.deepEqual([registry.requests.length, notary.requests.length], [0, 0]);
  assert.doesNotMatch(
    JSON.stringify(said.map(({ body, headers }) => [body.toString(), headers])),
    /canary|content trust/,
  );
});

test('with a token for its password, or the password itself, a client has what our account may have', async (t) => {
  const { proxy, registry } = await heldWorld(t);
  const refused = await proxy.request(targets[0] ?? '');
  assert.equal(challengeOf(refused).realm.href, `${proxy.url}/token?ns=${registryName}`);
  const token = bearerOf(await askRealm(refused, alice));
  for (const authorization of [token, basic(alice)]) {
    for (const target of targets) {
      const answered = await proxy.request(target, { headers: { authorization } });
      assert.equal(answered.status, 200, target);
    }
  }
  const shown = JSON.stringify(registry.requests.map(({ headers }) => headers));
  assert.ok(
    !shown.includes(alice.password) && !shown.includes(basic(alice).slice(6)) && !shown.includes('tufgate.'),
  );
});

test('the token endpoint gives nothing for a wrong password, to nobody in particular, or to our own account', async (t) => {
  const { proxy } = await heldWorld(t);
  const refused = await proxy.request('/v2/');
  assert.equal(challengeOf(refused).realm.href, `${proxy.url}/token`);
  for (const login of [{ ...alice, password: 'wrong' }, undefined, robot]) {
    assert.equal((await askRealm(refused, login)).status, 401);
  }
  const authorization = bearerOf(await askRealm(refused, alice));
  assert.equal((await proxy.request('/v2/', { headers: { authorization } })).status, 200);
});

test('a forged token opens nothing: the password in it is checked at each request', async (t) => {
  const { proxy } = await heldWorld(t);
  const text = (value: string): string => Buffer.from(value).toString('base64url');
  for (const inner of ['', basic({ ...alice, password: 'wrong' }), 'Bearer admitted']) {
    const authorization = `Bearer tufgate.${text(registryName)}.${text(inner)}`;
    assert.equal((await proxy.request(targets[0] ?? '', { headers: { authorization } })).status, 401);
  }
});

test('by a Host name of the registry, the password is asked for at once, without a token', async (t) => {
  const { proxy } = await heldWorld(t, { hosts: ['127.0.0.1'] });
  for (const target of ['/v2/', ...targets]) {
    const refused = await proxy.request(target);
    assert.deepEqual(
      [refused.status, refused.headers['www-authenticate']],
      [401, 'Basic realm="tufgate"'],
      target,
    );
    const answered = await proxy.request(target, { headers: { authorization: basic(alice) } });
    assert.equal(answered.status, 200, target);
  }
});

test('passwords of clients are in no log line and in no metric', async (t) => {
  const { proxy } = await heldWorld(t);
  const refused = await proxy.request(targets[0] ?? '');
  const token = await askRealm(refused, alice);
  for (const authorization of [bearerOf(token), basic(alice), basic({ ...alice, password: 'canary-wrong' })])
    await proxy.request(targets[0] ?? '', { headers: { authorization } });
  assert.doesNotMatch(JSON.stringify([proxy.logs, await proxy.metrics()]), /canary/);
});

test('who asks for another registry on the same listener, for which we hold nothing, needs no password', async (t) => {
  const open = await LyingRegistry.start();
  t.after(() => open.close());
  open.put('team/app', image, '1.0');
  const world = await heldWorld(t);
  await reconfigure(world.proxy, (tree) => ({
    ...tree,
    registries: {
      ...(tree['registries'] as ConfigurationTree),
      'open.test': { upstream: open.url, auth: 'anonymous' },
    },
    rules: [...(tree['rules'] as readonly unknown[]), { match: 'open.test/**', mode: 'allow' }],
  }));
  const status = async (name: string): Promise<number> =>
    (await world.proxy.pull(`${name}/team/app:1.0`)).status;
  assert.deepEqual([await status('open.test'), await status(registryName)], [200, 401]);
});
