import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { answer } from '../world/fault.ts';
import { at } from '../world/http.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import type { Run } from './process.ts';
import { ServeProcess, configure, tufgate } from './process.ts';

const good = buildImage('good');
const evil = buildImage('evil');

async function startSigned(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(t, options);
  world.registry.put('team/app', good, '1.0');
  world.notary.repository('team/app').addSigner('alice');
  world.notary.sign('team/app', '1.0', good, 'targets/releases');
  return world;
}

function explain({ proxy }: World, image: string, ...more: readonly string[]): Promise<Run> {
  return tufgate('explain', image, '-c', proxy.configPath, ...more);
}

async function explainJson(world: World, image: string): Promise<Record<string, unknown>> {
  const { stdout } = await explain(world, image, '--json');
  return JSON.parse(stdout) as Record<string, unknown>;
}

test('--json has exactly the keys of the contract when it allows', async (t) => {
  const world = await startSigned(t);
  const run = await explain(world, 'team/app:1.0', '--json');
  assert.deepEqual([run.status, run.stderr], [0, '']);
  assert.match(run.stdout, /^[^\n]+\n$/);
  const { roles, ...rest } = JSON.parse(run.stdout) as { roles: unknown };
  assert.deepEqual(rest, {
    image: 'reg.test/team/app:1.0',
    registry: 'reg.test',
    repository: 'team/app',
    reference: '1.0',
    gun: 'reg.test/team/app',
    mode: 'enforce',
    verdict: 'allow',
    reason: null,
    message: `${good.digest} is signed by targets/releases`,
    digest: good.digest,
    upstream: { digest: good.digest, drift: false, error: null },
  });
  const repository = world.notary.repository('team/app');
  const names = ['root', 'timestamp', 'snapshot', 'targets', 'targets/releases'];
  const expected = names.map((role) => {
    const file: unknown = JSON.parse(String(repository.files.current(role)?.bytes));
    const expires = new Date(String(at(file, 'signed', 'expires'))).toISOString();
    const keys = repository.keys(role).map(({ id }) => id);
    return { role, version: repository.version(role), expires, keys, threshold: 1 };
  });
  assert.deepEqual(roles, expected);
});

test('--json has the same keys for every verdict', async (t) => {
  const world = await startSigned(t, {
    config: (tree) => ({
      ...tree,
      rules: [...(tree['rules'] as object[]), { match: 'reg.test/open/**', mode: 'allow' }],
    }),
  });
  const allowed = await explainJson(world, 'team/app:1.0');
  world.notary.sign('down/app', '1.0', good);
  world.notary.fault('down/app', 'timestamp', answer(503));
  for (const [image, mode, verdict, reason] of [
    ['team/app:2.0', 'enforce', 'deny', 'TAG_NOT_SIGNED'],
    ['other/app:1.0', 'enforce', 'deny', 'REPOSITORY_NOT_SIGNED'],
    ['down/app:1.0', 'enforce', 'unavailable', 'NOTARY_UNAVAILABLE'],
    ['open/app:1.0', 'allow', 'allow', null],
  ] as const) {
    const json = await explainJson(world, image);
    assert.deepEqual(Object.keys(json), Object.keys(allowed));
    assert.deepEqual(
      [json['mode'], json['verdict'], json['reason'], json['digest']],
      [mode, verdict, reason, null],
    );
    assert.equal(json['gun'], mode === 'allow' ? null : `reg.test/${String(json['repository'])}`);
  }
});

test('for people it is a few lines, from the rule to what the registry holds', async (t) => {
  const world = await startSigned(t);
  const allowed = await explain(world, 'team/app:1.0');
  const lines = allowed.stdout.trimEnd().split('\n');
  assert.equal(lines[0], 'reg.test/team/app:1.0');
  assert.deepEqual(
    lines.slice(1).map((line) => line.trim().split(/ +/)[0]),
    ['rule', 'gun', 'root', 'timestamp', 'snapshot', 'targets', 'targets/releases', 'verdict', 'upstream'],
  );
  assert.match(
    allowed.stdout,
    new RegExp(`verdict +ALLOWED: ${good.digest} is signed by targets/releases\n`),
  );

  const denied = await explain(world, 'team/app:2.0');
  assert.equal(denied.status, 1);
  assert.match(
    denied.stdout,
    /verdict +REFUSED: .*TAG_NOT_SIGNED: .*sign it: docker trust sign reg\.test\/team\/app:2\.0\n/,
  );
  assert.match(denied.stdout, /upstream +nothing by that name\n/);

  world.notary.fault('team/app', 'timestamp', answer(503));
  const undecided = await explain(world, 'team/app:1.0');
  assert.equal(undecided.status, 3);
  assert.match(undecided.stdout, /verdict +NOT DECIDED: .*NOTARY_UNAVAILABLE/);
  assert.doesNotMatch(undecided.stdout, /REFUSED/);
});

