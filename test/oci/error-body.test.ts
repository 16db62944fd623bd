import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { errorBody } from '../../src/oci/error-body.ts';

test('an error body is the JSON of the distribution specification, with one error', () => {
  assert.equal(
    errorBody('DENIED', 'content trust: no', { reason: 'EXPIRED', version: 4, rule: null }),
    '{"errors":[{"code":"DENIED","message":"content trust: no","detail":{"reason":"EXPIRED","version":4,"rule":null}}]}',
  );
});

test('without a detail there is no member for it', () => {
  const body = '{"errors":[{"code":"NAME_UNKNOWN","message":"no such registry"}]}';
  assert.equal(errorBody('NAME_UNKNOWN', 'no such registry'), body);
  assert.equal(errorBody('NAME_UNKNOWN', 'no such registry', undefined), body);
});

test('no message and no detail leaves its string: a client reads back what was put in, on one line', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('"}],"errors":[{"', '\r\n', '\u2028', '\\"', '\0'),
  );
  fc.assert(
    fc.property(text, text, (message, value) => {
      const body = errorBody('DENIED', message, { value });
      assert.deepEqual(JSON.parse(body), { errors: [{ code: 'DENIED', message, detail: { value } }] });
      assert.doesNotMatch(body, /[\r\n]/);
    }),
  );
});
