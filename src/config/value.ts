import { isIP } from 'node:net';
import type { Digest, Tag } from '../oci/reference.ts';
import { parseDigest, parseTag } from '../oci/reference.ts';
import { parsePattern } from '../policy/pattern.ts';
import type { Address } from './config.ts';

// The texts of the configuration read into values. A message says what is wanted and never repeats what was found:
// that may have come from the environment, and the line of the file is shown beside it.

/** A value, or what is wrong with the text, worded to follow the name of its key. */
export type Reading<T> = { readonly value: T } | { readonly problem: string };

const milliseconds = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const bytes = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
export const durationPattern = '^(0|[0-9]{1,9}(ms|s|m|h))$';
export const sizePattern = '^[0-9]{1,9}(B|KiB|MiB|GiB)$';
export const durationWanted = 'must be a duration: 0, or a whole number of ms, s, m or h, such as "30s"';
const longestDuration = 10 * 365 * 24 * 3_600_000;
const largestSize = bytes.GiB;

/** Takes a duration as written, and the most it may be; gives milliseconds. */
export function readDuration(text: string, most = longestDuration): Reading<number> {
  const written = /^([0-9]{1,9})(ms|s|m|h)$/.exec(text);
  if (written === null && text !== '0') return { problem: durationWanted };
  const value = Number(written?.[1] ?? 0) * milliseconds[(written?.[2] ?? 'ms') as keyof typeof milliseconds];
  return value <= most ? { value } : { problem: `must be at most ${most / 3_600_000}h` };
}

/** Takes a size as written; gives bytes, at least one. */
export function readSize(text: string): Reading<number> {
  const written = /^([0-9]{1,9})(B|KiB|MiB|GiB)$/.exec(text);
  if (written === null)
    return { problem: 'must be a size: a whole number of B, KiB, MiB or GiB, such as "64KiB"' };
  const value = Number(written[1]) * bytes[written[2] as keyof typeof bytes];
  return value >= 1 && value <= largestSize ? { value } : { problem: 'must be from 1B to 1GiB' };
}

/** Takes a tag; gives it. */
export function readTag(text: string): Reading<Tag> {
  const value = parseTag(text);
  return value === undefined ? { problem: 'must be a tag, such as "v1.2"' } : { value };
}

/** Takes a digest; gives it. */
export function readDigest(text: string): Reading<Digest> {
  const value = parseDigest(text);
  return value === undefined ? { problem: 'must be a digest: sha256: and 64 hexadecimal digits' } : { value };
}

/** Takes an instant of RFC 3339 in UTC; gives milliseconds since 1970. */
export function readInstant(text: string): Reading<number> {
  const value = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/.test(text)
    ? Date.parse(text)
    : NaN;
  // `Date` takes the 30th of February for the 2nd of March.
  const isReal = !Number.isNaN(value) && new Date(value).toISOString().startsWith(text.slice(0, -1));
  return isReal ? { value } : { problem: 'must be an instant in UTC, such as "2026-12-31T00:00:00Z"' };
}

/** Takes `host:port` or `[IPv6]:port`; gives the address to listen on. Port 0 lets the system choose. */
export function readAddress(text: string): Reading<Address> {
  const written = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9.-]{1,253})):([0-9]{1,5})$/.exec(text);
  const port = Number(written?.[3]);
  const host = written?.[1] ?? written?.[2];
  // Digits and dots alone are an IPv4 address or nothing: `0.0.0:5000` must not become a name to look up.
  const valid =
    written?.[1] === undefined ? host && (isIP(host) === 4 || /[a-z]/i.test(host)) : isIP(host ?? '') === 6;
  if (host === undefined || !valid || port > 65_535) {
    return { problem: 'must be host:port, such as "0.0.0.0:5000" or "[::]:5000"' };
  }
  return { value: { host, port } };
}

/** Takes an address of a server; gives its origin. A path, a query and an account in it are problems. */
export function readOrigin(text: string): Reading<string> {
  const read = readUrl(text);
  if ('problem' in read) return read;
  return read.value.pathname === '/'
    ? { value: read.value.origin }
    : { problem: 'must not have a path: only scheme, host and port' };
}

/** Takes a base address, which may have a path; gives it without a trailing slash. */
export function readBaseUrl(text: string): Reading<string> {
  const read = readUrl(text);
  return 'problem' in read ? read : { value: read.value.href.replace(/\/$/, '') };
}

/** Takes the address of a token server; gives it as written. Only https: it is shown an account. */
export function readTokenRealm(text: string): Reading<string> {
  const read = readUrl(text);
  if ('problem' in read) return read;
  return read.value.protocol === 'https:' ? { value: text } : { problem: 'must begin with https://' };
}

/** Takes `sqlite:PATH`; gives the path. */
export function readStatePath(text: string): Reading<string> {
  if (/^postgres(?:ql)?:/.test(text)) {
    return { problem: 'must be sqlite:PATH: this version keeps its state in SQLite only' };
  }
  const path = text.startsWith('sqlite:') ? text.slice('sqlite:'.length) : '';
  const valid = path !== '' && !path.startsWith('//') && !path.includes('\0');
  return valid
    ? { value: path }
    : { problem: 'must be sqlite:PATH, such as "sqlite:/var/lib/tufgate/state.db"' };
}

/** Takes a GUN template; gives it back if the GUNs it makes can stand in a notary's paths. */
export function readGunTemplate(text: string): Reading<string> {
  const filled = text.replaceAll(/\{(?:registry|repository)\}/g, 'x');
  if (/[{}]/.test(filled)) {
    return { problem: 'has an unknown placeholder: only {registry} and {repository} are filled in' };
  }
  const parts = filled.split('/');
  const valid =
    text.length <= 512 && parts.every((part) => /^[A-Za-z0-9._:-]+$/.test(part) && !/^\.+$/.test(part));
  return valid ? { value: text } : { problem: 'must be a name such as "{registry}/{repository}"' };
}

/** Takes a rule's `match`; gives it back if it is a pattern. */
export function readMatch(text: string): Reading<string> {
  return parsePattern(text) === undefined
    ? { problem: 'must be a registry and a name: exact, with * for one whole segment, or ending in /**' }
    : { value: text };
}

/** Takes the user name of an account; gives it back if HTTP's Basic scheme can carry it (RFC 7617 §2). */
export function readUsername(text: string): Reading<string> {
  return /^[^:\p{Cc}]{1,255}$/u.test(text)
    ? { value: text }
    : { problem: 'must be 1 to 255 characters without a colon or control characters' };
}

/** Takes an http or https address; reads it only if the WHATWG parser has nothing to repair or to guess in it. */
function readUrl(text: string): Reading<URL> {
  if (text.includes('@')) return { problem: 'must not carry an account: that belongs in "auth"' };
  if (/[?#]/.test(text)) return { problem: 'must not have a query or a fragment' };
  const plain = /^https?:\/\/[A-Za-z0-9.:[\]-]+(?:\/[A-Za-z0-9._~-]+)*\/?$/.test(text);
  const url = plain ? URL.parse(text) : null;
  const path = /^[a-z]+:\/\/[^/]*(\/.*)?$/.exec(text)?.[1] ?? '/';
  // A path that the parser changed had dot segments.
  return url !== null && url.pathname === path
    ? { value: url }
    : { problem: 'must be an address that begins with https:// or http://' };
}
