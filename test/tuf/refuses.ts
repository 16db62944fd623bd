import assert from 'node:assert/strict';
import type { Json } from '../../src/tuf/canonical-json.ts';
import { parseStrictJson } from '../../src/tuf/canonical-json.ts';
import type { RepositoryErrorCode } from '../../src/tuf/error.ts';
import { RepositoryError } from '../../src/tuf/error.ts';

/** Passes if `run` throws a RepositoryError of this code whose message is the text, or matches. */
export function refuses(run: () => unknown, code: RepositoryErrorCode, message: string | RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof RepositoryError, `not a RepositoryError: ${String(error)}`);
    // What outsiders wrote stands in messages only in part.
    assert.ok(error.message.length <= 1000, `a message of ${error.message.length} characters`);
    assert.equal(error.code, code, error.message);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
}

/** Takes a plain value; gives it as the strict parser reads it. */
export function json(value: unknown): Json {
  return parseStrictJson(Buffer.from(JSON.stringify(value)));
}
