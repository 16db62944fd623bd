import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { trustReset, trustRevoke } from '../../src/cli/trust.ts';
import { explain } from '../../src/cli/explain.ts';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import { buildArtifact, buildImage, buildIndex } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { ServeProcess, configure, tufgate } from '../cli/process.ts';
import { send } from '../world/http.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { ask, assertRefused, assertServed } from './reach-world.ts';

const child = buildImage('child');
const yesterday = buildIndex([child]);
const today = buildImage('today');
const [layer = Buffer.alloc(0)] = child.layers;
const everything = [
  ['manifests', yesterday.digest, yesterday.bytes],
  ['manifests', child.digest, child.bytes],
  ['blobs', digestOf(child.config), child.config],
  ['blobs', digestOf(layer), layer],
] as const;

async function startSigned(t: TestContext, keep: string | 0 = 0, options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(t, { ...options, rule: { keep, ...options.rule } });
  world.registry.put('team/app', yesterday, '1.0');
  world.registry.put('team/app', today);
  world.notary.sign('team/app', '1.0', yesterday);
  for (const [endpoint, digest, bytes] of everything)
    await assertServed(world.proxy, endpoint, digest, bytes);
  return world;
}

/** Takes the old digest out of what is signed, one way or another, and has the proxy see it. */
async function supersede({ notary, proxy }: World, how: 'signed again' | 'removed'): Promise<void> {
  const repository = notary.repository('team/app');
  if (how === 'removed') {
    repository.sign('other', today);
    repository.remove('1.0');
  } else {
    repository.sign('1.0', today);
  }
  repository.publish();
  await proxy.pull('team/app:1.0');
}

/** Asserts that all that belongs to the old digest comes, or that nothing of it does. */
async function assertOld({ proxy }: World, outcome: 'served' | 'refused'): Promise<void> {
  for (const [endpoint, digest, bytes] of everything) {
    if (outcome === 'served') await assertServed(proxy, endpoint, digest, bytes);
    else await assertRefused(proxy, digest);
  }
}

async function revoke({ proxy }: World, image: string): Promise<{ status: number; text: string }> {
  let text = '';
  const status = await trustRevoke(image, proxy.configPath, (more) => {
    text += more;
  });
  return { status, text };
}

async function explained({ proxy }: World, image: string): Promise<string> {
  let text = '';
  await explain(image, proxy.configPath, {
    json: false,
    write: (more) => {
      text += more;
    },
  });
  return text;
}

for (const how of ['signed again', 'removed'] as const) {
  test(`without keep, nothing of a digest whose tag was ${how} comes any longer`, async (t) => {
    const world = await startSigned(t);
    await supersede(world, how);
    await assertOld(world, 'refused');
    await world.proxy.restart();
    await assertOld(world, 'refused');
  });

  test(`with keep: 1h, everything of a digest whose tag was ${how} comes for an hour, to the millisecond`, async (t) => {
    let now = Date.now();
    t.mock.method(Date, 'now', () => now);
    const world = await startSigned(t, '1h');
    await supersede(world, how);
    await assertOld(world, 'served');
    now += 3_599_999;
    await assertOld(world, 'served');
    await world.proxy.restart();
    now += 1;
    await assertOld(world, 'served');
    now += 1;
    await assertOld(world, 'refused');
  });
}

test('what is kept has no trust header, and a log line that says until when', async (t) => {
  const world = await startSigned(t, '1h');
  await supersede(world, 'signed again');
  const before = Date.now();
  const headers = { 'user-agent': 'another client' };
  const pulled = await world.proxy.pull(`team/app@${child.digest}`, { headers });
  assert.deepEqual([pulled.status, pulled.headers['tufgate-trust']], [200, undefined]);
  const { verdict, keptUntil } = world.proxy.logs.at(-1) ?? {};
  assert.equal(verdict, 'allow');
  assert.ok(Math.abs(Date.parse(String(keptUntil)) - before - 3_600_000) < 60_000, String(keptUntil));
});

