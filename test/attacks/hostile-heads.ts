import { smuggled } from './hostile-bodies.ts';
import type { Shape } from './plain-requests.ts';
import { plainRequest, plainTarget, printHead, vaultTarget } from './plain-requests.ts';
import type { Seeded } from './seeded.ts';

// Requests as no client writes them, each with something in it that leads to the vault: a repository that no honest
// request names. Whatever reads one of them as a request for the vault has been fooled.

const control = (random: Seeded): string =>
  random.pick([
    '\0',
    '\t',
    '\x0b',
    '\x0c',
    '\x1b',
    '\x7f',
    '\x80',
    '\xa0',
    '\xc3\xa9',
    '\xff',
    '\xef\xbc\x8f',
    ' ',
  ]);

/** A path of the vault that is nearly one of an endpoint. */
function crooked(random: Seeded): string {
  const target = vaultTarget(random);
  const name = '/v2/vault/secret';
  return random.pick<() => string>([
    () => target.replaceAll('/', random.pick(['%2f', '%2F', '%252F', '\\', '%5c', '//', '/./'])),
    () =>
      target.replace('vault/', random.pick(['vault%2f', 'vault\\', 'vault//', 'vault/./', 'team/../vault/'])),
    () => `/v2/team/app/manifests/..${'/..'.repeat(random.below(4))}${target}`,
    () =>
      target.replace(
        '/v2',
        random.pick(['//v2', '/./v2', '/v2/..//v2', '/V2', '/v2/v2/..', '/%76%32', '//evil.test/v2']),
      ),
    () =>
      `/v2/team/app/manifests/1.0${random.pick(['#', '%23', ';', '\\', '%3f', '%00', '%0d%0a', '%09'])}${target}`,
    () =>
      `${target}${random.pick(['/', '#', '#x', ';x', '%00', '%20', '\\', '/..', '/.', '%2e%2e', '?ns=%', '?ns=%zz', '?ns=\\'])}`,
    () => random.insert(target, control(random), 2),
    () => `${name}${'/a'.repeat(random.below(3000))}/manifests/${'t'.repeat(129 + random.below(4000))}`,
    () => `/v2/${'vault/'.repeat(50 + random.below(3000))}manifests/1.0`,
    () =>
      target.replace(
        /[^/]+$/,
        random.pick([
          '.',
          '..',
          '-x',
          '.x',
          'x:y',
          'sha256:',
          'SHA256:x',
          `sha256:${'A'.repeat(64)}`,
          '1.0@sha256:0',
        ]),
      ),
    () =>
      target.replace(
        'secret',
        random.pick(['Secret', 'secret-', '-secret', 'se..cret', 'se___cret', 'se*', 'secret.']),
      ),
  ])();
}

