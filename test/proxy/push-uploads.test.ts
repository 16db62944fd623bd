import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { buildArtifact, buildImage } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { HttpAnswer } from '../world/http.ts';
import { at } from '../world/http.ts';
import { ask, startGate } from './gate.ts';
import { clientOf, next, openUpload, pushWorld, withDigest } from './push-client.ts';
import { digest, registryAt, serve } from './wire.ts';

// Each request of distribution-spec 1.1, "Push", one by one, and what the registry says to it.

const blob = Buffer.from('0123456789abcdef');
const every = ['distribution', 'github', 'google'] as const;

for (const uploads of every) {
  test(`a blob is sent in one PUT after a POST (addresses as of ${uploads})`, async (t) => {
    const world = await pushWorld(t, 'allow', {}, { registry: { uploads } });
    const client = clientOf(world);
    const target = withDigest(await openUpload(client), digestOf(blob));
    const done = await client.send(target, { method: 'PUT', body: blob });
    const headers = [done.headers.location, done.headers['docker-content-digest']];
    assert.deepEqual(
      [done.status, ...headers],
      [201, `/v2/team/app/blobs/${digestOf(blob)}`, digestOf(blob)],
    );
    assert.deepEqual(world.registry.repository('team/app').blobs.get(digestOf(blob)), blob);
  });

  test(`a blob is sent in chunks with ranges, the last of them in the PUT (addresses as of ${uploads})`, async (t) => {
    const world = await pushWorld(t, 'allow', {}, { registry: { uploads } });
    const client = clientOf(world);
    const chunk = (target: string, range: string, method: string, part: Buffer): Promise<HttpAnswer> =>
      client.send(target, {
        method,
        headers: { 'content-type': 'application/octet-stream', 'content-range': range },
        body: part,
      });
    const first = await chunk(await openUpload(client), '0-5', 'PATCH', blob.subarray(0, 6));
    assert.deepEqual([first.status, first.headers.range], [202, '0-5']);

    const gap = await chunk(next(first, client), '8-11', 'PATCH', blob.subarray(8, 12));
    assert.deepEqual([gap.status, at(gap.json, 'errors', 0, 'code')], [416, 'BLOB_UPLOAD_INVALID']);
    const state = await client.send(next(first, client));
    assert.deepEqual([state.status, state.headers.range, state.body.length], [204, '0-5', 0]);

    const second = await chunk(next(state, client), '6-11', 'PATCH', blob.subarray(6, 12));
    assert.deepEqual([second.status, second.headers.range], [202, '0-11']);
    const target = withDigest(next(second, client), digestOf(blob));
    const early = await chunk(target, '13-15', 'PUT', blob.subarray(13));
    assert.equal(early.status, 416);
    const done = await chunk(target, '12-15', 'PUT', blob.subarray(12));
    assert.equal(done.status, 201);
    assert.deepEqual(world.registry.repository('team/app').blobs.get(digestOf(blob)), blob);
  });

  test(`an upload whose connection was cut goes on from where it got to (addresses as of ${uploads})`, async (t) => {
    const world = await pushWorld(t, 'allow', {}, { registry: { uploads } });
    const client = clientOf(world);
    const address = await openUpload(client);
    const cut = Promise.withResolvers<undefined>();
    const behave = world.registry.intercept(({ method }) => {
      if (method !== 'PATCH') return undefined;
      return async (honest) => {
        const tooLate = await honest();
        cut.resolve(undefined);
        return tooLate;
      };
    });
    const arrived = Promise.withResolvers<undefined>();
    const { hostname, port } = new URL(world.proxy.url);
    const headers = { 'transfer-encoding': 'chunked', expect: '100-continue' };
    const request = httpRequest({ hostname, port, path: address, method: 'PATCH', agent: false, headers });
    request
      .on('error', () => undefined)
      .once('continue', () => {
        request.write(blob.subarray(0, 10), () => {
          arrived.resolve(undefined);
        });
      });
    request.flushHeaders();
    await arrived.promise;
    request.destroy();
    await cut.promise;
    behave();

    const state = await client.send(address);
    assert.equal(state.status, 204);
    const [, end = ''] = String(state.headers.range).split('-');
    const have = end === '0' ? 0 : Number(end) + 1;
    const rest = await client.send(next(state, client), {
      method: 'PATCH',
      headers: { 'content-range': `${have}-${blob.length - 1}` },
      body: blob.subarray(have),
    });
    assert.deepEqual([rest.status, rest.headers.range], [202, `0-${blob.length - 1}`]);
    const done = await client.send(withDigest(next(rest, client), digestOf(blob)), { method: 'PUT' });
    assert.equal(done.status, 201);
  });

  test(`an upload that was given up is gone (addresses as of ${uploads})`, async (t) => {
    const world = await pushWorld(t, 'allow', {}, { registry: { uploads } });
    const client = clientOf(world);
    const address = await openUpload(client);
    assert.equal((await client.send(address, { method: 'DELETE' })).status, 204);
    assert.equal((await client.send(address)).status, 404);
    assert.equal((await client.send(address, { method: 'PATCH', body: blob })).status, 404);
  });
}

test('a blob that is mounted without a source, or from one that lacks it, is uploaded instead', async (t) => {
  const world = await pushWorld(t, 'allow');
  const client = clientOf(world);
  for (const query of ['', '&from=team/base']) {
    const target = `/v2/team/app/blobs/uploads/?mount=${digestOf(blob)}${query}`;
    const opened = await client.send(target, { method: 'POST' });
    assert.equal(opened.status, 202);
    const done = await client.send(withDigest(next(opened, client), digestOf(blob)), {
      method: 'PUT',
      body: blob,
    });
    assert.equal(done.status, 201);
    world.registry.repository('team/app').blobs.clear();
  }
});

