import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientView } from '../../src/proxy/upstream/location.ts';
import { clientAddress, nextLink } from '../../src/proxy/upstream/location.ts';

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
