import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redirectTarget } from '../../src/oci/redirect.ts';

const asked = new URL('https://registry.example/v2/team/app/blobs/sha256:00');

function go(location: string, from = asked): string {
  const target = redirectTarget(from, location);
  return target instanceof URL ? target.href : target.refused;
}

test('an absolute https address is followed, with its query as it is', () => {
  const signed = 'https://storage.example:8443/x?X-Amz-Signature=a%2Fb&y=1+2';
  assert.equal(go(signed), signed);
});

test('a relative address belongs to the server that was asked', () => {
  assert.equal(go('/artifacts/x'), 'https://registry.example/artifacts/x');
  assert.equal(go('//other.example/x'), 'https://other.example/x');
});

test('a fragment is dropped', () => {
  assert.equal(go('https://storage.example/x#y'), 'https://storage.example/x');
});

test('https to http is refused, http to http and to https is not', () => {
  assert.equal(go('http://registry.example/x'), 'the address leads from https to http, at registry.example');
  const plain = new URL('http://registry.example/');
  assert.equal(go('http://storage.example/x', plain), 'http://storage.example/x');
  assert.equal(go('https://storage.example/x', plain), 'https://storage.example/x');
});

for (const location of [
  'file:///etc/passwd',
  'ftp://a.example/',
  'data:,x',
  'javascript:1',
  'gopher://a.example/',
]) {
  test(`the scheme of ${location} is refused`, () => {
    assert.match(go(location), /^the address has the scheme \w+, not http or https$/);
  });
}

test('a user name or password is refused, and not repeated', () => {
  for (const location of ['https://user@storage.example/', 'https://:secret@storage.example/']) {
    assert.equal(go(location), 'the address at storage.example carries a user name or password');
  }
});

test('what is no URL is refused', () => {
  assert.equal(go('https://'), 'the address is not a URL');
  assert.equal(go('http://[::1'), 'the address is not a URL');
});

for (const [written, read] of [
  ['http://169.254.169.254/latest/meta-data/', '169.254.169.254'],
  ['http://127.0.0.1:9095/metrics', '127.0.0.1'],
  ['http://0177.1/', '127.0.0.1'],
  ['http://2130706433/', '127.0.0.1'],
  ['http://0x7f.1/', '127.0.0.1'],
  ['http://127.0.0.1./', '127.0.0.1'],
  ['http://%31%32%37.0.0.1/', '127.0.0.1'],
  ['http://１２７.0.0.1/', '127.0.0.1'],
  ['http://[::1]/', '[::1]'],
  ['http://[::ffff:7f00:1]/', '[::ffff:7f00:1]'],
  ['http://[::ffff:127.0.0.1]/', '[::ffff:7f00:1]'],
  ['http://8.8.8.8/', '8.8.8.8'],
  ['http://localhost:5000/', 'localhost'],
  ['http://LOCALHOST./', 'localhost.'],
  ['http://x.localhost/', 'x.localhost'],
  ['/\\127.0.0.1/x', '127.0.0.1'],
] as const) {
  test(`an inner address is refused as ${written}`, () => {
    const refused = `the address names the host ${read}, which is not registry.example and has no public name`;
    assert.equal(go(written, new URL('http://registry.example/')), refused);
  });
}

test('a registry that itself has no public name may send to its own host', () => {
  assert.equal(
    go('http://127.0.0.1:9000/x', new URL('http://127.0.0.1:5000/v2/')),
    'http://127.0.0.1:9000/x',
  );
  assert.equal(go('http://localhost/x', new URL('http://localhost:5000/v2/')), 'http://localhost/x');
});
