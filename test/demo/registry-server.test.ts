import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { buildArtifact, buildImage, buildIndex, putImage } from '../../src/demo/image.ts';
import type { RegistryServerOptions } from '../../src/demo/registry-server.ts';
import { RegistryServer } from '../../src/demo/registry-server.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { HttpAnswer, HttpOptions } from '../world/http.ts';
import { at, send } from '../world/http.ts';

const image = buildImage('hello');

interface Started {
  readonly registry: RegistryServer;
  readonly ask: (target: string, options?: HttpOptions) => Promise<HttpAnswer>;
}

async function start(t: TestContext, options: RegistryServerOptions = {}): Promise<Started> {
  const registry = await RegistryServer.start(options);
  t.after(() => registry.close());
  putImage(registry.repository('team/app'), image, '1.0');
  return { registry, ask: (target, how) => send(registry.url, target, how) };
}

test('a manifest is served by tag and by digest, whatever the client accepts', async (t) => {
  const { ask } = await start(t);
  for (const reference of ['1.0', image.digest])
    for (const accept of ['', 'text/plain', '*/*']) {
      const { status, headers, body } = await ask(`/v2/team/app/manifests/${reference}`, {
        headers: { accept },
      });
      assert.equal(status, 200);
      assert.deepEqual(body, image.bytes);
      assert.equal(headers['content-type'], image.mediaType);
      assert.equal(headers['docker-content-digest'], image.digest);
    }
});

test('HEAD has the headers of GET and no body', async (t) => {
  const { ask } = await start(t);
  const { status, headers, body } = await ask('/v2/team/app/manifests/1.0', { method: 'HEAD' });
  assert.deepEqual([status, headers['content-length'], body.length], [200, String(image.length), 0]);
});

test('what is not there is 404 with the code of its kind', async (t) => {
  const { ask } = await start(t);
  const none = `sha256:${'0'.repeat(64)}`;
  const codes = {
    'manifests/2.0': 'MANIFEST_UNKNOWN',
    [`manifests/${none}`]: 'MANIFEST_UNKNOWN',
    [`blobs/${none}`]: 'BLOB_UNKNOWN',
  };
  for (const [path, code] of Object.entries(codes)) {
    const answer = await ask(`/v2/team/app/${path}`);
    assert.deepEqual([answer.status, at(answer.json, 'errors', 0, 'code')], [404, code], path);
  }
  assert.equal(at((await ask('/v2/nobody/tags/list')).json, 'errors', 0, 'code'), 'NAME_UNKNOWN');
  assert.equal((await ask('/v2/_catalog')).status, 404);
});

test('a blob is served whole or in part', async (t) => {
  const { ask, registry } = await start(t);
  const bytes = Buffer.from('0123456789');
  const blob = `/v2/team/app/blobs/${registry.repository('team/app').putBlob(bytes)}`;
  const cases = [
    [undefined, 200, undefined, '0123456789'],
    ['bytes=2-4', 206, 'bytes 2-4/10', '234'],
    ['bytes=7-', 206, 'bytes 7-9/10', '789'],
    ['bytes=-3', 206, 'bytes 7-9/10', '789'],
    ['bytes=8-99', 206, 'bytes 8-9/10', '89'],
    ['bytes=10-', 416, 'bytes */10', ''],
    ['bytes=0-1,3-4', 200, undefined, '0123456789'],
  ] as const;
  for (const [range, status, contentRange, body] of cases) {
    const answer = await ask(blob, { headers: range === undefined ? {} : { range } });
    assert.deepEqual(
      [answer.status, answer.headers['content-range'], answer.body.toString()],
      [status, contentRange, body],
      range,
    );
  }
});

test('tags are listed in order, page by page', async (t) => {
  const { ask, registry } = await start(t);
  for (const tag of ['b', 'a', 'c']) registry.repository('team/app').tags.set(tag, image.digest);
  const first = await ask('/v2/team/app/tags/list?n=2');
  assert.deepEqual(first.json, { name: 'team/app', tags: ['1.0', 'a'] });
  const [, next = ''] = /^<([^>]+)>; rel="next"$/.exec(String(first.headers['link'])) ?? [];
  const second = await ask(next);
  assert.deepEqual([at(second.json, 'tags'), second.headers['link']], [['b', 'c'], undefined]);
  assert.deepEqual(at((await ask('/v2/team/app/tags/list')).json, 'tags'), ['1.0', 'a', 'b', 'c']);
});

