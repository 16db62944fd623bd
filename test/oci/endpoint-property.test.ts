import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseEndpoint, printEndpoint } from '../../src/oci/endpoint.ts';
import { assertReadAlike, damagedTarget, endpoint } from './endpoint-model.ts';

test('printing an endpoint and reading it gives the same endpoint', () => {
  fc.assert(
    fc.property(endpoint, (asked) => {
      assert.deepEqual(parseEndpoint(printEndpoint(asked)), { endpoint: asked, namespaces: [] });
    }),
    { numRuns: 3000 },
  );
});

// Two targets that differ in path beyond the two spellings of distribution-spec print two paths, so that together with
// the identity above no two of them can be read as one endpoint by us and as two by a registry.
test('what is accepted of damaged targets is read alike by URL parsers and by a registry, and none throws', () => {
  let accepted = 0;
  fc.assert(
    fc.property(damagedTarget, (target) => {
      const read = parseEndpoint(target);
      if (read === undefined) return;
      accepted += 1;
      assertReadAlike(target, read.endpoint);
    }),
    { numRuns: 10_000 },
  );
  assert.ok(accepted > 1000, `only ${accepted} targets were accepted`);
});
