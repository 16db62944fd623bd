import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../src/demo/registry/content.ts';
import { exchange } from '../proxy/door.ts';
import { raw } from '../world/fault.ts';
import { startWorld } from '../world/world.ts';
import { good } from './attack.ts';
import type { DoorAttack } from './door-attack.ts';
import { doorAttacks, portOf, readAnswer, refused, requests, requestTo, served } from './door-attack.ts';

// Methods, framing and header fields that two servers could take for two requests, or that would have the proxy ask for
// something else than the target says. Bodies and heads at the listener alone: test/proxy/server-requests.test.ts.

const host = 'Host: gate.example';
const manifest = (name: string, reference = '1.0'): string => `/v2/${name}/manifests/${reference}`;
const head = (line: string, ...headers: readonly string[]): string =>
  `${line}\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n`;
const upload = (name: string, headers: readonly string[], body = ''): string =>
  requestTo(`/v2/${name}/blobs/uploads/`, headers, 'POST') + body;

/** A signed tag with these header fields: served as if they were not there. */
function ignored(id: string, title: string, lines: readonly string[]): DoorAttack {
  return {
    id,
    title,
    send: ({ name }) => lines.map((line) => requestTo(manifest(name), line.split('\n'))),
    comesTo: served,
  };
}

const methods =
  'PUT POST PATCH DELETE OPTIONS TRACE PURGE PROPFIND QUERY LINK UNLINK MKCOL LOCK COPY MOVE REPORT M-SEARCH';