test('referrers are those whose subject is the digest, by type if asked', async (t) => {
  const { ask, registry } = await start(t);
  const [sbom, signature] = ['test/sbom', 'test/signature'].map((type) => buildArtifact(type, 'x', image));
  assert.ok(sbom && signature);
  for (const artifact of [sbom, signature]) putImage(registry.repository('team/app'), artifact);
  const digests = (answer: HttpAnswer): unknown[] =>
    (at(answer.json, 'manifests') as unknown[]).map((entry) => at(entry, 'digest'));
  const all = await ask(`/v2/team/app/referrers/${image.digest}`);
  assert.deepEqual(digests(all), [sbom.digest, signature.digest]);
  assert.equal(all.headers['content-type'], 'application/vnd.oci.image.index.v1+json');
  const some = await ask(`/v2/team/app/referrers/${image.digest}?artifactType=test%2Fsbom`);
  assert.deepEqual([digests(some), some.headers['oci-filters-applied']], [[sbom.digest], 'artifactType']);
  assert.deepEqual(digests(await ask(`/v2/team/app/referrers/${sbom.digest}`)), []);
});

test('a blob is pushed in pieces', async (t) => {
  const { ask, registry } = await start(t);
  const opened = await ask('/v2/new/repo/blobs/uploads/', { method: 'POST' });
  assert.equal(opened.status, 202);
  const location = new URL(opened.headers.location ?? '');
  assert.equal(location.origin, registry.url);
  const session = location.pathname;
  const piece = await ask(session, { method: 'PATCH', body: 'hello ', headers: { 'content-range': '0-5' } });
  assert.deepEqual([piece.status, piece.headers.range], [202, '0-5']);
  const gap = await ask(session, { method: 'PATCH', body: '!', headers: { 'content-range': '9-9' } });
  assert.equal(gap.status, 416);
  assert.deepEqual([(await ask(session)).status, (await ask(session)).headers.range], [204, '0-5']);
  const digest = digestOf(Buffer.from('hello world'));
  const closed = await ask(`${session}?digest=${digest}`, { method: 'PUT', body: 'world' });
  assert.deepEqual([closed.status, closed.headers['docker-content-digest']], [201, digest]);
  assert.equal((await ask(`/v2/new/repo/blobs/${digest}`)).body.toString(), 'hello world');
  assert.equal((await ask(session)).status, 404);
});

test('a blob is pushed whole, mounted, refused for a wrong digest, and an upload can be given up', async (t) => {
  const { ask } = await start(t);
  const uploads = '/v2/new/repo/blobs/uploads/';
  const post = (query: string, body?: string): Promise<HttpAnswer> =>
    ask(uploads + query, { method: 'POST', ...(body !== undefined && { body }) });
  const digest = digestOf(Buffer.from('blob'));
  assert.equal((await post(`?digest=${digest}`, 'blob')).status, 201);
  assert.equal(at((await post(`?digest=${digest}`, 'other')).json, 'errors', 0, 'code'), 'DIGEST_INVALID');
  const layer = digestOf(image.layers[0] ?? Buffer.alloc(0));
  assert.equal((await post(`?mount=${layer}&from=team/app`)).status, 201);
  assert.equal((await ask(`/v2/new/repo/blobs/${layer}`, { method: 'HEAD' })).status, 200);
  const opened = await post(`?mount=${layer}&from=nobody`);
  assert.equal(opened.status, 202);
  const session = new URL(opened.headers.location ?? '').pathname;
  assert.equal((await ask(session, { method: 'DELETE' })).status, 204);
  assert.equal((await ask(session)).status, 404);
});

for (const [uploads, address] of [
  ['github', /^http:\/\/127\.0\.0\.1:\d+\/v2\/new\/repo\/blobs\/upload\/[0-9a-f-]{36}$/],
  [
    'google',
    /^\/artifacts-uploads\/namespaces\/demo\/repositories\/new-repo\/uploads\/[0-9a-f-]{36}\?state=a%2Fb%3D$/,
  ],
] as const) {
  test(`an upload goes on at an address like one of ${uploads}, and nowhere else`, async (t) => {
    const { ask, registry } = await start(t, { uploads });
    const opened = await ask('/v2/new/repo/blobs/uploads/', { method: 'POST' });
    const location = String(opened.headers.location);
    assert.match(location, address);
    const { pathname } = new URL(location, registry.url);
    const piece = await ask(pathname, { method: 'PATCH', body: 'hello' });
    assert.deepEqual([piece.status, piece.headers.location, piece.headers.range], [202, location, '0-4']);
    assert.equal((await ask(pathname.slice(0, -1))).status, 404);
    const digest = digestOf(Buffer.from('hello'));
    assert.equal((await ask(`${pathname}?digest=${digest}`, { method: 'PUT' })).status, 201);
    assert.equal((await ask(`/v2/new/repo/blobs/${digest}`)).body.toString(), 'hello');
    assert.equal((await ask(pathname)).status, 404);
  });
}

