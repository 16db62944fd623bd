import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at } from '../world/http.ts';
import { startTwo } from './two-registries.ts';

// Selectors that contradict each other, or name what is not configured (contract §4).

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
  ['Host and the name before /v2/ that differ', '/hub/v2/a/manifests/1', 'reg.test', 400, 'NAME_INVALID'],
  [
    'ns and the name before /v2/ that differ',
    '/hub/v2/a/manifests/1?ns=reg.test',
    undefined,
    400,
    'NAME_INVALID',
  ],
  [
    'the names before and after /v2/ that differ',
    '/hub/v2/reg.test/a/manifests/1',
    undefined,
    400,
    'NAME_INVALID',
  ],
  ['a name before /v2/ nobody configured', '/quay.io/v2/a/manifests/1', undefined, 404, 'NAME_UNKNOWN'],
  ['a Host name before /v2/', '/gate.test:5443/v2/a/manifests/1', undefined, 404, 'NAME_UNKNOWN'],
  ['two names before /v2/', '/reg.test/reg.test/v2/a/manifests/1', undefined, 404, 'UNSUPPORTED'],
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
