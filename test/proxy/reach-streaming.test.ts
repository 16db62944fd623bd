import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { Fault } from '../world/fault.ts';
import { Flood, answer, changeBody, redirect, truncated } from '../world/fault.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { pullLabels, rise, withRegistry } from './evidence.ts';
import { ask, assertServed } from './reach-world.ts';

const image = buildImage('image', { padding: 300_000 });
const evil = buildImage('evil');
const [layer = Buffer.alloc(0)] = image.layers;
const digest = digestOf(layer);
const configDigest = digestOf(image.config);
const mismatch = { [pullLabels('enforce', 'deny', 'CONTENT_MISMATCH')]: 1 };

async function imageWorld(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(t, options);
  world.registry.put('team/app', image, '1.0');
  world.registry.put('team/app', evil);
  world.notary.sign('team/app', '1.0', image);
  return world;
}

/** The honest answer with another body, in chunks and so without its length. */
const chunked =
  (change: (body: Buffer) => Buffer): Fault =>
  async (honest) => {
    const { status, headers, body = Buffer.alloc(0) } = await honest();
    return (response) => {
      response.writeHead(status, headers);
      response.end(change(Buffer.from(body)));
    };
  };
const flipped =
  (at: number) =>
  (body: Buffer): Buffer => {
    body[at] = (body[at] ?? 0) ^ 1;
    return body;
  };
const longer = (body: Buffer): Buffer => Buffer.concat([body, Buffer.from('x')]);
const shorter = (body: Buffer): Buffer => body.subarray(0, -1);

for (const [what, fault] of [
  ['with its first byte flipped', changeBody(flipped(0))],
  ['with its last byte flipped', changeBody(flipped(layer.length - 1))],
  ['with a byte flipped, in chunks', chunked(flipped(150_000))],
  ['that is longer than its descriptor, in chunks', chunked(longer)],
  ['that is shorter than its descriptor, in chunks', chunked(shorter)],
  ['that does not end', new Flood().fault],
] as const) {
  test(`a blob ${what} never ends at the client, and is counted as CONTENT_MISMATCH once`, async (t) => {
    const { proxy, registry } = await imageWorld(t);
    registry.fault('team/app', `blobs/${digest}`, fault);
    const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
      for (let time = 0; time < 2; time += 1)
        await assert.rejects(ask(proxy, 'blobs', digest), { code: 'ECONNRESET' });
    });
    assert.deepEqual(counted, mismatch);
    registry.behave();
    await assertServed(proxy, 'blobs', digest, layer);
  });
}

for (const [what, change] of [
  ['longer', longer],
  ['shorter', shorter],
  ['empty', () => Buffer.alloc(0)],
] as const) {
  test(`a blob whose Content-Length says that it is ${what} is refused before a byte, to GET and HEAD`, async (t) => {
    const { proxy, registry } = await imageWorld(t);
    registry.fault('team/app', `blobs/${digest}`, changeBody(change));
    for (const method of ['GET', 'HEAD']) {
      const { status, reason, headers } = await ask(proxy, 'blobs', digest, { method });
      assert.deepEqual([status, reason], [403, 'CONTENT_MISMATCH'], method);
      assert.equal(headers['docker-content-digest'], undefined);
    }
  });
}

