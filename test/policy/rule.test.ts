import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Rule } from '../../src/policy/rule.ts';
import { gunOf, ruleFor } from '../../src/policy/rule.ts';

const rules: readonly Rule[] = [
  'docker.io/**',
  'docker.io/library/*',
  'docker.io/library/alpine',
  'docker.io/*/alpine',
  'docker.io/team/app',
].map((match) => ({ match, mode: 'deny' }));

test('the most specific rule decides, whatever the order', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([...rules], { minLength: rules.length }), (shuffled) => {
      const decided = (repository: string): string | undefined =>
        ruleFor(shuffled, 'docker.io', repository)?.match;
      assert.equal(decided('library/alpine'), 'docker.io/library/alpine');
      assert.equal(decided('library/debian'), 'docker.io/library/*');
      assert.equal(decided('other/alpine'), 'docker.io/*/alpine');
      assert.equal(decided('team/app'), 'docker.io/team/app');
      assert.equal(decided('team/app-evil'), 'docker.io/**');
      assert.equal(decided('team/app/alpine'), 'docker.io/**');
    }),
  );
});

test('a repository that no rule covers has no rule', () => {
  assert.equal(ruleFor(rules, 'quay.io', 'library/alpine'), undefined);
  assert.equal(ruleFor([], 'docker.io', 'library/alpine'), undefined);
});

test('a rule that cannot be read is a fault of ours and never passed over', () => {
  const broken: Rule = { match: 'docker.io/a*', mode: 'deny' };
  assert.throws(() => ruleFor([...rules, broken], 'docker.io', 'library/alpine'), TypeError);
});

test('the GUN is the template with registry and repository filled in, once', () => {
  const gun = (gunTemplate: string, registry = 'docker.io', repository = 'library/alpine'): string =>
    gunOf({ gunTemplate }, registry, repository);
  assert.equal(gun('{registry}/{repository}'), 'docker.io/library/alpine');
  assert.equal(gun('mirror/{repository}/{repository}'), 'mirror/library/alpine/library/alpine');
  assert.equal(gun('fixed'), 'fixed');
  assert.equal(gun('{registry}/{repository}', '{repository}', '$&$1'), '{repository}/$&$1');
});
