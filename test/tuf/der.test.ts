import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { derChild, derChildren, derElement } from '../../src/tuf/key/der.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe('DER', () => {
  test('is read as tags and contents, with lengths of one to five bytes', () => {
    const found = derChildren(bytes('02 01 07  04 81 03 010203  30 84 00000002 0500  05 00'));
    const shown = found.map(({ tag, content }) => [tag, content.toString('hex')]);
    assert.deepEqual(shown, [
      [2, '07'],
      [4, '010203'],
      [0x30, '0500'],
      [5, ''],
    ]);
    assert.deepEqual(derChildren(Buffer.alloc(0)), []);
    assert.equal(derElement(bytes('02 01 07')).content.readUInt8(), 7);
  });

  test('is read element by element, from either end', () => {
    const three = bytes('02 01 07  04 01 08  05 00');
    assert.deepEqual(
      [0, 1, 2, -1, -3].map((place) => derChild(three, place).tag),
      [2, 4, 5, 5, 2],
    );
    for (const place of [3, -4]) assert.throws(() => derChild(three, place), RangeError);
  });

  for (const [why, hex] of [
    ['nothing', ''],
    ['two elements', '0500 0500'],
    ['a tag alone', '05'],
    ['an element that ends beyond its bytes', '04 02 01'],
    ['an element that ends far beyond its bytes', '04 84 ffffffff 01'],
    ['an indefinite length', '30 80 0500 0000'],
    ['an indefinite length over 128 bytes', `30 80 ${'00'.repeat(128)}`],
    ['a length of five bytes', '04 85 0000000001 00'],
    ['a length that is cut off', '04 82 01'],
    ['a long tag', '1f 01 00'],
  ] as const) {
    test(`${why} is not one element`, () => assert.throws(() => derElement(bytes(hex)), RangeError));
  }

  test('whatever the bytes, nothing but a RangeError is thrown, and no content is invented', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (given) => {
        try {
          const contents = derChildren(Buffer.from(given)).map(({ content }) => content.length);
          assert.ok(contents.reduce((sum, length) => sum + length + 2, 0) <= given.length);
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error));
        }
      }),
      { numRuns: 3000 },
    );
  });
});
