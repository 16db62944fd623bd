import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  readArray,
  readBase64,
  readExactObject,
  readInstant,
  readKeyId,
  readObject,
  readPositive,
  readString,
} from '../../src/tuf/members.ts';
import { json, refuses } from './refuses.ts';

describe('a value of the wrong type is refused by name, with what was expected and what is there', () => {
  const cases: readonly (readonly [run: () => unknown, message: string])[] = [
    [() => readObject(undefined, 'meta'), 'meta should be an object, but is nothing of the kind'],
    [() => readObject(json([]), 'meta'), 'meta should be an object, but is an array'],
    [() => readArray(json({}), 'keyids'), 'keyids should be an array, but is an object'],
    [() => readArray(json('["a"]'), 'keyids'), 'keyids should be an array, but is "[\\"a\\"]"'],
    [() => readString(json(7), '_type'), '_type should be a string, but is 7'],
    [() => readString(null, '_type'), '_type should be a string, but is null'],
    [() => readPositive(0, 'version'), 'version should be a positive integer, but is 0'],
    [() => readPositive(-1, 'version'), 'version should be a positive integer, but is -1'],
    [() => readPositive('7', 'version'), 'version should be a positive integer, but is "7"'],
    [() => readPositive(json([7]), 'version'), 'version should be a positive integer, but is an array'],
    [() => readPositive(true, 'version'), 'version should be a positive integer, but is true'],
    [() => readPositive(null, 'version'), 'version should be a positive integer, but is null'],
    [
      () => readPositive(undefined, 'version'),
      'version should be a positive integer, but is nothing of the kind',
    ],
    [() => readKeyId('AB'.repeat(32), 'id'), `id should be a key id, but is "${'AB'.repeat(32)}"`],
    [() => readKeyId(`x${'ab'.repeat(32)}`, 'id'), `id should be a key id, but is "x${'ab'.repeat(31)}a"`],
    [() => readKeyId('ab'.repeat(31), 'id'), `id should be a key id, but is "${'ab'.repeat(31)}"`],
    [() => readKeyId(`${'ab'.repeat(32)}\n`, 'id'), `id should be a key id, but is "${'ab'.repeat(32)}"`],
  ];
  for (const [run, message] of cases) test(message, () => refuses(run, 'MALFORMED', message));

  test('versions above 2^31 and 2^32 do not wrap', () => {
    for (const version of [1, 2147483648, 4294967297, Number.MAX_SAFE_INTEGER]) {
      assert.equal(readPositive(version, 'version'), version);
    }
  });
});

describe('member names', () => {
  const known = ['version', 'keyids', 'signatures'];
  for (const name of [
    'Version',
    'VERSION',
    'verſion',
    'ver\u017fion',
    'keyIds',
    '\u212aeyids',
    'ſignatureſ',
  ]) {
    test(`${JSON.stringify(name)} is refused beside a known name that Go takes for the same`, () => {
      const value = json({ version: 1, [name]: 2 });
      refuses(() => readObject(value, 'root', known), 'MALFORMED', /^root has ".*" where ".*" is meant$/);
    });
  }

  test('the message says which name is there and which was meant', () => {
    const run = (): unknown => readObject(json({ VERSION: 1 }), 'root', known);
    refuses(run, 'MALFORMED', 'root has "VERSION" where "version" is meant');
  });

  test('other unknown names are let through, for their signatures cover them', () => {
    const names = ['versions', 'vers', '__proto__', 'constructor', 'x'];
    const value = json(Object.fromEntries(names.map((name) => [name, 1])));
    assert.deepEqual([...readObject(value, 'root', known).keys()], names);
  });

  test('where no name has a meaning, names that differ by case are different', () => {
    assert.equal(readObject(json({ v1: 1, V1: 2 }), 'targets').size, 2);
  });

  test('no unknown name stands where nothing is signed', () => {
    const run = (): unknown =>
      readExactObject(json({ version: 1, [`x${'y'.repeat(999)}`]: 1 }), 'the file', known);
    refuses(run, 'MALFORMED', `the file has an unknown member "x${'y'.repeat(63)}"`);
  });
});

describe('base64', () => {
  const good: readonly (readonly [text: string, bytes: string])[] = [
    ['AA==', '00'],
    ['+/8=', 'fbff'],
    ['AAAA', '000000'],
  ];
  for (const [text, bytes] of good) {
    test(`${text} is read`, () => assert.equal(readBase64(text, 'sig').toString('hex'), bytes));
  }
  const bad: readonly (readonly [why: string, text: string])[] = [
    ['nothing', ''],
    ['no padding', 'AA'],
    ['half the padding', 'AA='],
    ['too much padding', 'AA==='],
    ['padding alone', '===='],
    ['the URL alphabet', '-_8='],
    ['a foreign character', 'AA!AAA=='],
    ['a newline inside', 'AA\nAA'],
    ['a newline at the end', 'AAAA\n'],
    ['a space', 'AA AA'],
    ['bits that do not count', 'AB=='],
    ['bits that do not count, of three characters', 'AAB='],
    ['something after the padding', 'AA==AAAA'],
    ['a data URL', 'data:;base64,AAAA'],
  ];
  for (const [why, text] of bad) {
    test(`${why} is refused`, () =>
      refuses(() => readBase64(text, 'sig'), 'MALFORMED', /^sig should be base64,/));
  }

  test('whatever bytes there are, they have one spelling', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        assert.deepEqual([...readBase64(Buffer.from(bytes).toString('base64'), 'sig')], [...bytes]);
      }),
    );
    fc.assert(
      fc.property(
        fc.base64String({ minLength: 1 }),
        fc.nat(),
        fc.string({ minLength: 1, maxLength: 1 }),
        (text, at, put) => {
          const changed = text.slice(0, at % text.length) + put + text.slice((at % text.length) + 1);
          try {
            assert.equal(readBase64(changed, 'sig').toString('base64'), changed);
          } catch (error) {
            refuses(
              () => {
                throw error;
              },
              'MALFORMED',
              /^sig should be base64,/,
            );
          }
        },
      ),
    );
  });
});

