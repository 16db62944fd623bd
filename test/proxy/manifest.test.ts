import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import type { Fault } from '../world/fault.ts';
import {
  answer,
  changeBody,
  changeHeaders,
  gzipped,
  loginPage,
  redirect,
  truncated,
} from '../world/fault.ts';
import type { PullAnswer, World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { askedDuring } from './evidence.ts';

const good = buildImage('good');
const evil = buildImage('evil');

/** The headers of an allowed pull, exactly: nothing else of a manifest reaches a client. */
function expectedHeaders({ digest, mediaType, length }: typeof good, { notary }: World, name = 'team/app') {
  const expires = new Date(expiryOf(notary, name)).toISOString();
  const version = notary.repository(name).version('targets');
  return {
    'docker-distribution-api-version': 'registry/2.0',
    'content-type': mediaType,
    'content-length': String(length),
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'tufgate-trust': `signed; gun="reg.test/${name}"; role="targets"; version=${version}; expires="${expires}"`,
    connection: 'close',
  };
}

function expiryOf(notary: World['notary'], name: string): string {
  const bytes = notary.repository(name).files.current('targets')?.bytes;
  return (JSON.parse(String(bytes)) as { signed: { expires: string } }).signed.expires;
}

function headersOf({ headers: { date: _date, ...rest } }: PullAnswer): unknown {
  return rest;
}

async function signedWorld(...parameters: Parameters<typeof startWorld>): Promise<World> {
  const world = await startWorld(...parameters);
  world.registry.put('team/app', good, '1.0');
  world.notary.sign('team/app', '1.0', good);
  return world;
}

test('GET and HEAD of a signed tag have the same headers, and GET the very bytes', async (t) => {
  for (const image of [good, buildImage('docker', { format: 'docker' })]) {
    const world = await startWorld(t);
    world.registry.put('team/app', image);
    world.notary.sign('team/app', '1.0', image);
    const encodings = { 'accept-encoding': 'gzip, zstd, br' };
    const head = await world.proxy.pull('team/app:1.0', { method: 'HEAD', headers: encodings });
    const get = await world.proxy.pull('team/app:1.0', { headers: encodings });
    assert.deepEqual([get.status, head.status], [200, 200]);
    assert.deepEqual(headersOf(get), expectedHeaders(image, world));
    assert.deepEqual(headersOf(head), headersOf(get));
    assert.deepEqual([get.body, head.body.length], [image.bytes, 0]);
  }
});

for (const [what, change] of [
  ['moved', (world: World) => world.registry.put('team/app', evil, '1.0')],
  ['was deleted', (world: World) => world.registry.repository('team/app').tags.delete('1.0')],
  ['never existed', (world: World) => world.registry.repository('team/app').tags.clear()],
] as const) {
  test(`the signed digest is served where the tag of the registry ${what}, and the tag is only looked at`, async (t) => {
    const world = await signedWorld(t);
    change(world);
    const requests = await askedDuring(world.registry, async () => {
      for (const method of ['HEAD', 'GET']) {
        const pulled = await world.proxy.pull('team/app:1.0', { method });
        assert.deepEqual([pulled.status, headersOf(pulled)], [200, expectedHeaders(good, world)]);
      }
    });
    // The second one is beside the pull, and once: whether the registry still means the same by the tag.
    const looked = 'HEAD /v2/team/app/manifests/1.0';
    assert.deepEqual(requests, [`GET /v2/team/app/manifests/${good.digest}`, looked]);
  });
}

test('a tag that is signed anew is served anew', async (t) => {
  const { notary, registry, proxy } = await signedWorld(t);
  assert.deepEqual((await proxy.pull('team/app:1.0')).body, good.bytes);
  registry.put('team/app', evil);
  notary.sign('team/app', '1.0', evil);
  assert.deepEqual((await proxy.pull('team/app:1.0')).body, evil.bytes);
});

test('what the client accepts changes nothing', async (t) => {
  const world = await signedWorld(t);
  const index = world.registry.put(
    'team/app',
    buildIndex([good, buildImage('arm', { architecture: 'arm64' })]),
  );
  world.notary.sign('team/app', 'multi', index);
  for (const accept of ['*/*', 'application/json', 'text/html', good.mediaType, index.mediaType, '', ',;q']) {
    const pulled = await world.proxy.pull('team/app:multi', { accept });
    assert.deepEqual([pulled.status, pulled.body], [200, index.bytes]);
  }
  const conditional = { 'if-none-match': `"${index.digest}"`, 'if-modified-since': new Date().toUTCString() };
  for (const headers of [conditional, { range: 'bytes=0-1' }, { 'accept-encoding': 'gzip' }]) {
    const pulled = await world.proxy.pull('team/app:multi', { headers });
    assert.deepEqual([pulled.status, pulled.body], [200, index.bytes]);
  }
});

for (const [what, headers] of [
  ['calls it a login page', { 'content-type': 'text/html' }],
  ['calls it an index', { 'content-type': 'application/vnd.oci.image.index.v1+json' }],
  ['gives its type parameters', { 'content-type': `${good.mediaType}; charset=utf-8` }],
  ['does not say its type', { 'content-type': undefined }],
  ['says another digest', { 'docker-content-digest': evil.digest, etag: `"${evil.digest}"` }],
  ['says no digest', { 'docker-content-digest': undefined, etag: undefined }],
  [
    'adds headers of its own',
    { 'set-cookie': 'a=b', location: '/x', 'cache-control': 'max-age=9', warning: '299 - "x"' },
  ],
] as const) {
  test(`where the registry ${what}, the client gets what the signed bytes say`, async (t) => {
    const world = await signedWorld(t);
    world.registry.fault('team/app', `manifests/${good.digest}`, changeHeaders(headers));
    const pulled = await world.proxy.pull('team/app:1.0');
    assert.deepEqual([pulled.status, headersOf(pulled)], [200, expectedHeaders(good, world)]);
    assert.deepEqual(pulled.body, good.bytes);
  });
}

const wrongBytes: readonly (readonly [string, Fault, string])[] = [
  ['other bytes of the same length', changeBody((body) => body.fill('x', 5, 6)), 'CONTENT_MISMATCH'],
  ['another image', changeBody(() => evil.bytes), 'CONTENT_MISMATCH'],
  ['fewer bytes', changeBody((body) => body.subarray(0, -1)), 'CONTENT_MISMATCH'],
  ['more bytes', changeBody((body) => Buffer.concat([body, Buffer.from('\n')])), 'CONTENT_MISMATCH'],
  ['no bytes', changeBody(() => Buffer.alloc(0)), 'CONTENT_MISMATCH'],
  ['a login page', loginPage, 'CONTENT_MISMATCH'],
  ['more than any manifest has', changeBody(() => Buffer.alloc(5 * 1024 * 1024, 'x')), 'CONTENT_MISMATCH'],
  ['a part of the bytes, and then hangs up', truncated(10), 'UPSTREAM_UNAVAILABLE'],
  ['compressed bytes', gzipped, 'UPSTREAM_UNAVAILABLE'],
  ['502', answer(502), 'UPSTREAM_UNAVAILABLE'],
  ['a redirect to nowhere', redirect('file:///etc/passwd'), 'UPSTREAM_UNAVAILABLE'],
];
for (const [what, fault, reason] of wrongBytes) {
  test(`a registry that sends ${what} for the signed digest is ${reason}, and not a byte of it is passed on`, async (t) => {
    const { registry, proxy } = await signedWorld(t);
    const takeOff = registry.fault('team/app', `manifests/${good.digest}`, fault);
    for (const image of ['team/app:1.0', `team/app@${good.digest}`]) {
      const refused = await proxy.pull(image);
      assert.deepEqual([refused.status, refused.reason], [reason === 'CONTENT_MISMATCH' ? 403 : 503, reason]);
      assert.equal(refused.headers['docker-content-digest'], undefined);
      assert.equal(refused.headers['content-type'], 'application/json');
    }
    takeOff();
    assert.equal((await proxy.pull('team/app:1.0')).status, 200);
  });
}

const sha512 = (bytes: Buffer): Buffer => createHash('sha512').update(bytes).digest();

test('length and SHA-512 are signed too: bytes of the signed SHA-256 that differ in either are CONTENT_MISMATCH', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  registry.put('team/app', good);
  for (const [tag, target, reason] of [
    ['right', { sha512: sha512(good.bytes) }, undefined],
    ['longer', { length: good.length + 1 }, 'CONTENT_MISMATCH'],
    ['shorter', { length: good.length - 1 }, 'CONTENT_MISMATCH'],
    ['other', { sha512: sha512(evil.bytes) }, 'CONTENT_MISMATCH'],
  ] as const) {
    notary.sign('team/app', tag, { digest: good.digest, length: good.length, ...target });
    assert.equal((await proxy.pull(`team/app:${tag}`)).reason, reason, tag);
  }
});

