import type { JsonObject, JsonValue } from '../../src/demo/signing/signed-file.ts';
import type { Corruption, Expected, RoleName } from './corruption.ts';
import { all, both, forged, resigned } from './corruption.ts';
import { own, put, renamed, replaced, twice } from './document.ts';
import { limits } from './fixture.ts';

// The bytes of a file: JSON that is none, that two readers read differently, or that only looks odd (notary-v1 §5.1).

const refused = (what: string, bytes: (file: Buffer, role: RoleName) => Uint8Array | string): Corruption =>
  forged(what, (role) => ({ bytes: (file) => Buffer.from(bytes(file, role)) }), all('MALFORMED'));

const accepted = (what: string, bytes: (file: Buffer, role: RoleName) => Uint8Array | string): Corruption =>
  forged(what, (role) => ({ bytes: (file) => Buffer.from(bytes(file, role)) }), all('signed'));

const text = (file: Buffer, part: string, other: string): string => replaced(file.toString(), part, other);

/** A member of our own in `signed`, whose value stands in the file as `written` and is signed as `read`. */
const written = (what: string, read: JsonValue, as: string, expected: Expected): Corruption =>
  forged(
    what,
    {
      signed: (signed) => void (signed['x'] = read),
      bytes: (file) => Buffer.from(text(file, `"x":${JSON.stringify(read)}`, `"x":${as}`)),
    },
    expected,
  );

const brokenJson: readonly Corruption[] = [
  refused('without its first five bytes', (file) => file.subarray(5)),
  refused('without its last byte', (file) => file.subarray(0, -1)),
  refused('empty', () => ''),
  refused('a login page', () => '<!doctype html><title>Log in</title>'),
  ...['null', '[]'].map((value) => refused(`nothing but ${value}`, () => value)),
  refused('behind a byte order mark', (file) => `\ufeff${file.toString()}`),
  refused('followed by another document', (file) => `${file.toString()}{}`),
  refused('one byte longer than the limit', (file, role) => padded(file, limits[role] + 1)),
];

const odd: readonly Corruption[] = [
  accepted('with white space around it', (file) => ` \n${file.toString()}\r\n\t`),
  accepted('printed over several lines', (file) => JSON.stringify(JSON.parse(file.toString()), null, 2)),
  accepted('with its members in reverse order', (file) =>
    JSON.stringify(reversed(JSON.parse(file.toString()) as JsonValue)),
  ),
  accepted('with a member name in escapes', (file) =>
    text(file, '"version"', String.raw`"\u0076ersio\u006E"`),
  ),
  accepted('as long as the limit', (file, role) => padded(file, limits[role])),
];

const envelope: readonly Corruption[] = [
  refused('with a third member', (file) => text(file, '{"signed":', '{"abc":"xyz","signed":')),
  refused('with __proto__ as a third member', (file) =>
    text(file, '{"signed":', '{"__proto__":{"polluted":true},"signed":'),
  ),
  refused('without signed', (file) =>
    JSON.stringify({ signatures: (JSON.parse(file.toString()) as JsonObject)['signatures'] ?? [] }),
  ),
  refused('without signatures', (file) =>
    JSON.stringify({ signed: (JSON.parse(file.toString()) as JsonObject)['signed'] ?? {} }),
  ),
  ...['signed', 'signatures'].flatMap((name) => [
    refused(`with ${name} twice`, (file) => twice(file, [name])),
    refused(`with ${name.toUpperCase()} for ${name}`, (file) =>
      renamed(file, [name], name.toUpperCase(), false),
    ),
    refused(`with ${name.toUpperCase()} beside ${name}`, (file) =>
      renamed(file, [name], name.toUpperCase(), true),
    ),
  ]),
  ...['not list', {}, null, [null]].map((value) =>
    refused(`with signatures ${JSON.stringify(value)}`, (file) => {
      const parsed = JSON.parse(file.toString()) as JsonObject;
      put(parsed, ['signatures'], value as JsonValue);
      return JSON.stringify(parsed);
    }),
  ),
];