describe('instants', () => {
  const good: readonly (readonly [text: string, utc: string])[] = [
    ['2027-01-02T03:04:05Z', '2027-01-02T03:04:05.000Z'],
    ['2027-01-02T03:04:05.1Z', '2027-01-02T03:04:05.100Z'],
    ['2027-01-02T03:04:05.123456789Z', '2027-01-02T03:04:05.123Z'],
    ['2027-01-02T03:04:05.999999999Z', '2027-01-02T03:04:05.999Z'],
    ['2027-01-02T03:04:05.0009Z', '2027-01-02T03:04:05.000Z'],
    ['2027-01-02T03:04:05+02:00', '2027-01-02T01:04:05.000Z'],
    ['2027-01-02T03:04:05+14:00', '2027-01-01T13:04:05.000Z'],
    ['2027-01-02T03:04:05-12:30', '2027-01-02T15:34:05.000Z'],
    ['2027-01-02T03:04:05.123456789+05:45', '2027-01-01T21:19:05.123Z'],
    ['2027-01-02T03:04:05-00:00', '2027-01-02T03:04:05.000Z'],
    ['2027-01-02T23:59:59+23:59', '2027-01-02T00:00:59.000Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999999999Z', '9999-12-31T23:59:59.999Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ];
  for (const [text, utc] of good) {
    test(`${text} is ${utc}`, () => assert.equal(readInstant(text, 'expires').toISOString(), utc));
  }

  const bad: readonly (readonly [why: string, value: unknown])[] = [
    ['a year', '2027'],
    ['a digit', '1'],
    ['nothing', ''],
    ['a date', '2027-01-01'],
    ['no zone', '2027-01-01T00:00:00'],
    ['a space for T', '2027-01-01 00:00:00Z'],
    ['a comment', '2027-01-01T00:00:00Z (x)'],
    ['a lower-case z', '2027-01-01T00:00:00z'],
    ['a lower-case t', '2027-01-01t00:00:00Z'],
    ['30 February', '2026-02-30T00:00:00Z'],
    ['29 February of no leap year', '2027-02-29T00:00:00Z'],
    ['29 February 2100', '2100-02-29T00:00:00Z'],
    ['31 April', '2027-04-31T00:00:00Z'],
    ['32 January', '2027-01-32T00:00:00Z'],
    ['day 0', '2027-01-00T00:00:00Z'],
    ['month 13', '2027-13-01T00:00:00Z'],
    ['month 0', '2027-00-01T00:00:00Z'],
    ['24:00', '2027-01-01T24:00:00Z'],
    ['minute 60', '2027-01-01T00:60:00Z'],
    ['a leap second', '2016-12-31T23:59:60Z'],
    ['no seconds', '2027-01-01T00:00Z'],
    ['a point without digits', '2027-01-01T00:00:00.Z'],
    ['ten digits of fraction', '2027-01-01T00:00:00.1234567890Z'],
    ['a comma for the point', '2027-01-01T00:00:00,5Z'],
    ['an offset without colon', '2027-01-01T00:00:00+0200'],
    ['an offset of hours alone', '2027-01-01T00:00:00+02'],
    ['an offset of 24 hours', '2027-01-01T00:00:00+24:00'],
    ['an offset of 60 minutes', '2027-01-01T00:00:00+01:60'],
    ['a zone and an offset', '2027-01-01T00:00:00Z+01:00'],
    ['a zone by name', '2027-01-01T00:00:00 UTC'],
    ['a year of five digits', '12027-01-01T00:00:00Z'],
    ['an expanded year', '+012027-01-01T00:00:00Z'],
    ['a negative year', '-2027-01-01T00:00:00Z'],
    ['a newline at the end', '2027-01-01T00:00:00Z\n'],
    ['a space in front', ' 2027-01-01T00:00:00Z'],
    ['digits of another script', '２０２７-01-01T00:00:00Z'],
    ['an HTTP date', 'Fri, 01 Jan 2027 00:00:00 GMT'],
    ['null', null],
    ['an array', ['2027-01-01T00:00:00Z']],
    ['a number', 1893456000],
  ];
  for (const [why, value] of bad) {
    test(`${why} is refused`, () => {
      refuses(
        () => readInstant(json(value), 'expires'),
        'MALFORMED',
        /^expires should be (an RFC 3339 instant|a string), but is /,
      );
    });
  }

  test('any instant is read back in any offset, to the millisecond', () => {
    const years = {
      min: new Date('1000-01-02T00:00:00Z'),
      max: new Date('9999-12-30T00:00:00Z'),
      noInvalidDate: true,
    };
    fc.assert(
      fc.property(fc.date(years), fc.integer({ min: -1439, max: 1439 }), (date, offset) => {
        const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
        const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
        const zone = `${offset < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`;
        assert.equal(readInstant(local + zone, 'expires').getTime(), date.getTime());
      }),
    );
  });
});
