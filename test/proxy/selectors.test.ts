import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import type { HttpAnswer } from '../world/http.ts';
import { at } from '../world/http.ts';
import { LyingRegistry } from '../world/lying-registry.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { asked, askedDuring, withRegistry } from './evidence.ts';

// Which registry a request is for (contract §4), seen from outside: what each registry was asked, under which name.

const image = buildImage('image');

interface TwoRegistries extends World {
  readonly hub: LyingRegistry;
  readonly get: (target: string, host?: string) => Promise<HttpAnswer>;
}

async function startTwo(t: TestContext, defaultRegistry?: string): Promise<TwoRegistries> {
  const hub = await LyingRegistry.start();
  t.after(() => hub.close());
  const world = await startWorld(t, {
    config: ({ default_registry: _default, ...tree }) => ({
      ...tree,
      ...(defaultRegistry !== undefined && { default_registry: defaultRegistry }),
      registries: {
        ...withRegistry(tree, { hosts: ['reg.test', 'gate.test:5443'] }).registries,
        'docker.io': {
          upstream: hub.url,
          auth: 'anonymous',
          hosts: ['registry-1.docker.io', 'index.docker.io'],
          aliases: ['hub'],
        },
        'ported.test:5000': { upstream: hub.url, auth: 'anonymous', aliases: ['ported'] },
      },
      rules: ['reg.test', 'docker.io', 'ported.test:5000'].map((name) => ({
        match: `${name}/**`,
        mode: 'allow',
      })),
    }),
  });
  world.registry.put('team/app', image, '1.0');
  for (const name of ['library/app', 'team/app']) hub.put(name, image, '1.0');
  const get = (target: string, host = 'gate.example'): Promise<HttpAnswer> =>
    world.proxy.request(target, { headers: { host } });
  return { ...world, hub, get };
}

type Side = 'registry' | 'hub';
const routed: readonly (readonly [string, string, string | undefined, Side, string])[] = [
  ['a Host name', '/v2/team/app/manifests/1.0', 'reg.test', 'registry', 'team/app'],
  [
    'a Host name with the port of the listener',
    '/v2/team/app/manifests/1.0',
    'reg.test:5000',
    'registry',
    'team/app',
  ],
  ['a Host name in capitals', '/v2/team/app/manifests/1.0', 'REG.Test', 'registry', 'team/app'],
  [
    'a Host name that is configured with its port',
    '/v2/team/app/manifests/1.0',
    'gate.test:5443',
    'registry',
    'team/app',
  ],
  [
    'another Host name of one registry',
    '/v2/library/app/manifests/1.0',
    'index.docker.io',
    'hub',
    'library/app',
  ],
  [
    'an official image under a Host name',
    '/v2/app/manifests/1.0',
    'registry-1.docker.io',
    'hub',
    'library/app',
  ],
  ['ns', '/v2/team/app/manifests/1.0?ns=reg.test', undefined, 'registry', 'team/app'],
  [
    'ns with an encoded port',
    '/v2/team/app/manifests/1.0?ns=ported.test%3A5000',
    undefined,
    'hub',
    'team/app',
  ],
  ['ns with a plain port', '/v2/team/app/manifests/1.0?ns=ported.test:5000', undefined, 'hub', 'team/app'],
  [
    'ns twice, the same',
    '/v2/team/app/manifests/1.0?ns=reg.test&ns=reg.test',
    undefined,
    'registry',
    'team/app',
  ],
  ['ns under an encoded name', '/v2/team/app/manifests/1.0?%6es=reg.test', undefined, 'registry', 'team/app'],
  ['ns of an official image', '/v2/app/manifests/1.0?ns=docker.io', undefined, 'hub', 'library/app'],
  ['the first segment', '/v2/reg.test/team/app/manifests/1.0', undefined, 'registry', 'team/app'],
  [
    'the first segment before an official image',
    '/v2/docker.io/app/manifests/1.0',
    undefined,
    'hub',
    'library/app',
  ],
  ['the whole official name', '/v2/docker.io/library/app/manifests/1.0', undefined, 'hub', 'library/app'],
  ['an alias', '/v2/hub/team/app/manifests/1.0', undefined, 'hub', 'team/app'],
  ['an alias of a registry with a port', '/v2/ported/team/app/manifests/1.0', undefined, 'hub', 'team/app'],
  [
    'all three, agreeing',
    '/v2/reg.test/team/app/manifests/1.0?ns=reg.test',
    'reg.test',
    'registry',
    'team/app',
  ],
];
for (const [what, target, host, side, name] of routed) {
  test(`${what} selects the registry, which is asked for its own name and nothing of the selector`, async (t) => {
    const world = await startTwo(t);
    const answered = await world.get(target, host);
    assert.deepEqual([answered.status, answered.body], [200, image.bytes]);
    const pulls = (registry: LyingRegistry): readonly string[] =>
      asked(registry.requests).filter((request) => request !== 'GET /v2/');
    assert.deepEqual(pulls(world[side]), [`GET /v2/${name}/manifests/1.0`]);
    assert.deepEqual(asked(world[side === 'hub' ? 'registry' : 'hub'].requests), []);
    assert.equal(
      answered.headers['oci-namespace'],
      /[?&](?:n|%6e)s=([^&]*)/.exec(target)?.[1]?.replace('%3A', ':'),
    );
  });
}

