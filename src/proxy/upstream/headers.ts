import type { IncomingHttpHeaders } from 'node:http';
import type { Registry } from '../../config/config.ts';
import { acceptManifests } from '../../oci/media-type.ts';

// Which header fields cross the proxy. Both ways it is a list of what may pass, not of what may not: a field that
// nobody thought of (X-Forwarded-*, X-Original-URL, X-HTTP-Method-Override, Forwarded, Cookie, Proxy-*, Upgrade, TE;
// Set-Cookie, Refresh, Alt-Svc, Strict-Transport-Security, Clear-Site-Data, Server) is not passed on.

/** What of a client's header fields goes along when something is asked for its sake: who it is, and how it came. */
export type Caller = Pick<IncomingHttpHeaders, 'authorization' | 'via'>;

/** Header fields by lower-case name, fit for node:http and undici. */
export type HeaderFields = Record<string, string | string[]>;

/** Content-Length, Transfer-Encoding, Expect and Host are missing: they belong to the connection we make ourselves. */
const carriedRequest: ReadonlySet<string> = new Set([
  'accept',
  'content-range', // a chunk of an upload (distribution-spec end-5)
  'content-type',
  'docker-distribution-api-version',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  'user-agent',
  'via', // every hop of a loop has to be told of all before it
]);

const blobRequest: ReadonlySet<string> = new Set(['accept', 'if-range', 'range', 'user-agent', 'via']);
const manifestRequest: ReadonlySet<string> = new Set(['via']);

const blobResponse: ReadonlySet<string> = new Set([
  'accept-ranges',
  'content-length',
  'content-range',
  'content-type',
  'docker-content-digest',
  'docker-distribution-api-version',
  'docker-ratelimit-source',
  'etag',
  'last-modified',
  'retry-after',
]);

/**
 * Cache-Control, Expires, Age and Vary are missing: a cache between us and the client would keep an answer longer than
 * our verdict holds. Location and Link are missing: they name addresses, and are printed anew.
 */
const carriedResponse: ReadonlySet<string> = new Set([
  ...blobResponse,
  'allow',
  'content-encoding', // we ask for none; a server that codes all the same must at least say so
  'docker-upload-uuid',
  'range', // how far an upload got
  'warning',
]);

/** `OCI-Subject`, `OCI-Filters-Applied`, `OCI-Tag`, …; the registry's own prefix, whatever it comes to define. */
const ociPrefix = ['oci-'];
const answerPrefixes = ['oci-', 'ratelimit-'];

/** Takes a client's header fields, the Authorization to send and our own name for `Via`; gives those of a carried
 * request to the upstream. */
export function carriedRequestHeaders(
  client: IncomingHttpHeaders,
  authorization: string | undefined,
  hop?: string,
): HeaderFields {
  return withOurs(pick(client, carriedRequest, ociPrefix), authorization, hop);
}

/** Takes a client's header fields; gives those that a request for a blob may carry to the upstream: the range. */
export function blobRequestHeaders(client: IncomingHttpHeaders): HeaderFields {
  return pick(client, blobRequest, []);
}

/** Takes a client's header fields; gives those that a request for a manifest on its behalf carries to the upstream. */
export function manifestRequestHeaders(caller: Caller): HeaderFields {
  return { ...pick(caller, manifestRequest, []), accept: acceptManifests, 'user-agent': 'tufgate' };
}

/** Adds our own fields last, so that nothing a client nominates in Connection can take them away. */
export function withOurs(
  headers: HeaderFields,
  authorization: string | undefined,
  hop?: string,
): HeaderFields {
  // A coding would only be undone again: manifests and layers are signed, hashed and mostly compressed as they are.
  const ours: HeaderFields = { ...headers, 'accept-encoding': 'identity' };
  if (authorization !== undefined) ours['authorization'] = authorization;
  // RFC 9110 §7.6.3: whom it came through, and us.
  if (hop !== undefined) ours['via'] = [headers['via'] ?? [], `1.1 ${hop}`].flat().join(', ');
  return ours;
}

/** Says whether a request has been at this hop before. The name of a hop cannot be guessed, so wherever it stands in the
 * field, it is ours. */
export function hasPassed(client: IncomingHttpHeaders, hop: string): boolean {
  return [client.via ?? []].flat().join().includes(hop);
}

/**
 * Takes an upstream's header fields; gives those of an answer that is passed on unjudged. Its challenge is the
 * client's business only where the client's own credentials are sent; `ourChallenge` then says what the client is told
 * in its place.
 */
export function carriedResponseHeaders(
  upstream: IncomingHttpHeaders,
  auth: Registry['auth'],
  ourChallenge?: (upstream: readonly string[]) => string | undefined,
): HeaderFields {
  const headers = pick(upstream, carriedResponse, answerPrefixes);
  const theirs = upstream['www-authenticate'];
  if (auth !== 'forward' || theirs === undefined || !isPlain(theirs)) return headers;
  const challenge = ourChallenge === undefined ? theirs : ourChallenge([theirs].flat());
  if (challenge !== undefined) headers['www-authenticate'] = challenge;
  return headers;
}

/** Takes an upstream's header fields; gives those of a blob. Content-Encoding is not among them: the digest names the
 * bytes as they come, so a client must not decode them first. */
export function blobResponseHeaders(upstream: IncomingHttpHeaders): HeaderFields {
  return pick(upstream, blobResponse, answerPrefixes);
}

function pick(
  headers: IncomingHttpHeaders,
  names: ReadonlySet<string>,
  prefixes: readonly string[],
): HeaderFields {
  const nominated = nominatedBy(headers.connection);
  const kept: HeaderFields = {};
  for (const [name, value] of Object.entries(headers)) {
    const known = names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
    if (!known || !fieldName.test(name) || nominated.has(name)) continue;
    if (value !== undefined && isPlain(value)) kept[name] = value;
  }
  return kept;
}

/** No underscore: some servers read `Content_Type` as `Content-Type`. */
const fieldName = /^[a-z0-9-]+$/;
/** Printable ASCII: what else a value may hold (RFC 9110 §5.5: obs-text) is read differently from server to server. */
const plainValue = /^[\t\x20-\x7e]*$/;

function isPlain(value: string | readonly string[]): boolean {
  return [value].flat().every((line) => plainValue.test(line));
}

/** RFC 9110 §7.6.1: what Connection names is meant for this hop only. */
function nominatedBy(connection: string | readonly string[] | undefined): ReadonlySet<string> {
  const lines = [connection ?? []].flat();
  return new Set(lines.flatMap((line) => line.split(',')).map((name) => name.trim().toLowerCase()));
}
