import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RepositoryError } from '../../src/tuf/error.ts';
import { readRoot, readSnapshot, readTargets, readTimestamp } from '../../src/tuf/metadata.ts';
import { publishReleases, releases } from './client.ts';

const readers: readonly (readonly [role: string, read: (bytes: Uint8Array) => unknown])[] = [
  ['root', readRoot],
  ['timestamp', readTimestamp],
  ['snapshot', readSnapshot],
  ['targets', (bytes) => readTargets(bytes, 'targets')],
  [releases, (bytes) => readTargets(bytes, releases)],
];
const strangers: readonly unknown[] = [null, [], {}, '', 'a', 0, -1, 1, 1.5, true, [1], { a: 1 }];

/** Every copy of a value in which one member or item, at any depth, is this stranger. */
function* replaced(value: unknown, stranger: unknown): Generator {
  if (typeof value !== 'object' || value === null) return;
  const entries = Object.entries(value);
  for (const [name, member] of entries) {
    for (const other of [stranger, ...replaced(member, stranger)]) {
      const changed = entries.map(([key, now]): [string, unknown] => [key, key === name ? other : now]);
      yield Array.isArray(value) ? changed.map(([, item]) => item) : Object.fromEntries(changed);
    }
  }
}

for (const [role, read] of readers) {
  test(`whatever stands in ${role} where something else belongs, it is read or refused as MALFORMED`, () => {
    const { repository } = publishReleases();
    const file = repository.files.current(role);
    assert.ok(file);
    read(file.bytes);
    const counts = { read: 0, refused: 0 };
    for (const stranger of strangers) {
      for (const changed of replaced(JSON.parse(file.bytes.toString()), stranger)) {
        try {
          read(Buffer.from(JSON.stringify(changed)));
          counts.read += 1;
        } catch (error) {
          assert.ok(error instanceof RepositoryError, `${JSON.stringify(changed)}: ${String(error)}`);
          assert.equal(error.code, 'MALFORMED');
          counts.refused += 1;
        }
      }
    }
    assert.ok(counts.refused > 5 * counts.read, JSON.stringify(counts));
  });
}
