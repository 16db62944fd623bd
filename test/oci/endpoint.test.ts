import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEndpoint, printEndpoint } from '../../src/oci/endpoint.ts';

const hex = '0123456789abcdef'.repeat(4);
const sha256 = `sha256:${hex}`;

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

function shown(text: string): string {
  return text.length > 80 ? `${JSON.stringify(text.slice(0, 64))}… (${text.length})` : JSON.stringify(text);
}

for (const [target, printed] of [
  ['/v2/', '/v2/'],
  ['/v2', '/v2/'],
  ['/v2/?x=1', '/v2/'],
  ['/v2/team/app/manifests/v1', '/v2/team/app/manifests/v1'],
  ['/v2/team/app/manifests/V1', '/v2/team/app/manifests/V1'],
  [`/v2/a/manifests/${sha256}`, `/v2/a/manifests/${sha256}`],
  [`/v2/a/blobs/${sha256}`, `/v2/a/blobs/${sha256}`],
  [`/v2/a/blobs/${sha256}?x=y`, `/v2/a/blobs/${sha256}`],
  ['/v2/a/tags/list', '/v2/a/tags/list'],
  ['/v2/a/tags/list?n=10&last=v1', '/v2/a/tags/list?n=10&last=v1'],
  ['/v2/a/blobs/uploads', '/v2/a/blobs/uploads/'],
  ['/v2/a/blobs/uploads/', '/v2/a/blobs/uploads/'],
  [`/v2/a/blobs/uploads/?mount=${sha256}&from=b`, `/v2/a/blobs/uploads/?mount=sha256%3A${hex}&from=b`],
  ['/v2/a/blobs/uploads/5f-_=.x?_state=a%2Bb%3D', '/v2/a/blobs/uploads/5f-_=.x?_state=a%2Bb%3D'],
  [`/v2/a/referrers/${sha256}?artifactType=x%2Fy`, `/v2/a/referrers/${sha256}?artifactType=x%2Fy`],
] as const) {
  test(`${shown(target)} is an endpoint, printed as ${shown(printed)}`, () => {
    const read = parseEndpoint(target);
    assert.equal(read && printEndpoint(read.endpoint), printed);
    assert.deepEqual(parseEndpoint(printed), read);
  });
}

test('a name that itself has the words of an endpoint belongs to the last endpoint in the path', () => {
  for (const name of words(
    'manifests blobs tags list uploads a/blobs/uploads a/manifests/v1 tags/list v2/a/manifests',
  )) {
    assert.deepEqual(parseEndpoint(`/v2/${name}/manifests/v1`)?.endpoint, {
      kind: 'manifest',
      repository: name,
      identifier: { kind: 'tag', tag: 'v1' },
    });
    assert.deepEqual(parseEndpoint(`/v2/${name}/blobs/uploads/`)?.endpoint, {
      kind: 'uploads',
      repository: name,
      query: [],
    });
  }
});

// H-18, H-19: what a registry could take for another tag or namespace never reaches it.
test('a manifest keeps nothing of its query, and each ns is handed on decoded, once', () => {
  const manifest = parseEndpoint('/v2/a/manifests/v1')?.endpoint;
  for (const query of words(
    '? ?x=../v9 ?tag=v9 ?reference=v9 ?;v9 ?n=1 ?%6Es2=b ?ns2=b ?NS=b ?a?b ?& ?=&=',
  )) {
    assert.deepEqual(parseEndpoint(`/v2/a/manifests/v1${query}`), { endpoint: manifest, namespaces: [] });
  }
  const target = '/v2/a/manifests/v1?ns=docker.io&x=y&ns=reg.example%3A5000&%6E%73=%2564&ns&ns=a+b';
  const namespaces = ['docker.io', 'reg.example:5000', '%64', '', 'a b'];
  assert.deepEqual(parseEndpoint(target), { endpoint: manifest, namespaces });
});

