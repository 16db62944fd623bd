import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  blobRequestHeaders,
  blobResponseHeaders,
  carriedRequestHeaders,
  carriedResponseHeaders,
} from '../../src/proxy/upstream/headers.ts';

test('what an upload needs reaches the registry, with our Authorization', () => {
  const client = {
    accept: 'a, b',
    'content-range': '0-9',
    'content-type': 'application/octet-stream',
    'if-match': '"x"',
    'oci-tag': 'v1',
    range: 'bytes=0-1',
    'user-agent': 'docker/28',
  };
  assert.deepEqual(carriedRequestHeaders({ ...client, authorization: 'Basic mine' }, 'Bearer ours'), {
    ...client,
    'accept-encoding': 'identity',
    authorization: 'Bearer ours',
  });
});

test('the Authorization of a client is not sent unless it is given', () => {
  const sent = carriedRequestHeaders({ authorization: 'Basic mine' }, undefined);
  assert.deepEqual(sent, { 'accept-encoding': 'identity' });
});

for (const name of [
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'connection',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-http-method-override',
  'x-original-url',
  'x-real-ip',
  'x-rewrite-url',
  'content_type',
  'oci_tag',
  'oci-tag_x',
  'accept-encoding_',
  '__proto__',
  'constructor',
]) {
  test(`${name} of a client does not reach the registry`, () => {
    const client: Record<string, string> = JSON.parse(JSON.stringify({ [name]: 'x' })) as Record<
      string,
      string
    >;
    assert.deepEqual(carriedRequestHeaders(client, undefined), { 'accept-encoding': 'identity' });
  });
}

test('what Connection names is removed from the fields of the client, not from ours', () => {
  const sent = carriedRequestHeaders(
    { connection: 'close, Authorization,RANGE , accept-encoding', range: 'bytes=0-1', accept: 'a' },
    'Bearer ours',
  );
  assert.deepEqual(sent, { accept: 'a', 'accept-encoding': 'identity', authorization: 'Bearer ours' });
});

test('a blob request carries the range, and nothing that would make the answer conditional on a cache', () => {
  const client = {
    range: 'bytes=1-',
    'if-range': '"x"',
    'if-none-match': '"x"',
    authorization: 'x',
    cookie: 'y',
  };
  assert.deepEqual(blobRequestHeaders(client), { range: 'bytes=1-', 'if-range': '"x"' });
});

const answer = {
  'accept-ranges': 'bytes',
  'content-length': '3',
  'content-range': 'bytes 0-2/9',
  'content-type': 'text/plain',
  'docker-content-digest': 'sha256:00',
  'docker-distribution-api-version': 'registry/2.0',
  'docker-ratelimit-source': '192.0.2.1',
  etag: '"x"',
  'last-modified': 'x',
  'oci-subject': 'sha256:00',
  'ratelimit-limit': '100;w=21600',
  'ratelimit-remaining': '99;w=21600',
  'retry-after': '3',
};
const uploadAnswer = {
  'docker-upload-uuid': 'u',
  range: '0-9',
  'oci-chunk-min-length': '5',
  warning: '299 - "x"',
};

test('the answer of a registry keeps what clients read', () => {
  assert.deepEqual(blobResponseHeaders(answer), answer);
  assert.deepEqual(carriedResponseHeaders({ ...answer, ...uploadAnswer }, 'anonymous'), {
    ...answer,
    ...uploadAnswer,
  });
});

test('the challenge of a registry is the business of a client only where its own credentials are sent', () => {
  const challenge = { 'www-authenticate': 'Basic realm="x"' };
  assert.deepEqual(carriedResponseHeaders(challenge, 'forward'), challenge);
  assert.deepEqual(carriedResponseHeaders(challenge, 'anonymous'), {});
  assert.deepEqual(carriedResponseHeaders(challenge, { username: 'a', password: 'b' }), {});
  assert.deepEqual(blobResponseHeaders(challenge), {});
});

test('nothing else of a registry reaches a client', () => {
  const surprising = {
    'alt-svc': 'h3=":443"',
    'cache-control': 'max-age=9',
    'clear-site-data': '"*"',
    connection: 'keep-alive',
    'keep-alive': 'timeout=5',
    link: '<x>',
    location: 'https://inner.example/',
    refresh: '0; url=https://attacker.example/',
    server: 'x',
    'set-cookie': ['a=b'],
    'strict-transport-security': 'max-age=9',
    'transfer-encoding': 'chunked',
    'tufgate-trust': 'signed',
    'x-powered-by': 'x',
    'oci-a_b': 'x',
  };
  assert.deepEqual(carriedResponseHeaders(surprising, 'forward'), {});
  assert.deepEqual(blobResponseHeaders(surprising), {});
});

test('a field whose value not every server reads alike is dropped', () => {
  for (const value of ['a\r\nx: y', 'a\nb', 'a\0', 'é', '\u{7f}', 'a\u{2028}']) {
    assert.deepEqual(carriedResponseHeaders({ etag: value, 'www-authenticate': value }, 'forward'), {});
    assert.deepEqual(blobRequestHeaders({ range: value }), {});
  }
});

test('what the Connection of a registry names stays here', () => {
  const upstream = { connection: 'Docker-Content-Digest', 'docker-content-digest': 'sha256:00', etag: '"x"' };
  assert.deepEqual(blobResponseHeaders(upstream), { etag: '"x"' });
});
