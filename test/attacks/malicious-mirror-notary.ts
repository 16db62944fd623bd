import type { Fault } from '../world/fault.ts';
import { answer, loginPage, raw, redirect, reset, truncated } from '../world/fault.ts';
import type { Attack } from './attack.ts';
import { good } from './attack.ts';
import type { Expected } from './expected.ts';
import { refused, served } from './expected.ts';

// What comes in place of a timestamp, or of the token that it takes to get one.

const unavailable = refused('NOTARY_UNAVAILABLE');
const unauthorized = refused('NOTARY_UNAUTHORIZED');

export const notaryAttacks: readonly Attack[] = [
  ...[401, 403].map((status) => inPlace('U-26', `${status}`, answer(status), unauthorized)),
  ...[204, 302, 304, 307, 400, 418, 429, 500, 502, 503].map((status) =>
    inPlace('U-26', `${status}`, answer(status), unavailable),
  ),
  inPlace('U-33', 'a login page', loginPage, refused('MALFORMED')),
  ...[302, 307, 308].map((status) =>
    inPlace('U-11', `a redirect (${status})`, redirect('/v2/', status), unavailable),
  ),
  inPlace('U-13', 'a redirect into our own network', redirect('http://169.254.169.254/'), unavailable),
  inPlace('U-02', 'half of it', truncated(20), unavailable),
  inPlace('U-02', 'a reset connection', reset, unavailable),
  inPlace(
    'U-03',
    'a body without length that ends too soon',
    rawAnswer([], '{"signed":'),
    refused('MALFORMED'),
  ),
  inPlace('U-04', 'a chunk that ends too soon', chunked('A\r\n12345'), unavailable),
  inPlace('U-04', 'both a length and chunks', chunked('0\r\n\r\n', 'Content-Length: 3'), unavailable),
  inPlace(
    'U-04',
    'two lengths',
    rawAnswer(['Content-Length: 5', 'Content-Length: 6'], '123456'),
    unavailable,
  ),
  inPlace(
    'U-19',
    'a header with a NUL in it',
    rawAnswer(['X-Y: a\0b', 'Content-Length: 2'], '{}'),
    unavailable,
  ),
  inPlace('U-04', 'what is not HTTP', raw('SSH-2.0-OpenSSH\r\n'), unavailable),
];

/** A grace bridges what says that nobody is there, and nothing that anybody says. */
export const graceAttacks: readonly Attack[] = [
  ...[401, 403].map((status) => bridged(`${status}`, answer(status), unauthorized)),
  ...[302, 404, 418, 429].map((status) =>
    bridged(`${status}`, answer(status), status === 404 ? refused('ROLLBACK') : unavailable),
  ),
  ...[500, 503].map((status) => bridged(`${status}`, answer(status), served(good, { floors: 'kept' }))),
  bridged('a reset connection', reset, served(good, { floors: 'kept' })),
  bridged('a login page', loginPage, refused('MALFORMED')),
];

const tokens: readonly (readonly [what: string, fault: Fault, expected: Expected])[] = [
  ['a login page', loginPage, unavailable],
  ['ten megabytes', answer(200, { body: `{"token":"${'x'.repeat(10_000_000)}"}` }), unavailable],
  ['a token that is no text', answer(200, { body: '{"token":7}' }), unavailable],
  ['a token with a line break in it', answer(200, { body: '{"token":"a\\r\\nX: y"}' }), unavailable],
  ['no token', answer(200, { body: '{}' }), unavailable],
  ['a token that nobody accepts', answer(200, { body: '{"token":"x"}' }), unauthorized],
];

export const tokenAttacks: readonly Attack[] = tokens.map(([what, fault, expected]) => ({
  id: what === 'a token that nobody accepts' ? 'U-18' : 'U-17',
  title: `a token server that gives ${what} opens nothing`,
  cold: { ...expected, roots: 0 },
  lie: ({ world }) => {
    world.notary.intercept(({ path }) => (path === '/token' ? fault : undefined));
  },
}));

/** Something else in place of the timestamp of trust data that is new. */
function inPlace(id: string, what: string, fault: Fault, expected: Expected): Attack {
  return {
    id,
    title: `${what} in place of a timestamp is refused`,
    warm: expected,
    cold: expected,
    lie: ({ world, name, repository }) => {
      repository.publish();
      world.notary.fault(name, 'timestamp', fault);
    },
  };
}

function bridged(what: string, fault: Fault, expected: Expected): Attack {
  return {
    id: 'U-26',
    title: `${what} in place of a timestamp is ${expected.manifest ? 'an outage, which has its grace' : 'no outage'}`,
    warm: expected,
    lie: ({ world, name }) => {
      world.notary.fault(name, 'timestamp', fault);
    },
    // Which the next pull would find remembered.
    mend: 'never',
  };
}

function rawAnswer(headers: readonly string[], body: string): Fault {
  return raw(`HTTP/1.1 200 OK\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n${body}`);
}

function chunked(body: string, ...headers: readonly string[]): Fault {
  return rawAnswer(['Transfer-Encoding: chunked', ...headers], body);
}
