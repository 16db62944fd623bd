import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseScopes, printScope } from '../../src/oci/scope.ts';

test('scopes are read from several parameters and from several words of one', () => {
  const texts = ['repository:team/app:pull', 'repository:reg.test:5000/app:push,pull repository:b:*'];
  assert.deepEqual(parseScopes(texts).map(printScope), [
    'repository:team/app:pull',
    'repository:reg.test:5000/app:pull,push',
    'repository:b:*',
  ]);
});

test('what is no scope of a repository is left out, and so are actions that nobody knows', () => {
  const texts = [
    'registry:catalog:*',
    'repository::pull',
    'repository:a',
    'repository:a:',
    'repository:a:fly',
    '',
    'x',
  ];
  assert.deepEqual(parseScopes(texts), []);
  assert.deepEqual(parseScopes(['repository:a:fly,delete,pull']).map(printScope), [
    'repository:a:pull,delete',
  ]);
  assert.deepEqual(parseScopes([`repository:${'a'.repeat(512)}:pull`]), []);
});
