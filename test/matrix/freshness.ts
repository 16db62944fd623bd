import type { TrustPath } from '../../src/demo/notary-server.ts';
import type { JsonObject } from '../../src/demo/signing/signed-file.ts';
import { canonicalJson, printSignedFile, readSigned } from '../../src/demo/signing/signed-file.ts';
import { answer, changeBody } from '../world/fault.ts';
import type { Corruption, Expected, Outcome, Place, Situation } from './corruption.ts';
import { all, always, answered, both, resigned, roles, split } from './corruption.ts';

// Versions and expiry (notary-v1 §2.2, §5.4 to §5.7).

type Cells = Partial<Record<Situation, Outcome>>;

/** All roles but root, whose versions make a chain. */
const unchained = (cells: Cells): Expected =>
  Object.fromEntries(roles.filter((role) => role !== 'root').map((role) => [role, cells]));

/** The role's file at another version than the next; in the warm situation 6 is trusted. */
const version = (what: string, of: (trusted: number) => number, cells: Cells): Corruption => ({
  what,
  expected: unchained(cells),
  make: ({ repository }, role) => repository.setVersion(role, of(repository.version(role))),
  onTheWire: false,
  rootStands: always,
});

const asWritten = (number: number): Corruption =>
  resigned(`version ${number}`, (signed) => void (signed['version'] = number), {
    ...all('signed'),
    root: both('BAD_SIGNATURE'),
  });

const sameVersion = version('the trusted version, with other bytes', (trusted) => trusted, {
  warm: 'EQUIVOCATION',
});

const versions: readonly Corruption[] = [
  version('version 1', () => 1, split('signed', 'ROLLBACK')),
  version('a version one lower than the trusted one', (trusted) => trusted - 1, { warm: 'ROLLBACK' }),
  {
    ...sameVersion,
    make: (place, role) => {
      sameVersion.make(place, role);
      place.repository.forge(role, { signed: (signed) => void (signed['x'] = 'other') });
    },
  },
  version('a version 1,000 higher', (trusted) => trusted + 1000, both('signed')),
  asWritten(2 ** 31),
  asWritten(Number.MAX_SAFE_INTEGER),
];

const isCurrent = (path: TrustPath): boolean => path.version === undefined;

/** In the warm situation root 2 is trusted, and 3 is the next. */
const chain: readonly Corruption[] = [
  resigned('3.root.json of version 1', (signed) => void (signed['version'] = 1), {
    root: { warm: 'ROLLBACK' },
  }),
  resigned('3.root.json of version 2, which is trusted', (signed) => void (signed['version'] = 2), {
    root: { warm: 'BAD_SIGNATURE' },
  }),
  resigned(
    'the next root of a version too far',
    (signed) => void (signed['version'] = Number(signed['version']) + 1),
    {
      root: both('BAD_SIGNATURE'),
    },
  ),
  {
    ...answered('root.json of version 4, and no 3.root.json', () => answer(404), {
      root: { warm: 'BAD_SIGNATURE' },
    }),
    make: ({ repository, fault }) => {
      repository.publish();
      repository.touch('root');
      fault('root', answer(404), (path) => path.version === 3);
    },
  },
  answered(
    'root.json with other bytes than that version has, as well signed',
    (place) => (_honest, request) => answer(200, { body: resignedRoot(place) })(_honest, request),
    { root: both('EQUIVOCATION') },
    { which: isCurrent, rootStands: always },
  ),
  answered(
    'root.json with a newline more than that version has',
    () => changeBody((body) => Buffer.concat([body, Buffer.from('\n')])),
    { root: both('EQUIVOCATION') },
    { which: isCurrent, rootStands: always },
  ),
  answered(
    'root.json of version 2, beside 3.root.json',
    ({ repository }) => answer(200, { body: repository.files.version('root', 2)?.bytes ?? '' }),
    { root: { warm: 'ROLLBACK' } },
    { which: isCurrent, rootStands: always },
  ),
];

/** The current root with a member more, signed anew with its key. */
function resignedRoot({ repository }: Place): Buffer {
  const file = repository.files.current('root');
  const [key] = repository.keys('root');
  if (file === undefined || key === undefined) throw new TypeError('there is no root');
  const signed: JsonObject = { ...readSigned(file.bytes), x: 'other' };
  const text = canonicalJson(signed);
  return printSignedFile(text, [key.sign(Buffer.from(text))]);
}

/** It is 2026-11-20T12:00:00.000Z. */
const future = [
  '2026-11-20T12:00:01Z',
  '2026-11-20T12:00:00.001Z',
  '2027-01-02T03:04:05.123456789Z',
  '2026-11-20T10:00:01-02:00',
  '2026-11-20T01:00:00-12:30',
  '2028-02-29T00:00:00Z',
  '9999-12-31T23:59:59.999999999Z',
];
const past = [
  '2026-11-20T12:00:00Z',
  '2026-11-20T12:00:00.000999999Z',
  '2026-11-20T13:59:59+02:00',
  '1970-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
];
const noInstants = [
  '2027',
  '2027-01-01',
  '2027-01-01T00:00:00',
  '2027-01-01 00:00:00Z (x)',
  '2027-01-01t00:00:00z',
  '2027-01-01T00:00:00.0000000001Z',
  '2027-01-01T00:00:00+0200',
  '2027-01-01T00:00:00+24:00',
  '2027-02-30T00:00:00Z',
  '+012027-01-01T00:00:00Z',
  '2027-01-01T00:00:00Z\n',
  'Fri, 01 Jan 2027 00:00:00 GMT',
  null,
  1893456000,
  ['2027-01-01T00:00:00Z'],
];

const expiry: readonly Corruption[] = [
  ...future.map((text) =>
    resigned(`expires ${text}`, (signed) => void (signed['expires'] = text), all('signed')),
  ),
  ...past.map((text) =>
    resigned(`expires ${text}`, (signed) => void (signed['expires'] = text), all('EXPIRED'), {
      rootStands: always,
    }),
  ),
  ...noInstants.map((value) =>
    resigned(
      `expires ${JSON.stringify(value)}`,
      (signed) => void (signed['expires'] = value),
      all('MALFORMED'),
    ),
  ),
  resigned('no expires', (signed) => void delete signed['expires'], all('MALFORMED')),
];

export const freshnessRows: readonly Corruption[] = [...versions, ...chain, ...expiry];
