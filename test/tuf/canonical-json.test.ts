import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Json } from '../../src/tuf/canonical-json.ts';
import { canonicalBytes, parseStrictJson } from '../../src/tuf/canonical-json.ts';
import { RepositoryError } from '../../src/tuf/error.ts';
import { refuses } from './refuses.ts';

const parse = (text: string): Json => parseStrictJson(Buffer.from(text));
const canonical = (text: string): string => canonicalBytes(parse(text)).toString();

/** As JSON.parse would give it; names such as `__proto__` become own members. */
function plain(value: Json): unknown {
  if (value instanceof Map) {
    const members = [...(value as ReadonlyMap<string, Json>)];
    return Object.fromEntries(members.map(([name, member]) => [name, plain(member)]));
  }
  return Array.isArray(value) ? (value as readonly Json[]).map(plain) : value;
}

/** Canonical JSON written a second time, from the description alone: by code points, character by character. */
function model(value: unknown): string {
  if (typeof value === 'string') {
    const escaped = Array.from(value).map((character) =>
      '"\\'.includes(character) ? `\\${character}` : character,
    );
    return `"${escaped.join('')}"`;
  }
  if (Array.isArray(value)) return `[${value.map(model).join()}]`;
  if (typeof value === 'object' && value !== null) {
    const names = Object.keys(value).toSorted((a, b) => {
      const [left, right] = [Array.from(a), Array.from(b)].map((all) =>
        all.map((one) => one.codePointAt(0) ?? 0),
      );
      for (const [index, point] of (left ?? []).entries()) {
        const other = right?.[index];
        if (other === undefined || point > other) return 1;
        if (point < other) return -1;
      }
      return -1;
    });
    const member = new Map<string, unknown>(Object.entries(value));
    return `{${names.map((name) => `${model(name)}:${model(member.get(name))}`).join()}}`;
  }
  return JSON.stringify(value);
}

const nested = (depth: number, inside = ''): string => '['.repeat(depth) + inside + ']'.repeat(depth);

