import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { User } from '../../src/demo/access.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { withRegistry } from '../proxy/evidence.ts';
import { answer } from '../world/fault.ts';
import type { HttpAnswer } from '../world/http.ts';
import { LyingRegistry } from '../world/lying-registry.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { evil, good } from './attack.ts';

// Users and their credentials: whose they are shown to, and what one of them gains by what another one pulled. That no
// secret is ever written down is in secrets.test.ts.

const blob = `/v2/team/app/blobs/${digestOf(good.config)}`;
const everything = [
  `/v2/team/app/manifests/1.0`,
  `/v2/team/app/manifests/${good.digest}`,
  blob,
  '/v2/team/app/tags/list',
];

const basic = ({ username, password }: User): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
const alice: User = {
  username: 'alice',
  password: 'a',
  grants: [{ repository: 'team/app', actions: ['pull'] }],
};
const bob: User = {
  username: 'bob',
  password: 'b',
  grants: [{ repository: 'team/other', actions: ['pull'] }],
};

async function signedWorld(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(t, options);
  world.registry.put('team/app', good, '1.0');
  world.registry.put('team/app', evil, '9.9');
  world.notary.sign('team/app', '1.0', good);
  return world;
}

function privateWorld(t: TestContext): Promise<World> {
  return signedWorld(t, {
    registry: { access: { kind: 'basic', users: [alice, bob] } },
    // By a Host name of its own, where the registry's challenge is the client's to answer.
    config: (tree) => withRegistry(tree, { auth: 'forward', hosts: ['127.0.0.1'] }),
  });
}

for (const situation of ['cold', 'warm'] as const) {
  test(`A-01 ${situation}: what alice may pull, bob may not, by tag, digest, HEAD, range or condition`, async (t) => {
    const { proxy } = await privateWorld(t);
    if (situation === 'warm')
      for (const target of everything)
        assert.equal(
          (await proxy.request(target, { headers: { authorization: basic(alice) } })).status,
          200,
          target,
        );
    for (const target of everything) {
      for (const fields of [{}, { range: 'bytes=0-0' }, { 'if-none-match': `"${good.digest}"` }]) {
        const method = target.endsWith('list') ? 'GET' : 'HEAD';
        for (const how of ['GET', method]) {
          const answered = await proxy.request(target, {
            method: how,
            headers: { authorization: basic(bob), ...fields },
          });
          assert.equal(answered.status, 403, `${how} ${target}`);
          assertNothingOf(answered, target);
        }
      }
    }
  });

  test(`A-02 ${situation}: nobody gets nothing but the challenge of the registry`, async (t) => {
    const { proxy } = await privateWorld(t);
    if (situation === 'warm')
      for (const target of everything)
        await proxy.request(target, { headers: { authorization: basic(alice) } });
    for (const target of everything) {
      const answered = await proxy.request(target);
      assert.deepEqual(
        [answered.status, answered.headers['www-authenticate']],
        [401, 'Basic realm="demo"'],
        target,
      );
      assertNothingOf(answered, target);
    }
  });
}

function assertNothingOf({ headers, body }: HttpAnswer, what: string): void {
  for (const field of ['etag', 'docker-content-digest', 'tufgate-trust', 'content-range'])
    assert.equal(headers[field], undefined, `${what}: ${field}`);
  assert.ok(!body.includes('schemaVersion') && !body.includes(good.digest), what);
}

test('A-04 warm: whether a digest is cached, no answer to who may not pull it tells', async (t) => {
  const told = async ({ proxy }: World): Promise<readonly unknown[]> => {
    const target = `/v2/team/app/manifests/${good.digest}`;
    const headers = { authorization: basic(bob) };
    const { status, statusMessage, headers: fields, body } = await proxy.request(target, { headers });
    return [status, statusMessage, Object.keys(fields), body.toString()];
  };
  const [warm, cold] = [await privateWorld(t), await privateWorld(t)];
  const headers = { authorization: basic(alice) };
  assert.equal((await warm.proxy.pull(`team/app@${good.digest}`, { headers })).status, 200);
  assert.deepEqual(await told(warm), await told(cold));
});

const identities: readonly (readonly [string, Record<string, string>])[] = [
  ['nobody', {}],
  ['Basic', { authorization: basic(alice) }],
  ['Bearer', { authorization: 'Bearer abc.def' }],
  ['a robot', { authorization: `Basic ${Buffer.from('robot$ci:x').toString('base64')}` }],
  ['docker', { 'user-agent': 'docker/28.0.1 go/go1.23 UpstreamClient(Docker-Client/28.0.1)' }],
  ['containerd', { 'user-agent': 'containerd/2.1.0' }],
  ['kubelet', { 'user-agent': 'kubelet/v1.34' }],
  ['a scanner', { 'user-agent': 'trivy/0.60' }],
  ['a signer', { 'user-agent': 'cosign/v2.5' }],
  [
    'a replicator',
    { 'x-harbor-csrf-token': 'x', 'x-harbor-replication': 'true', 'user-agent': 'harbor-registry-client' },
  ],
];
for (const [index, [who, headers]] of identities.entries()) {
  test(`${index < 4 ? 'A-05' : 'A-06'} cold: an unsigned tag is refused, whoever asks: ${who}`, async (t) => {
    const { proxy, registry } = await signedWorld(t, {
      config: (tree) => withRegistry(tree, { auth: 'forward' }),
    });
    for (const image of ['team/app:9.9', `team/app@${evil.digest}`]) {
      const { status, reason } = await proxy.pull(image, { headers });
      assert.deepEqual([status, reason], [403, image.includes('@') ? 'DIGEST_NOT_SIGNED' : 'TAG_NOT_SIGNED']);
    }
    // Whether this client may hear of the tag is asked, and no more: what the registry has under it is not fetched.
    assert.ok(registry.requests.every(({ method, url }) => method === 'HEAD' || !url.endsWith('/9.9')));
    assert.equal((await proxy.pull('team/app:1.0', { headers })).status, 200);
  });
}