export const headShapes: Readonly<Record<string, Shape>> = {
  'whole and honest': (random, gates) => plainRequest(random, gates),
  pipelined: (random, gates) =>
    Array.from({ length: 2 + random.below(5) }, () => plainRequest(random, gates)).join(''),
  'paths that are nearly endpoints': (random) =>
    printHead(random.pick(['GET', 'HEAD', 'PUT', 'DELETE']), crooked(random), ['Host: one.example']),
  'heads that are too large': (random) => {
    const host = 'Host: one.example';
    const headers = random.pick<() => string[]>([
      () => [host, `X: ${'x'.repeat(17_000 + random.below(50_000))}`],
      () => [host, ...Array.from({ length: 2500 + random.below(3000) }, () => 'x:'), 'Host: two.example'],
      () => [`Cookie: ${'c'.repeat(8000)}`, `Cookie: ${'c'.repeat(9000)}`, host],
      () => [`${'N'.repeat(17_000)}: x`, host],
    ])();
    return printHead(
      'GET',
      random.pick([vaultTarget(random), `${vaultTarget(random)}?${'n=1&'.repeat(6000)}`]),
      headers,
    );
  },
  'bytes that are no text': (random) => {
    const head = printHead('GET', vaultTarget(random), ['Host: one.example', 'X: y']);
    const bytes = Array.from({ length: 1 + random.below(4) }, () =>
      String.fromCharCode(128 + random.below(128)),
    ).join('');
    // Within method, target or version: what stands in the value of a header may be anything.
    return random.insert(head, bytes, 0, head.indexOf(' HTTP') + 9);
  },
  'random bytes': (random) =>
    Array.from({ length: 1 + random.below(600) }, () => String.fromCharCode(random.below(256))).join(''),
  'forms for other servers': (random) => {
    const origin = random.pick([
      'http://evil.test',
      'http://one.example',
      'https://one.example:443',
      'HTTP://one.example',
      'ftp://x',
      'http:',
      'file://',
      'javascript:',
      'one.example',
      'http://a@one.example',
      '*',
      '',
    ]);
    const target =
      origin === '*'
        ? '*'
        : `${origin}${vaultTarget(random)}`.replace(/^\//, random.pick(['x/', '*/', '//evil.test/']));
    return printHead(random.pick(['GET', 'HEAD', 'OPTIONS']), target, [
      `Host: ${random.pick(['one.example', 'evil.test'])}`,
    ]);
  },
  tunnels: (random) =>
    printHead(
      'CONNECT',
      random.pick(['evil.test:443', 'one.example:80', vaultTarget(random), '127.0.0.1:1']),
      ['Host: one.example'],
    ) + smuggled(random),
  'folded and broken headers': (random) => {
    const header = random.pick([
      'X: a\r\n b',
      'X: a\r\n\tHost: two.example',
      'X: a\0b',
      'X: a\rb',
      'X: a\nHost: two.example\rx',
      'X : y',
      ': y',
      'X',
      'X\0: y',
      'Host',
      '\x0b: y',
      '"X": y',
      'X(a): b',
      ' X: y',
    ]);
    return printHead('GET', vaultTarget(random), [header, 'Host: one.example']);
  },
  'line ends that are none': (random) => {
    const head = printHead('GET', vaultTarget(random), ['Host: one.example', 'X: y']);
    const end = random.pick(['\n', '\r', '\n\r', '\r\r\n', '\x85', '\v\n']);
    return head.replaceAll('\r\n', end);
  },
  'Hosts that are none, or two': (random) => {
    const hosts = random.pick([
      ['Host: one.example', 'Host: two.example'],
      ['Host: one.example', 'host: one.example'],
      [],
      ['Host:'],
      ['Host: one.example, two.example'],
      ['Host: one.example/v2'],
      ['Host: a@one.example'],
      ['Host: one.example:99999'],
      ['Host: [::1'],
      ['Host: one example'],
      [`Host: ${'h'.repeat(300)}`],
      ['Host: one.example\0'],
      ['Host: one.example#'],
      ['Host: ../x'],
      ['Host: one.example%00'],
    ]);
    return printHead('GET', vaultTarget(random), hosts);
  },
  'versions that are others': (random) => {
    const version = random.pick([
      'HTTP/0.9',
      'HTTP/1.2',
      'HTTP/2.0',
      'HTTP/3',
      'HTTP/1.10',
      'http/1.1',
      'HTTP/11',
      'HTTP/1,1',
      'HTTP /1.1',
      'ICAP/1.0',
      'RTSP/3.0',
      'HTTP/-1.1',
      'HTTP/1.1x',
      '',
    ]);
    return random.pick([
      () => `GET ${vaultTarget(random)} ${version}\r\nHost: one.example\r\n\r\n`,
      () => `GET ${vaultTarget(random)}\r\n`,
      () => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\0'.repeat(9)}${smuggled(random)}`,
    ])();
  },
  'methods that are others': (random) => {
    const method = random.pick([
      'get',
      'Get',
      'PWN',
      'TRACE',
      'PURGE',
      'PROPFIND',
      'QUERY',
      'LINK',
      'DESCRIBE',
      'M-SEARCH',
      'SOURCE',
      'OPTIONS',
      'GET,HEAD',
      'GET\t',
      'G\0ET',
      'GETGET',
      'PATCH',
      'POST',
      '',
    ]);
    return printHead(method, vaultTarget(random).replace(/blobs.*|referrers.*|tags.*/, 'manifests/1.0'), [
      'Host: one.example',
    ]);
  },
  'selectors that contradict or are unknown': (random) => {
    const name = random.pick([
      '',
      '',
      'reg.test/',
      'two.test/',
      'second/',
      'evil.test/',
      'evil.test:80/',
      'localhost/',
    ]);
    const target = vaultTarget(random).replace('/v2/', `/v2/${name}`);
    const ns = random.pick([
      'ns=evil.test',
      'ns=',
      'ns=reg.test&ns=two.test',
      'ns=two.test&n%73=reg.test',
      'ns=reg.test%00',
      'ns=REG.TEST',
      'ns=reg.test/vault',
      'ns=reg.test%2f',
    ]);
    const other = random.pick<[string, string]>([
      ['one.example', 'ns=two.test'],
      ['two.example', 'ns=reg.test'],
      ['ONE.example:80', 'ns=two.test'],
    ]);
    const [host, query] = random.pick<[string, string]>([other, ['gate.example', ns]]);
    return printHead('GET', `${target}?${query}`, [`Host: ${host}`]);
  },
  'headers that lead elsewhere': (random, gates) => {
    const vault = vaultTarget(random);
    const elsewhere = random
      .shuffle([
        `X-Original-URL: ${vault}`,
        `X-Rewrite-URL: ${vault}`,
        'X-Forwarded-Host: evil.test',
        'X-Forwarded-Prefix: /v2/vault',
        'Forwarded: host=evil.test;proto=https',
        'X-HTTP-Method-Override: PUT',
        'X-Method-Override: DELETE',
        'Upgrade: h2c',
        'Connection: Upgrade, HTTP2-Settings, Host, Authorization',
        'HTTP2-Settings: AAMAAABkAAQAAP__',
        'Expect: 100-continue',
        'Expect: vault',
        'Range: bytes=0-0',
        'If-None-Match: *',
        `Referer: http://one.example${vault}`,
        'Proxy-Authorization: Basic eDp5',
        '__proto__: vault',
        'constructor: x',
        'Max-Forwards: 0',
        'Cookie: vault=1',
        'TE: trailers',
      ])
      .slice(0, 1 + random.below(6));
    const { method, target, host } = plainTarget(random, gates);
    return printHead(method, target, [`Host: ${host}`, ...elsewhere]);
  },
};
