import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  authorizationAt,
  isAnonymous,
  parseRegistryToken,
  printRegistryToken,
} from '../../src/proxy/auth/registry-token.ts';

for (const authorization of ['Bearer a.b-c_d~e+f/g==', 'Basic cm9ib3Q6cGFzcw==', undefined]) {
  test(`a token with ${authorization ?? 'nothing'} in it is shown to its own registry, and nothing to another`, () => {
    const header = `Bearer ${printRegistryToken({ registry: 'reg.test:5000', authorization })}`;
    assert.match(header, /^Bearer [A-Za-z0-9._~+/-]+=*$/);
    assert.deepEqual(parseRegistryToken(header), { registry: 'reg.test:5000', authorization });
    assert.equal(authorizationAt('reg.test:5000', header), authorization);
    assert.equal(authorizationAt('reg.test', header), undefined);
  });
}

test('what is not ours is handed on as it came, and an empty account is nobody', () => {
  for (const header of [
    'Bearer opaque',
    'Basic YTpi',
    'Bearer tufgate.x',
    'Negotiate tufgate.a.b',
    'Bearer tufgate.a.b.c',
  ]) {
    assert.equal(authorizationAt('reg.test', header), header);
    assert.equal(isAnonymous(header), false);
  }
  for (const header of ['Basic Og==', 'basic  Og==', undefined]) {
    assert.equal(authorizationAt('reg.test', header), undefined);
    assert.equal(isAnonymous(header), true);
  }
});

test('a token of ours that holds more than one line is none', () => {
  const inner = Buffer.from('Bearer a\r\nhost: b').toString('base64url');
  assert.equal(parseRegistryToken(`Bearer tufgate.cmVnLnRlc3Q.${inner}`), undefined);
});