test('a manifest is pushed by tag or digest, and says what it is about', async (t) => {
  const { ask } = await start(t);
  const artifact = buildArtifact('test/sbom', 'x', image);
  const put = (reference: string): Promise<HttpAnswer> =>
    ask(`/v2/team/app/manifests/${reference}`, {
      method: 'PUT',
      body: artifact.bytes,
      headers: { 'content-type': artifact.mediaType },
    });
  const pushed = await put('sbom');
  assert.deepEqual(
    [pushed.status, pushed.headers['docker-content-digest'], pushed.headers['oci-subject']],
    [201, artifact.digest, image.digest],
  );
  assert.equal((await put(artifact.digest)).status, 201);
  assert.equal((await put(image.digest)).status, 400);
  assert.deepEqual((await ask('/v2/team/app/manifests/sbom')).body, artifact.bytes);
});

test('a tag is deleted alone, a manifest with its tags, a blob by digest', async (t) => {
  const { ask, registry } = await start(t);
  const { tags, blobs } = registry.repository('team/app');
  const remove = async (path: string): Promise<number> =>
    (await ask(`/v2/team/app/${path}`, { method: 'DELETE' })).status;
  tags.set('2.0', image.digest);
  assert.equal(await remove('manifests/1.0'), 202);
  assert.equal((await ask('/v2/team/app/manifests/2.0')).status, 200);
  assert.equal(await remove(`manifests/${image.digest}`), 202);
  assert.deepEqual([tags.size, await remove(`manifests/${image.digest}`)], [0, 404]);
  const [blob = ''] = blobs.keys();
  assert.deepEqual([await remove(`blobs/${blob}`), await remove(`blobs/${blob}`)], [202, 404]);
});

test('users have rights per repository', async (t) => {
  const user = (username: string, repository: string, ...actions: ('pull' | 'push')[]) => ({
    username,
    password: 'p',
    grants: [{ repository, actions }],
  });
  const users = [user('reader', 'team/app', 'pull'), user('writer', '*', 'pull', 'push')];
  const anonymous = [{ repository: 'open/app', actions: ['pull'] as const }];
  const { ask, registry } = await start(t, { access: { kind: 'bearer', users, anonymous } });
  putImage(registry.repository('open/app'), image, '1.0');
  const status = async (who: string | undefined, name: string, method: string): Promise<number> => {
    const scope = `repository:${name}:pull,push`;
    const basic = { authorization: `Basic ${Buffer.from(`${who}:p`).toString('base64')}` };
    const issued = await ask(`/token?service=demo&scope=${scope}`, {
      headers: who === undefined ? {} : basic,
    });
    const authorization = `Bearer ${String(at(issued.json, 'token'))}`;
    const target = method === 'POST' ? `/v2/${name}/blobs/uploads/` : `/v2/${name}/manifests/1.0`;
    return (await ask(target, { method, headers: { authorization } })).status;
  };
  assert.equal(await status(undefined, 'team/app', 'GET'), 401);
  assert.equal(await status(undefined, 'open/app', 'GET'), 200);
  assert.equal(await status('reader', 'team/app', 'GET'), 200);
  assert.equal(await status('reader', 'team/app', 'POST'), 401);
  assert.equal(await status('writer', 'team/app', 'POST'), 202);
});

test('an image is the same bytes every time, and its index lists every platform', () => {
  assert.equal(
    buildImage('hello').digest,
    'sha256:a01e69dbafda068a3ced0b327357fc29af6754fc9bea7dd731bad5c318670c9d',
  );
  const docker = buildImage('hello', { format: 'docker', padding: 100_000 });
  assert.equal(docker.mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
  assert.ok((docker.layers[0]?.length ?? 0) > 100_000);
  const index = buildIndex([image, buildImage('hello', { architecture: 'arm64' })]);
  const platforms = (at(JSON.parse(index.bytes.toString()), 'manifests') as unknown[]).map((entry) =>
    at(entry, 'platform', 'architecture'),
  );
  assert.deepEqual(platforms, ['amd64', 'arm64']);
});