test('drift is shown, and what a client gets in spite of it', async (t) => {
  const world = await startSigned(t);
  world.registry.put('team/app', evil, '1.0');
  const json = await explainJson(world, 'team/app:1.0');
  assert.deepEqual([json['verdict'], json['digest']], ['allow', good.digest]);
  assert.deepEqual(json['upstream'], { digest: evil.digest, drift: true, error: null });
  const { stdout } = await explain(world, 'team/app:1.0');
  assert.match(
    stdout,
    new RegExp(`upstream +${evil.digest}\n +drift: not the signed digest; the signed one is served\n$`),
  );
});

test('a signed manifest that the registry has lost is told', async (t) => {
  const world = await startSigned(t);
  world.registry.repository('team/app').removeManifest(good.digest);
  world.registry.put('team/app', evil, '1.0');
  const { status, stdout } = await explain(world, 'team/app:1.0');
  assert.equal(status, 0);
  assert.match(
    stdout,
    /drift: not the signed digest\n +the registry has lost the signed digest \(CONTENT_MISSING\): push it again\n$/,
  );
});

test('under audit it says what is wrong and what is served all the same', async (t) => {
  const world = await startSigned(t, { rule: { mode: 'audit' } });
  world.registry.put('team/app', evil, '1.0');
  const drifted = await explain(world, 'team/app:1.0');
  assert.equal(drifted.status, 0);
  assert.match(drifted.stdout, /drift: not the signed digest; under audit it is served all the same\n$/);
  const denied = await explain(world, 'team/app:2.0');
  assert.equal(denied.status, 1);
  assert.match(denied.stdout, /TAG_NOT_SIGNED.*\n +under audit the pull is served all the same\n/);
});

test('a registry that does not answer is shown beside the verdict, and does not change it', async (t) => {
  const world = await startSigned(t);
  world.registry.fault('team/app', 'manifests/1.0', answer(503));
  const { host } = new URL(world.registry.url);
  const run = await explain(world, 'team/app:1.0', '--json');
  assert.equal(run.status, 0);
  const json: unknown = JSON.parse(run.stdout);
  assert.deepEqual(at(json, 'upstream'), { digest: null, drift: false, error: `${host} answers 503` });
  await world.registry.close();
  const gone = await explain(world, 'team/app:1.0', '--json');
  assert.equal(gone.status, 0);
  assert.match(String(at(JSON.parse(gone.stdout), 'upstream', 'error')), /ECONNREFUSED/);
});

test('a tag that the registry does not have is no error of the registry', async (t) => {
  const world = await startSigned(t);
  world.registry.repository('team/app').removeManifest('1.0');
  const json = await explainJson(world, 'team/app:1.0');
  assert.deepEqual(json['upstream'], { digest: null, drift: false, error: null });
});

test('what a notary serves does not reach the terminal as a command', async (t) => {
  const world = await startSigned(t);
  world.notary.repository('team/app').forge('timestamp', {
    signed: (signed) => {
      signed['_type'] = '\u009b2J\u202e';
    },
  });
  world.notary.repository('team/app').publish();
  const { status, stdout } = await explain(world, 'team/app:1.0');
  assert.equal(status, 1);
  assert.match(stdout, /failed +MALFORMED: .*_type is "\?2J\?"/);
  assert.match(stdout, /^[\x20-\x7e\n]+$/);
});

test('what is no image of a configured registry is wrong usage, and the registries are named', async (t) => {
  const world = await startWorld(t);
  for (const image of ['docker.io/library/alpine', 'Upper/Case', 'team/app@sha256:short']) {
    const run = await explain(world, image);
    assert.deepEqual([run.status, run.stdout], [2, '']);
    assert.equal(run.stderr, `tufgate: "${image}" is not an image of a configured registry (reg.test)\n`);
  }
});

test('what explain has seen, a running serve does not go back behind', async (t) => {
  const world = await startSigned(t);
  const path = await configure(world);
  const serve = await ServeProcess.start(t, path);
  assert.equal((await serve.pull('team/app', '1.0')).status, 200);
  const before = world.notary.saveTimestamp();
  world.notary.sign('team/app', '1.0', good, 'targets/releases');
  assert.equal((await tufgate('explain', 'team/app:1.0', '-c', path)).status, 0);
  world.notary.restoreTimestamp(before);
  assert.equal((await serve.pull('team/app', '1.0')).reason, 'ROLLBACK');
});

test('many explanations at once and pulls beside them share one state', async (t) => {
  const world = await startSigned(t);
  const path = await configure(world);
  const serve = await ServeProcess.start(t, path);
  const explained = Promise.all(
    Array.from({ length: 4 }, () => tufgate('explain', 'team/app:1.0', '--json', '-c', path)),
  );
  for (let pull = 0; pull < 20; pull += 1) {
    world.notary.repository('team/app').publish(); // Every pull has a floor to raise.
    assert.equal((await serve.pull('team/app', '1.0')).status, 200);
  }
  for (const { status, stdout } of await explained) assert.equal(status, 0, stdout);
});
