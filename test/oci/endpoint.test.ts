import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Endpoint, QueryParameter } from '../../src/oci/endpoint.ts';
import { parseEndpoint, printEndpoint } from '../../src/oci/endpoint.ts';
import type { Digest, RepositoryName } from '../../src/oci/reference.ts';
import { parseDigest, parseIdentifier, parseRepositoryName } from '../../src/oci/reference.ts';

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

const component = fc.constantFrom(
  ...words('a b0 library team.x a__b c---d v2 manifests blobs tags list uploads referrers'),
);
const repository = fc
  .array(component, { minLength: 1, maxLength: 6 })
  .map((parts) => must(parseRepositoryName(parts.join('/'))));
const digest = fc
  .constantFrom(64, 128)
  .chain((length) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)))
  .map((text): Digest => must(parseDigest(`sha${text.length * 4}:${text}`)));
const tag = fc.oneof(
  component.filter((text) => !text.includes('/')),
  fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/),
);
const identifier = fc.oneof(tag, digest).map((text) => must(parseIdentifier(text)));
const text = fc.string({ unit: 'grapheme', maxLength: 12 });

function query(name: fc.Arbitrary<string>): fc.Arbitrary<QueryParameter[]> {
  return fc.array(fc.tuple(name, text), { maxLength: 4 });
}

const endpoint: fc.Arbitrary<Endpoint> = fc.oneof(
  fc.record({ kind: fc.constant('base' as const) }),
  fc.record({ kind: fc.constant('blob' as const), repository, digest }),
  fc.record({ kind: fc.constant('manifest' as const), repository, identifier }),
  fc.record({
    kind: fc.constant('uploads' as const),
    repository,
    query: query(text.filter((name) => name !== 'ns')),
  }),
  fc.record({
    kind: fc.constant('upload' as const),
    repository,
    session: fc.stringMatching(/^[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,80}$/),
    query: query(text.filter((name) => name !== 'ns')),
  }),
  fc.record({ kind: fc.constant('tags' as const), repository, query: query(fc.constantFrom('n', 'last')) }),
  fc.record({
    kind: fc.constant('referrers' as const),
    repository,
    digest,
    query: query(fc.constantFrom('artifactType', 'n', 'last')),
  }),
);

test('printing an endpoint and reading it gives the same endpoint', () => {
  fc.assert(
    fc.property(endpoint, (asked) => {
      assert.deepEqual(parseEndpoint(printEndpoint(asked)), { endpoint: asked, namespaces: [] });
    }),
    { numRuns: 3000 },
  );
});

/** distribution's own routes (registry/api/v2), as another server would read a path: by a greedy name. */
const name = '([a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)';
const digestText = '([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*[:][0-9A-Fa-f]{32,})';
const routes: Record<Endpoint['kind'], RegExp> = {
  base: /^\/v2\/$/,
  manifest: new RegExp(`^/v2/${name}/manifests/([\\w][\\w.-]{0,127}|${digestText})$`),
  tags: new RegExp(`^/v2/${name}/tags/list$`),
  blob: new RegExp(`^/v2/${name}/blobs/${digestText}$`),
  uploads: new RegExp(`^/v2/${name}/blobs/uploads/$`),
  upload: new RegExp(`^/v2/${name}/blobs/uploads/([a-zA-Z0-9-_.=]+)$`),
  referrers: new RegExp(`^/v2/${name}/referrers/${digestText}$`),
};

/** Takes a target that was accepted; fails unless every other way to read it comes to the same. */
function assertReadAlike(target: string, read: Endpoint): void {
  const [path = ''] = target.split('?');
  const printed = new URL(printEndpoint(read), 'http://registry.test');
  const url = new URL(`http://registry.test${target}`);
  const alias = { '/v2': '/v2/' }[path] ?? path.replace(/\/blobs\/uploads$/, '/blobs/uploads/');
  assert.equal(url.pathname, path, 'a URL parser reads another path');
  assert.equal(decodeURIComponent(path), path, 'the path decodes to another one');
  assert.equal(posix.normalize(path), path, 'the path has another, shorter form');
  assert.equal(printed.pathname, alias, 'another path is forwarded than was asked for');
  const matches = Object.entries(routes).filter(([, route]) => route.test(printed.pathname));
  assert.deepEqual(matches.map(([kind]) => kind), [read.kind], 'distribution would route it differently'); // prettier-ignore
  if (read.kind === 'base') return;
  const [, repositoryRead, rest] = routes[read.kind].exec(printed.pathname) ?? [];
  assert.equal(repositoryRead, read.repository);
  if (read.kind === 'manifest') assert.equal(rest, Object.values(read.identifier)[1]);
  if ('digest' in read) assert.equal(rest, read.digest);
  if (!('query' in read)) return assert.equal(printed.search, '');
  // WHATWG's reader skips empty pairs; otherwise both must see the same parameters, in the same order.
  const named = ([parameter, value]: readonly [string, string]): boolean => parameter + value !== '';
  const kept = (parameter: string): boolean => read.query.some(([ours]) => ours === parameter);
  const theirs = [...url.searchParams].filter(([parameter]) => kept(parameter));
  assert.deepEqual(theirs.filter(named), read.query.filter(named), 'another query is read than was asked');
  assert.deepEqual(
    [...printed.searchParams].filter(named),
    read.query.filter(named),
    'another query is forwarded',
  );
}

