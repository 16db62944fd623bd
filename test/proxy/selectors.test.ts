import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at } from '../world/http.ts';
import type { LyingRegistry } from '../world/lying-registry.ts';
import { startWorld } from '../world/world.ts';
import { asked, askedDuring } from './evidence.ts';
import { image, startTwo } from './two-registries.ts';

// Which registry a request is for (contract §4), seen from outside: what each registry was asked, under which name.

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
  ['a name before /v2/', '/reg.test/v2/team/app/manifests/1.0', undefined, 'registry', 'team/app'],
  ['an alias before /v2/', '/hub/v2/app/manifests/1.0', undefined, 'hub', 'library/app'],
  [
    'a name with a port before /v2/',
    '/ported.test:5000/v2/team/app/manifests/1.0',
    undefined,
    'hub',
    'team/app',
  ],
  [
    'all four, agreeing',
    '/reg.test/v2/reg.test/team/app/manifests/1.0?ns=reg.test',
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

test('once Host, ns or what stands before /v2/ has named the registry, an alias at the front is a repository', async (t) => {
  const { get, registry } = await startTwo(t);
  for (const [target, host] of [
    ['/v2/hub/app/manifests/1.0', 'reg.test'],
    ['/v2/hub/app/manifests/1.0?ns=reg.test', undefined],
    ['/reg.test/v2/hub/app/manifests/1.0', undefined],
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
    ['/hub/v2/', undefined],
    ['/docker.io/v2', undefined],
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
