import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientView } from '../../src/proxy/upstream/location.ts';
import { answerLocation, clientAddress, nextLink } from '../../src/proxy/upstream/location.ts';
import { UploadSeal } from '../../src/proxy/upstream/sealed-upload.ts';
import { DownloadError } from '../../src/trust/download-error.ts';
import { repository } from './wire.ts';

const asked = new URL('https://registry.example/v2/team/app/blobs/uploads/');
const plain: ClientView = { publicPrefix: '', toClient: (repository) => repository };
const hex = 'a'.repeat(64);

test('an address of the registry, relative or absolute, becomes a path of ours', () => {
  const path = '/v2/team/app/blobs/uploads/7f-1?_state=a_b-c%3D';
  for (const named of [
    path,
    `https://registry.example${path}`,
    `//registry.example:443${path}`,
    '7f-1?_state=a_b-c=',
  ]) {
    assert.equal(clientAddress(asked, named, plain), path);
  }
});

test('a registry behind TLS may call itself http: only the path is used', () => {
  assert.equal(
    clientAddress(asked, 'http://registry.example/v2/team/app/blobs/uploads/x', plain),
    '/v2/team/app/blobs/uploads/x',
  );
});

test('the repository gets the name that the client knows, and the address its way in', () => {
  const view: ClientView = {
    publicPrefix: '/hub',
    toClient: (repository) => `docker.io/${repository}`,
    publicUrl: 'https://gate.example',
  };
  const named = `/v2/team/app/manifests/sha256:${hex}`;
  assert.equal(
    clientAddress(asked, named, view),
    `https://gate.example/hub/v2/docker.io/team/app/manifests/sha256:${hex}`,
  );
  assert.equal(clientAddress(asked, '/v2/', view), 'https://gate.example/hub/v2/');
});

test('a client that chose the registry with ns is told to do so again', () => {
  const view = { ...plain, namespace: 'registry.example:5000' };
  assert.equal(
    clientAddress(asked, 'x?_state=1', view),
    '/v2/team/app/blobs/uploads/x?_state=1&ns=registry.example%3A5000',
  );
  assert.equal(clientAddress(asked, 'x', view), '/v2/team/app/blobs/uploads/x?ns=registry.example%3A5000');
});

for (const named of [
  'https://other.example/v2/team/app/blobs/uploads/x',
  'https://registry.example:8443/v2/team/app/blobs/uploads/x',
  'https://user@registry.example/v2/team/app/blobs/uploads/x',
  'https://registry.example.evil.example/v2/team/app/blobs/uploads/x',
  'ftp://registry.example/v2/team/app/blobs/uploads/x',
  '/artifacts/x',
  '/v2/team/app/blobs/uploads/x/y',
  '/v2/Team/app/blobs/uploads/x',
  '/v2/team/app/blobs/uploads/%2e%2e%2fx',
  'https://',
  '',
]) {
  test(`an address that is no endpoint of the registry is not rewritten: ${named}`, () => {
    assert.equal(clientAddress(new URL('https://registry.example/'), named, plain), undefined);
  });
}

test('an address with a parameter that would be lost on the way back is not rewritten', () => {
  assert.equal(
    clientAddress(asked, '/v2/team/app/tags/list?n=2&last=b', plain),
    '/v2/team/app/tags/list?n=2&last=b',
  );
  assert.equal(clientAddress(asked, '/v2/team/app/tags/list?n=2&unknown=b', plain), undefined);
});

test('a Link names the next page in the forms that registries use', () => {
  assert.equal(nextLink('</v2/a/tags/list?n=2&last=b>; rel="next"'), '/v2/a/tags/list?n=2&last=b');
  assert.equal(nextLink('<https://x/y,z;rel=no>;rel=next'), 'https://x/y,z;rel=no');
  assert.equal(nextLink('<a>; rel="prev", <b>; title="x"; rel="next"'), 'b');
});

test('another Link names no next page', () => {
  for (const link of ['', 'x', '<a>', '<a>; rel="prev"', '<a; rel="next"', 'rel="next"', '<a>; xrel=next']) {
    assert.equal(nextLink(link), undefined);
  }
});