test('the hour begins when the change was seen, not when it was signed', async (t) => {
  const world = await startSigned(t, '1h', { rule: { check_every: '30m' } });
  const { notary, proxy, clock } = world;
  notary.sign('team/app', '1.0', today);
  clock.advance(30 * 60_000 + 1000);
  assert.equal((await proxy.pull('team/app:1.0')).headers['docker-content-digest'], today.digest);
  clock.advance(3_500_000);
  await assertOld(world, 'served');
  clock.advance(120_000);
  await assertOld(world, 'refused');
});

test('explain says since when a digest is signed no longer, and how long it is kept', async (t) => {
  const world = await startSigned(t, '2h');
  await supersede(world, 'signed again');
  const own = await explained(world, `team/app@${yesterday.digest}`);
  assert.match(
    own,
    new RegExp(`ALLOWED: ${yesterday.digest} was signed until 0 min ago, and is kept for 2 h`),
  );
  const below = await explained(world, `team/app@${child.digest}`);
  assert.match(
    below,
    new RegExp(
      `${child.digest} stands on ${yesterday.digest}, which was signed until 0 min ago, and is kept for 2 h`,
    ),
  );
});

test('a digest that is kept is not what its tag means', async (t) => {
  const world = await startSigned(t, '1h');
  await supersede(world, 'removed');
  const refused = await world.proxy.pull('team/app:1.0');
  assert.deepEqual([refused.status, refused.reason], [403, 'TAG_NOT_SIGNED']);
});

test('an artifact about a digest that is kept comes for as long', async (t) => {
  const world = await startSigned(t, '1h');
  const sbom = world.registry.put(
    'team/app',
    buildArtifact('application/vnd.example.sbom', 'sbom', yesterday),
  );
  await supersede(world, 'signed again');
  await assertServed(world.proxy, 'manifests', sbom.digest, sbom.bytes);
  await assertServed(
    world.proxy,
    'blobs',
    digestOf(sbom.layers[0] ?? Buffer.alloc(0)),
    sbom.layers[0] ?? Buffer.alloc(0),
  );
  world.clock.advance(3_601_000);
  await assertRefused(world.proxy, sbom.digest);
  await assertRefused(world.proxy, digestOf(sbom.layers[0] ?? Buffer.alloc(0)));
});

test('what a cold replica has to read of a digest that is kept, it reads', async (t) => {
  const world = await startWorld(t, { rule: { keep: '1h' } });
  const { registry, notary, proxy } = world;
  registry.put('team/app', yesterday);
  registry.put('team/app', today);
  notary.sign('team/app', '1.0', yesterday);
  assert.equal((await proxy.pull('team/app:2.0')).reason, 'TAG_NOT_SIGNED');
  await supersede(world, 'signed again');
  await assertServed(proxy, 'blobs', digestOf(layer), layer);
  await assertOld(world, 'served');
});

test('revoke ends the keeping of a digest and of all below it at once', async (t) => {
  const world = await startSigned(t, '1h');
  await supersede(world, 'signed again');
  await assertOld(world, 'served');
  assert.equal((await revoke(world, `team/app@${yesterday.digest}`)).status, 0);
  await assertOld(world, 'refused');
  await world.proxy.restart();
  await assertOld(world, 'refused');
  // What is signed is not concerned.
  assert.equal((await world.proxy.pull('team/app:1.0')).status, 200);
});

test('a digest that was revoked is allowed once it is signed again, and kept again after that', async (t) => {
  const world = await startSigned(t, '1h');
  await supersede(world, 'signed again');
  await revoke(world, `team/app@${yesterday.digest}`);
  world.notary.sign('team/app', '1.0', yesterday);
  await assertOld(world, 'served');
  await supersede(world, 'removed');
  await assertOld(world, 'served');
});

