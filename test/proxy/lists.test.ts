import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { User } from '../../src/demo/access.ts';
import { buildImage } from '../../src/demo/image.ts';
import { Flood, answer, gzipped, redirect, reset } from '../world/fault.ts';
import type { HttpAnswer } from '../world/http.ts';
import { at } from '../world/http.ts';
import { LyingRegistry } from '../world/lying-registry.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { askedDuring, rise, withRegistry } from './evidence.ts';

// What tags/list names. Referrers: attachments.test.ts.

const image = buildImage('image');
const list = '/v2/team/app/tags/list';

/** The tags a to f, of which b, e and the registry's z, which it does not name, are signed. */
async function taggedWorld(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(t, options);
  for (const tag of ['a', 'b', 'c', 'd', 'e', 'f']) world.registry.put('team/app', image, tag);
  for (const tag of ['b', 'e', 'z']) world.notary.repository('team/app').sign(tag, image);
  world.notary.repository('team/app').publish();
  return world;
}

test('a list names the tags that are signed, in the order of the registry, and no pull is counted', async (t) => {
  const { proxy, registry } = await taggedWorld(t);
  const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
    const { status, headers, body } = await proxy.request(list);
    const text = '{"name":"team/app","tags":["b","e"]}';
    assert.deepEqual([status, body.toString()], [200, text]);
    const { date: _date, connection: _connection, 'keep-alive': _keepAlive, ...ours } = headers;
    assert.deepEqual(ours, {
      'docker-distribution-api-version': 'registry/2.0',
      'content-type': 'application/json',
      'content-length': String(text.length),
    });
  });
  assert.deepEqual(counted, {});
  assert.deepEqual(
    registry.requests.map(({ method, url }) => `${method} ${url}`),
    [`GET ${list}`],
  );
});

test('pages stay those of the registry: each leads to the next, also when nothing of it is left', async (t) => {
  const { proxy } = await taggedWorld(t);
  const pages: unknown[] = [];
  for (let next: string | undefined = `${list}?n=1`; next !== undefined;) {
    const page: HttpAnswer = await proxy.request(next);
    pages.push(at(page.json, 'tags'));
    next = /^<(.*)>; rel="next"$/.exec(String(page.headers['link']))?.[1];
  }
  assert.deepEqual(pages, [[], ['b'], [], [], ['e'], []]);
  const last = await proxy.request(`${list}?n=2&last=c&evil=1`);
  assert.deepEqual(at(last.json, 'tags'), ['e']);
  assert.equal(last.headers['link'], `<${list}?last=e&n=2>; rel="next"`);
});

test('name and next page are those by which the client knows the repository', async (t) => {
  const { proxy } = await taggedWorld(t, { config: { public_url: 'https://gate.example' } });
  const byPrefix = await proxy.request(`/v2/reg.test/team/app/tags/list?n=2`);
  assert.deepEqual(byPrefix.json, { name: 'reg.test/team/app', tags: ['b'] });
  assert.equal(
    byPrefix.headers['link'],
    `<https://gate.example/v2/reg.test/team/app/tags/list?last=b&n=2>; rel="next"`,
  );
  const byNamespace = await proxy.request(`${list}?ns=reg.test&n=2`);
  assert.equal(at(byNamespace.json, 'name'), 'team/app');
  assert.equal(
    byNamespace.headers['link'],
    `<https://gate.example${list}?last=b&n=2&ns=reg.test>; rel="next"`,
  );
  assert.equal(byNamespace.headers['oci-namespace'], 'reg.test');
});

test('a tag that a required signer has not signed cannot be pulled, and is not named', async (t) => {
  const { notary, proxy } = await taggedWorld(t, { rule: { signers: ['targets/alice'] } });
  assert.deepEqual(at((await proxy.request(list)).json, 'tags'), []);
  notary.repository('team/app').addSigner('alice');
  notary.sign('team/app', 'e', image, 'targets/alice');
  assert.deepEqual(at((await proxy.request(list)).json, 'tags'), ['e']);
});

test('a repository that is not signed has an empty list', async (t) => {
  const { proxy, registry } = await startWorld(t);
  registry.put('team/new', image, '1.0');
  const { status, body } = await proxy.request('/v2/team/new/tags/list');
  assert.deepEqual([status, body.toString()], [200, '{"name":"team/new","tags":[]}']);
});

test('bad trust data refuses the list with its reason, and trust data that cannot be had leaves it undecided', async (t) => {
  const { proxy, notary } = await taggedWorld(t);
  notary.repository('team/app').setExpires('targets', new Date(0));
  notary.repository('team/app').publish();
  for (const [status, code, reason, retry] of [
    [403, 'DENIED', 'EXPIRED', undefined],
    [503, 'UNAVAILABLE', 'NOTARY_UNAVAILABLE', '5'],
  ] as const) {
    const refused = await proxy.request(list);
    const message = at(refused.json, 'errors', 0, 'message');
    const outcome = status === 403 ? 'denied' : 'not decided';
    assert.deepEqual(
      [refused.status, refused.statusMessage, refused.headers['retry-after']],
      [status, message, retry],
    );
    assert.ok(String(message).startsWith(`content trust: reg.test/team/app ${outcome}: ${reason}: `));
    assert.deepEqual(refused.json, { errors: [{ code, message, detail: { reason } }] });
    notary.intercept(() => answer(503));
  }
});

for (const [what, options] of Object.entries<WorldOptions>({
  'tags: all': { rule: { tags: 'all' } },
  'the mode audit': { rule: { mode: 'audit' } },
  'the mode allow': { rules: [{ match: 'reg.test/**', mode: 'allow' }] },
})) {
  test(`under ${what} the list is the registry's own, and no trust is asked`, async (t) => {
    const { proxy, notary } = await taggedWorld(t, options);
    const { json } = await proxy.request(list);
    assert.deepEqual(at(json, 'tags'), ['a', 'b', 'c', 'd', 'e', 'f']);
    assert.deepEqual(notary.requests, []);
  });
}