/** Every way in: what stands before the path at the registry's `/v2/team/app`, and after it. */
const doors: readonly (readonly [string, Partial<ClientView>, string, string])[] = [
  ['by its host', {}, '/v2/team/app', ''],
  ['below its name', { toClient: (name) => `docker.io/${name}` }, '/v2/docker.io/team/app', ''],
  ['with its name before /v2/', { publicPrefix: '/docker.io' }, '/docker.io/v2/team/app', ''],
  ['with ns', { namespace: 'docker.io' }, '/v2/team/app', 'ns=docker.io'],
  ['under a public_url', { publicUrl: 'https://gate.example' }, 'https://gate.example/v2/team/app', ''],
  [
    'with all of them',
    {
      publicPrefix: '/hub',
      toClient: (name) => `docker.io/${name}`,
      namespace: 'a:1',
      publicUrl: 'https://gate.example:5000',
    },
    'https://gate.example:5000/hub/v2/docker.io/team/app',
    'ns=a%3A1',
  ],
];

for (const [what, change, before, after] of doors) {
  const view = { ...plain, ...change };
  const withNs = (address: string): string =>
    after === '' ? address : `${address}${address.includes('?') ? '&' : '?'}${after}`;
  const at = (origin: string, path: string): string[] => [
    path,
    `${origin}${path}`,
    origin.replace(/^[a-z]+:/, '') + path,
  ];

  test(`a client that asks ${what} is sent back there`, () => {
    for (const origin of ['https://registry.example', 'http://registry.example:5000']) {
      const upload = new URL(`${origin}/v2/team/app/blobs/uploads/`);
      const seal = new UploadSeal();
      const answered = { asked: upload, method: 'POST', view, seal } as const;
      const uploads = { kind: 'uploads', repository, query: [] } as const;
      for (const named of at(origin, '/v2/team/app/blobs/uploads/7f?_state=a%3D&b=')) {
        const location = answerLocation(named, { ...answered, endpoint: uploads, status: 202 });
        assert.equal(location, withNs(`${before}/blobs/uploads/7f?_state=a%3D&b=`));
      }
      for (const named of at(origin, '/own/7f?_state=a')) {
        const location = answerLocation(named, { ...answered, endpoint: uploads, status: 202 });
        const sealed = seal.close(repository, '/own/7f?_state=a');
        const address = `${before}/blobs/uploads/${sealed?.session}?address=${sealed?.query[0]?.[1]}`;
        assert.equal(location, withNs(address));
      }
      for (const named of at(origin, `/v2/team/app/blobs/sha256:${hex}`)) {
        const location = answerLocation(named, { ...answered, endpoint: uploads, status: 201 });
        assert.equal(location, withNs(`${before}/blobs/sha256:${hex}`));
      }
      const query = [['digest', `sha256:${hex}`]] as const;
      const elsewhere = { ...answered, endpoint: { ...uploads, query }, status: 201 };
      assert.equal(
        answerLocation('https://storage.example/x', elsewhere),
        withNs(`${before}/blobs/sha256:${hex}`),
      );
      for (const next of at(origin, '/v2/team/app/tags/list?n=2&last=b')) {
        assert.equal(clientAddress(upload, next, view), withNs(`${before}/tags/list?n=2&last=b`));
      }
      for (const next of at(origin, `/v2/team/app/referrers/sha256:${hex}?artifactType=a%2Fb&last=c`)) {
        const page = `${before}/referrers/sha256:${hex}?artifactType=a%2Fb&last=c`;
        assert.equal(clientAddress(upload, next, view), withNs(page));
      }
    }
  });
}

test('an upload that goes on in another repository is asked for there, where its rule decides', () => {
  const answered = {
    asked,
    endpoint: { kind: 'uploads', repository, query: [] },
    method: 'POST',
    status: 202,
    view: plain,
    seal: new UploadSeal(),
  } as const;
  const location = '/v2/closed/app/blobs/uploads/x';
  assert.equal(answerLocation(location, answered), location);
});

test('an upload that is refused is told where it may go on, and refused all the same where that is elsewhere', () => {
  const seal = new UploadSeal();
  const answered = {
    asked,
    endpoint: { kind: 'upload', repository, session: 'x', query: [] },
    method: 'PATCH',
    status: 416,
    view: plain,
    seal,
  } as const;
  const inside = '/v2/team/app/blobs/uploads/x?_state=1';
  assert.equal(answerLocation(inside, answered), inside);
  assert.match(String(answerLocation('/own/x', answered)), /^\/v2\/team\/app\/blobs\/uploads\/tufgate\./);
  assert.equal(answerLocation('https://storage.example/x', answered), undefined);
  assert.ok(
    answerLocation('https://storage.example/x', { ...answered, status: 307 }) instanceof DownloadError,
  );
});