describe('what a strict reading refuses', () => {
  const integersOnly = /integers within 2\^53-1 are the only numbers/;
  const cases: readonly (readonly [why: string, text: string | Uint8Array, message: RegExp])[] = [
    [
      'a member that stands twice',
      '{"a":1,"a":1}',
      /^this file is not the JSON of metadata at character 10: member "a" stands twice$/,
    ],
    [
      'a member that stands twice, one of them escaped',
      '{"version":5,"\\u0076ersion":1}',
      /member "version" stands twice/,
    ],
    [
      'a member that stands twice below objects and arrays',
      '{"x":[{"y":{"a":1,"b":2,"a":3}}]}',
      /member "a" stands twice/,
    ],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}', /stands twice/],
    ['33 arrays in each other', nested(33), /nested deeper than 32/],
    ['33 arrays around a value', nested(33, '1'), /nested deeper than 32/],
    ['33 objects in each other', '{"a":'.repeat(32) + '{}' + '}'.repeat(32), /nested deeper than 32/],
    ['a million arrays', nested(1_000_000), /nested deeper than 32/],
    ['a million arrays that are never closed', '['.repeat(1_000_000), /nested deeper than 32/],
    ['a fraction of nothing', '1.0', integersOnly],
    ['a fraction', '1.5', integersOnly],
    ['an exponent', '1e3', integersOnly],
    ['a capital exponent', '1E3', integersOnly],
    ['minus zero', '-0', integersOnly],
    ['a zero in front', '01', integersOnly],
    ['a zero in front of a negative', '-01', integersOnly],
    ['a plus', '+1', integersOnly],
    ['a minus alone', '-', integersOnly],
    ['a point in front', '.5', integersOnly],
    ['2^53', '9007199254740992', integersOnly],
    ['2^53+1', '9007199254740993', integersOnly],
    ['-2^53', '-9007199254740992', integersOnly],
    ['1e400', '1e400', integersOnly],
    ['a number of a thousand digits', '1'.repeat(1000), integersOnly],
    ['a hexadecimal number', '0x10', /bytes after the document/],
    ['NaN', 'NaN', integersOnly],
    ['Infinity', '-Infinity', integersOnly],
    ['undefined', 'undefined', integersOnly],
    ['a byte order mark', '\ufeff{}', integersOnly],
    ['a byte order mark inside', '{\ufeff}', /a member name was expected/],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /^this file is not UTF-8$/],
    ['an overlong form', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), /^this file is not UTF-8$/],
    ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), /^this file is not UTF-8$/],
    ['a character cut in half', Buffer.from([0x22, 0xe2, 0x82]), /^this file is not UTF-8$/],
    ['UTF-16', Buffer.from('{}', 'utf16le'), /a member name was expected/],
    ['a high surrogate alone', '"\\ud800"', /a lone surrogate/],
    ['a low surrogate alone', '"\\udc00x"', /a lone surrogate/],
    ['surrogates the wrong way round', '"\\udc00\\ud800"', /a lone surrogate/],
    ['a lone surrogate in a name', '{"\\udfff":1}', /a lone surrogate/],
    [
      'a second document',
      '{}{}',
      /^this file is not the JSON of metadata at character 2: bytes after the document$/,
    ],
    ['garbage after the document', '{}x', /bytes after the document/],
    ['a NUL after the document', '{}\0', /bytes after the document/],
    ['a comment', '/**/{}', integersOnly],
    ['a newline in a string', '"a\nb"', /control character/],
    ['a NUL in a string', '"\0"', /control character/],
    ['a tab in a name', '{"\t":1}', /control character/],
    ['an unknown escape', String.raw`"\x41"`, /an unknown escape/],
    ['an escaped quote of the wrong kind', String.raw`"\'"`, /an unknown escape/],
    ['a short \\u', String.raw`"\u12"`, /an unknown escape/],
    ['a \\u with a sign', String.raw`"\u+123"`, /an unknown escape/],
    ['a backslash at the end', '"\\', /an unknown escape/],
    ['an unfinished string', '"abc', /unfinished string/],
    ['single quotes', "{'a':1}", /a member name was expected/],
    ['a bare name', '{a:1}', /a member name was expected/],
    ['a number for a name', '{1:1}', /a member name was expected/],
    ['a comma at the end of an object', '{"a":1,}', /a member name was expected/],
    ['a comma at the end of an array', '[1,]', integersOnly],
    ['an unfinished array', '[1', /"," or "\]" was expected/],
    ['an unfinished object', '{"a":1', /"," or "}" was expected/],
    ['an object closed as an array', '{"a":1]', /"," or "}" was expected/],
    ['a name without a value', '{"a"}', /":" was expected/],
    ['capital True', 'True', integersOnly],
    ['a longer word', 'nullx', /bytes after the document/],
    ['a shorter word', 'nul', /a value was expected/],
    ['a vertical tab between', '[\u000b1]', integersOnly],
    ['a no-break space between', '[\u00a01]', integersOnly],
    ['nothing', '', integersOnly],
    ['nothing but space', ' \n', integersOnly],
  ];
  for (const [why, text, message] of cases) {
    test(why, () => {
      refuses(
        () => parseStrictJson(typeof text === 'string' ? Buffer.from(text) : text),
        'MALFORMED',
        message,
      );
    });
  }

  test('a name of a megabyte is not repeated in the message', () => {
    const name = `"${'n'.repeat(1_000_000)}":1`;
    refuses(() => parse(`{${name},${name}}`), 'MALFORMED', /^.{1,200}$/);
  });
});

