import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { parseTarget } from '../../src/oci/request-target.ts';
import { at } from '../world/http.ts';
import { askedDuring } from './evidence.ts';
import type { Gate } from './gate.ts';
import { ask, startGate } from './gate.ts';
import { clientOf, openUpload, pushWorld, withDigest } from './push-client.ts';
import { digest, registryAt, serve } from './wire.ts';

// Uploads that go on where the specification has no endpoint: the client gets a name of ours for such an address, and
// cannot make one itself.

const uploads = '/v2/team/app/blobs/uploads/';

interface Behind {
  readonly gate: Gate;
  readonly origin: string;
  /** `METHOD path` of every request that reached the registry. */
  readonly seen: string[];
  /** What the next answer names. */
  location: string;
}

async function behind(t: TestContext, location: string, more: Parameters<typeof startGate>[2] = {}) {
  const world = { location, seen: [] as string[] };
  const origin = await serve(t, (request, response) => {
    world.seen.push(`${request.method} ${request.url}`);
    request.resume().once('end', () => response.writeHead(202, { location: world.location }).end());
  });
  return Object.assign(world, { origin, gate: await startGate(t, registryAt(origin), more) }) as Behind;
}

/** Begins an upload; gives the target that the client goes on with. */
async function begin({ gate }: Behind): Promise<string> {
  const { status, headers } = await ask(gate.origin, uploads, { method: 'POST' });
  assert.equal(status, 202);
  return String(headers.location);
}

for (const [named, asked] of [
  ['/v2/team/app/blobs/upload/1.a-b', '/v2/team/app/blobs/upload/1.a-b?digest='],
  [
    '/artifacts-uploads/namespaces/p/repositories/r/uploads/AF3',
    '/artifacts-uploads/namespaces/p/repositories/r/uploads/AF3?digest=',
  ],
  ['/u?_state=a%2Fb%3D&x=%25&y', '/u?_state=a%2Fb%3D&x=%25&y&digest='],
  ['/u?', '/u?digest='],
  ['u/7', '/v2/team/app/blobs/uploads/u/7?digest='],
  ['/v2/team/app/blobs/uploads/x/y', '/v2/team/app/blobs/uploads/x/y?digest='],
  ['/v2/team/app/blobs/uploads/a%20b', '/v2/team/app/blobs/uploads/a%20b?digest='],
  ['/v2/team/app/blobs/uploads/?mount=x/y', '/v2/team/app/blobs/uploads/?mount=x/y&digest='],
  ['/v2/Team/app/blobs/uploads/x', '/v2/Team/app/blobs/uploads/x?digest='],
  ['//@HOST@//evil.example/x', '//evil.example/x?digest='],
  [`/v2/team/app/blobs/uploads/${'s'.repeat(513)}`, `/v2/team/app/blobs/uploads/${'s'.repeat(513)}?digest=`],
  ['/v2/team/app/blobs/uploads/tufgate.x', '/v2/team/app/blobs/uploads/tufgate.x?digest='],
] as const) {
  test(`an upload goes on where the registry wants it: ${named.slice(0, 60)}`, async (t) => {
    const world = await behind(t, '');
    world.location = named.replace('@HOST@', new URL(world.origin).host);
    const target = await begin(world);
    assert.match(
      target,
      /^\/v2\/team\/app\/blobs\/uploads\/tufgate\.[A-Za-z0-9_-]{43}\?address=[A-Za-z0-9_-]+$/,
    );
    const sent = { method: 'PUT', headers: { 'content-length': 1 } };
    const done = await ask(world.gate.origin, withDigest(target, digest), sent, 'x');
    assert.equal(done.status, 202);
    assert.equal(world.seen[1], `PUT ${asked}${encodeURIComponent(digest)}`);
  });
}

test('what comes after is named from where the last request went', async (t) => {
  const world = await behind(t, '/uploads/a/1');
  const first = await begin(world);
  world.location = '2?_state=x';
  const second = await ask(world.gate.origin, first, { method: 'PATCH', headers: { 'content-length': 0 } });
  await ask(world.gate.origin, String(second.headers.location));
  assert.deepEqual(world.seen, [`POST ${uploads}`, 'PATCH /uploads/a/1', 'GET /uploads/a/2?_state=x']);
});

test('nothing but a digest reaches the registry beside the address it named', async (t) => {
  const world = await behind(t, '/u?_state=theirs');
  const target = await begin(world);
  const more = '&_state=mine&address=L2V2aWw&mount=x&ns=registry.example&digest=';
  await ask(world.gate.origin, `${target}${more}${digest}&digest=sha256:0`, { method: 'PUT' });
  assert.equal(world.seen[1], `PUT /u?_state=theirs&digest=${encodeURIComponent(digest)}`);
  await ask(world.gate.origin, `${target}&digest=a%26b%23`, { method: 'PUT' });
  assert.equal(world.seen[2], 'PUT /u?_state=theirs&digest=a%26b%23');
});

