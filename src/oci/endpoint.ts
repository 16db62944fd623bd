import type { QueryParameter } from './query.ts';
import { parseQuery, printQuery } from './query.ts';
import type { Digest, Identifier, RepositoryName } from './reference.ts';
import { parseDigest, parseIdentifier, parseRepositoryName, printIdentifier } from './reference.ts';

// The endpoints of OCI distribution-spec 1.1 ("Endpoints", end-1 to end-14), read from a request target and printed
// back. What this grammar does not know does not exist: it is answered with 404 and never forwarded, so that no two
// servers can read one target differently.

export type Endpoint =
  | { readonly kind: 'base' } // end-1
  | { readonly kind: 'blob'; readonly repository: RepositoryName; readonly digest: Digest } // end-2, end-10
  | { readonly kind: 'manifest'; readonly repository: RepositoryName; readonly identifier: Identifier } // end-3, 7, 9
  | {
      readonly kind: 'uploads';
      readonly repository: RepositoryName;
      readonly query: readonly QueryParameter[];
    } // end-4, 11
  | {
      readonly kind: 'upload'; // end-5, 6, 13, 14
      readonly repository: RepositoryName;
      readonly session: string;
      readonly query: readonly QueryParameter[];
    }
  | { readonly kind: 'tags'; readonly repository: RepositoryName; readonly query: readonly QueryParameter[] } // end-8
  | {
      readonly kind: 'referrers'; // end-12
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly query: readonly QueryParameter[];
    };

/** What a request target says: the endpoint, and each `ns` (the registry a containerd mirror stands in for). */
export interface Target {
  readonly endpoint: Endpoint;
  readonly namespaces: readonly string[];
}

const longestTarget = 4096;
// No percent sign, backslash, fragment, control or non-ASCII character can stand in the path of any endpoint.
const plainPath = /^\/v2(?:\/[A-Za-z0-9._:=-]*)*$/;
const session = /^[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,511}$/;

/** Query parameters that an endpoint has a meaning for; any other is dropped, so that none can change what is asked. */
const knownQuery: Record<'tags' | 'referrers', readonly string[]> = {
  tags: ['n', 'last', 'next_page'], // the third is Quay's
  referrers: ['artifactType', 'n', 'last'],
};

/** Takes a request target in origin form (RFC 9112 §3.2.1); gives what it asks for, or undefined for "not an endpoint". */
export function parseEndpoint(target: string): Target | undefined {
  if (target.length > longestTarget) return undefined;
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = parseQuery(mark < 0 ? '' : target.slice(mark + 1));
  if (!plainPath.test(path) || query === undefined) return undefined;

  const namespaces = query.filter(([name]) => name === 'ns').map(([, value]) => value);
  const endpoint = parsePath(
    path,
    query.filter(([name]) => name !== 'ns'),
  );
  return endpoint && { endpoint, namespaces };
}

function parsePath(path: string, query: readonly QueryParameter[]): Endpoint | undefined {
  const segments = path.split('/').slice(2);
  if (segments.length === 0 || (segments.length === 1 && segments[0] === '')) return { kind: 'base' };
  const [last = '', before = '', third = ''] = segments.toReversed();

  if (third === 'blobs' && before === 'uploads') {
    const repository = nameOf(segments, 3);
    if (repository === undefined) return undefined;
    if (last === '') return { kind: 'uploads', repository, query };
    return session.test(last) ? { kind: 'upload', repository, session: last, query } : undefined;
  }
  const repository = nameOf(segments, 2);
  if (repository === undefined) return undefined;
  switch (before) {
    case 'blobs': {
      // The specification writes the upload path with a trailing slash; clients leave it out too.
      if (last === 'uploads') return { kind: 'uploads', repository, query };
      const digest = parseDigest(last);
      return digest && { kind: 'blob', repository, digest };
    }
    case 'manifests': {
      const identifier = parseIdentifier(last);
      return identifier && { kind: 'manifest', repository, identifier };
    }
    case 'tags':
      return last === 'list' ? { kind: 'tags', repository, query: keep(query, knownQuery.tags) } : undefined;
    case 'referrers': {
      const digest = parseDigest(last);
      return digest && { kind: 'referrers', repository, digest, query: keep(query, knownQuery.referrers) };
    }
    default:
      return undefined;
  }
}

/** Takes an endpoint; gives its request target. The inverse of `parseEndpoint`, without `ns`. */
export function printEndpoint(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'base':
      return '/v2/';
    case 'blob':
      return `/v2/${endpoint.repository}/blobs/${endpoint.digest}`;
    case 'manifest':
      return `/v2/${endpoint.repository}/manifests/${printIdentifier(endpoint.identifier)}`;
    case 'uploads':
      return `/v2/${endpoint.repository}/blobs/uploads/${printQuery(endpoint.query)}`;
    case 'upload':
      return `/v2/${endpoint.repository}/blobs/uploads/${endpoint.session}${printQuery(endpoint.query)}`;
    case 'tags':
      return `/v2/${endpoint.repository}/tags/list${printQuery(endpoint.query)}`;
    case 'referrers':
      return `/v2/${endpoint.repository}/referrers/${endpoint.digest}${printQuery(endpoint.query)}`;
  }
}

function nameOf(segments: readonly string[], tail: number): RepositoryName | undefined {
  return parseRepositoryName(segments.slice(0, -tail).join('/'));
}

function keep(query: readonly QueryParameter[], names: readonly string[]): readonly QueryParameter[] {
  return query.filter(([name]) => names.includes(name));
}