const misrouted: readonly (readonly [string, string, string | undefined, number, string])[] = [
  ['Host and ns that differ', '/v2/team/app/manifests/1.0?ns=docker.io', 'reg.test', 400, 'NAME_INVALID'],
  [
    'Host and first segment that differ',
    '/v2/docker.io/team/app/manifests/1.0',
    'reg.test',
    400,
    'NAME_INVALID',
  ],
  [
    'ns and first segment that differ',
    '/v2/docker.io/a/manifests/1.0?ns=reg.test',
    undefined,
    400,
    'NAME_INVALID',
  ],
  ['two different ns', '/v2/a/manifests/1.0?ns=reg.test&ns=docker.io', undefined, 400, 'NAME_INVALID'],
  ['an ns and an empty one', '/v2/a/manifests/1.0?ns=reg.test&ns=', undefined, 400, 'NAME_INVALID'],
  ['an ns that nobody configured', '/v2/team/app/manifests/1.0?ns=quay.io', undefined, 404, 'NAME_UNKNOWN'],
  ['an ns in capitals', '/v2/team/app/manifests/1.0?ns=REG.TEST', undefined, 404, 'NAME_UNKNOWN'],
  ['an alias as ns', '/v2/team/app/manifests/1.0?ns=hub', undefined, 404, 'NAME_UNKNOWN'],
  ['a Host name as ns', '/v2/team/app/manifests/1.0?ns=registry-1.docker.io', undefined, 404, 'NAME_UNKNOWN'],
  ['an empty ns', '/v2/team/app/manifests/1.0?ns=', undefined, 404, 'NAME_UNKNOWN'],
  ['an ns without a value', '/v2/team/app/manifests/1.0?ns', undefined, 404, 'NAME_UNKNOWN'],
  [
    'an unknown ns under a known Host',
    '/v2/team/app/manifests/1.0?ns=quay.io',
    'reg.test',
    404,
    'NAME_UNKNOWN',
  ],
  ['a first segment nobody configured', '/v2/quay.io/team/app/manifests/1.0', undefined, 404, 'NAME_UNKNOWN'],
  ['localhost as first segment', '/v2/localhost/team/app/manifests/1.0', undefined, 404, 'NAME_UNKNOWN'],
  // No repository name has a colon: such a registry needs an alias.
  ['a first segment with a port', '/v2/ported.test:5000/app/manifests/1.0', undefined, 404, 'UNSUPPORTED'],
  ['a registry without a repository', '/v2/reg.test/manifests/1.0', undefined, 404, 'NAME_UNKNOWN'],
  ['no selector and no default', '/v2/team/app/manifests/1.0', undefined, 404, 'NAME_UNKNOWN'],
  ['a Host name nobody configured', '/v2/team/app/manifests/1.0', 'quay.io', 404, 'NAME_UNKNOWN'],
  [
    'a Host name that only begins like one',
    '/v2/team/app/manifests/1.0',
    'reg.test.evil.test',
    404,
    'NAME_UNKNOWN',
  ],
  [
    'a Host name configured with another port',
    '/v2/team/app/manifests/1.0',
    'gate.test:1',
    404,
    'NAME_UNKNOWN',
  ],
];
const intoOurNetwork = [
  '169.254.169.254',
  '127.0.0.1:9095',
  'localhost',
  '[::1]',
  '0x7f000001',
  'http://127.0.0.1/',
  'reg.test@evil.test',
  'reg.test#',
  'reg.test/../evil.test',
  'reg.test%00',
  'reg.test.',
  '__proto__',
  'constructor',
].map((ns) => {
  const target = `/v2/team/app/manifests/1.0?ns=${encodeURIComponent(ns)}`;
  return [`the ns ${ns}`, target, undefined, 404, 'NAME_UNKNOWN'] as const;
});
test('selectors that contradict each other are 400, unknown ones 404, and neither asks any registry', async (t) => {
  const world = await startTwo(t);
  for (const [what, target, host, status, code] of [...misrouted, ...intoOurNetwork]) {
    for (const method of ['GET', 'HEAD']) {
      const headers = { host: host ?? 'gate.example' };
      const answered = await world.proxy.request(target, { method, headers });
      assert.equal(answered.status, status, what);
      if (method === 'GET') assert.equal(at(answered.json, 'errors', 0, 'code'), code, what);
    }
  }
  assert.deepEqual(
    [world.registry, world.hub, world.notary].map(({ requests }) => requests.length),
    [0, 0, 0],
  );
});

