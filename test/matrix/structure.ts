import type { Forgery } from '../../src/demo/signing-repository.ts';
import type { JsonValue } from '../../src/demo/signing/signed-file.ts';
import { canonicalJson } from '../../src/demo/signing/signed-file.ts';
import type { Corruption, Expected, Outcome, RoleName } from './corruption.ts';
import { all, both, forged, resigned, roles } from './corruption.ts';
import { own, put, renamed, replaced, twice } from './document.ts';

// Values of the wrong type, members that stand twice, in another case, or not at all (notary-v1 §5.1).

const sample = 'targets.1_0';

/** Members that are objects; `.` is `signed` itself, `<key>` the first key. */
const objects: Readonly<Record<RoleName, readonly string[]>> = {
  root: ['.', 'keys', 'keys.<key>', 'keys.<key>.keyval', 'roles', 'roles.root', 'roles.timestamp'],
  timestamp: ['.', 'meta', 'meta.snapshot', 'meta.snapshot.hashes'],
  snapshot: ['.', 'meta', 'meta.root', 'meta.targets', 'meta.targets.hashes', 'meta.targets/releases'],
  targets: ['.', 'targets', sample, `${sample}.hashes`, 'delegations.keys.<key>', 'delegations.roles.0'],
  'targets/releases': ['.', 'targets', sample, `${sample}.hashes`],
};

/** Objects that may not be arrays, but may be null: notary's reader takes null for an empty one. */
const nullable: Partial<Record<RoleName, readonly string[]>> = {
  targets: ['delegations', 'delegations.keys'],
  'targets/releases': ['delegations', 'delegations.keys'],
};

const arrays: Partial<Record<RoleName, readonly string[]>> = {
  root: ['roles.root.keyids', 'roles.snapshot.keyids'],
  targets: ['delegations.roles', 'delegations.roles.0.keyids', 'delegations.roles.0.paths'],
};

const scalars: Partial<Record<RoleName, readonly string[]>> = {
  root: ['keys.<key>.keytype', 'keys.<key>.keyval.public', 'roles.root.keyids.0', 'roles.targets.threshold'],
  timestamp: ['meta.snapshot.length', 'meta.snapshot.hashes.sha256', 'meta.snapshot.hashes.sha512'],
  snapshot: ['meta.root.length', 'meta.targets/releases.length', 'meta.targets/releases.hashes.sha256'],
  targets: [
    `${sample}.length`,
    `${sample}.hashes.sha256`,
    'delegations.roles.0.name',
    'delegations.roles.0.threshold',
    'delegations.roles.0.keyids.0',
    'delegations.roles.0.paths.0',
  ],
  'targets/releases': [`${sample}.length`, `${sample}.hashes.sha256`],
};

/** Members without which a file is none. */
const mandatory: Partial<Record<RoleName, readonly string[]>> = {
  root: ['keys', 'roles', 'roles.root', 'roles.timestamp', 'roles.snapshot', 'roles.targets', 'keys.<key>'],
  timestamp: ['meta', 'meta.snapshot', 'meta.snapshot.length', 'meta.snapshot.hashes'],
  snapshot: ['meta', 'meta.root', 'meta.targets', 'meta.targets.length', 'meta.targets/releases.hashes'],
  targets: [
    'targets',
    `${sample}.length`,
    `${sample}.hashes`,
    'delegations.roles.0.name',
    'delegations.roles.0.keyids',
    'delegations.roles.0.threshold',
    'delegations.keys.<key>',
  ],
  'targets/releases': ['targets', `${sample}.length`, `${sample}.hashes`],
};

/** Members with a known name, in another case. U+017F is an "s" to whoever ignores case as Go does. */
const spelled: Partial<Record<RoleName, readonly (readonly [path: string, other: string])[]>> = {
  root: [
    ['keys', 'Keys'],
    ['roles', 'ROLES'],
    ['roles.timestamp', 'Timestamp'],
    ['roles.root.keyids', 'keyIDs'],
    ['roles.root.threshold', 'Threshold'],
    ['keys.<key>.keytype', 'keyType'],
    ['keys.<key>.keyval', 'Keyval'],
    ['keys.<key>.keyval.public', 'Public'],
    ['consistent_snapshot', 'Consistent_Snapshot'],
  ],
  timestamp: [
    ['meta', 'Meta'],
    ['meta.snapshot', 'Snapshot'],
    ['meta.snapshot', '\u017fnapshot'],
    ['meta.snapshot.hashes', 'Hashes'],
    ['meta.snapshot.length', 'LENGTH'],
    ['meta.snapshot.hashes.sha512', 'SHA512'],
  ],
  snapshot: [
    ['meta', 'META'],
    ['meta.root', 'Root'],
    ['meta.targets', 'TARGETS'],
    ['meta.targets/releases.length', 'Length'],
    ['meta.targets.hashes.sha256', 'Sha256'],
  ],
  targets: [
    ['targets', 'Targets'],
    ['delegations', 'Delegations'],
    ['delegations.keys', 'Keys'],
    ['delegations.roles', 'Roles'],
    ['delegations.roles.0.name', 'Name'],
    ['delegations.roles.0.paths', 'Paths'],
    ['delegations.roles.0.threshold', 'THRESHOLD'],
    [`${sample}.length`, 'Length'],
  ],
  'targets/releases': [
    ['targets', 'TARGETS'],
    [`${sample}.hashes`, 'Hashes'],
    [`${sample}.hashes.sha256`, 'SHA256'],
  ],
};

const otherType: Readonly<Record<RoleName, string>> = {
  root: 'Targets',
  timestamp: 'Snapshot',
  snapshot: 'Timestamp',
  targets: 'Root',
  'targets/releases': 'Snapshot',
};