test('a small blob with other bytes is refused before any of them', async (t) => {
  const { proxy, registry } = await imageWorld(t);
  registry.fault('team/app', `blobs/${configDigest}`, changeBody(flipped(3)));
  const { status, reason, body } = await ask(proxy, 'blobs', configDigest);
  assert.deepEqual([status, reason], [403, 'CONTENT_MISMATCH']);
  assert.match(body.toString(), /CONTENT_MISMATCH: the registry's bytes hash to sha256:/);
});

test('a blob that the registry breaks off is broken off for the client, and nobody is blamed for other content', async (t) => {
  const { proxy, registry } = await imageWorld(t);
  registry.fault('team/app', `blobs/${digest}`, truncated(200_000));
  const counted = await rise(proxy, 'tufgate_pulls_total', () =>
    assert.rejects(ask(proxy, 'blobs', digest), { code: 'ECONNRESET' }),
  );
  assert.deepEqual(counted, {});
});

test('a range passes as 206 and is logged as not verified; a whole blob is not', async (t) => {
  const { proxy } = await imageWorld(t);
  await assertServed(proxy, 'blobs', digest, layer);
  const until = proxy.logs.length;
  const part = await ask(proxy, 'blobs', digest, { headers: { range: 'bytes=100-299' } });
  assert.deepEqual([part.status, part.body], [206, layer.subarray(100, 300)]);
  const [line, ...more] = proxy.logs.slice(until);
  assert.deepEqual(more, []);
  const { msg, repository, reference, range, verified } = line ?? {};
  assert.deepEqual(
    [msg, repository, reference, range, verified],
    ['part of a blob', 'team/app', digest, 'bytes=100-299', false],
  );
});

test('after other bytes, a client that goes on from where it was cut gets the whole again, and not the end unverified', async (t) => {
  const { proxy, registry } = await imageWorld(t);
  const range = { headers: { range: `bytes=${layer.length - 10}-` } };
  registry.fault('team/app', `blobs/${digest}`, changeBody(flipped(0)));
  await assert.rejects(ask(proxy, 'blobs', digest), { code: 'ECONNRESET' });
  await assert.rejects(ask(proxy, 'blobs', digest, range), { code: 'ECONNRESET' });
  registry.behave();
  const sound = await ask(proxy, 'blobs', digest, range);
  assert.deepEqual([sound.status, sound.body], [200, layer]);
});

test('a range of a blob that nothing signed leads to is refused like all of it', async (t) => {
  const { proxy } = await imageWorld(t);
  const { status, reason } = await ask(proxy, 'blobs', digestOf(evil.config), {
    headers: { range: 'bytes=0-1' },
  });
  assert.deepEqual([status, reason], [403, 'DIGEST_NOT_SIGNED']);
});

test('a range of a blob of another size than its descriptor is refused', async (t) => {
  const { proxy, registry } = await imageWorld(t);
  registry.repository('team/app').putBlob(longer(layer), digest);
  const { status, reason } = await ask(proxy, 'blobs', digest, { headers: { range: 'bytes=0-1' } });
  assert.deepEqual([status, reason], [403, 'CONTENT_MISMATCH']);
});

test('with blobs: redirect, the way to a storage is for reachable blobs only', async (t) => {
  const { proxy, registry } = await imageWorld(t, {
    config: (tree) => withRegistry(tree, { blobs: 'redirect' }),
  });
  const storage = 'https://storage.test/bucket/x?X-Amz-Signature=abc';
  registry.intercept(({ path }) => (path.includes('/blobs/') ? redirect(storage) : undefined));
  for (const method of ['GET', 'HEAD']) {
    const given = await ask(proxy, 'blobs', digest, { method });
    assert.deepEqual([given.status, given.headers.location], [307, storage]);
    const refused = await ask(proxy, 'blobs', digestOf(evil.config), { method });
    assert.deepEqual(
      [refused.status, refused.reason, refused.headers.location],
      [403, 'DIGEST_NOT_SIGNED', undefined],
    );
  }
});

test('where pushes are carried, HEAD of any blob is the registry’s own answer, and GET is judged', async (t) => {
  const { proxy, registry } = await imageWorld(t, {
    config: (tree) => withRegistry(tree, { push: 'allow' }),
  });
  const unsigned = digestOf(evil.config);
  const head = await ask(proxy, 'blobs', unsigned, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length']], [200, String(evil.config.length)]);
  const absent = `sha256:${'0'.repeat(64)}`;
  assert.equal((await ask(proxy, 'blobs', absent, { method: 'HEAD' })).status, 404);
  for (const at of [unsigned, absent]) {
    const { status, reason } = await ask(proxy, 'blobs', at);
    assert.deepEqual([status, reason], [403, 'DIGEST_NOT_SIGNED']);
  }
  assert.equal((await proxy.pull(`team/app@${evil.digest}`, { method: 'HEAD' })).status, 403);
  registry.fault('team/app', `manifests/${image.digest}`, answer(500));
  assert.equal((await ask(proxy, 'blobs', unsigned, { method: 'HEAD' })).status, 200);
});

test('where pushes are carried, a repository from which nothing is served shows no blob either', async (t) => {
  for (const rules of [
    [{ match: 'reg.test/**', mode: 'deny' }],
    [{ match: 'reg.test/other', mode: 'allow' }],
  ]) {
    const { proxy } = await imageWorld(t, { rules, config: (tree) => withRegistry(tree, { push: 'allow' }) });
    for (const method of ['GET', 'HEAD'])
      assert.equal((await ask(proxy, 'blobs', digest, { method })).status, 403);
  }
});

for (const [what, options] of [
  [
    'with digests: any, any blob comes, and none whose bytes are not what it is called by',
    { rule: { digests: 'any' } },
  ],
  [
    'under allow, any blob comes as the registry sends it',
    { rules: [{ match: 'reg.test/**', mode: 'allow' }] },
  ],
  ['under audit, any blob comes as the registry sends it', { rule: { mode: 'audit' } }],
] as const) {
  test(what, async (t) => {
    const { proxy, registry, notary } = await imageWorld(t, options);
    notary.intercept(() => answer(503));
    await assertServed(proxy, 'blobs', digestOf(evil.config), evil.config);
    await assertServed(proxy, 'blobs', digest, layer);
    registry.fault('team/app', `blobs/${digest}`, changeBody(flipped(0)));
    if ('rule' in options && 'digests' in options.rule) {
      await assert.rejects(ask(proxy, 'blobs', digest), { code: 'ECONNRESET' });
    } else {
      const spoiled = await ask(proxy, 'blobs', digest);
      assert.deepEqual([spoiled.status, spoiled.body], [200, Buffer.from(flipped(0)(Buffer.from(layer)))]);
    }
  });
}
