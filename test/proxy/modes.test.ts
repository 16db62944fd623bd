import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import { answer, changeHeaders, hang } from '../world/fault.ts';
import type { HttpAnswer, HttpOptions } from '../world/http.ts';
import { send } from '../world/http.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { pullLabels, rise } from './evidence.ts';
import { digest as absent } from './wire.ts';

const good = buildImage('good');
const evil = buildImage('evil');

async function worldIn(
  mode: 'audit' | 'allow' | 'deny',
  t: Parameters<typeof startWorld>[0],
): Promise<World> {
  const options: WorldOptions =
    mode === 'audit' ? { rule: { mode } } : { rules: [{ match: 'reg.test/**', mode }] };
  const world = await startWorld(t, options);
  world.registry.put('team/app', good, '1.0');
  world.notary.sign('team/app', '1.0', good);
  world.registry.put('team/app', evil, 'unsigned');
  return world;
}

interface Seen {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: Buffer;
}
/** What a client sees, but for the headers of one connection. */
function seen({ status, headers, body }: HttpAnswer): Seen {
  const { date: _date, connection: _connection, 'keep-alive': _keepAlive, ...rest } = headers;
  return { status, headers: rest, body };
}

const target = (reference: string): string => `/v2/team/app/manifests/${reference}`;
const questions: readonly (readonly [string, string, HttpOptions?])[] = [
  ['a signed tag', target('1.0')],
  ['an unsigned tag', target('unsigned')],
  ['an unsigned tag, HEAD', target('unsigned'), { method: 'HEAD' }],
  ['a tag that is not there', target('2.0')],
  ['an unsigned digest', target(evil.digest)],
  ['a digest that is not there', target(absent)],
  ['a repository that is not there', '/v2/team/none/manifests/1.0'],
];

for (const mode of ['audit', 'allow'] as const) {
  test(`${mode} answers as the registry does, to the byte and in its refusals`, async (t) => {
    const { proxy, registry } = await worldIn(mode, t);
    for (const [what, path, options] of questions) {
      const { warning, ...headers } = seen(await proxy.request(path, options)).headers;
      assert.deepEqual(headers, seen(await send(registry.url, path, options)).headers, what);
      const [ours, theirs] = [await proxy.request(path, options), await send(registry.url, path, options)];
      assert.deepEqual([ours.status, ours.body], [theirs.status, theirs.body], what);
      if (mode === 'allow') assert.equal(warning, undefined);
    }
    for (const status of [401, 403, 429, 500, 502]) {
      const headers = { 'content-type': 'application/json', 'retry-after': '7' };
      const takeOff = registry.fault(
        'team/app',
        'manifests/1.0',
        answer(status, { headers, body: '{"errors":[]}' }),
      );
      const [ours, theirs] = [await proxy.pull('team/app:1.0'), await send(registry.url, target('1.0'))];
      takeOff();
      assert.deepEqual(seen(ours), seen(theirs));
    }
  });
}

test('audit serves what the tag of the registry means today, not what is signed', async (t) => {
  const { proxy, registry } = await worldIn('audit', t);
  registry.put('team/app', evil, '1.0');
  const pulled = await proxy.pull('team/app:1.0');
  assert.deepEqual([pulled.status, pulled.body], [200, evil.bytes]);
});