/** Everywhere in the file of one role. */
const types: readonly Corruption[] = [
  ...inEach(objects, 'an array for the object', (path) => setTo(path, [])),
  ...inEach(objects, 'null for the object', (path) => setTo(path, null)),
  ...inEach(nullable, 'an array for the object', (path) => setTo(path, [])),
  ...inEach(arrays, 'an object for the array', (path) => setTo(path, {})),
  ...inEach(scalars, 'an array for', (path) => setTo(path, [])),
  ...inEach(mandatory, 'no', (path) => setTo(path, undefined)),
];

const twins: readonly Corruption[] = [
  ...inEach(objects, 'twice the object', (path) => doubled(path), ['.', 'delegations.roles.0']),
  ...inEach(arrays, 'twice the array', (path) => doubled(path)),
  ...inEach(scalars, 'twice', (path) => doubled(path), [
    'roles.root.keyids.0',
    'delegations.roles.0.keyids.0',
    'delegations.roles.0.paths.0',
  ]),
];

const cases: readonly Corruption[] = roles.flatMap((role) =>
  (spelled[role] ?? []).map(([path, other]) =>
    forged(`${other} beside ${name(path)}`, respelled(split(path), other, true), of(role, 'MALFORMED')),
  ),
);

/** The members that every file has. */
const common: readonly Corruption[] = [
  resigned(
    '_type of another role',
    (signed, role) => void (signed['_type'] = otherType[role]),
    all('MALFORMED'),
  ),
  resigned('_type in lower case', (signed, role) => void (signed['_type'] = role), all('MALFORMED')),
  ...[['Root'], null, undefined].map((value) =>
    resigned(`_type ${shown(value)}`, (signed) => put(signed, ['_type'], value), all('MALFORMED')),
  ),
  ...['"7"', '1.5', 'true', 'null', '0', '9007199254740992', '1e400'].map((value) =>
    forged(
      `version ${value}`,
      { text: (text) => text.replace(/"version":[0-9]+/, `"version":${value}`) },
      all('MALFORMED'),
    ),
  ),
  resigned('no version', (signed) => void delete signed['version'], all('MALFORMED')),
  ...['_type', 'version', 'expires'].map((path) =>
    forged(
      `${path} twice`,
      { bytes: (file) => Buffer.from(twice(file, ['signed', path])) },
      all('MALFORMED'),
    ),
  ),
  forged(
    'version twice, of which the first is higher',
    { bytes: (file) => Buffer.from(replaced(file.toString(), '"version":', '"version":1000000,"version":')) },
    all('MALFORMED'),
  ),
  forged(
    'version twice, once by an escape',
    {
      bytes: (file) =>
        Buffer.from(replaced(file.toString(), '"version":', String.raw`"v\u0065rsion":1,"version":`)),
    },
    all('MALFORMED'),
  ),
  forged('Version for version', respelled(['version'], 'Version', false), all('MALFORMED')),
  ...(
    [
      ['version', 'VERSION'],
      ['expires', 'expire\u017f'],
      ['_type', '_Type'],
    ] as const
  ).map(([path, other]) =>
    forged(`${other} beside ${path}`, respelled([path], other, true), all('MALFORMED')),
  ),
];

/** Names that an object of JavaScript has already. They are names like any other. */
const inherited: readonly Corruption[] = [
  resigned(
    'members named __proto__, constructor and toString',
    (signed) => {
      own(signed, '__proto__', { polluted: true, version: 1 });
      own(signed, 'constructor', { prototype: { polluted: true } });
      own(signed, 'toString', null);
    },
    all('signed'),
  ),
  resigned(
    'what belongs to it only under __proto__',
    (signed) => {
      const inner = { ...signed };
      for (const member of Object.keys(signed)) delete signed[member];
      own(signed, '__proto__', inner);
    },
    all('MALFORMED'),
  ),
];

export const structureRows: readonly Corruption[] = [...common, ...types, ...twins, ...cases, ...inherited];

/** One row for each place that a role's list has. */
function inEach(
  places: Partial<Record<RoleName, readonly string[]>>,
  what: string,
  make: (path: readonly string[]) => Forgery,
  except: readonly string[] = [],
): readonly Corruption[] {
  return roles.flatMap((role) =>
    (places[role] ?? [])
      .filter((path) => !except.includes(path))
      .map((path) => forged(`${what} ${name(path)}`, make(split(path)), of(role, 'MALFORMED'))),
  );
}

function setTo(path: readonly string[], value: JsonValue | undefined): Forgery {
  return {
    text: (text) => {
      const file = { signed: JSON.parse(text) as JsonValue };
      put(file, ['signed', ...path], value);
      return canonicalJson(file.signed);
    },
  };
}

/** The signature is over what a reader that takes either of the two sees. */
function doubled(path: readonly string[]): Forgery {
  return { bytes: (file) => Buffer.from(twice(file, ['signed', ...path])) };
}

function of(role: RoleName, outcome: Outcome): Expected {
  return { [role]: both(outcome) };
}

function respelled(path: readonly string[], other: string, isBeside: boolean): Forgery {
  const text = (honest: string): string => renamed(Buffer.from(honest), path, other, isBeside);
  return { text: (honest) => canonicalJson(JSON.parse(text(honest)) as JsonValue) };
}

function split(path: string): readonly string[] {
  return path === '.' ? [] : path.split('.').map((part) => part.replace('1_0', '1.0'));
}

function name(path: string): string {
  return path === '.' ? 'signed' : path.replace('1_0', '1.0');
}

function shown(value: JsonValue | undefined): string {
  return value === undefined ? 'missing' : JSON.stringify(value);
}
