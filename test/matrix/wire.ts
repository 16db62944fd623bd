import type { Fault } from '../world/fault.ts';
import {
  answer,
  changeBody,
  Flood,
  gzipped,
  loginPage,
  raw,
  redirect,
  reset,
  truncated,
} from '../world/fault.ts';
import type { Corruption, Expected, Outcome, Place, RoleName } from './corruption.ts';
import { all, always, answered, both, notSigned, split } from './corruption.ts';

// What comes over the wire in the place of an honest file (notary-v1 §1, §5.4 to §5.9).

const every = (what: string, fault: Fault, expected: Outcome): Corruption =>
  answered(what, () => fault, all(expected));

/** Files that signed metadata names by hash are BAD_HASH, whatever else is wrong; the others are judged for what they are. */
const unnamed = (outcome: Outcome): Expected => ({
  ...all('BAD_HASH'),
  root: both(outcome),
  timestamp: both(outcome),
});

const statuses: readonly Corruption[] = [
  every('200 of an empty body by 204', answer(204), 'NOTARY_UNAVAILABLE'),
  every('206', answer(206, { body: '{}' }), 'NOTARY_UNAVAILABLE'),
  every('307 to itself', (honest, request) => redirect(request.url)(honest, request), 'NOTARY_UNAVAILABLE'),
  ...[304, 400, 429, 500, 503].map((status) => every(String(status), answer(status), 'NOTARY_UNAVAILABLE')),
  every('401', answer(401), 'NOTARY_UNAUTHORIZED'),
  every(
    '401 with a challenge that no one can answer',
    answer(401, { headers: { 'www-authenticate': 'Negotiate' } }),
    'NOTARY_UNAUTHORIZED',
  ),
  every('403', answer(403), 'NOTARY_UNAUTHORIZED'),
  answered('404', () => answer(404), {
    ...all('NOTARY_UNAVAILABLE'),
    root: split('REPOSITORY_NOT_SIGNED', 'ROLLBACK'),
    timestamp: split('NOTARY_UNAVAILABLE', 'ROLLBACK'),
  }),
];

const connections: readonly Corruption[] = [
  every('a reset connection', reset, 'NOTARY_UNAVAILABLE'),
  every('a connection that ends in the middle', truncated(20), 'NOTARY_UNAVAILABLE'),
  every('something that is not HTTP', raw('SSH-2.0-x\r\n'), 'NOTARY_UNAVAILABLE'),
];

const bodies: readonly Corruption[] = [
  answered('a login page', () => loginPage, unnamed('MALFORMED')),
  ...['', 'null', '[]'].map((body) =>
    answered(`a body of ${JSON.stringify(body)}`, () => answer(200, { body }), unnamed('MALFORMED')),
  ),
  answered('the file compressed', () => gzipped, unnamed('MALFORMED')),
  answered('a body without end', () => new Flood().fault, unnamed('MALFORMED')),
  answered(
    'a body that says it is too long',
    () => new Flood({ size: 2 ** 30, headers: { 'content-length': 2 ** 30 } }).fault,
    unnamed('MALFORMED'),
  ),
  answered(
    'the file with a byte less',
    () => changeBody((body) => body.subarray(0, -1)),
    unnamed('MALFORMED'),
  ),
  answered(
    'the file with its first byte changed',
    () => changeBody((body) => body.fill(' ', 0, 1)),
    unnamed('MALFORMED'),
  ),
  answered(
    'the file with a newline more',
    () => changeBody((body) => Buffer.concat([body, Buffer.from('\n')])),
    { ...all('BAD_HASH'), timestamp: both('signed') },
    { rootStands: always },
  ),
  answered('the file with its signatures broken', () => changeBody(breakSignatures), {
    ...all('BAD_HASH'),
    root: notSigned.root ?? {},
    timestamp: both('BAD_SIGNATURE'),
  }),
  answered(
    'the file of another role',
    ({ repository }, role) =>
      (honest, request) =>
        answer(200, {
          body: repository.files.current(role === 'snapshot' ? 'targets' : 'snapshot')?.bytes ?? '',
        })(honest, request),
    unnamed('MALFORMED'),
  ),
  answered('the file that is trusted, under a newer root', before(0), {
    timestamp: { warm: 'BAD_HASH' },
    snapshot: { warm: 'BAD_HASH' },
    targets: { warm: 'BAD_HASH' },
    'targets/releases': { warm: 'BAD_HASH' },
  }),
  answered('a file from before the trusted one', before(1), {
    timestamp: { warm: 'ROLLBACK' },
    snapshot: { warm: 'BAD_HASH' },
    targets: { warm: 'BAD_HASH' },
    'targets/releases': { warm: 'BAD_HASH' },
  }),
];

export const wireRows: readonly Corruption[] = [...statuses, ...connections, ...bodies];

/** The honest file of the version that was trusted when this was made, or of `ago` before it. */
function before(ago: number): (place: Place, role: RoleName) => Fault {
  return ({ repository }, role) =>
    answer(200, { body: repository.files.version(role, repository.version(role) - ago)?.bytes ?? '' });
}

function breakSignatures(file: Buffer): Buffer {
  file.write('AAAA', file.indexOf('"sig":"') + '"sig":"'.length);
  return file;
}