const unicode: readonly Corruption[] = [
  written('a lone high surrogate in a string', '\ufffd', String.raw`"\ud800"`, all('MALFORMED')),
  written('a lone low surrogate in a string', '\ufffd', String.raw`"\udfff"`, all('MALFORMED')),
  written('surrogates in the wrong order', '\ufffd\ufffd', String.raw`"\ude00\ud83d"`, all('MALFORMED')),
  written('a pair of surrogates', '\u{1f600}', String.raw`"\ud83d\ude00"`, all('signed')),
  forged(
    'a lone surrogate in a member name',
    {
      signed: (signed) => own(signed, '\ufffd', 1),
      bytes: (file) => Buffer.from(text(file, '"\ufffd":', String.raw`"\ud800":`)),
    },
    all('MALFORMED'),
  ),
  ...[
    ['a byte that is not UTF-8', 'ff'],
    ['a surrogate in three bytes', 'eda080'],
  ].map(([what = '', hex = '']) =>
    forged(
      what,
      {
        signed: (signed) => void (signed['x'] = '\ufffd'),
        bytes: (file) =>
          Buffer.from(
            file.toString('latin1').replace('\u00ef\u00bf\u00bd', Buffer.from(hex, 'hex').toString('latin1')),
            'latin1',
          ),
      },
      all('MALFORMED'),
    ),
  ),
];

const numbers: readonly Corruption[] = [
  ...['9007199254740991', '-9007199254740991'].map((number) =>
    inText(`a member of the value ${number}`, number, 'signed'),
  ),
  ...['9007199254740992', '9007199254740993', '1e400', '1.0', '-0', 'NaN'].map((number) =>
    inText(`a member of the value ${number}`, number, 'MALFORMED'),
  ),
];

const nested: readonly Corruption[] = [
  inText('a member nested 30 deep', '['.repeat(30) + ']'.repeat(30), 'signed'),
  inText('a member nested 20,000 deep', '['.repeat(20_000) + ']'.repeat(20_000), 'MALFORMED'),
];

/** Names of tags, keys, roles and algorithms are data; `__proto__` is a name. */
const named: readonly Corruption[] = [
  resigned(
    'a tag __proto__, and tags that differ in case only',
    (signed) => {
      const targets = signed['targets'] as JsonObject;
      for (const tag of ['__proto__', 'constructor', 'RC', 'rc']) own(targets, tag, targets['1.0'] ?? null);
    },
    { targets: both('signed'), 'targets/releases': both('signed') },
  ),
  resigned(
    'a role __proto__ beside the others',
    (signed) => own(signed['roles'] as JsonObject, '__proto__', { keyids: [], threshold: 1 }),
    { root: both('signed') },
  ),
  resigned('a key filed under __proto__', (signed) => own(signed['keys'] as JsonObject, '__proto__', {}), {
    root: both('MALFORMED'),
  }),
  resigned(
    'a file __proto__ beside the others',
    (signed) =>
      own(signed['meta'] as JsonObject, '__proto__', (signed['meta'] as JsonObject)['targets'] ?? null),
    { snapshot: both('signed') },
  ),
  resigned(
    'meta.snapshot only under __proto__',
    (signed) => {
      const meta = signed['meta'] as JsonObject;
      const inner = { ...meta };
      delete meta['snapshot'];
      own(meta, '__proto__', inner);
    },
    { timestamp: both('MALFORMED') },
  ),
  resigned('a delegation __proto__', (signed) => delegate(signed, '__proto__'), {
    targets: both('MALFORMED'),
  }),
  resigned('a delegation targets/__proto__', (signed) => delegate(signed, 'targets/__proto__'), {
    targets: both('signed'),
  }),
  ...[
    'root',
    'snapshot',
    'targets',
    'targets/',
    'targets/a/b',
    'targets//a',
    'targets/../a',
    'targets/A',
    'targets/a%2fb',
    'targets/a\0',
    `targets/${'a'.repeat(248)}`,
  ].map((role) =>
    resigned(`a delegation ${JSON.stringify(role).slice(0, 24)}`, (signed) => delegate(signed, role), {
      targets: both('MALFORMED'),
    }),
  ),
  resigned('the delegation targets/releases twice', (signed) => delegate(signed, 'targets/releases'), {
    targets: both('MALFORMED'),
  }),
];

export const textRows: readonly Corruption[] = [
  ...brokenJson,
  ...odd,
  ...envelope,
  ...unicode,
  ...numbers,
  ...nested,
  ...named,
];

function inText(what: string, value: string, outcome: 'signed' | 'MALFORMED'): Corruption {
  return forged(what, { text: (signed) => signed.replace(/}$/, `,"x":${value}}`) }, all(outcome));
}

function delegate(signed: JsonObject, name: string): void {
  const roles = (signed['delegations'] as JsonObject)['roles'] as JsonValue[];
  roles.push({ ...(roles[0] as JsonObject), name });
}

function padded(file: Buffer, length: number): Buffer {
  return Buffer.concat([file, Buffer.alloc(length - file.length, ' ')]);
}

function reversed(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, member]) => [name, reversed(member)]),
  );
}
