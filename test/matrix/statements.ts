import type { JsonObject } from '../../src/demo/signing/signed-file.ts';
import { answer } from '../world/fault.ts';
import type { Corruption, Expected, Outcome, Place, RoleName } from './corruption.ts';
import { both, roles, split, stated } from './corruption.ts';
import { own, put } from './document.ts';
import { limits } from './fixture.ts';

// What the timestamp says of the snapshot, and the snapshot of every other file (notary-v1 §2.4, §5.5 to §5.7).

/** All roles but timestamp, of which no file says anything. */
const listed = (outcome: Outcome): Expected =>
  Object.fromEntries(roles.filter((role) => role !== 'timestamp').map((role) => [role, both(outcome)]));

const hashes = (entry: JsonObject): JsonObject => entry['hashes'] as JsonObject;
const another = (algorithm: string): string =>
  Buffer.alloc(algorithm === 'sha256' ? 32 : 64, 7).toString('base64');

/** The role's file under whatever hash it is asked for. */
function whatever({ repository, fault }: Place, role: RoleName): void {
  // A root is asked for by its version.
  if (role === 'root') return;
  fault(role, (honest, request) =>
    answer(200, { body: repository.files.current(role)?.bytes ?? '' })(honest, request),
  );
}

const lengths: readonly Corruption[] = [
  stated(
    'its length one too many',
    (entry) => void (entry['length'] = Number(entry['length']) + 1),
    listed('BAD_HASH'),
  ),
  stated(
    'its length one too few',
    (entry) => void (entry['length'] = Number(entry['length']) - 1),
    listed('BAD_HASH'),
  ),
  stated('its length 1', (entry) => void (entry['length'] = 1), listed('BAD_HASH')),
  stated('a length above the limit', (entry, _meta, role) => void (entry['length'] = limits[role] + 1), {
    ...listed('MALFORMED'),
    root: both('BAD_HASH'),
  }),
  ...[0, -1, '700', null, undefined].map((length) =>
    stated(
      `its length ${length === undefined ? 'missing' : JSON.stringify(length)}`,
      (entry) => put(entry, ['length'], length),
      listed('MALFORMED'),
    ),
  ),
];

const digests: readonly Corruption[] = [
  stated('a sha256 that no file has', (entry) => void (hashes(entry)['sha256'] = another('sha256')), {
    ...listed('NOTARY_UNAVAILABLE'),
    root: both('BAD_HASH'),
  }),
  stated(
    'another sha256, and its file served all the same',
    (entry) => void (hashes(entry)['sha256'] = another('sha256')),
    listed('BAD_HASH'),
    whatever,
  ),
  stated('another sha512', (entry) => void (hashes(entry)['sha512'] = another('sha512')), listed('BAD_HASH')),
  stated('no sha256', (entry) => void delete hashes(entry)['sha256'], listed('MALFORMED'), whatever),
  stated('no sha512', (entry) => void delete hashes(entry)['sha512'], listed('signed')),
  stated('no hash', (entry) => void (entry['hashes'] = {}), listed('MALFORMED'), whatever),
  stated(
    'no hash but a sha1',
    (entry) => void (entry['hashes'] = { sha1: Buffer.alloc(20).toString('base64') }),
    listed('MALFORMED'),
    whatever,
  ),
  stated(
    'a hash __proto__ beside the others',
    (entry) => own(hashes(entry), '__proto__', 'AAAA'),
    listed('signed'),
  ),
  stated(
    'its hashes under __proto__',
    (entry) => {
      const inner = { ...hashes(entry) };
      entry['hashes'] = {};
      own(hashes(entry), '__proto__', inner);
    },
    listed('MALFORMED'),
    whatever,
  ),
  ...(['sha256', 'sha512'] as const).flatMap((algorithm) => [
    stated(
      `its ${algorithm} in hex`,
      (entry) => spell(entry, algorithm, (bytes) => bytes.toString('hex')),
      listed('MALFORMED'),
      whatever,
    ),
    stated(
      `its ${algorithm} without padding`,
      (entry) => spell(entry, algorithm, (bytes) => bytes.toString('base64').replaceAll('=', '')),
      listed('MALFORMED'),
      whatever,
    ),
    stated(
      `its ${algorithm} a byte short`,
      (entry) => spell(entry, algorithm, (bytes) => bytes.subarray(1).toString('base64')),
      listed('MALFORMED'),
      whatever,
    ),
    stated(
      `its ${algorithm} null`,
      (entry) => void (hashes(entry)[algorithm] = null),
      listed('MALFORMED'),
      whatever,
    ),
  ]),
];

const entries: readonly Corruption[] = [
  stated('no statement of it at all', (_entry, meta, role) => void delete meta[role], {
    ...listed('MALFORMED'),
    'targets/releases': split('fallback', 'ROLLBACK'),
  }),
  stated(
    'a statement of it under its name with .json only',
    (entry, meta, role) => {
      meta[`${role}.json`] = entry;
      delete meta[role];
    },
    { ...listed('MALFORMED'), 'targets/releases': split('fallback', 'ROLLBACK') },
  ),
  stated(
    'a statement of a role that nobody delegates, beside it',
    (entry, meta) => void (meta['targets/nobody'] = { ...entry }),
    {
      root: both('signed'),
      targets: both('signed'),
      'targets/releases': both('signed'),
    },
  ),
  stated(
    'the statement of another file in its place',
    (entry, meta, role) => {
      const other = meta[role === 'targets' ? 'root' : 'targets'] as JsonObject | undefined;
      if (other !== undefined) Object.assign(entry, other);
    },
    { root: both('BAD_HASH'), targets: both('MALFORMED'), 'targets/releases': both('MALFORMED') },
  ),
];

export const statementRows: readonly Corruption[] = [...lengths, ...digests, ...entries];

function spell(entry: JsonObject, algorithm: 'sha256' | 'sha512', as: (bytes: Buffer) => string): void {
  const honest = hashes(entry)[algorithm];
  if (typeof honest === 'string') hashes(entry)[algorithm] = as(Buffer.from(honest, 'base64'));
}
