import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readRoot, readSnapshot, readTargets, readTimestamp } from '../../src/tuf/metadata.ts';
import { publishReleases, target } from './client.ts';
import { refuses } from './refuses.ts';

// Go reads a name in any case for the one that it knows, so a reader that does not must refuse all but one spelling.

type Value = null | boolean | number | string | Value[] | { [name: string]: Value };

const { repository } = publishReleases();
repository.sign('v2', { ...target('2'), sha512: Buffer.alloc(64, 7), custom: {} });
repository.publish();

const readers: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  root: readRoot,
  timestamp: readTimestamp,
  snapshot: readSnapshot,
  targets: (bytes) => readTargets(bytes, 'targets'),
};
/** Members whose names are the publisher's: key ids, tags, delegations, and whatever stands in `custom`. */
const free = /^(?:[0-9a-f]{64}|v[0-9]|targets\/.*)$/;

function fileOf(role: string): Value {
  const bytes = repository.files.current(role)?.bytes;
  assert.ok(bytes);
  return JSON.parse(bytes.toString()) as Value;
}

/** Every member of every object in a value, as the path to it. */
function membersOf(value: Value, before: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [
    ...(Array.isArray(value) || free.test(name) ? [] : [[...before, name]]),
    ...membersOf(member, [...before, name]),
  ]);
}

/** The value with a twin beside the member at the path. */
function twinned(value: Value, [name = '', ...rest]: readonly string[], twin: string): Value {
  assert.ok(typeof value === 'object' && value !== null);
  if (Array.isArray(value))
    return value.map((item, index) => (`${index}` === name ? twinned(item, rest, twin) : item));
  const member = value[name] ?? null;
  return rest.length === 0 ? { ...value, [twin]: member } : { ...value, [name]: twinned(member, rest, twin) };
}

for (const [role, read] of Object.entries(readers)) {
  describe(`${role}.json`, () => {
    const file = fileOf(role);

    test('is read as it is', () => void read(Buffer.from(JSON.stringify(file))));

    for (const path of membersOf(file)) {
      test(`may have ${path.map((name) => name.slice(0, 24)).join('.')} in no other case`, () => {
        const name = path.at(-1) ?? '';
        const twin = name.toUpperCase();
        const bytes = Buffer.from(JSON.stringify(twinned(file, path, twin)));
        refuses(() => read(bytes), 'MALFORMED', new RegExp(` has "${twin}" where "${name}" is meant$`));
      });
    }
  });
}