test('audit says in a warning and in a metric what enforce would have refused, and only that', async (t) => {
  const { proxy, notary } = await worldIn('audit', t);
  const cases: readonly (readonly [string, string, string])[] = [
    ['team/app:unsigned', 'would_deny', 'TAG_NOT_SIGNED'],
    [`team/app@${evil.digest}`, 'would_deny', 'DIGEST_NOT_SIGNED'],
    ['team/new:1.0', 'would_deny', 'REPOSITORY_NOT_SIGNED'],
    ['team/app:1.0', 'allow', ''],
    [`team/app@${good.digest}`, 'allow', ''],
  ];
  for (const [image, verdict, reason] of cases) {
    const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
      const { warning } = (await proxy.pull(image)).headers;
      if (reason === '') assert.equal(warning, undefined);
      else assertWarning(warning, `reg.test/${image}`, reason);
    });
    assert.deepEqual(counted, { [pullLabels('audit', verdict, reason)]: 1 });
  }
  const repository = notary.repository('team/app');
  repository.forge('targets', {
    signed: (body) => {
      const target = objectAt(body, 'targets', '1.0');
      target['hashes'] = { sha512: Buffer.alloc(64).toString('base64') };
    },
  });
  repository.publish();
  // The finding quotes the tag, which a quoted string cannot hold as it is.
  assertWarning((await proxy.pull('team/app:1.0')).headers['warning'], 'reg.test/team/app:1.0', 'MALFORMED');
  repository.publish();
  notary.intercept(() => answer(503));
  const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
    const pulled = await proxy.pull('team/app:1.0', { headers: { 'user-agent': 'another' } });
    assert.equal(pulled.status, 200);
    assertWarning(pulled.headers['warning'], 'reg.test/team/app:1.0', 'NOTARY_UNAVAILABLE');
  });
  assert.deepEqual(counted, { [pullLabels('audit', 'unavailable', 'NOTARY_UNAVAILABLE')]: 1 });
});

function assertWarning(warning: unknown, image: string, reason: string): void {
  // Exactly this form: containers/image shows no other (RFC 7234 §5.5).
  const text = /^299 - "([\x20-\x7e]+)"$/.exec(String(warning))?.[1];
  assert.ok(text !== undefined, String(warning));
  assert.doesNotMatch(text, /["\\]/);
  assert.ok(text.startsWith(`content trust: ${image} `), text);
  assert.ok(text.includes(`: ${reason}: `), text);
}

test('a warning of the registry stays beside ours', async (t) => {
  const { proxy, registry } = await worldIn('audit', t);
  registry.fault('team/app', 'manifests/unsigned', changeHeaders({ warning: '299 - "going away"' }));
  assert.match(
    String((await proxy.pull('team/app:unsigned')).headers['warning']),
    /^299 - "going away", 299 - "content trust: /,
  );
});

test('audit lets a registry that speaks no HTTP be seen for what it is', async (t) => {
  const { proxy, registry } = await worldIn('audit', t);
  await registry.close();
  const refused = await proxy.pull('team/app:1.0');
  assert.deepEqual([refused.status, refused.reason], [503, undefined]);
  assert.doesNotMatch(refused.body.toString(), /content trust/);
});

test('a carried request prints no warning', async (t) => {
  const { proxy } = await worldIn('allow', t);
  const warnings: Error[] = [];
  const collect = (warning: Error): unknown => warnings.push(warning);
  process.on('warning', collect);
  t.after(() => process.off('warning', collect));
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
  // Warnings are emitted on a later turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});

test('allow asks no notary', async (t) => {
  const { proxy, notary } = await worldIn('allow', t);
  notary.intercept(() => hang);
  const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
    assert.deepEqual((await proxy.pull('team/app:unsigned')).body, evil.bytes);
  });
  assert.deepEqual(counted, { [pullLabels('allow', 'unjudged')]: 1 });
  assert.equal(notary.requests.length, 0);
});

test('deny refuses all, and asks nobody', async (t) => {
  const { proxy, notary, registry } = await worldIn('deny', t);
  for (const path of [
    target('1.0'),
    target(good.digest),
    `/v2/team/app/blobs/${absent}`,
    '/v2/team/app/tags/list',
  ])
    assert.equal((await proxy.request(path)).status, 403);
  assert.deepEqual([notary.requests.length, registry.requests.length], [0, 0]);
});

test('the most specific rule decides, wherever it stands', async (t) => {
  const rules = [
    { match: 'reg.test/**', mode: 'deny' },
    { match: 'reg.test/team/app', mode: 'allow' },
    { match: 'reg.test/team/*', mode: 'deny' },
  ];
  for (const ordered of [rules, rules.toReversed()]) {
    const { proxy, registry } = await startWorld(t, { rules: ordered });
    for (const name of ['team/app', 'team/app-evil', 'team/app/evil']) registry.put(name, evil, '1.0');
    assert.equal((await proxy.pull('team/app:1.0')).status, 200);
    for (const name of ['team/app-evil', 'team/app/evil', 'team'])
      assert.equal((await proxy.pull(`${name}:1.0`)).reason, 'RULE_DENY');
  }
});
