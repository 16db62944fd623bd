import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTarget, printTrust } from '../../src/oci/request-target.ts';

const hash = '0123456789abcdef'.repeat(4);

/** What a target says, in short. */
function read(text: string): unknown {
  const target = parseTarget(text);
  if (target === undefined) return undefined;
  const { endpoint, before, namespaces } = target;
  const named = [before, ...namespaces].filter((name) => name !== undefined);
  if (endpoint.kind === 'trust') return [printTrust(endpoint), endpoint.host, endpoint.repository, ...named];
  return [endpoint.kind, 'repository' in endpoint ? endpoint.repository : undefined, ...named];
}

for (const [text, expected] of [
  ['/v2/', ['base', undefined]],
  ['/v2', ['base', undefined]],
  ['/v2/team/app/manifests/1?ns=a', ['manifest', 'team/app', 'a']],
  ['/docker.io/v2/', ['base', undefined, 'docker.io']],
  ['/docker.io/v2', ['base', undefined, 'docker.io']],
  ['/docker.io/v2?ns=a', ['base', undefined, 'docker.io', 'a']],
  ['/reg.test:5000/v2/team/app/manifests/1', ['manifest', 'team/app', 'reg.test:5000']],
  ['/hub/v2/team/app/tags/list?n=1', ['tags', 'team/app', 'hub']],
  ['/v2/v2/manifests/1', ['manifest', 'v2']],
  ['/v2/v2/v2/manifests/1', ['manifest', 'v2/v2']],
  ['/v1/v2/app/manifests/1', ['manifest', 'app', 'v1']],
  ['/token', ['token', undefined]],
  ['/token?scope=a&ns=docker.io', ['token', undefined, 'docker.io']],
  ['/v2/reg.test/app/_trust/tuf/', ['/v2/reg.test/app/_trust/tuf/', 'reg.test', 'app']],
  ...[
    'root.json',
    '12.root.json',
    `root.${hash}.json`,
    'timestamp.json',
    'timestamp.key',
    'snapshot.key',
    'targets.json',
    'targets/releases.json',
    `targets/a-b_c/d.${hash}.json`,
  ].map(
    (file) =>
      [
        `/v2/reg.test:5000/team/app/_trust/tuf/${file}`,
        [`/v2/reg.test:5000/team/app/_trust/tuf/${file}`, 'reg.test:5000', 'team/app'],
      ] as const,
  ),
  [
    '/hub/v2/reg.test/app/_trust/tuf/root.json?ns=x',
    ['/v2/reg.test/app/_trust/tuf/root.json', 'reg.test', 'app', 'hub', 'x'],
  ],
] as const) {
  test(`${text.slice(0, 80)} is read`, () => {
    assert.deepEqual(read(text), expected);
  });
}

for (const text of [
  '',
  '/',
  '/v3/',
  '/token/',
  '/v2/token',
  '/docker.io/token/v2',
  '/hub/token',
  '//v2/app/manifests/1',
  '/a/b/v2/app/manifests/1',
  '/a%2fb/v2/app/manifests/1',
  '/../v2/app/manifests/1?x=%zz',
  '/hub/v2x/app/manifests/1',
  `/${'a'.repeat(256)}/v2/app/manifests/1`,
  '/token?scope=%zz',
  '/v2/app/_trust/tuf/root.json',
  '/v2/_trust/changefeed',
  '/v2/reg.test/app/_trust/changefeed',
  '/v2/reg.test/app/_trust/tuf/root.json?x=%zz',
  '/v2/reg.test/app/_trust/tuf/Root.json',
  '/v2/reg.test/app/_trust/tuf/01.root.json',
  '/v2/reg.test/app/_trust/tuf/root.sha256.json',
  '/v2/reg.test/app/_trust/tuf/targets/../root.json',
  '/v2/reg.test/app/_trust/tuf/targets//a.json',
  '/v2/reg.test/app/_trust/tuf/root.key',
  '/v2/reg.test/app/_trust/tuf/root.json/',
  '/v2/reg.test/App/_trust/tuf/root.json',
  '/v2/REG.test/app/_trust/tuf/root.json',
  '/v2/reg.test//_trust/tuf/root.json',
  '/v2//app/_trust/tuf/root.json',
  '/v2/reg.test/app/_trust/tuf/_trust/tuf/root.json',
  `/v2/reg.test/app/manifests/${'a'.repeat(4096)}`,
]) {
  test(`${text.slice(0, 80) || '(nothing)'} is no target`, () => {
    assert.equal(parseTarget(text), undefined);
  });
}
