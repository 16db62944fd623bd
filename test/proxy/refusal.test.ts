import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { printReference } from '../../src/oci/reference.ts';
import { answer, hang } from '../world/fault.ts';
import { at } from '../world/http.ts';
import { startWorld } from '../world/world.ts';
import { askedDuring, pullLabels, rise, samples } from './evidence.ts';
import { digest, repository } from './wire.ts';

const good = buildImage('good');

test('a refused HEAD says in status line and headers what the refused GET says', async (t) => {
  const { notary, proxy } = await startWorld(t);
  notary.sign('team/app', '1.0', good);
  const [get, head] = [
    await proxy.pull('team/app:2.0'),
    await proxy.pull('team/app:2.0', { method: 'HEAD' }),
  ];
  const { date: _dateOfGet, ...ofGet } = get.headers;
  const { date: _dateOfHead, ...ofHead } = head.headers;
  assert.deepEqual([head.status, head.statusMessage, ofHead], [get.status, get.statusMessage, ofGet]);
  assert.equal(head.body.length, 0);
  assert.equal(ofGet['content-length'], String(get.body.length));
});

test('a refusal may not be kept by a cache', async (t) => {
  const { proxy } = await startWorld(t);
  assert.equal((await proxy.pull('team/app:1.0')).headers['cache-control'], 'no-store');
});

test('a refused pull asks nothing of the registry, whichever tags it has', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  registry.put('team/app', good, '2.0');
  notary.sign('team/app', '1.0', good);
  const requests = await askedDuring(registry, () => proxy.pull('team/app:2.0'));
  assert.deepEqual(requests, []);
});

// RFC 9110 §15.5.2 demands a challenge with 401; a notary, or what stands in front of it, may not know that.
for (const [what, fault] of [
  ['401 without a challenge', answer(401)],
  ['401 with a challenge nobody knows', answer(401, { headers: { 'www-authenticate': 'Negotiate' } })],
  ['401 that wants a password', answer(401, { headers: { 'www-authenticate': 'Basic realm="x"' } })],
  ['403', answer(403)],
] as const) {
  test(`a notary that answers ${what} is NOTARY_UNAUTHORIZED, which no outage_grace bridges`, async (t) => {
    const { notary, registry, proxy } = await startWorld(t, { rule: { outage_grace: '1h' } });
    registry.put('team/app', good);
    notary.sign('team/app', '1.0', good);
    assert.equal((await proxy.pull('team/app:1.0')).status, 200);
    notary.fault('team/app', 'timestamp', fault);
    const refused = await proxy.pull('team/app:1.0');
    assert.deepEqual([refused.status, refused.reason], [503, 'NOTARY_UNAUTHORIZED']);
    notary.behave();
    assert.equal((await proxy.pull('team/app:1.0')).status, 200);
  });
}

for (const [what, fault, reason] of [
  ['404 for the timestamp of trust data never seen', answer(404), 'NOTARY_UNAVAILABLE'],
  ['500', answer(500), 'NOTARY_UNAVAILABLE'],
  ['a redirect', answer(302, { headers: { location: '/' } }), 'NOTARY_UNAVAILABLE'],
  ['204', answer(204), 'NOTARY_UNAVAILABLE'],
  ['nothing at all', hang, 'NOTARY_UNAVAILABLE'],
] as const) {
  test(`a notary that answers ${what} leaves the pull undecided, never refused for good`, async (t) => {
    const { notary, proxy } = await startWorld(t, { config: { limits: { download_timeout: '1s' } } });
    notary.sign('team/app', '1.0', good);
    notary.fault('team/app', 'timestamp', fault);
    const refused = await proxy.pull('team/app:1.0');
    assert.deepEqual([refused.status, refused.reason], [503, reason]);
  });
}

test('Retry-After says, in seconds, after how long a failure is forgotten', async (t) => {
  const { notary, proxy } = await startWorld(t, { config: { limits: { retry_after: '90s' } } });
  notary.intercept(() => answer(503));
  assert.equal((await proxy.pull('team/app:1.0')).headers['retry-after'], '90');
});

test('a failure is remembered for retry_after, so that the requests of one pull ask the notary once', async (t) => {
  const { notary, proxy, clock } = await startWorld(t, {
    rule: { check_every: '60s' },
    config: { limits: { retry_after: '30s' } },
  });
  notary.intercept(() => answer(503));
  const refreshes = (): Promise<Record<string, number>> =>
    rise(proxy, 'tufgate_trust_refresh_total', () => proxy.pull('team/app:1.0'));
  const once = { 'notary="main",result="unavailable"': 1 };
  assert.deepEqual([await refreshes(), await refreshes()], [once, {}]);
  clock.advance(30_000);
  assert.deepEqual(await refreshes(), once);
});

test('what a client may write into a name never becomes a label', async (t) => {
  const { notary, proxy } = await startWorld(t);
  notary.sign('team/app', '1.0', good);
  for (let at = 0; at < 20; at += 1) await proxy.pull(`team/app-${at}:tag-${at}`);
  const counted = await samples(proxy, 'tufgate_pulls_total');
  assert.deepEqual([...counted], [[pullLabels('enforce', 'deny', 'REPOSITORY_NOT_SIGNED'), 20]]);
});

test('blobs and tags of what no rule covers, or a rule denies, are refused before the registry is asked', async (t) => {
  const { registry, proxy } = await startWorld(t, { rules: [{ match: 'reg.test/denied/**', mode: 'deny' }] });
  for (const [name, reason] of [
    ['denied/app', 'RULE_DENY'],
    ['uncovered/app', 'NO_RULE'],
  ] as const) {
    registry.put(name, good, '1.0');
    for (const [path, identifier] of [
      [`blobs/${digest}`, `@${digest}`],
      ['tags/list', ''],
    ] as const) {
      const refused = await proxy.request(`/v2/${name}/${path}`);
      const message = String(at(refused.json, 'errors', 0, 'message'));
      assert.deepEqual(
        [
          refused.status,
          at(refused.json, 'errors', 0, 'code'),
          at(refused.json, 'errors', 0, 'detail', 'reason'),
        ],
        [403, 'DENIED', reason],
      );
      assert.ok(
        message.startsWith(`content trust: reg.test/${name}${identifier} denied: ${reason}`),
        message,
      );
      assert.equal(refused.statusMessage, message);
    }
  }
  assert.deepEqual(registry.requests, []);
});

test('a refusal names the image as people write it', async (t) => {
  const { proxy } = await startWorld(t);
  const image = { registry: 'reg.test', repository, identifier: { kind: 'digest', digest } } as const;
  const refused = await proxy.pull(`${repository}@${digest}`);
  assert.ok(String(at(refused.json, 'errors', 0, 'message')).includes(printReference(image)));
});
