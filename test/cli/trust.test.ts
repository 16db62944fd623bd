import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { parse } from 'yaml';
import { buildImage } from '../../src/demo/image.ts';
import { SigningRepository } from '../../src/demo/signing-repository.ts';
import { answer } from '../world/fault.ts';
import { at } from '../world/http.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { ServeProcess, configure, tufgate } from './process.ts';

const image = buildImage('trusted');
const gun = 'reg.test/team/app';
/** For what waits until something happens, which it may never do. */
const bounded = { timeout: 120_000 };

async function startSigned(
  t: TestContext,
  options: WorldOptions = {},
): Promise<{ world: World; path: string }> {
  const world = await startWorld(t, options);
  world.registry.put('team/app', image, '1.0');
  world.notary.sign('team/app', '1.0', image);
  return { world, path: await configure(world) };
}

/** Begins the trust data anew, with the same root key but every version from 1 on: what `notary delete` and `init` do. */
function recreate({ notary }: World): void {
  const root = { keys: notary.repository('team/app').keys('root') };
  const fresh = new SigningRepository(gun, { keys: { root } });
  fresh.sign('1.0', image);
  notary.server.serve(gun, fresh.publish());
}

test('show tells the root and the floors that a pull has set', async (t) => {
  const { world, path } = await startSigned(t);
  const before = await tufgate('trust', 'show', 'team/app', '-c', path);
  assert.deepEqual([before.status, before.stdout], [1, `${gun} at notary main: nothing is trusted yet\n`]);
  assert.equal((await tufgate('explain', 'team/app:1.0', '-c', path)).status, 0);

  const repository = world.notary.repository('team/app');
  const expected = ['snapshot', 'targets', 'timestamp'].map((role) => {
    const bytes = repository.files.current(role)?.bytes ?? Buffer.alloc(0);
    return {
      role,
      version: repository.version(role),
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
  });
  const json = await tufgate('trust', 'show', 'team/app', '--json', '-c', path);
  const shown = JSON.parse(json.stdout) as Record<string, unknown>;
  assert.equal(json.status, 0);
  assert.deepEqual(Object.keys(shown), ['gun', 'notary', 'trusted', 'root', 'confirmedAt', 'floors']);
  assert.deepEqual(shown['root'], { version: 1, keys: repository.keys('root').map(({ id }) => id) });
  assert.deepEqual(shown['floors'], expected);
  const { stdout } = await tufgate('trust', 'show', 'team/app', '-c', path);
  for (const { role, version, sha256 } of expected) {
    assert.ok(stdout.includes(`  ${role} at least version ${version}, SHA-256 ${sha256}\n`), stdout);
  }
});

test('a pin that was printed, pasted into the configuration, is where trust starts', async (t) => {
  const { world } = await startSigned(t, { rule: { root: { keys: ['00'.repeat(32)] } } });
  const repository = world.notary.repository('team/app');
  const pinned = async (): Promise<string> => {
    const before = await configure(world);
    const { status, stdout } = await tufgate('trust', 'pin', 'team/app', '-c', before);
    assert.equal(status, 0);
    const { root } = parse(stdout) as { root: object };
    return configure(world, (tree) => ({
      ...tree,
      rules: (tree['rules'] as object[]).map((rule) => ({ ...rule, root })),
    }));
  };
  assert.equal((await tufgate('explain', 'team/app:1.0', '-c', await configure(world))).status, 1);
  assert.equal((await tufgate('explain', 'team/app:1.0', '-c', await pinned())).status, 0);

  // Two keys that must both sign, after a rotation: the pin is of the root that is served now.
  repository.rotate('root', { keys: [repository.rootKey(), repository.rootKey()], threshold: 2 });
  repository.publish();
  assert.equal(
    (await tufgate('trust', 'reset', 'team/app', '--yes', '-c', await configure(world))).status,
    0,
  );
  assert.equal((await tufgate('explain', 'team/app:1.0', '-c', await pinned())).status, 0);
});

test('there is no pin of what is not signed, or of a notary that does not answer', async (t) => {
  const { world, path } = await startSigned(t);
  const unsigned = await tufgate('trust', 'pin', 'other/app', '-c', path);
  assert.deepEqual([unsigned.status, unsigned.stdout], [1, '']);
  assert.equal(
    unsigned.stderr,
    'tufgate: no root to pin: notary main has no trust data for reg.test/other/app\n',
  );
  world.notary.fault('team/app', 'root', answer(503));
  const down = await tufgate('trust', 'pin', 'team/app', '-c', path);
  assert.deepEqual([down.status, down.stdout], [3, '']);
  assert.match(
    down.stderr,
    /^tufgate: no root to pin: .* answers 503 for root\.json of reg\.test\/team\/app\n$/,
  );
});

test('reset without a terminal and without --yes refuses, and forgets nothing', async (t) => {
  const { path } = await startSigned(t);
  await tufgate('explain', 'team/app:1.0', '-c', path);
  const shown = await tufgate('trust', 'show', 'team/app', '-c', path);
  const run = await tufgate('trust', 'reset', 'team/app', '-c', path);
  assert.equal(run.status, 1);
  assert.equal(
    run.stderr,
    'tufgate: no terminal to ask on: nothing was forgotten; --yes forgets without asking\n',
  );
  assert.equal((await tufgate('trust', 'show', 'team/app', '-c', path)).stdout, shown.stdout);
});

test('reset says what it gives up; with first_use that is the trust in the signer itself', async (t) => {
  const { world, path } = await startSigned(t);
  await tufgate('explain', 'team/app:1.0', '-c', path);
  const pinned = await tufgate('trust', 'reset', 'team/app', '--yes', '-c', path);
  assert.match(
    pinned.stdout,
    /however old it is, if the pin of rule reg\.test\/\*\* fits\.\nForgot reg\.test\/team\/app\.\n$/,
  );
  const again = await tufgate('trust', 'reset', 'team/app', '--yes', '-c', path);
  assert.deepEqual([again.status, again.stdout], [0, `${gun} at notary main: nothing is trusted yet\n`]);

  const firstUse = await configure(world, (tree) => ({
    ...tree,
    rules: (tree['rules'] as object[]).map((rule) => ({ ...rule, root: { first_use: true } })),
  }));
  await tufgate('explain', 'team/app:1.0', '-c', firstUse);
  const unpinned = await tufgate('trust', 'reset', 'team/app', '--yes', '-c', firstUse);
  assert.match(unpinned.stdout, /however old it is, and whoever signed it \(first_use\)\.\nForgot/);
});

test(
  'after a reset a running serve accepts a re-created repository, once it asks the notary again',
  bounded,
  async (t) => {
    const { world, path } = await startSigned(t, { rule: { check_every: '1s' } });
    world.notary.sign('team/app', '1.0', image);
    const serve = await ServeProcess.start(t, path);
    assert.match(String((await serve.pull('team/app', '1.0')).headers['tufgate-trust']), /version=3/);
    recreate(world);
    const refused = await tufgate('explain', 'team/app:1.0', '--json', '-c', path);
    assert.equal(refused.status, 1, refused.stdout);
    while ((await serve.pull('team/app', '1.0')).status !== 403);

    const reset = await tufgate('trust', 'reset', 'team/app', '--yes', '-c', path);
    assert.equal(reset.status, 0);
    let pulled = await serve.pull('team/app', '1.0');
    while (pulled.status === 403) pulled = await serve.pull('team/app', '1.0');
    assert.deepEqual([pulled.status, pulled.body], [200, image.bytes]);
    assert.match(String(pulled.headers['tufgate-trust']), /version=2/);
    assert.equal((await tufgate('explain', 'team/app:1.0', '-c', path)).status, 0);
  },
);

test('a damaged record is undecided, never begun afresh, until it is reset', async (t) => {
  const { world, path } = await startSigned(t);
  await tufgate('explain', 'team/app:1.0', '-c', path);
  const database = new DatabaseSync(join(world.directory, 'process.db'));
  database.exec('UPDATE file SET version = 1');
  database.close();
  const explained = await tufgate('explain', 'team/app:1.0', '--json', '-c', path);
  assert.deepEqual([explained.status, at(JSON.parse(explained.stdout), 'reason')], [3, 'STATE_UNAVAILABLE']);
  const shown = await tufgate('trust', 'show', 'team/app', '-c', path);
  assert.deepEqual([shown.status, shown.stdout], [3, '']);
  assert.match(shown.stderr, /^tufgate: the state of reg\.test\/team\/app is damaged: [^\n]+\n$/);

  const reset = await tufgate('trust', 'reset', 'team/app', '--yes', '-c', path);
  assert.equal(reset.status, 0);
  assert.match(reset.stdout, /Forgot reg\.test\/team\/app\.\n$/);
  assert.equal((await tufgate('explain', 'team/app:1.0', '-c', path)).status, 0);
});

test('trust is asked only of what a notary is asked about', async (t) => {
  const world = await startWorld(t, { rules: [{ match: 'reg.test/**', mode: 'allow' }] });
  for (const verb of ['show', 'pin', 'reset']) {
    const run = await tufgate('trust', verb, 'team/app', '-c', await configure(world));
    assert.deepEqual([run.status, run.stdout], [2, '']);
    assert.equal(
      run.stderr,
      'tufgate: no rule asks a notary about reg.test/team/app: reg.test/** is mode allow\n',
    );
  }
});