// Two targets that differ in path beyond the two spellings of distribution-spec print two paths, so that together with
// the identity above no two of them can be read as one endpoint by us and as two by a registry.
test('what is accepted of damaged targets is read alike by URL parsers and by a registry, and none throws', () => {
  const damage = fc.oneof(
    fc.constantFrom(
      ...words(
        '/ // . .. /../ /./ %2F %2e %25 %00 \\ # ? & = ; : @ + ~ _ - A v2 /v2/ manifests/ /blobs/uploads',
      ),
    ),
    fc.constantFrom(
      ...words(`uploads/ tags/list ns= ?ns=b ?n=1 last=%20 ${sha256} http:// é %C3 %C3%A9 a a/b`),
      '\0',
      ' ',
      '\n',
    ),
    fc.string({ unit: 'binary', maxLength: 2 }),
  );
  const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat({ max: 3 }), damage });
  let accepted = 0;
  fc.assert(
    fc.property(endpoint, fc.array(edit, { maxLength: 3 }), (asked, edits) => {
      const target = edits.reduce((whole, { at, cut, damage: piece }) => {
        const place = Math.floor(at * (whole.length + 1));
        return whole.slice(0, place) + piece + whole.slice(place + cut);
      }, printEndpoint(asked));
      const read = parseEndpoint(target);
      if (read === undefined) return;
      accepted += 1;
      assertReadAlike(target, read.endpoint);
    }),
    { numRuns: 10_000 },
  );
  assert.ok(accepted > 1000, `only ${accepted} targets were accepted`);
});

// The engine counts backtracking steps itself, so this is the same on a slow machine: a match of more than ten steps a
// character changes to another engine, which says so.
test('no pattern of the door takes more than ten steps for each of 15,000 hostile characters', () => {
  const patterns = ['reference', 'endpoint'].flatMap((file) => {
    const source = readFileSync(new URL(`../../src/oci/${file}.ts`, import.meta.url), 'utf8');
    const found = [...source.matchAll(/\/(\^.+)\/;$/gm)].map(([, pattern = '']) => pattern);
    assert.equal(
      found.length,
      source.match(/(?<=[=(,]\s*)\/[^/*\s]/g)?.length,
      `a pattern in ${file}.ts was not seen`,
    );
    return found;
  });
  assert.equal(leavesTheEngine(['^[a-z]*[a-z0-9]*!$']), true, 'a quadratic pattern must be noticed');
  assert.equal(leavesTheEngine(patterns), false);
});

function leavesTheEngine(patterns: readonly string[]): boolean {
  const units = words('a a- a_ a__ a___ - _ . a. a.a- / a/ a/a- 0 : = % a: sha256: /v2/ /v2 /a');
  const program = `
    const [patterns, units] = ${JSON.stringify([patterns, units])};
    for (const pattern of patterns) for (const unit of units) for (const start of ['', 'a', '/v2/', 'a:', 'a/'])
      for (const end of ['', '!', '\\n']) new RegExp(pattern).test(start + unit.repeat(15000 / unit.length) + end);`;
  const noticing =
    words(`--enable-experimental-regexp-engine-on-excessive-backtracks --trace-experimental-regexp-engine
    --regexp-backtracks-before-fallback=150000`);
  const run = spawnSync(process.execPath, [...noticing, '-e', program], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  for (const pattern of patterns) {
    assert.ok(
      !run.stdout.includes(`not supported by experimental engine: ${pattern}`),
      `not counted: ${pattern}`,
    );
  }
  return run.stdout.includes('Experimental execution');
}

function must<Value>(value: Value | undefined): Value {
  assert.ok(value !== undefined);
  return value;
}