doorAttacks('method and header tricks', [
  requests('H-21', 'two Hosts, equal or not, are one too many', (name) =>
    [
      ['Host: gate.example', 'Host: reg.test'],
      ['Host: gate.example', 'host: gate.example'],
      ['Host: gate.example', ...Array.from({ length: 2100 }, () => 'x:'), 'Host: reg.test'],
    ].map((hosts) => head(`GET ${manifest(name)} HTTP/1.1`, ...hosts)),
  ),
  requests('H-22', 'what is no host is not taken for one', (name) =>
    [
      '',
      'a/b@c',
      'gate.example:99999',
      '[::1',
      'h'.repeat(300),
      'gate.example, reg.test',
      'gate example',
      '..',
      'gate.example\\reg.test',
    ]
      .map((value) => head(`GET ${manifest(name)} HTTP/1.1`, `Host: ${value}`))
      .concat(head(`GET ${manifest(name)} HTTP/1.1`)),
  ),
  ignored('H-23', 'no header of a hop before us changes what is asked, and of whom', [
    'X-Forwarded-Host: evil.test',
    'X-Forwarded-Proto: ftp\nX-Forwarded-Prefix: /v2/other',
    'Forwarded: host=evil.test;proto=https',
    'X-Original-URL: /v2/team/app/manifests/9.9',
    'X-Rewrite-URL: /v2/team/app/manifests/9.9',
    'X-Host: evil.test\nX-Real-IP: 127.0.0.1\nX-Forwarded-For: 127.0.0.1',
  ]),
  ignored('H-24', 'a method in a header is none', [
    'X-HTTP-Method-Override: DELETE',
    'X-HTTP-Method: PUT\nX-Method-Override: PUT',
  ]),
  requests(
    'H-24',
    'a POST that calls itself GET is a POST',
    (name) =>
      ['GET', 'PUT', 'DELETE'].map((method) =>
        requestTo(
          `${manifest(name)}?_method=${method}`,
          [`X-HTTP-Method-Override: ${method}`, 'Content-Length: 0'],
          'POST',
        ),
      ),
    405,
  ),
  requests(
    'H-25',
    'only GET and HEAD ask for a manifest, a blob or a list',
    (name) =>
      [
        manifest(name),
        manifest(name, good.digest),
        `/v2/${name}/blobs/${digestOf(good.config)}`,
        `/v2/${name}/tags/list`,
      ].flatMap((path) => methods.split(' ').map((method) => requestTo(path, ['Content-Length: 0'], method))),
    405,
  ),
  requests(
    'H-25',
    'methods of other protocols are refused with theirs',
    (name) => [
      head(`DESCRIBE ${manifest(name)} RTSP/1.0`, host),
      head(`SETUP ${manifest(name)} RTSP/1.0`, host),
      head(`DESCRIBE ${manifest(name)} HTTP/1.1`, host),
      head(`SOURCE ${manifest(name)} ICE/1.0`, host),
      head(`SOURCE ${manifest(name)} HTTP/1.1`, host, 'Connection: close'),
    ],
    400,
    405,
  ),
  requests('H-27', 'malformed methods and versions are no HTTP', (name) => [
    head(`get ${manifest(name)} HTTP/1.1`, host),
    head(`PWN ${manifest(name)} HTTP/1.1`, host),
    head(`GET\t${manifest(name)} HTTP/1.1`, host),
    head(`GET ${manifest(name)} evil HTTP/1.1`, host),
    head(`GET ${manifest(name)} HTTP/0.9`, host),
    head(`GET ${manifest(name)} HTTP/1.2`, host),
    head(`GET ${manifest(name)} HTTP/2.0`, host),
    head(`GET ${manifest(name)} HTTPS/1.1`, host),
    `GET ${manifest(name)}\r\n\r\n`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ]),
  {
    id: 'H-27',
    title:
      'GET in the words of RTSP, and with two spaces, is read as HTTP by Node, and judged as what it asks for',
    send: ({ name }) => [
      head(`GET ${manifest(name, '9.9')} RTSP/1.0`, host),
      head(`GET  ${manifest(name, '9.9')} HTTP/1.1`, host, 'Connection: close'),
    ],
    comesTo: refused('TAG_NOT_SIGNED'),
  },
  {
    id: 'H-29',
    title: 'nothing is upgraded: the answer is the verified one',
    send: ({ name }) =>
      ['websocket', 'h2c', 'TLS/1.2, HTTP/1.1'].map((protocol) =>
        head(
          `GET ${manifest(name)} HTTP/1.1`,
          host,
          'Connection: Upgrade, HTTP2-Settings, close',
          `Upgrade: ${protocol}`,
          'HTTP2-Settings: AAMAAABkAAQAAP__',
        ),
      ),
    comesTo: served,
  },
  requests(
    'H-30',
    'a body of which two servers see two ends is not read',
    (name) =>
      [
        'Content-Length: 5\nTransfer-Encoding: chunked',
        'Transfer-Encoding: chunked\nContent-Length: 5',
        'Transfer-Encoding: chunked\nTransfer-Encoding: chunked',
        'Transfer-Encoding: xchunked',
        'Transfer-Encoding: chunked, identity',
        'Transfer-Encoding: \x0bchunked',
        'Transfer-Encoding : chunked',
        'Content-Length: 5, 5',
        'Content-Length: +5',
        'Content-Length: 0x5',
        'Content-Length: -1',
        'Content-Length: 5\nContent-Length: 6',
        'X: a\r\n folded',
        'X: a\rb',
        'X : a',
        'X: a\0b',
      ].map((lines) => upload(name, lines.split('\n'), '0\r\n\r\n')),
    400,
    501,
  ),
  requests('H-30', 'lines that end in LF alone are none', (name) => [
    `GET ${manifest(name)} HTTP/1.1\n${host}\n\n`,
    `GET ${manifest(name)} HTTP/1.1\r\n${host}\r\nX: a\nY: b\r\n\r\n`,
  ]),
  requests(
    'H-32',
    'a coding of the transfer that nobody undoes is refused',
    (name) =>
      ['gzip, chunked', 'gzip', 'deflate, chunked', 'identity'].map((coding) =>
        upload(name, [`Transfer-Encoding: ${coding}`], '0\r\n\r\n'),
      ),
    400,
    501,
  ),
  requests(
    'H-35',
    'a head of more than 16 KiB is 431',
    (name) => [
      requestTo(manifest(name), [`X: ${'x'.repeat(17_000)}`]),
      requestTo(manifest(name), [`Cookie: ${'c'.repeat(8200)}`, `Cookie: ${'c'.repeat(8200)}`]),
    ],
    431,
  ),
  ignored('H-36', 'fields named like members of every object, or with an underscore, are just fields', [
    '__proto__: x\nconstructor: x\ntoString: x\nhasOwnProperty: x',
    'Docker_Content_Digest: x\nContent_Length: 5\nTransfer_Encoding: chunked\nHost_: evil.test',
    'X-A:b:c\nX-A:b\n!#$%&*+-.^_`|~: x',
  ]),
  ignored('H-37', 'fields for this hop only change nothing of the answer', [
    'Connection: close, Authorization, Host',
    'Connection: X-Real-IP, Accept\nKeep-Alive: timeout=1',
    'Proxy-Authorization: Basic eDp5\nProxy-Connection: keep-alive\nTE: trailers, gzip\nTrailer: Host',
    'Expect: the-unexpected\nMax-Forwards: 0',
  ]),
  requests('H-39', 'a field that may come once and comes twice is refused', (name) =>
    [
      'Authorization: Basic YTpi\nAuthorization: Basic Yzpk',
      'Range: bytes=0-1\nrange: bytes=1-2',
      'Content-Type: a/b\nContent-Type: c/d',
    ].map((lines) => requestTo(manifest(name), lines.split('\n'))),
  ),
  {
    id: 'H-42',
    title: 'a body of GET or HEAD is dropped, and no request in it is read',
    send: ({ name }) => {
      const inner = requestTo(manifest(name, '9.9'));
      return ['GET', 'HEAD'].flatMap((method) => [
        head(`${method} ${manifest(name)} HTTP/1.1`, host, `Content-Length: ${inner.length}`) + inner + inner,
        `${head(`${method} ${manifest(name)} HTTP/1.1`, host, 'Transfer-Encoding: chunked')}${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n${inner}`,
      ]);
    },
    comesTo: served,
  },
]);

test('H-29 warm: a registry that switches protocols is not followed, and its 101 not passed on', async (t) => {
  const world = await startWorld(t);
  const { registry, notary } = world;
  registry.put('team/app', good, '1.0');
  notary.sign('team/app', '1.0', good);
  registry.intercept(() =>
    raw('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI'),
  );
  const upgrade = ['Connection: Upgrade, close', 'Upgrade: h2c'].join('\r\n');
  for (const path of [
    '/v2/team/app/manifests/1.0',
    '/v2/team/app/tags/list',
    `/v2/team/app/blobs/${digestOf(good.config)}`,
  ]) {
    const text = await exchange(portOf(world), `GET ${path} HTTP/1.1\r\n${host}\r\n${upgrade}\r\n\r\n`);
    assert.equal(readAnswer(text, false, text).status, 503);
  }
});

test('H-44 cold: the preface of HTTP/2 is no HTTP here, so none of its floods can begin', async (t) => {
  const world = await startWorld(t);
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  const frames = `\0\0\0\x04\0\0\0\0\0${'\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08'.repeat(1000)}`;
  const text = await exchange(portOf(world), preface + frames);
  assert.equal(readAnswer(text, false, text).status, 400);
});