test('what the registry does not have, or will not be asked, it says itself, and no trust is asked', async (t) => {
  const { proxy, registry, notary } = await startWorld(t);
  const unknown = await proxy.request(list);
  assert.deepEqual([unknown.status, at(unknown.json, 'errors', 0, 'code')], [404, 'NAME_UNKNOWN']);
  for (const status of [400, 405, 429]) {
    registry.intercept(() => answer(status, { headers: { 'retry-after': '7' }, body: 'as it is' }));
    const refused = await proxy.request(list);
    assert.deepEqual(
      [refused.status, refused.headers['retry-after'], refused.body.toString()],
      [status, '7', 'as it is'],
    );
  }
  assert.deepEqual(notary.requests, []);
});

test('a list may lie elsewhere; that there is none, only the registry itself can say', async (t) => {
  const elsewhere = await LyingRegistry.start();
  t.after(() => elsewhere.close());
  const { proxy, registry } = await taggedWorld(t);
  registry.fault('team/app', 'tags/list', redirect(`${elsewhere.url}${list}`));
  assert.equal((await proxy.request(list)).status, 503);
  elsewhere.put('team/app', image, 'b');
  assert.deepEqual(at((await proxy.request(list)).json, 'tags'), ['b']);
});

test('a registry that does not answer, or endlessly, leaves a list unavailable', async (t) => {
  const { proxy, registry, notary } = await taggedWorld(t);
  const flood = new Flood();
  for (const fault of [reset, answer(500), answer(401), answer(403), gzipped, flood.fault]) {
    registry.fault('team/app', 'tags/list', fault);
    const { status, headers, json } = await proxy.request(list);
    assert.deepEqual(
      [status, at(json, 'errors', 0, 'code'), headers['retry-after']],
      [503, 'UNAVAILABLE', '5'],
    );
  }
  await flood.ended;
  assert.deepEqual(notary.requests, []);
});

test('a list that cannot be read, or whose next page cannot be carried, is 502', async (t) => {
  const { proxy, registry, notary } = await taggedWorld(t);
  const page = (body: string, link?: string) =>
    answer(200, { body, ...(link !== undefined && { headers: { link: `<${link}>; rel="next"` } }) });
  for (const fault of [
    page('<!doctype html>'),
    page('["b"]'),
    page('null'),
    page('{"name":"team/app"}'),
    page('{"tags":{"b":1}}'),
    page('{"tags":["b",1]}'),
    answer(200, { body: Buffer.from('{"tags":["b\xff"]}', 'latin1') }),
    page('{"tags":["b"]}', 'https://elsewhere.test/v2/team/app/tags/list?last=b'),
    page('{"tags":["b"]}', `${list}?page=2`),
    page('{"tags":["b"]}', '/elsewhere'),
  ]) {
    registry.fault('team/app', 'tags/list', fault);
    const { status, json } = await proxy.request(list);
    assert.deepEqual([status, at(json, 'errors', 0, 'code')], [502, 'UNAVAILABLE']);
  }
  assert.deepEqual(notary.requests, []);
});

test('a list of tens of thousands, a list that is null and a tag that is none are read for what they are', async (t) => {
  const { proxy, registry } = await taggedWorld(t);
  const many = Array.from({ length: 50_000 }, (_, at) => `${'x'.repeat(100)}${at}`);
  for (const [body, tags] of [
    [{ name: 'x', tags: [...many, 'e'] }, ['e']],
    [{ name: 'x', tags: null }, []],
    [{ name: 'x', tags: ['e', '', '../e', 'z', 'b', 'E'] }, ['e', 'z', 'b']],
  ] as const) {
    registry.fault('team/app', 'tags/list', answer(200, { body: JSON.stringify(body) }));
    assert.deepEqual((await proxy.request(list)).json, { name: 'team/app', tags });
  }
});

const everything = [{ repository: '*', actions: ['*'] }] as const;
const robot: User = { username: 'robot', password: 'x', grants: everything };
const stranger: User = { username: 'stranger', password: 'y', grants: [] };
const basic = ({ username, password }: User): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

for (const kind of ['basic', 'bearer'] as const) {
  test(`under forward, a client that the registry's ${kind} access refuses learns of no tag and of no trust`, async (t) => {
    const world = await taggedWorld(t, {
      registry: { access: { kind, users: [robot, stranger] } },
      config: (tree) => withRegistry(tree, { auth: 'forward', hosts: ['reg.test'] }),
    });
    const ask = (user?: User): Promise<HttpAnswer> =>
      world.proxy.request(list, {
        headers: { host: 'reg.test', ...(user && { authorization: basic(user) }) },
      });
    const before = (await ask()).headers['www-authenticate'];
    assert.match(String(before), kind === 'basic' ? /^Basic / : /^Bearer realm=/);
    if (kind === 'basic') assert.deepEqual(at((await ask(robot)).json, 'tags'), ['b', 'e']);
    world.notary.repository('team/app').setExpires('targets', new Date(0));
    world.notary.repository('team/app').publish();
    for (const [user, status] of [
      [undefined, 401],
      [stranger, kind === 'basic' ? 403 : 401],
    ] as const) {
      const requests = await askedDuring(world.notary, async () => {
        const refused = await ask(user);
        assert.equal(refused.status, status);
        assert.doesNotMatch(refused.body.toString() + refused.statusMessage, /content trust|"tags"/);
      });
      assert.deepEqual(requests, []);
    }
  });
}