test('A-14 warm: what a client shows to one registry is shown to no other, to no notary and to no token server of another', async (t) => {
  const other = await LyingRegistry.start();
  t.after(() => other.close());
  const { proxy, registry, notary } = await signedWorld(t, {
    config: (tree) => {
      const { registries, ...rest } = withRegistry(tree, { auth: 'forward', aliases: ['one'] });
      return {
        ...rest,
        registries: {
          ...registries,
          'other.test': { upstream: other.url, auth: 'anonymous', aliases: ['two'] },
        },
        rules: [...(tree['rules'] as readonly object[]), { match: 'other.test/**', mode: 'allow' }],
      };
    },
  });
  other.put('team/app', good, '1.0');
  other.intercept(({ headers, path }) =>
    path === '/token' || headers.authorization !== undefined
      ? undefined
      : answer(401, { headers: { 'www-authenticate': `Bearer realm="${other.url}/token",service="demo"` } }),
  );
  const authorization = 'Bearer canary-of-alice';
  for (const target of everything)
    for (const name of ['one/', 'two/'])
      await proxy.request(target.replace('/v2/', `/v2/${name}`), {
        headers: { authorization, cookie: 'a=canary-cookie', 'proxy-authorization': authorization },
      });
  const sent = (requests: readonly { readonly headers: IncomingHttpHeaders }[]): string =>
    JSON.stringify(requests.map(({ headers }) => headers));
  assert.match(sent(registry.requests), /canary-of-alice/);
  assert.ok(other.requests.length > 0);
  assert.doesNotMatch(sent(other.requests) + sent(notary.requests), /canary/);
  assert.doesNotMatch(sent(registry.requests), /canary-cookie|proxy-authorization/);
});

test('A-19 warm: every address that is given to a client is below the proxy, whatever the request and the registry call it', async (t) => {
  const { proxy, registry } = await signedWorld(t, {
    config: (tree) => withRegistry(tree, { push: 'allow' }),
  });
  const headers = {
    host: 'gate.example',
    'x-forwarded-host': 'evil.test',
    'x-forwarded-proto': 'ftp',
    forwarded: 'host=evil.test',
  };
  const opened = await proxy.request('/v2/team/app/blobs/uploads/', { method: 'POST', headers });
  assert.equal(opened.status, 202);
  const location = String(opened.headers.location);
  assert.match(location, /^\/v2\/team\/app\/blobs\/uploads\/[A-Za-z0-9._=-]+(?:\?[^#]*)?$/);
  registry.fault(
    'team/app',
    'blobs/uploads/',
    answer(202, { headers: { location: 'http://169.254.169.254/x' } }),
  );
  const led = await proxy.request('/v2/team/app/blobs/uploads/', { method: 'POST', headers });
  assert.deepEqual([led.status, led.headers.location], [502, undefined]);
});

test('H-38 warm: cookies are carried neither way, and none of one client reaches another', async (t) => {
  for (const mode of ['enforce', 'allow']) {
    const { proxy, registry } = await signedWorld(
      t,
      mode === 'allow' ? { rules: [{ match: 'reg.test/**', mode }] } : {},
    );
    registry.intercept(() => async (honest) => {
      const real = await honest();
      return { ...real, headers: { ...real.headers, 'set-cookie': 'session=of-alice' } };
    });
    for (const target of everything) {
      const { status, headers } = await proxy.request(target, { headers: { cookie: 'session=of-bob' } });
      assert.deepEqual([status, headers['set-cookie']], [200, undefined], target);
    }
    assert.ok(registry.requests.every(({ headers }) => headers.cookie === undefined));
  }
});

test('H-37 warm: what Connection names is gone from the fields of the client, and not from ours', async (t) => {
  const { proxy, registry } = await signedWorld(t, {
    config: (tree) => withRegistry(tree, { auth: 'forward' }),
  });
  const authorization = 'Bearer abc';
  const connection = 'close, Authorization, Host, Accept, Accept-Encoding, Via, Range';
  for (const target of everything) {
    const before = registry.requests.length;
    await proxy.request(target, {
      headers: {
        authorization,
        connection,
        range: 'bytes=0-0',
        te: 'trailers',
        'keep-alive': 'x',
        upgrade: 'h2c',
      },
    });
    for (const { headers } of registry.requests.slice(before)) {
      assert.deepEqual(
        [headers.authorization, headers['accept-encoding']],
        [authorization, 'identity'],
        target,
      );
      assert.match(headers.host ?? '', /^127\.0\.0\.1:/);
      assert.match(headers.via ?? '', /^1\.1 tufgate-[0-9a-f]{16}$/);
      for (const field of ['te', 'upgrade', 'range'])
        assert.equal(headers[field], undefined, `${target}: ${field}`);
    }
  }
});