const parsed = JSON.parse(good.bytes.toString()) as Record<string, unknown>;
const readTwoWays: Record<string, unknown> = {
  'both manifests and layers': { ...parsed, manifests: [] },
  'neither manifests nor layers': { schemaVersion: 2, mediaType: good.mediaType },
  'the members of an image and the type of an index': {
    ...parsed,
    mediaType: 'application/vnd.oci.image.index.v1+json',
  },
  'a type of no manifest': { ...parsed, mediaType: 'text/html' },
  'schema version 1': { ...parsed, schemaVersion: 1 },
  'a list at its top': [parsed],
};
for (const [what, body] of Object.entries(readTwoWays)) {
  test(`a manifest with ${what} is refused, though it is signed: not every client reads it alike`, async (t) => {
    const { notary, registry, proxy } = await startWorld(t);
    const bytes = Buffer.from(JSON.stringify(body));
    const digest = registry.repository('team/app').putManifest(bytes, good.mediaType);
    notary.sign('team/app', '1.0', { digest, length: bytes.length });
    assert.equal((await proxy.pull('team/app:1.0')).reason, 'CONTENT_MISMATCH');
    assert.equal((await proxy.pull(`team/app@${digest}`)).reason, 'CONTENT_MISMATCH');
  });
}

test('a manifest without a mediaType gets the OCI type that its members show', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  const { mediaType: _mediaType, ...untyped } = parsed;
  const bytes = Buffer.from(JSON.stringify(untyped));
  const digest = registry.repository('team/app').putManifest(bytes, 'text/plain');
  notary.sign('team/app', '1.0', { digest, length: bytes.length });
  assert.equal(
    (await proxy.pull('team/app:1.0')).headers['content-type'],
    'application/vnd.oci.image.manifest.v1+json',
  );
});

for (const tag of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']) {
  test(`the tag ${tag} is signed by nobody unless somebody signs it`, async (t) => {
    const { notary, registry, proxy } = await signedWorld(t);
    registry.put('team/app', evil, tag);
    assert.equal((await proxy.pull(`team/app:${tag}`)).reason, 'TAG_NOT_SIGNED');
    notary.sign('team/app', tag, good);
    // A JSON parser may take the member __proto__ for something else: refused is right, another digest is not.
    const pulled = await proxy.pull(`team/app:${tag}`);
    if (tag !== '__proto__') assert.deepEqual(pulled.body, good.bytes);
    else assert.notDeepEqual(pulled.body, evil.bytes);
  });
}