describe('what a strict reading accepts', () => {
  const cases: readonly (readonly [why: string, text: string, canonical: string])[] = [
    ['32 arrays in each other', nested(32), nested(32)],
    ['32 arrays around a value', nested(32, '"x"'), nested(32, '"x"')],
    [
      '32 objects in each other',
      '{"a":'.repeat(31) + '{}' + '}'.repeat(31),
      '{"a":'.repeat(31) + '{}' + '}'.repeat(31),
    ],
    [
      'the greatest integers',
      '[9007199254740991,-9007199254740991,0,-1]',
      '[9007199254740991,-9007199254740991,0,-1]',
    ],
    ['space wherever JSON has it', '\t{ "b" :\r\n[ 1 , true ] ,"a":null } \n', '{"a":null,"b":[1,true]}'],
    ['escapes, however they are spelled', '"\\u006c\\/\\u00E9\\ud83d\\ude00"', '"l/é😀"'],
    [
      'control characters, which stand raw in the canonical form',
      '"\\n\\t\\u0000\\b\\f\\r\\u007f"',
      '"\n\t\0\b\f\r\u007f"',
    ],
    ['only the quote and the backslash escaped', '"\\"\\\\<>&\\u2028"', '"\\"\\\\<>&\u2028"'],
    ['what Go escapes for HTML', '"\\u003c\\u003e\\u0026\\u2028\\u2029"', '"<>&\u2028\u2029"'],
    ['names that are integers, in byte order', '{"b":1,"10":1,"9":1,"a":1}', '{"10":1,"9":1,"a":1,"b":1}'],
    [
      'names in UTF-8 order, not UTF-16',
      '{"\\ud83d\\ude00":1,"\\uffff":2,"é":3,"z":4}',
      '{"z":4,"é":3,"\uffff":2,"😀":1}',
    ],
    ['a name before the longer one', '{"ab":1,"a":2,"":3}', '{"":3,"a":2,"ab":1}'],
    ['names that only differ by normal form', '{"é":1,"e\\u0301":2}', '{"e\u0301":2,"é":1}'],
    ['empty things', '[{},[],""]', '[{},[],""]'],
  ];
  for (const [why, text, expected] of cases) {
    test(why, () => {
      assert.equal(canonical(text), expected);
    });
  }

  test('names of Object.prototype are names like any other, and pollute nothing', () => {
    const text = '{"__proto__":{"polluted":1},"constructor":2,"hasOwnProperty":3,"toString":4}';
    const value = parse(text);
    assert.ok(value instanceof Map);
    assert.deepEqual([...value.keys()], ['__proto__', 'constructor', 'hasOwnProperty', 'toString']);
    assert.equal(canonical(text), text);
    assert.equal(Reflect.get({}, 'polluted'), undefined);
  });

  test('75,000 names that are integers, as many as notary promises to load', () => {
    const names = Array.from({ length: 75_000 }, (_, index) => `"${index}":{"length":${index}}`);
    const value = parse(`{${names.join()}}`);
    assert.ok(value instanceof Map);
    assert.equal(value.size, 75_000);
    assert.match(
      canonicalBytes(value).toString(),
      /^\{"0":\{"length":0\},"1":\{"length":1\},"10":\{"length":10\},"100":/,
    );
  });
});

describe('for any input', () => {
  const anything = fc.jsonValue({ noUnicodeString: false, maxDepth: 6 });
  const integers = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.oneof(fc.maxSafeInteger(), fc.boolean(), fc.constant(null), fc.string({ unit: 'binary' })),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string({ unit: 'binary' }), tie('value'), { maxKeys: 6 }),
    ),
  })).value;

  test('what is read is what JSON.parse reads, and nothing but a RepositoryError is thrown', () => {
    const texts = fc.oneof(
      anything.map((value) => JSON.stringify(value)),
      fc.tuple(anything, fc.nat(), fc.string({ maxLength: 3 })).map(([value, at, put]) => {
        const text = JSON.stringify(value);
        return (
          text.slice(0, at % (text.length + 1)) + put + text.slice((at % (text.length + 1)) + put.length)
        );
      }),
      fc.string({ unit: fc.constantFrom(...Array.from('{}[]:,"\\u0019eE.- \ntrfalsn')) }),
    );
    let accepted = 0;
    fc.assert(
      fc.property(texts, (text) => {
        try {
          assert.deepEqual(plain(parse(text)), JSON.parse(Buffer.from(text).toString()));
          accepted += 1;
        } catch (error) {
          assert.ok(error instanceof RepositoryError, String(error));
          assert.equal(error.code, 'MALFORMED');
        }
      }),
      { numRuns: 5000 },
    );
    assert.ok(accepted > 500, `only ${accepted} texts were accepted`);
  });

  test('no bytes make it throw anything but a RepositoryError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          parseStrictJson(bytes);
        } catch (error) {
          assert.ok(error instanceof RepositoryError, String(error));
        }
      }),
      { numRuns: 5000 },
    );
  });

  test('the canonical form is that of a second, independent writing of it', () => {
    fc.assert(
      fc.property(integers, (value) => {
        assert.equal(canonical(JSON.stringify(value)), model(value));
      }),
      { numRuns: 3000 },
    );
  });

  test('what has a canonical form without control characters has that of its canonical form', () => {
    fc.assert(
      fc.property(integers, (value) => {
        const once = canonical(JSON.stringify(value));
        // Raw control characters are canonical, but not JSON.
        fc.pre(!/[\u0000-\u001f]/.test(once));
        assert.equal(canonical(once), once);
      }),
      { numRuns: 2000 },
    );
  });
});
