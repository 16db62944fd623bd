import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const tests = join(import.meta.dirname, '..');

test('each of the sixteen points of README.md has tests, and they are where it says', () => {
  const text = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');
  const points = text.split(/^(?=[0-9]+\. )/m).slice(1);
  assert.deepEqual(points.map((point) => Number.parseInt(point, 10)), Array.from({ length: 16 }, (_, at) => at + 1)); // prettier-ignore
  for (const point of points) {
    const named = [...point.matchAll(/^ +- `([^`]+)`: (.+)$/gm)];
    assert.notEqual(named.length, 0, point);
    for (const [, file = '', name = ''] of named) {
      const source = readFileSync(join(tests, file), 'utf8').replaceAll("\\'", "'");
      assert.ok(source.includes(name), `${file} has no test "${name}"`);
    }
  }
});