test('what is still signed, what never was, and what is no digest cannot be revoked', async (t) => {
  const world = await startSigned(t, '1h');
  const signed = await revoke(world, `team/app@${yesterday.digest}`);
  assert.equal(signed.status, 1);
  assert.match(signed.text, /is signed: take its tag away first/);
  await assertOld(world, 'served');
  assert.equal((await revoke(world, `team/app@${today.digest}`)).status, 1);
  assert.equal((await revoke(world, 'team/app:1.0')).status, 2);
});

test('revoke works on the state of a proxy that runs in another process', async (t) => {
  const world = await startWorld(t, { rule: { keep: '1h' } });
  world.registry.put('team/app', yesterday, '1.0');
  world.registry.put('team/app', today);
  world.notary.sign('team/app', '1.0', yesterday);
  const path = await configure(world);
  const serve = await ServeProcess.start(t, path);
  const layers = (): Promise<{ status: number }> => send(serve.url, `/v2/team/app/blobs/${digestOf(layer)}`);
  assert.equal((await serve.pull('team/app', '1.0')).status, 200);
  assert.equal((await tufgate('trust', 'revoke', `team/app@${yesterday.digest}`, '-c', path)).status, 1);
  world.notary.sign('team/app', '1.0', today);
  assert.equal((await serve.pull('team/app', '1.0')).status, 200);
  assert.deepEqual(
    [(await serve.pull('team/app', child.digest)).status, (await layers()).status],
    [200, 200],
  );
  const { status, stdout } = await tufgate('trust', 'revoke', `team/app@${yesterday.digest}`, '-c', path);
  assert.deepEqual([status, stdout], [0, `${yesterday.digest} of reg.test/team/app is kept no longer.\n`]);
  assert.deepEqual(
    [(await serve.pull('team/app', child.digest)).status, (await layers()).status],
    [403, 403],
  );
});

test('a delegation that is taken away takes what it alone signed with it at the next refresh', async (t) => {
  const world = await startSigned(t, 0, { rule: { check_every: '10m' } });
  const { notary, registry, proxy, clock } = world;
  const repository = notary.repository('team/app');
  const theirs = registry.put('team/app', buildImage('theirs'), '2.0');
  const [theirLayer = Buffer.alloc(0)] = theirs.layers;
  repository.addSigner('alice');
  repository.sign('2.0', theirs, 'targets/releases');
  repository.publish();
  clock.advance(600_001);
  await assertServed(proxy, 'blobs', digestOf(theirLayer), theirLayer);
  repository.removeDelegation('targets/releases');
  repository.publish();
  await assertServed(proxy, 'blobs', digestOf(theirLayer), theirLayer);
  clock.advance(600_001);
  await assertRefused(proxy, digestOf(theirLayer));
  await assertRefused(proxy, theirs.digest);
  await assertOld(world, 'served');
});

test('a key that is rotated away takes what it alone signed with it at the next refresh', async (t) => {
  const world = await startSigned(t);
  const { notary, registry, proxy } = world;
  const repository = notary.repository('team/app');
  const theirs = registry.put('team/app', buildImage('theirs'), '2.0');
  const [theirLayer = Buffer.alloc(0)] = theirs.layers;
  repository.addDelegation('targets/releases');
  repository.sign('2.0', theirs, 'targets/releases');
  repository.publish();
  await assertServed(proxy, 'blobs', digestOf(theirLayer), theirLayer);
  const keys = [SigningKey.plain(generatePrivateKey('p256'))];
  repository.rotate('targets/releases', { keys }, { resign: false });
  repository.publish();
  const { status } = await ask(proxy, 'blobs', digestOf(theirLayer));
  assert.equal(status, 403);
});

test('what is forgotten with its repository is kept no longer: who signed it may not be trusted any more', async (t) => {
  const world = await startSigned(t, '1h');
  await supersede(world, 'signed again');
  await assertOld(world, 'served');
  const { configPath } = world.proxy;
  assert.equal(await trustReset('reg.test/team/app:1.0', configPath, { yes: true, write: () => {} }), 0);
  await assertOld(world, 'refused');
  await world.proxy.restart();
  await assertOld(world, 'refused');
});