test('the default registry is asked for what names none', async (t) => {
  const { get, hub, registry } = await startTwo(t, 'docker.io');
  assert.equal((await get('/v2/team/app/manifests/1.0')).status, 200);
  assert.equal((await get('/v2/app/manifests/1.0')).status, 200);
  assert.equal((await get('/v2/reg.test/team/app/manifests/1.0')).status, 200);
  assert.equal((await get('/v2/quay.io/team/app/manifests/1.0')).status, 404);
  const manifests = (all: LyingRegistry): number =>
    asked(all.requests).filter((request) => request.includes('/manifests/')).length;
  assert.deepEqual([manifests(hub), manifests(registry)], [2, 1]);
});

test('once Host or ns has named the registry, an alias at the front is a repository', async (t) => {
  const { get, registry } = await startTwo(t);
  for (const [target, host] of [
    ['/v2/hub/app/manifests/1.0', 'reg.test'],
    ['/v2/hub/app/manifests/1.0?ns=reg.test', undefined],
  ] as const) {
    const requests = await askedDuring(registry, () => get(target, host));
    assert.deepEqual(requests.filter((request) => request !== 'GET /v2/').slice(-1), [
      'GET /v2/hub/app/manifests/1.0',
    ]);
  }
});

test('every form answers /v2/ and /v2, and says which protocol it is', async (t) => {
  const { get } = await startTwo(t);
  for (const [target, host] of [
    ['/v2/', undefined],
    ['/v2', undefined],
    ['/v2/', 'reg.test'],
    ['/v2/?ns=docker.io', undefined],
  ] as const) {
    const answered = await get(target, host);
    assert.deepEqual(
      [answered.status, answered.headers['docker-distribution-api-version']],
      [200, 'registry/2.0'],
    );
  }
});

test('the same image has one GUN, however it is named', async (t) => {
  const { proxy } = await startWorld(t, {
    config: (tree) => ({
      ...tree,
      default_registry: 'docker.io',
      registries: {
        'docker.io': { upstream: 'http://127.0.0.1:9', hosts: ['registry-1.docker.io'], aliases: ['hub'] },
      },
      rules: [{ match: 'docker.io/**', mode: 'enforce', notary: 'main', root: { keys: ['0'.repeat(64)] } }],
    }),
  });
  for (const [target, host] of [
    ['/v2/app/manifests/1.0', undefined],
    ['/v2/library/app/manifests/1.0', 'registry-1.docker.io'],
    ['/v2/app/manifests/1.0?ns=docker.io', undefined],
    ['/v2/docker.io/app/manifests/1.0', undefined],
    ['/v2/hub/app/manifests/1.0', undefined],
  ] as const) {
    const refused = await proxy.request(target, { headers: { host: host ?? 'gate.example' } });
    const detail = at(refused.json, 'errors', 0, 'detail');
    assert.deepEqual(
      [at(detail, 'gun'), at(detail, 'repository'), at(detail, 'explain')],
      ['docker.io/library/app', 'library/app', 'tufgate explain docker.io/library/app:1.0'],
    );
  }
});
