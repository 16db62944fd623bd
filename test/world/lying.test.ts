import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { answer, changeBody } from './fault.ts';
import type { HttpAnswer } from './http.ts';
import { at, send } from './http.ts';
import { LyingNotary } from './lying-notary.ts';
import type { LyingNotaryOptions } from './lying-notary.ts';
import { LyingRegistry } from './lying-registry.ts';

const a = buildImage('a');
const b = buildImage('b');

async function startNotary(
  t: TestContext,
  options: LyingNotaryOptions = {},
): Promise<{
  notary: LyingNotary;
  get: (name: string) => Promise<HttpAnswer>;
}> {
  const notary = await LyingNotary.start({ gunPrefix: 'reg.test/', ...options });
  t.after(() => notary.close());
  const base = new URL(notary.url).pathname.replace(/\/$/, '');
  return { notary, get: (name) => send(notary.url, `${base}/v2/reg.test/app/_trust/tuf/${name}.json`) };
}

const version = async (answered: Promise<HttpAnswer>): Promise<unknown> =>
  at((await answered).json, 'signed', 'version');

test('what is signed is served at once', async (t) => {
  const { notary, get } = await startNotary(t);
  notary.sign('app', '1.0', a);
  const hash = Buffer.from(a.digest.slice('sha256:'.length), 'hex').toString('base64');
  assert.deepEqual(at((await get('targets')).json, 'signed', 'targets'), {
    '1.0': { hashes: { sha256: hash }, length: a.length },
  });
});

test('one pin fits the root keys of all GUNs', async (t) => {
  const { notary } = await startNotary(t);
  const keys = ['app', 'other'].flatMap((name) => notary.repository(name).keys('root'));
  assert.equal(new Set(keys.map(({ id }) => id)).size, 2);
  assert.ok(keys.every((key) => key.spkiSha256 === notary.rootPin));
});

test('a saved timestamp is served again, with all else as it is', async (t) => {
  const { notary, get } = await startNotary(t);
  notary.sign('app', '1.0', a);
  const before = notary.saveTimestamp();
  notary.sign('app', '1.0', b);
  notary.restoreTimestamp(before);
  assert.deepEqual([await version(get('timestamp')), await version(get('targets'))], [1, 3]);
});

test('all that was served can be saved and served again; the signer goes on from where it is', async (t) => {
  const { notary, get } = await startNotary(t);
  notary.sign('app', '1.0', a);
  const before = notary.save();
  notary.sign('app', '1.0', b);
  notary.sign('later', '1.0', a);
  notary.restore(before);
  assert.equal(await version(get('targets')), 2);
  assert.equal((await get('3.targets')).status, 404);
  assert.equal((await send(notary.url, '/v2/reg.test/later/_trust/tuf/root.json')).status, 404);
  notary.sign('app', '1.0', b);
  assert.equal(await version(get('targets')), 4);
});

test('a fault holds for a role under each of its names, of one GUN, below a base path too', async (t) => {
  for (const basePath of ['', '/notary']) {
    const { notary, get } = await startNotary(t, { basePath });
    notary.sign('app', '1.0', a);
    notary.sign('other', '1.0', a);
    notary.fault('app', 'targets', answer(503));
    const takeOff = notary.fault('app', 'root', answer(500), ({ version: asked }) => asked === 1);
    assert.equal((await get('targets')).status, 503);
    assert.equal((await get('2.targets')).status, 503);
    assert.deepEqual([(await get('root')).status, (await get('1.root')).status], [200, 500]);
    assert.equal(
      (await send(notary.url, `${basePath}/v2/reg.test/other/_trust/tuf/targets.json`)).status,
      200,
    );
    takeOff();
    assert.equal((await get('1.root')).status, 200);
    notary.behave();
    assert.equal((await get('targets')).status, 200);
  }
});

test('a registry lies about one path', async (t) => {
  const registry = await LyingRegistry.start();
  t.after(() => registry.close());
  const image = registry.put('team/app', a, '1.0');
  const flip = changeBody((body) => body.fill(0, 0, 1));
  registry.fault('team/app', `manifests/${image.digest}`, flip);
  const get = (reference: string): Promise<HttpAnswer> =>
    send(registry.url, `/v2/team/app/manifests/${reference}`);
  assert.equal((await get(image.digest)).body[0], 0);
  assert.deepEqual((await get('1.0')).body, image.bytes);
  registry.behave();
  assert.deepEqual((await get(image.digest)).body, image.bytes);
});

test('a tag of the registry moves', async (t) => {
  const registry = await LyingRegistry.start();
  t.after(() => registry.close());
  for (const image of [a, b]) {
    registry.put('team/app', image, '1.0');
    assert.deepEqual((await send(registry.url, '/v2/team/app/manifests/1.0')).body, image.bytes);
  }
});
