/** Why an address that a server named is not asked. */
export interface RefusedRedirect {
  readonly refused: string;
}

const addressLiteral = /^(?:\[.*\]|[0-9]{1,3}(?:\.[0-9]{1,3}){3})$/;
const loopbackName = /^(?:.*\.)?localhost\.?$/;

/**
 * Takes the address that was asked and the address that its answer names (a `Location`, or the realm of a Bearer
 * challenge), absolute or relative; gives where to go, or why not. A registry may send us to its storage, but not from
 * https to http, and not to an address inside our network that only we can reach: hence no IP address and no
 * `localhost`, in any of the spellings that URL parsing unifies (`0177.1`, `[::ffff:7f00:1]`), unless it is the host
 * that was asked. Carries no fragment.
 */
export function redirectTarget(from: URL, location: string): URL | RefusedRedirect {
  const target = URL.parse(location, from.href);
  if (target === null) return { refused: 'the address is not a URL' };
  if (target.protocol !== 'https:' && target.protocol !== 'http:') {
    return { refused: `the address has the scheme ${target.protocol.slice(0, -1)}, not http or https` };
  }
  if (from.protocol === 'https:' && target.protocol === 'http:') {
    return { refused: `the address leads from https to http, at ${target.host}` };
  }
  if (target.username !== '' || target.password !== '') {
    return { refused: `the address at ${target.host} carries a user name or password` };
  }
  const { hostname } = target;
  if (hostname !== from.hostname && (addressLiteral.test(hostname) || loopbackName.test(hostname))) {
    return {
      refused: `the address names the host ${hostname}, which is not ${from.hostname} and has no public name`,
    };
  }
  target.hash = '';
  return target;
}