test('an upload that was not sealed here, for this repository, is unknown, and the registry is not asked', async (t) => {
  const world = await behind(t, '/u/1');
  const other = await behind(t, '/u/1');
  const target = await begin(world);
  const [path = '', query = ''] = target.split('?');
  const evil = Buffer.from('/v2/team/app/manifests/1.0').toString('base64url');
  const asked = world.seen.length;
  for (const [gate, wrong] of [
    [world.gate, path],
    [world.gate, `${path}?address=`],
    [world.gate, `${path}?address=${evil}`],
    [world.gate, `${path}?address=${evil}&${query}`],
    [world.gate, `${path.slice(0, -1)}?${query}`],
    [world.gate, `${path}A?${query}`],
    [world.gate, `${uploads}tufgate.?${query}`],
    [world.gate, `${uploads}tufgate.${'A'.repeat(43)}?address=${evil}`],
    [world.gate, target.replace('/team/app/', '/team/other/')],
    [world.gate, target.replace('/team/app/', '/team/app/other/')],
    [other.gate, target],
  ] as const) {
    for (const method of ['PUT', 'PATCH', 'GET', 'DELETE']) {
      const { status, headers, body } = await ask(gate.origin, wrong, { method });
      const message = 'no such upload is under way: begin it again';
      assert.deepEqual(JSON.parse(body), { errors: [{ code: 'BLOB_UPLOAD_UNKNOWN', message }] }, wrong);
      assert.deepEqual([status, headers['content-type']], [404, 'application/json']);
    }
  }
  assert.equal(world.seen.length, asked);
  assert.deepEqual(other.seen, []);
});

test('an upload is begun again after the proxy has', async (t) => {
  const world = await pushWorld(t, 'allow', {}, { registry: { uploads: 'github' } });
  const client = clientOf(world);
  const before = await openUpload(client);
  await world.proxy.restart();
  const unknown = await client.send(before, { method: 'PATCH', body: 'abc' });
  assert.deepEqual([unknown.status, at(unknown.json, 'errors', 0, 'code')], [404, 'BLOB_UPLOAD_UNKNOWN']);
  const again = await client.send(await openUpload(client), { method: 'PATCH', body: 'abc' });
  assert.equal(again.status, 202);
});

test('no rule of the repository is gone round with a sealed upload', async (t) => {
  const rules = [
    { match: 'reg.test/team/**', mode: 'allow' },
    { match: 'reg.test/closed/**', mode: 'deny' },
  ];
  const world = await pushWorld(t, 'allow', {}, { rules, registry: { uploads: 'google' } });
  const target = await openUpload(clientOf(world));
  const requests = await askedDuring(world.registry, async () => {
    const denied = await world.proxy.request(target.replace('/team/', '/closed/'), { method: 'PUT' });
    assert.equal(denied.status, 403);
    const unknown = await world.proxy.request(target.replace('/app/', '/other/'), { method: 'PUT' });
    assert.equal(unknown.status, 404);
  });
  assert.deepEqual(
    requests.filter((line) => line !== 'GET /v2/'),
    [],
  );
});

test('an upload may go on at another tufgate, which has sealed it already', async (t) => {
  const far = await behind(t, '/u/1?_state=x');
  const near = await startGate(t, registryAt(far.gate.origin));
  const { headers } = await ask(near.origin, uploads, { method: 'POST' });
  const target = withDigest(String(headers.location), digest);
  assert.equal((await ask(near.origin, target, { method: 'PUT' })).status, 202);
  assert.equal(far.seen[1], `PUT /u/1?_state=x&digest=${encodeURIComponent(digest)}`);
});

test('the longest address that is sealed, behind the longest names, is a target that we read', async (t) => {
  const name = `${'n'.repeat(95)}/${'n'.repeat(95)}`;
  const view = {
    publicPrefix: `/${'p'.repeat(63)}`,
    toClient: (repository: string) => `${'p'.repeat(63)}/${repository}`,
    namespace: 'p'.repeat(63),
  };
  const address = `/${'u'.repeat(2559)}`;
  const world = await behind(t, address, view);
  const start = `/v2/${name}/blobs/uploads/`;
  const { headers } = await ask(world.gate.origin, start, { method: 'POST' });
  const target = withDigest(String(headers.location), `sha512%3A${'a'.repeat(128)}`);
  assert.equal(parseTarget(target)?.endpoint.kind, 'upload');
  const own = target.replace(view.publicPrefix, '').replace(`${'p'.repeat(63)}/`, '');
  assert.equal((await ask(world.gate.origin, own, { method: 'PUT' })).status, 202);
  assert.equal(world.seen[1], `PUT ${address}?digest=sha512%3A${'a'.repeat(128)}`);

  world.location = `${address}u`;
  assert.equal((await ask(world.gate.origin, start, { method: 'POST' })).status, 502);
});

test('an upload that is sent to another host is refused and says so', async (t) => {
  const world = await behind(t, '');
  const { host, port } = new URL(world.origin);
  for (const location of [
    'https://storage.example/v2/team/app/blobs/uploads/x',
    '//storage.example/u/1',
    `http://127.0.0.1:${Number(port) + 1}/u/1`,
    `http://127.0.0.1.example:${port}/u/1`,
    `http://user@${host}/u/1`,
    `http://:password@${host}/v2/team/app/blobs/uploads/x`,
    'file:///x',
    'http://',
  ]) {
    world.location = location;
    for (const [method, target, length] of [
      ['POST', uploads, 0],
      ['PATCH', `${uploads}x`, 3],
    ] as const) {
      const sent = { method, headers: { 'content-length': length } };
      const { status, headers, body } = await ask(world.gate.origin, target, sent, 'abc'.slice(0, length));
      assert.deepEqual(
        [status, headers.location, headers['content-type']],
        [502, undefined, 'application/json'],
      );
      const message = `${host} sends this upload to another host, or to an address too long to carry`;
      assert.deepEqual(JSON.parse(body), { errors: [{ code: 'UNAVAILABLE', message }] }, location);
    }
  }
});
