import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEndpoint } from '../../src/oci/endpoint.ts';
import { Router } from '../../src/proxy/route.ts';
import { known, registryAt } from './wire.ts';

// Each test/proxy/selectors.test.ts case costs a world; what follows from the table alone is here.

const registries = [
  registryAt('https://reg.test', { name: 'reg.test', hosts: ['reg.test', 'gate.test:5443'] }),
  registryAt('https://hub.test', {
    name: 'docker.io',
    hosts: ['index.docker.io'],
    aliases: ['hub', 'mirror-1'],
  }),
  registryAt('https://plain.test', { name: 'plain' }),
];
const router = (defaultRegistry?: string): Router =>
  new Router(new Map(registries.map((registry) => [registry.name, registry])), defaultRegistry);

/** What a request leads to, in short: `registry repository [prefix]`, or why nowhere. */
function routed(target: string, host: string, defaultRegistry?: string): string {
  const route = router(defaultRegistry).route(known(parseEndpoint(target)), host);
  if (route.kind !== 'registry') return route.kind;
  const { registry, endpoint, prefix } = route;
  const repository = 'repository' in endpoint ? endpoint.repository : '-';
  return [registry.name, repository, ...(prefix === undefined ? [] : [prefix])].join(' ');
}

const manifest = (name: string): string => `/v2/${name}/manifests/1.0`;
const table: readonly (readonly [
  target: string,
  host: string,
  fallback: string | undefined,
  expected: string,
])[] = [
  ['/v2/', 'elsewhere', undefined, 'base'],
  ['/v2/', 'reg.test', undefined, 'reg.test -'],
  ['/v2/', 'elsewhere', 'docker.io', 'docker.io -'],
  ['/v2/?ns=plain', 'elsewhere', undefined, 'plain -'],
  ['/v2/?ns=plain', 'reg.test', undefined, 'contradiction'],
  [manifest('app'), 'reg.test', undefined, 'reg.test app'],
  [manifest('app'), 'reg.test:80', undefined, 'reg.test app'],
  [manifest('app'), 'reg.test:123456', undefined, 'unknown'],
  [manifest('app'), 'gate.test:5443', undefined, 'reg.test app'],
  [manifest('app'), 'gate.test', undefined, 'unknown'],
  [manifest('app'), '', undefined, 'unknown'],
  [manifest('app'), '', 'plain', 'plain app'],
  [manifest('app'), 'INDEX.docker.io', undefined, 'docker.io library/app'],
  [manifest('library/app'), 'index.docker.io', undefined, 'docker.io library/app'],
  [manifest('docker.io/app'), 'elsewhere', undefined, 'docker.io library/app docker.io'],
  [manifest('docker.io/a/b/c'), 'elsewhere', undefined, 'docker.io a/b/c docker.io'],
  [manifest('hub/app'), 'elsewhere', undefined, 'docker.io library/app hub'],
  [manifest('hub/app'), 'elsewhere', 'reg.test', 'docker.io library/app hub'],
  [manifest('hub/app'), 'reg.test', undefined, 'reg.test hub/app'],
  [manifest('mirror-1/app'), 'elsewhere', undefined, 'docker.io library/app mirror-1'],
  [manifest('mirror-10/app'), 'elsewhere', 'reg.test', 'reg.test mirror-10/app'],
  [manifest('plain/app'), 'elsewhere', undefined, 'plain app plain'],
  [manifest('plain'), 'elsewhere', 'reg.test', 'unknown'],
  [manifest('hub'), 'elsewhere', 'reg.test', 'unknown'],
  [manifest('reg.test/docker.io/app'), 'elsewhere', undefined, 'reg.test docker.io/app reg.test'],
  [manifest('reg.test/reg.test/app'), 'reg.test', undefined, 'reg.test reg.test/app reg.test'],
  [manifest('quay.io/app'), 'elsewhere', 'reg.test', 'unknown'],
  [manifest('quay.io/app'), 'reg.test', undefined, 'reg.test quay.io/app'],
  [manifest('quay.io'), 'elsewhere', 'reg.test', 'reg.test quay.io'],
  [manifest('localhost/app'), 'elsewhere', 'reg.test', 'unknown'],
  [manifest('team/reg.test'), 'elsewhere', 'plain', 'plain team/reg.test'],
  [`${manifest('app')}?ns=docker.io`, 'elsewhere', 'reg.test', 'docker.io library/app'],
  [`${manifest('app')}?ns=docker.io&ns=docker.io`, 'elsewhere', undefined, 'docker.io library/app'],
  [`${manifest('app')}?ns=docker.io&ns=plain`, 'elsewhere', undefined, 'contradiction'],
  [`${manifest('app')}?ns=plain`, 'reg.test', undefined, 'contradiction'],
  [`${manifest('docker.io/app')}?ns=plain`, 'elsewhere', undefined, 'contradiction'],
  [
    `${manifest('docker.io/app')}?ns=docker.io`,
    'index.docker.io',
    undefined,
    'docker.io library/app docker.io',
  ],
  [`${manifest('docker.io/app')}?ns=docker.io`, 'reg.test', undefined, 'contradiction'],
  [`${manifest('app')}?ns=hub`, 'elsewhere', 'docker.io', 'unknown'],
  [`${manifest('app')}?ns=__proto__`, 'elsewhere', 'docker.io', 'unknown'],
  [`${manifest('app')}?ns=`, 'elsewhere', 'docker.io', 'unknown'],
];
for (const [target, host, fallback, expected] of table) {
  test(`${target} at Host ${host || '(none)'}${fallback === undefined ? '' : `, by default ${fallback}`}: ${expected}`, () => {
    assert.equal(routed(target, host, fallback), expected);
  });
}

test('a name grows by library/ only as far as names may grow', () => {
  const longest = 'n'.repeat(255);
  assert.equal(routed(manifest(longest), 'index.docker.io'), 'unknown');
  assert.equal(routed(manifest(longest), 'reg.test'), `reg.test ${longest}`);
});

test('what a route says in words quotes nothing that the client wrote', () => {
  for (const target of [`${manifest('app')}?ns=canary`, `${manifest('canary.test/app')}`]) {
    const route = router().route(known(parseEndpoint(target)), 'elsewhere');
    assert.equal(route.kind, 'unknown');
    assert.doesNotMatch(JSON.stringify(route), /canary/);
  }
});