test('a list keeps only the parameters that the specification gives it, decoded once', () => {
  const tags = parseEndpoint('/v2/a/tags/list?n=1&N=2&x=y&last=%2576&ns=b&artifactType=t')?.endpoint;
  assert.deepEqual(tags, { kind: 'tags', repository: 'a', query: [['n', '1'], ['last', '%76']] }); // prettier-ignore
  const referrers = parseEndpoint(`/v2/a/referrers/${sha256}?artifactType=t%2Fu&digest=x`)?.endpoint;
  assert.deepEqual(referrers, {
    kind: 'referrers',
    repository: 'a',
    digest: sha256,
    query: [['artifactType', 't/u']],
  });
});

const manifest = '/v2/team/app/manifests';
const nearMisses: Record<string, readonly string[]> = {
  'doubled slashes':
    words(`//v2/a/manifests/v1 /v2//a/manifests/v1 /v2/a//manifests/v1 /v2/a/manifests//v1 //v2/ /v2//
    /v2///manifests/v1 /v2/a/blobs//uploads/ /v2/a/blobs/uploads// //evil.test/v2/a/manifests/v1`),
  'trailing slashes': words(`/v2/a/manifests/v1/ /v2/a/manifests/ /v2/a/tags/list/ /v2/a/blobs/${sha256}/
    /v2/a/referrers/${sha256}/ /v2/a/blobs/uploads/x/ /v2/a/`),
  'dot segments':
    words(`/v2/a/../b/manifests/v1 /v2/./a/manifests/v1 /v2/a/manifests/../manifests/v1 /v2/../v2/ /v2/..
    /v2/a/manifests/. /v2/a/manifests/.. ${manifest}/./v1 /./v2/a/manifests/v1 /../v2/a/manifests/v1 /v2/.
    /v2/a/.../manifests/v1 /v2/a/blobs/uploads/. /v2/a/blobs/uploads/.. /v2/a/blobs/uploads/../${sha256} /v2/../metrics`),
  'encoded characters':
    words(`/v2/team%2Fapp/manifests/v1 /v2/team%2fapp/manifests/v1 /v2/team%252Fapp/manifests/v1
    /v2/a/%2e%2e/b/manifests/v1 /v2/a/manifests/%2e%2e /v2/a/manifests/v%31 /v2/%61/manifests/v1 /v2%2fa/manifests/v1
    /v2/a/manifests/sha256%3A${hex} /v2/a/blobs/sha256%3a${hex} /v2/a/manifests%2Fv1 /%76%32/a/manifests/v1 /v2/%
    /v2/a/manifests/v1%00 /v2/a/manifests/v1%0d%0a /v2/a/manifests/v1%09 /v2/a/manifests/%7f /v2/a%20/manifests/v1
    /v2/a/manifests/v1%23 /v2/a/manifests/v1%3f /v2/%C3%A9/manifests/v1 /v2/a%EF%BC%8Fb/manifests/v1 /v2/a%5Cb/tags/list`),
  backslashes: [
    String.raw`/v2\a\manifests\v1`,
    String.raw`${manifest}\v1`,
    String.raw`\v2/a/manifests/v1`,
    '/\\evil.test/',
  ],
  'upper case': words(
    '/V2/ /V2/a/manifests/v1 /v2/Team/app/manifests/v1 /v2/a/Manifests/v1 /v2/a/tags/List /v2/a/BLOBS/x',
  ),
  'absolute, authority and asterisk form':
    words(`http://evil.test/v2/a/manifests/v1 https://a/v2/ * evil.test:443
    http:/v2/a/manifests/v1 v2/a/manifests/v1 ?/v2/ evil.test/v2/`),
  fragments: words(
    `/v2/a/manifests/v1# /v2/a/manifests/v1#/../v9 /v2/#/a/manifests/v1 /v2/a/tags/list?n=1#x`,
  ),
  'control characters and spaces': ['\0', '\t', '\n', '\r', '\r\n', ' ', '\x7f', '\x1b'].flatMap(
    (character) => [
      `${manifest}/v1${character}`,
      `${manifest}/${character}v1`,
      `${character}${manifest}/v1`,
      `/v2/a${character}/manifests/v1`,
      `/v2/a/tags/list?n=1${character}`,
    ],
  ),
  'other characters than ASCII': words(
    '/v2/é/manifests/v1 /v2/a／b/manifests/v1 /v2/a/manifests/ｖ1 /v２/ /v2/a/tags/list?n=é',
  ),
  'names that are too long': [`/v2/${'a'.repeat(256)}/manifests/v1`, `/v2/${'a/'.repeat(127)}bb/tags/list`],
  'targets that are too long': [
    `/v2/a/tags/list?last=${'x'.repeat(4096)}`,
    `/${'a'.repeat(16_384)}`,
    '/v2/'.repeat(4000),
  ],
  digests: words(`sha256:${hex.slice(1)} sha256:${hex}0 sha256:${hex.toUpperCase()} SHA256:${hex} sha256:
    md5:d41d8cd98f00b204e9800998ecf8427e sha256+b64u:${hex} sha256:${hex}.sig`).flatMap((digest) => [
    `/v2/a/manifests/${digest}`,
    `/v2/a/blobs/${digest}`,
    `/v2/a/referrers/${digest}`,
  ]),
  'tags where a digest belongs': words(
    `/v2/a/blobs/v1 /v2/a/referrers/v1 /v2/a/blobs/${hex} /v2/a/blobs/uploads:`,
  ),
  tags: ['x'.repeat(129), ...words('.v1 -v1 v+1 v~1 v@1 v!1 v$1 v;1 v=1 v,1 v&1')].map(
    (tag) => `${manifest}/${tag}`,
  ),
  'other endpoints':
    words(`/ /v1/ /v1/_ping /v20/ /v2a /v2/_catalog /v2/_catalog?n=1 /v2/a /v2/a/b /v2/manifests/v1
    /v2/tags/list /v2/blobs/${sha256} /v2/blobs/uploads/ /v2/a/tags /v2/a/tags/lists /v2/a/tags/x /v2/a/manifests
    /v2/a/signatures/v1 /v2/a/_trust/tuf/root.json /v2/a/_oci/ext /metrics /livez /v2/a/blobs /v2/a/referrers`),
  'upload sessions': [...words('a:b a/b a@b a+b a~b -%20'), 'x'.repeat(513)].map(
    (id) => `/v2/a/blobs/uploads/${id}`,
  ),
  'query strings that do not decode': words(`/v2/a/tags/list?n=% /v2/a/tags/list?%zz=1 /v2/a/tags/list?n=%C3
    /v2/a/tags/list?n=%ED%A0%80 /v2/a/tags/list?n="1" /v2/a/tags/list?n=[1] /v2/a/tags/list?n=<1> /v2/a/tags/list?a|b
    /v2/a/tags/list?a^b /v2/a/manifests/v1?{x} /v2/?%FF`).concat(
    String.raw`/v2/a/tags/list?a\b`,
    '/v2/a/tags/list?a`b',
  ),
  'the empty target': [''],
};

for (const [kind, targets] of Object.entries(nearMisses)) {
  test(`near misses are no endpoint: ${kind}`, () => {
    for (const target of targets) assert.equal(parseEndpoint(target), undefined, shown(target));
  });
}

test('the longest of everything is still read', () => {
  for (const target of [
    `/v2/${'a'.repeat(255)}/manifests/${'x'.repeat(128)}`,
    `/v2/a/blobs/uploads/${'x'.repeat(512)}`,
    `/v2/a/tags/list?last=${'x'.repeat(4096 - '/v2/a/tags/list?last='.length)}`,
  ]) {
    const read = parseEndpoint(target);
    assert.equal(read && printEndpoint(read.endpoint), target);
  }
});
