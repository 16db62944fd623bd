import type { Endpoint } from './endpoint.ts';
import { parseEndpoint } from './endpoint.ts';
import type { QueryParameter } from './query.ts';
import { parseQuery } from './query.ts';
import type { RepositoryName } from './reference.ts';
import { isRegistryName, parseRepositoryName } from './reference.ts';

// What a client may ask of a proxy: the endpoints of a registry, also below a registry's name (`/docker.io/v2/…`); the
// trust data of an image, where Docker Content Trust looks for it; and tokens for both.

/** Trust data under the name of an image (notary-server's HTTP API): `/v2/<gun>/_trust/tuf/<file>`. */
export interface TrustEndpoint {
  readonly kind: 'trust';
  /** `<host>/<repository>`, as the client names the image. */
  readonly gun: string;
  readonly host: string;
  readonly repository: RepositoryName;
  /** A metadata file, `timestamp.key` or `snapshot.key`, or nothing for the whole: what is published or deleted. */
  readonly file: string;
}
/** The token endpoint (distribution's token authentication). */
export interface TokenEndpoint {
  readonly kind: 'token';
  readonly query: readonly QueryParameter[];
}

/** `before` is the path segment before `/v2/`: the name of a registry, if it is one. */
export interface RequestTarget {
  readonly endpoint: Endpoint | TrustEndpoint | TokenEndpoint;
  readonly namespaces: readonly string[];
  readonly before: string | undefined;
}

const longestTarget = 4096;
const belowRegistry = /^\/([A-Za-z0-9._:-]{1,255})(\/v2(?:[/?].*)?)$/s;
/** One role by its name, by its hash or by its version, each in one spelling; a delegation's name has slashes. */
const trustFile =
  /^(?:[1-9][0-9]{0,9}\.)?(?:root|snapshot|timestamp|targets(?:\/[-a-z0-9_]+)*)(?:\.[0-9a-f]{64})?\.json$/;
const keyFile = /^(?:snapshot|timestamp)\.key$/;

/** Takes a request target in origin form (RFC 9112 §3.2.1); gives what it asks for, or undefined for "not an endpoint". */
export function parseTarget(text: string): RequestTarget | undefined {
  if (text.length > longestTarget) return undefined;
  const [, segment = '', below = ''] = belowRegistry.exec(text) ?? [];
  // `/v2/v2/…` is the repository `v2/…`.
  const before = segment === '' || segment === 'v2' ? undefined : segment;
  const target = before === undefined ? text : below;

  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  if (path === '/token' || path.includes('/_trust/')) {
    const query = parseQuery(mark < 0 ? '' : target.slice(mark + 1));
    if (query === undefined) return undefined;
    const namespaces = query.filter(([name]) => name === 'ns').map(([, value]) => value);
    const endpoint: TokenEndpoint | TrustEndpoint | undefined =
      path === '/token'
        ? { kind: 'token', query: query.filter(([name]) => name !== 'ns') }
        : parseTrust(path);
    return endpoint && { endpoint, namespaces, before };
  }
  const found = parseEndpoint(target);
  return found && { ...found, before };
}

/** Takes an endpoint of trust data; gives its path below a notary's base address. */
export function printTrust({ gun, file }: TrustEndpoint): string {
  return `/v2/${gun}/_trust/tuf/${file}`;
}

function parseTrust(path: string): TrustEndpoint | undefined {
  const mark = '/_trust/tuf/';
  const at = path.indexOf(mark);
  if (at < 0 || !path.startsWith('/v2/')) return undefined;
  const gun = path.slice('/v2/'.length, at);
  const file = path.slice(at + mark.length);
  const slash = gun.indexOf('/');
  const host = gun.slice(0, Math.max(slash, 0));
  const repository = parseRepositoryName(gun.slice(slash + 1));
  if (!isRegistryName(host) || repository === undefined) return undefined;
  if (file !== '' && !trustFile.test(file) && !keyFile.test(file)) return undefined;
  return { kind: 'trust', gun, host, repository, file };
}
