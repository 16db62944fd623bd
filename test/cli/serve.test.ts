import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { Hold } from '../world/fault.ts';
import { at, send } from '../world/http.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { ServeProcess, configure, tufgate } from './process.ts';

const image = buildImage('served');
/** For what waits until something happens, which it may never do. */
const bounded = { timeout: 120_000 };

function publish({ notary, registry }: World): void {
  registry.put('team/app', image, '1.0');
  notary.sign('team/app', '1.0', image);
}

/** Gives once nothing accepts connections at this origin any more. */
async function refusesConnections(origin: string): Promise<void> {
  const { hostname, port } = new URL(origin);
  for (;;) {
    const socket = connect(Number(port), hostname);
    try {
      await once(socket, 'connect');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ECONNREFUSED') return;
      // It was still in the backlog of a listener that closed.
      assert.equal(code, 'ECONNRESET');
    } finally {
      socket.destroy();
    }
  }
}

test('serve says in one line where it serves what, and is ready', async (t) => {
  const world = await startWorld(t);
  publish(world);
  const path = await configure(world);
  const serve = await ServeProcess.start(t, path);
  assert.equal((await send(serve.adminUrl, '/readyz')).status, 200);
  assert.deepEqual((await serve.pull('team/app', '1.0')).body, image.bytes);
  const serving = serve.logs.filter(({ msg }) => msg === 'serving');
  assert.equal(serving.length, 1);
  assert.deepEqual(
    [serving[0]?.['config'], serving[0]?.['registries'], serving[0]?.['rules']],
    [path, ['reg.test'], ['reg.test/** enforce']],
  );
});

test(
  'after SIGTERM it is not ready, lets the pull in flight finish, and exits with 0',
  bounded,
  async (t) => {
    const world = await startWorld(t);
    publish(world);
    const serve = await ServeProcess.start(t, await configure(world));
    const hold = new Hold();
    world.registry.fault('team/app', `manifests/${image.digest}`, hold.after);
    const pull = serve.pull('team/app', '1.0');
    await Promise.race([hold.arrived, pull]);

    serve.kill('SIGTERM');
    await serve.logged('stopping');
    const ready = await send(serve.adminUrl, '/readyz');
    assert.deepEqual([ready.status, at(ready.json, 'reason')], [503, 'draining']);
    await refusesConnections(serve.url);
    hold.release();
    const pulled = await pull;
    assert.deepEqual([pulled.status, pulled.body], [200, image.bytes]);
    assert.equal(await serve.ended, 0);
    assert.equal(serve.logs.at(-1)?.['msg'], 'stopped');
  },
);

for (const [first, second] of [
  ['SIGTERM', 'SIGTERM'],
  ['SIGTERM', 'SIGINT'],
] as const) {
  test(`${second} after ${first} ends it at once, with a pull in flight`, async (t) => {
    const world = await startWorld(t);
    publish(world);
    const serve = await ServeProcess.start(t, await configure(world));
    const hold = new Hold();
    world.registry.fault('team/app', `manifests/${image.digest}`, hold.after);
    const cut = assert.rejects(serve.pull('team/app', '1.0'), { code: 'ECONNRESET' });
    await Promise.race([hold.arrived, cut]);
    serve.kill(first);
    await serve.logged('stopping');
    serve.kill(second);
    assert.equal(await serve.ended, 1);
    await cut;
  });
}

for (const key of ['listen', 'admin']) {
  test(`an address in use as ${key} is a plain error`, async (t) => {
    const world = await startWorld(t);
    const taken = new URL(world.registry.url).host;
    const run = await tufgate('serve', '-c', await configure(world, (tree) => ({ ...tree, [key]: taken })));
    assert.equal(run.status, 1);
    assert.equal(run.stderr, `tufgate: cannot listen on ${taken}: address already in use\n`);
    assert.equal(run.stdout, '');
  });
}

test('a host name that is none is a plain error', async (t) => {
  const host = `${'x'.repeat(64)}.invalid`; // Longer than DNS allows, so that no server has to be asked.
  const path = await configure(await startWorld(t), (tree) => ({ ...tree, listen: `${host}:5000` }));
  const run = await tufgate('serve', '-c', path);
  assert.deepEqual([run.status, run.stdout], [1, '']);
  assert.match(run.stderr, new RegExp(`^tufgate: cannot listen on ${host}: [^\n]+\n$`));
});

test('every mistake in the configuration is told at once, with exit status 78', async (t) => {
  const world = await startWorld(t);
  const path = await configure(world, (tree) => ({ ...tree, lisen: 'x', admin: 'nowhere', state: 'memory' }));
  const run = await tufgate('serve', '-c', path);
  assert.equal(run.status, 78);
  assert.equal(run.stdout, '');
  const told = run.stderr.split('\n').filter((line) => line.startsWith(path));
  assert.equal(told.length, 3, run.stderr);
  for (const [line, what] of [
    [told[0], 'admin'],
    [told[1], 'state'],
    [told[2], 'lisen'],
  ] as const) {
    assert.match(line ?? '', /:\d+:\d+: error: /);
    assert.match(run.stderr, new RegExp(`^${what}: .*\\n *\\^$`, 'm'));
  }
});

test('a configuration that is not there is told, with exit status 78', async () => {
  const run = await tufgate('serve', '-c', '/nowhere/tufgate.yaml');
  assert.equal(run.status, 78);
  assert.equal(run.stderr, '/nowhere/tufgate.yaml:1:1: error: the configuration does not exist\n');
});

test('a state that cannot be opened is told, with exit status 3, and never begun afresh', async (t) => {
  const world = await startWorld(t);
  const folder = join(world.directory, 'folder');
  await mkdir(folder);
  const text = join(world.directory, 'text');
  const words = 'not a database, however long it may be. '.repeat(100);
  await writeFile(text, words);
  for (const state of [folder, text, join(text, 'state.db')]) {
    const path = await configure(world, (tree) => ({ ...tree, state: `sqlite:${state}` }));
    const run = await tufgate('serve', '-c', path);
    assert.deepEqual([run.status, run.stdout], [3, ''], run.stderr);
    assert.match(run.stderr, /^tufgate: [^\n]+\n$/);
    assert.ok(run.stderr.includes(state), run.stderr);
  }
  assert.equal(await readFile(text, 'utf8'), words);
});

test('it goes on when nobody reads its log any more', async (t) => {
  const world = await startWorld(t);
  publish(world);
  const serve = await ServeProcess.start(t, await configure(world));
  serve.closeLog();
  for (let pull = 0; pull < 3; pull += 1) assert.equal((await serve.pull('team/app', '1.0')).status, 200);
  serve.kill('SIGTERM');
  assert.equal(await serve.ended, 0);
});
