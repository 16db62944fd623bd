import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertOciError, exchange, get, open, post, target } from './door.ts';

const hosts = [
  'gate.example',
  'gate.example:5000',
  'GATE_1.example.',
  '127.0.0.1:65535',
  '[::1]',
  '[::1]:5000',
];
for (const host of hosts) {
  test(`Host: ${host} is valid`, async (t) => {
    const { port, seen } = await open(t);
    assert.match(await exchange(port, get(`Host: ${host}\r\nConnection: close\r\n`)), /^HTTP\/1\.1 200 /);
    assert.equal(seen.length, 1);
  });
}

test('HTTP/1.0 needs no Host', async (t) => {
  const { port, seen } = await open(t);
  assert.match(await exchange(port, 'GET /v2/ HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /);
  assert.deepEqual(seen, ['GET /v2/']);
});

const refused: readonly (readonly [name: string, request: string, status: number])[] = [
  ['no Host', get(''), 400],
  ['two Hosts', get('Host: a\r\nHost: b\r\n'), 400],
  ['two equal Hosts', get('Host: a\r\nhost: a\r\n'), 400],
  ['two Hosts in HTTP/1.0', 'GET /v2/ HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n', 400],
  ['a second Host after 2,100 headers', get(`Host: a\r\n${'x:\r\n'.repeat(2100)}Host: b\r\n`), 400],
  ['an empty Host', get('Host:\r\n'), 400],
  ['a Host with a path and a user', get('Host: a/b@c\r\n'), 400],
  ['a Host list', get('Host: a, b\r\n'), 400],
  ['a port above 65535', get('Host: proxy:99999\r\n'), 400],
  ['a port with a sign', get('Host: proxy:+1\r\n'), 400],
  ['an open bracket', get('Host: [::1\r\n'), 400],
  ['brackets around no address', get('Host: [::1::]\r\n'), 400],
  ['a Host of 300 characters', get(`Host: ${'a'.repeat(300)}\r\n`), 400],
  ['two Authorizations', get('Host: a\r\nAuthorization: Basic YQ==\r\nauthorization: Basic Yg==\r\n'), 400],
  ['two Ranges', get('Host: a\r\nRange: bytes=0-1\r\nRange: bytes=2-3\r\n'), 400],
  ['two Content-Types', post('Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 0\r\n', ''), 400],
  ['two Content-Lengths', post('Content-Length: 1\r\nContent-Length: 1\r\n', 'x'), 400],
  ['different Content-Lengths', post('Content-Length: 1\r\nContent-Length: 2\r\n', 'xy'), 400],
  ['a Content-Length list', post('Content-Length: 1, 1\r\n', 'x'), 400],
  ['a Content-Length with a sign', post('Content-Length: +1\r\n', 'x'), 400],
  ['a hexadecimal Content-Length', post('Content-Length: 0x1\r\n', 'x'), 400],
  ['a negative Content-Length', post('Content-Length: -1\r\n', 'x'), 400],
  ['length and coding', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), 400],
  ['chunked twice', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), 400],
  ['chunked, then identity', post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'), 400],
  ['gzip, then chunked', post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), 501],
  ['gzip alone', post('Transfer-Encoding: gzip\r\n', ''), 501],
  ['xchunked', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'), 501],
  [
    'chunked in HTTP/1.0',
    'POST /v2/ HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['a space before the colon', get('Host : a\r\n'), 400],
  ['a folded header', get('Host: a\r\nX: a\r\n b\r\n'), 400],
  ['lines that end in LF', `GET ${target} HTTP/1.1\nHost: a\n\n`, 400],
  ['a CR in a value', get('Host: a\r\nX: a\rb\r\n'), 400],
  ['a NUL in a value', get('Host: a\r\nX: a\0b\r\n'), 400],
  ['absolute form', 'GET http://evil.test/v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n', 404],
  ['absolute form of ourselves', 'GET http://a/v2/ HTTP/1.1\r\nHost: a\r\n\r\n', 404],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 404],
  ['GET *', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', 404],
  ['CONNECT', 'CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n', 405],
  ['a method in lower case', `get ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  ['an invented method', `PWN ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  ['HTTP/0.9 without headers', `GET ${target}\r\n\r\n`, 400],
  ['HTTP/0.9', `GET ${target} HTTP/0.9\r\nHost: a\r\n\r\n`, 400],
  ['HTTP/1.2', `GET ${target} HTTP/1.2\r\nHost: a\r\n\r\n`, 400],
  ['HTTP/2.0 in the syntax of 1.1', `GET ${target} HTTP/2.0\r\nHost: a\r\n\r\n`, 400],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['a target with bytes above ASCII', 'GET /v2/caf\xe9/tags/list HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a header of 17 KiB', get(`Host: a\r\nX: ${'x'.repeat(17 * 1024)}\r\n`), 431],
  ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
];
for (const [name, request, status] of refused) {
  test(`refused with ${status} and the connection closed: ${name}`, async (t) => {
    const { port, seen, errors } = await open(t);
    assertOciError(await exchange(port, request), status);
    assert.deepEqual(seen, []);
    assert.deepEqual(errors, []);
  });
}

test('a request behind a refused one is not read', async (t) => {
  const { port, seen } = await open(t);
  const answer = await exchange(port, get('Host: a\r\nHost: b\r\n') + get('Host: a\r\n'));
  assertOciError(answer, 400);
  assert.deepEqual(seen, []);
});
