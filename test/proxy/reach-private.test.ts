import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { User } from '../../src/demo/access.ts';
import { buildArtifact, buildImage, buildIndex } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { answer } from '../world/fault.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { basic } from './account.ts';
import { askedDuring, withRegistry } from './evidence.ts';
import type { Asked, Endpoint } from './reach-world.ts';
import { ask } from './reach-world.ts';

const everything = [{ repository: '*', actions: ['*'] }] as const;
const robot: User = { username: 'robot', password: 'x', grants: everything };
const stranger: User = { username: 'stranger', password: 'y', grants: [] };
const child = buildImage('child');
const index = buildIndex([child]);
const evil = buildImage('evil');
const artifact = buildArtifact('application/vnd.example.sbom', 'sbom', index);
const [layer = Buffer.alloc(0)] = child.layers;
const [payload = Buffer.alloc(0)] = artifact.layers;
const reachable: readonly (readonly [Endpoint, string])[] = [
  ['manifests', index.digest],
  ['manifests', child.digest],
  ['manifests', artifact.digest],
  ['blobs', digestOf(child.config)],
  ['blobs', digestOf(layer)],
  ['blobs', digestOf(payload)],
];
const unreachable: readonly (readonly [Endpoint, string])[] = [
  ['manifests', evil.digest],
  ['blobs', evil.digest],
  ['blobs', digestOf(evil.config)],
];

async function privateWorld(t: TestContext): Promise<World> {
  const world = await startWorld(t, {
    registry: { access: { kind: 'basic', users: [robot, stranger] } },
    config: (tree) => withRegistry(tree, { auth: 'forward', hosts: ['reg.test'] }),
  });
  world.registry.put('team/app', index, '1.0');
  for (const more of [evil, artifact]) world.registry.put('team/app', more);
  world.notary.sign('team/app', '1.0', index);
  return world;
}

function as(user: User | undefined): { headers: Record<string, string> } {
  return { headers: { host: 'reg.test', ...(user && { authorization: basic(user) }) } };
}

async function assertKeptOut(
  { proxy }: World,
  [endpoint, digest]: readonly [Endpoint, string],
): Promise<void> {
  const refusals = async (user: User | undefined): Promise<Asked[]> => [
    await ask(proxy, endpoint, digest, as(user)),
    await ask(proxy, endpoint, digest, { ...as(user), method: 'HEAD' }),
  ];
  for (const { status, headers, body } of await refusals(undefined)) {
    assert.deepEqual(
      [status, headers['www-authenticate']],
      [401, 'Basic realm="demo"'],
      `${endpoint} ${digest}`,
    );
    assert.doesNotMatch(body.toString(), /content trust/);
  }
  for (const { status, statusMessage, body } of await refusals(stranger)) {
    assert.deepEqual([status, statusMessage], [403, 'Forbidden'], `${endpoint} ${digest}`);
    assert.doesNotMatch(body.toString(), /content trust/);
  }
}

test('whom the registry keeps out gets nothing of what is signed, be it cold, cached or recorded', async (t) => {
  const world = await privateWorld(t);
  for (const one of reachable) await assertKeptOut(world, one);
  for (const [endpoint, digest] of reachable)
    assert.equal((await ask(world.proxy, endpoint, digest, as(robot))).status, 200);
  for (const one of reachable) await assertKeptOut(world, one);
  await world.proxy.restart();
  for (const one of reachable) await assertKeptOut(world, one);
});

test('whom the registry keeps out does not learn either what is not signed', async (t) => {
  const world = await privateWorld(t);
  for (const one of unreachable) await assertKeptOut(world, one);
  for (const [endpoint, digest] of unreachable)
    assert.equal((await ask(world.proxy, endpoint, digest, as(robot))).reason, 'DIGEST_NOT_SIGNED');
  // Also once nobody has to ask the registry any more to know it.
  await world.proxy.restart();
  for (const one of unreachable) await assertKeptOut(world, one);
});

for (const status of [403, 404]) {
  test(`a client that is told ${status} for everything spoils no answer for one that may see it`, async (t) => {
    const world = await privateWorld(t);
    const blind = 'Basic blind';
    world.registry.intercept(({ headers }) => (headers.authorization === blind ? answer(status) : undefined));
    const headers = { host: 'reg.test', authorization: blind };
    for (const [endpoint, digest] of [...reachable, ...unreachable])
      assert.notEqual((await ask(world.proxy, endpoint, digest, { headers })).status, 200);
    for (const [endpoint, digest] of [...reachable.slice(3, 5), ...reachable])
      assert.equal(
        (await ask(world.proxy, endpoint, digest, as(robot))).status,
        200,
        `${endpoint} ${digest}`,
      );
  });
}

test('questions at once with the same credentials read each manifest once', async (t) => {
  const world = await privateWorld(t);
  const requests = await askedDuring(world.registry, async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => ask(world.proxy, 'blobs', digestOf(layer), as(robot))),
    );
    for (const { status } of answers) assert.equal(status, 200);
  });
  const read = requests.filter((request) => request.includes('/manifests/'));
  assert.deepEqual(
    read,
    [index, child].map(({ digest }) => `GET /v2/team/app/manifests/${digest}`),
  );
});

test('questions that wait for each other wait only for those with the same credentials', async (t) => {
  const world = await privateWorld(t);
  const users = Array.from({ length: 30 }, (_, at) =>
    at % 3 === 0 ? robot : at % 3 === 1 ? stranger : undefined,
  );
  const answers = await Promise.all(
    users.map((user) => ask(world.proxy, 'blobs', digestOf(layer), as(user))),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    users.map((user) => (user === robot ? 200 : user === stranger ? 403 : 401)),
  );
});