test('a manifest is pushed by tag and by digest, and says which subject the registry took note of', async (t) => {
  const world = await pushWorld(t, 'allow');
  const subject = world.registry.put('team/app', buildImage('subject'), '1.0');
  const artifact = buildArtifact('test/sbom', 'x', subject);
  for (const reference of ['sbom', artifact.digest]) {
    const done = await world.proxy.request(`/v2/team/app/manifests/${reference}`, {
      method: 'PUT',
      headers: { 'content-type': artifact.mediaType },
      body: artifact.bytes,
    });
    assert.equal(done.status, 201);
    assert.equal(done.headers['oci-subject'], subject.digest);
    assert.equal(done.headers['docker-content-digest'], artifact.digest);
    assert.equal(done.headers.location, `/v2/team/app/manifests/${artifact.digest}`);
    const stored = world.registry.repository('team/app').find(reference);
    assert.deepEqual([stored?.bytes, stored?.mediaType], [artifact.bytes, artifact.mediaType]);
  }
});

test('a tag, a manifest and a blob are deleted', async (t) => {
  const world = await pushWorld(t, 'allow');
  const image = world.registry.put('team/app', buildImage('old'), '1.0');
  const { tags, manifests, blobs } = world.registry.repository('team/app');
  const remove = async (path: string): Promise<number> =>
    (await world.proxy.request(`/v2/team/app/${path}`, { method: 'DELETE' })).status;
  assert.equal(await remove('manifests/1.0'), 202);
  assert.deepEqual([tags.has('1.0'), manifests.has(image.digest)], [false, true]);
  assert.equal(await remove(`manifests/${image.digest}`), 202);
  assert.equal(manifests.has(image.digest), false);
  assert.equal(await remove(`blobs/${digestOf(image.config)}`), 202);
  assert.equal(blobs.has(digestOf(image.config)), false);
  assert.equal(await remove(`blobs/${digestOf(image.config)}`), 404);
});

for (const [status, code, more] of [
  [400, 'BLOB_UPLOAD_INVALID', {}],
  [401, 'UNAUTHORIZED', { 'www-authenticate': 'Bearer realm="https://a/token",service="a"' }],
  [403, 'DENIED', {}],
  [404, 'BLOB_UPLOAD_UNKNOWN', {}],
  [405, 'UNSUPPORTED', { allow: 'GET' }],
  [413, 'SIZE_INVALID', {}],
  [416, 'BLOB_UPLOAD_INVALID', { range: '0-5' }],
  [429, 'TOOMANYREQUESTS', { 'retry-after': '7' }],
  [500, 'UNKNOWN', {}],
  [503, 'UNAVAILABLE', { 'retry-after': '9' }],
] as const) {
  test(`a registry's ${status} to a push reaches the client as it is`, async (t) => {
    const body = JSON.stringify({ errors: [{ code, message: 'no', detail: { why: 'theirs' } }] });
    const headers = { 'content-type': 'application/json', ...more };
    const origin = await serve(t, (request, response) => {
      request.resume().once('end', () => response.writeHead(status, headers).end(body));
    });
    const gate = await startGate(t, registryAt(origin));
    const sent = { method: 'PATCH', headers: { 'content-length': 3 } };
    const answer = await ask(gate.origin, '/v2/team/app/blobs/uploads/x?_state=1', sent, 'abc');
    assert.deepEqual([answer.status, answer.body], [status, body]);
    for (const [name, value] of Object.entries(headers)) assert.equal(answer.headers[name], value, name);
  });
}

test('what else a registry says of a push reaches the client', async (t) => {
  const origin = await serve(t, (_, response) => {
    response.writeHead(202, {
      location: '/v2/team/app/blobs/uploads/x',
      'docker-upload-uuid': 'x',
      range: '0-0',
      'oci-chunk-min-length': '5242880',
      'oci-tag': ['1.2, 1', 'latest'],
    });
    response.end();
  });
  const gate = await startGate(t, registryAt(origin));
  const { headers } = await ask(gate.origin, '/v2/team/app/blobs/uploads/', { method: 'POST' });
  assert.equal(headers['oci-chunk-min-length'], '5242880');
  assert.equal(headers['oci-tag'], '1.2, 1, latest');
  assert.equal(headers['docker-upload-uuid'], 'x');
  assert.equal(headers.range, '0-0');
});

test('a finished upload lies where it was sent, whatever storage the registry names', async (t) => {
  const origin = await serve(t, (_, response) => {
    response.writeHead(201, { location: 'https://storage.example/x' }).end();
  });
  const gate = await startGate(t, registryAt(origin), { publicPrefix: '/hub' });
  const location = async (method: string, path: string): Promise<unknown> =>
    (await ask(gate.origin, `/v2/team/app/${path}`, { method })).headers.location;
  for (const [method, path] of [
    ['PUT', `blobs/uploads/x?digest=${digest}`],
    ['POST', `blobs/uploads/?digest=${digest}`],
    ['POST', `blobs/uploads/?mount=${digest}`],
  ] as const) {
    assert.equal(await location(method, path), `/hub/v2/team/app/blobs/${digest}`, path);
  }
  assert.equal(await location('PUT', 'blobs/uploads/x'), undefined, 'where the blob has no name');
  assert.equal(await location('PUT', 'manifests/1.0'), undefined, 'what is no upload');
});
