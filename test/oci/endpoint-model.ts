import assert from 'node:assert/strict';
import { posix } from 'node:path';
import fc from 'fast-check';
import type { Endpoint } from '../../src/oci/endpoint.ts';
import { printEndpoint } from '../../src/oci/endpoint.ts';
import type { QueryParameter } from '../../src/oci/query.ts';
import type { Digest } from '../../src/oci/reference.ts';
import { parseDigest, parseIdentifier, parseRepositoryName } from '../../src/oci/reference.ts';

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

const component = fc.constantFrom(
  ...words('a b0 library team.x a__b c---d v2 manifests blobs tags list uploads referrers'),
);
const repository = fc
  .array(component, { minLength: 1, maxLength: 6 })
  .map((parts) => must(parseRepositoryName(parts.join('/'))));
const digest = fc
  .constantFrom(32, 64)
  .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))
  .map((hash): Digest => must(parseDigest(`sha${hash.length * 8}:${Buffer.from(hash).toString('hex')}`)));
const tagUnit = fc.constantFrom(...'azAZ09._-'.split(''));
const tag = fc.oneof(
  component,
  fc.string({ unit: tagUnit, minLength: 1, maxLength: 128 }).filter((value) => /^[^.-]/.test(value)),
);
const session = fc
  .string({ unit: fc.constantFrom(...'azAZ09._=-'.split('')), minLength: 1, maxLength: 80 })
  .filter((id) => !id.startsWith('.'));
const identifier = fc.oneof(tag, digest).map((text) => must(parseIdentifier(text)));
const text = fc.string({ unit: 'grapheme', maxLength: 12 });

function query(name: fc.Arbitrary<string>): fc.Arbitrary<QueryParameter[]> {
  return fc.array(fc.tuple(name, text), { maxLength: 4 });
}

const anyQuery = query(text.filter((parameter) => parameter !== 'ns'));
const listQuery = query(fc.constantFrom('n', 'last'));
const referrersQuery = query(fc.constantFrom('artifactType', 'n', 'last'));

/** Any endpoint there is. */
export const endpoint: fc.Arbitrary<Endpoint> = fc.oneof(
  of({ kind: fc.constant('base') }),
  of({ kind: fc.constant('blob'), repository, digest }),
  of({ kind: fc.constant('manifest'), repository, identifier }),
  of({ kind: fc.constant('uploads'), repository, query: anyQuery }),
  of({ kind: fc.constant('upload'), repository, session, query: anyQuery }),
  of({ kind: fc.constant('tags'), repository, query: listQuery }),
  of({ kind: fc.constant('referrers'), repository, digest, query: referrersQuery }),
);

function of<Kind extends Endpoint>(members: {
  [Key in keyof Kind]: fc.Arbitrary<Kind[Key]>;
}): fc.Arbitrary<Kind> {
  return fc.record(members, { noNullPrototype: true }) as fc.Arbitrary<Kind>;
}

const damage = fc.oneof(
  fc.constantFrom(
    ...words(
      '/ // . .. /../ /./ %2F %2e %25 %00 \\ # ? & = ; : @ + ~ _ - A v2 /v2/ manifests/ /blobs/uploads',
    ),
  ),
  fc.constantFrom(
    ...words(`uploads/ tags/list ns= ?ns=b ?n=1 last=%20 sha256: http:// é %C3 %C3%A9 a a/b`),
    '\0',
    ' ',
    '\n',
  ),
  fc.string({ unit: 'binary', maxLength: 2 }),
);
const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat({ max: 3 }), damage });
/** What a client could ask that is almost an endpoint, or is one in another spelling. */
export const damagedTarget: fc.Arbitrary<string> = fc
  .tuple(endpoint, fc.array(edit, { maxLength: 3 }))
  .map(([asked, edits]) =>
    edits.reduce((whole, { at, cut, damage: piece }) => {
      const place = Math.floor(at * (whole.length + 1));
      return whole.slice(0, place) + piece + whole.slice(place + cut);
    }, printEndpoint(asked)),
  );

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
export function assertReadAlike(target: string, read: Endpoint): void {
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

function must<Value>(value: Value | undefined): Value {
  assert.ok(value !== undefined);
  return value;
}
