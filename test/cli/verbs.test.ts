import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { answer } from '../world/fault.ts';
import { startWorld } from '../world/world.ts';
import { configure, tufgate, tufgateUnread } from './process.ts';

const inRepository = (path: string): URL => new URL(`../../${path}`, import.meta.url);

test('check says that a configuration is right, and how much is in it', async (t) => {
  const path = await configure(await startWorld(t));
  const run = await tufgate('check', '-c', path);
  assert.deepEqual(run, { status: 0, stdout: `${path}: ok: 1 registry, 1 notary, 1 rule\n`, stderr: '' });
});

test('check says which exceptions have expired', async (t) => {
  const path = await configure(await startWorld(t), (tree) => {
    const [rule] = tree['rules'] as readonly object[];
    const exceptions = [
      { reference: '1.0', until: '2020-01-01T00:00:00Z', why: 'signing was down' },
      { reference: '2.0', until: '9999-01-01T00:00:00Z', why: 'signing is down' },
    ];
    return { ...tree, rules: [{ ...rule, exceptions }] };
  });
  const { status, stdout } = await tufgate('check', '-c', path);
  const line =
    'reg.test/**: expired, allows nothing any more: 1.0 until 2020-01-01T00:00:00.000Z: signing was down';
  assert.deepEqual([status, stdout.trimEnd().split('\n').slice(1)], [0, [line]]);
});

test('check --online asks every registry and notary', async (t) => {
  const world = await startWorld(t);
  const { notary, registry } = world;
  const path = await configure(world);
  const online = await tufgate('check', '--online', '-c', path);
  assert.equal(online.status, 0, online.stderr);
  const answers = (run: { stdout: string }): string[] => run.stdout.trimEnd().split('\n').slice(1);
  const [ofRegistry, ofNotary] = [`registry reg.test at ${registry.url}`, `notary main at ${notary.url}`];
  assert.deepEqual(answers(online), [`${ofRegistry}: answers 200`, `${ofNotary}: answers 200`]);

  for (const server of [registry, notary]) server.intercept(() => answer(401));
  assert.equal((await tufgate('check', '--online', '-c', path)).status, 0);

  registry.intercept(() => answer(502));
  notary.intercept(() => answer(404));
  const wrong = await tufgate('check', '--online', '-c', path);
  assert.equal(wrong.status, 3);
  assert.deepEqual(answers(wrong), [
    `${ofRegistry}: FAILED: /v2/ answers 502, not 200 or 401`,
    `${ofNotary}: FAILED: /v2/ answers 404, not 200 or 401`,
  ]);

  await registry.close();
  await notary.close();
  const down = await tufgate('check', '--online', '-c', path);
  assert.equal(down.status, 3);
  for (const line of answers(down))
    assert.match(line, /: FAILED: .*127\.0\.0\.1:\d+\)?: connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
});

test('check tells what is wrong, with exit status 78, and asks nobody then', async (t) => {
  const world = await startWorld(t);
  const path = await configure(world, (tree) => ({ ...tree, ruls: [] }));
  const run = await tufgate('check', '--online', '-c', path);
  assert.deepEqual([run.status, run.stdout], [78, '']);
  assert.match(run.stderr, /:\d+:\d+: error: unknown key "ruls"/);
  assert.deepEqual([world.registry.requests, world.notary.requests], [[], []]);
});

test('schema prints what stands in config/schema.json', async () => {
  const run = await tufgate('schema');
  const stored = await readFile(inRepository('config/schema.json'), 'utf8');
  assert.deepEqual(run, { status: 0, stdout: stored, stderr: '' });
});

test('version is that of package.json', async () => {
  const { version } = JSON.parse(await readFile(inRepository('package.json'), 'utf8')) as { version: string };
  const run = await tufgate('version');
  assert.equal(run.status, 0);
  assert.match(
    run.stdout,
    new RegExp(`^tufgate ${version.replaceAll('.', '\\.')} \\(node \\d+\\.\\d+\\.\\d+\\)\n$`),
  );
});

test('help is no mistake', async () => {
  for (const args of [['--help'], ['explain', '--help'], ['trust', 'pin', '--help'], ['help']]) {
    const run = await tufgate(...args);
    assert.deepEqual([run.status, run.stderr], [0, '']);
    assert.match(run.stdout, /^Usage: tufgate/);
  }
});

test('wrong usage is told on stderr, with exit status 2', async () => {
  for (const [args, told] of [
    [[], /^Usage: tufgate/],
    [['trust'], /^Usage: tufgate trust/],
    [['serv'], /^error: unknown command 'serv'/],
    [['serve', '--prot', '1'], /^error: unknown option '--prot'/],
    [['serve', 'now'], /^error: too many arguments/],
    [['explain'], /^error: missing required argument 'image'/],
    [['check', '-c'], /^error: option '-c, --config <file>' argument missing/],
  ] as const) {
    const run = await tufgate(...args);
    assert.deepEqual([run.status, run.stdout], [2, ''], args.join(' '));
    assert.match(run.stderr, told);
  }
});

test('a reader that goes away early costs no stack trace and no exit status', async (t) => {
  const world = await startWorld(t);
  assert.deepEqual(await tufgateUnread('schema'), { status: 0, stderr: '' });
  const refused = await tufgateUnread('explain', 'team/app:1.0', '-c', world.proxy.configPath);
  assert.deepEqual(refused, { status: 1, stderr: '' });
});
