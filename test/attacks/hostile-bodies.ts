import type { Shape } from './plain-requests.ts';
import { printHead, vaultTarget } from './plain-requests.ts';
import type { Seeded } from './seeded.ts';

// Requests of which two servers could see the end in two places. What stands behind one end, or within the other, is a
// request for the vault.

/** A request for the vault, to be hidden in another one. */
export const smuggled = (random: Seeded): string =>
  printHead(random.pick(['GET', 'HEAD', 'PUT', 'DELETE']), vaultTarget(random), [
    'Host: one.example',
    'Content-Length: 0',
  ]);

const chunk = (body: string): string => `${body.length.toString(16)}\r\n${body}\r\n`;
const chunked = (body: string): string => `${chunk(body)}0\r\n\r\n`;
const uploads = '/v2/other/app/blobs/uploads/';
const sign = (random: Seeded): string =>
  random.pick(['+', '-', '0x', ' 1 ', '1,', '1, ', '.', '1e', '', '９', '99999999999999999999']);

export const bodyShapes: Readonly<Record<string, Shape>> = {
  'length and coding together': (random) => {
    const body = chunked(smuggled(random));
    const headers = random.shuffle([
      `Content-Length: ${random.below(body.length)}`,
      random.pick([
        'Transfer-Encoding: chunked',
        'transfer-encoding: Chunked',
        'Transfer-Encoding:\tchunked',
        'Transfer-Encoding: gzip, chunked',
        'Transfer-Encoding: chunked, identity',
        'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
        'Transfer-Encoding: "chunked"',
        'Transfer-Encoding: xchunked',
      ]),
    ]);
    return printHead('POST', uploads, ['Host: two.example', ...headers]) + body;
  },
  'a coding that only some read': (random) => {
    const body = `0\r\n\r\n${smuggled(random)}`;
    const header = random.pick([
      'Transfer_Encoding: chunked',
      'X-Transfer-Encoding: chunked',
      'TE: chunked',
      'Content-Encoding: chunked',
      'Transfer-Encoding-: chunked',
      'Connection: Content-Length',
      'Content_Length: 0',
      'X-Content-Length: 0',
    ]);
    return printHead('POST', uploads, ['Host: two.example', header, `Content-Length: ${body.length}`]) + body;
  },
  'coding that is broken': (random) => {
    const header = random.pick([
      'Transfer-Encoding : chunked',
      'Transfer-Encoding: identity',
      'Transfer-Encoding: gzip',
      'Transfer-Encoding: chun\0ked',
      'Transfer-Encoding:\r\n chunked',
      ' Transfer-Encoding: chunked',
      'Transfer-Encoding: chunked;q=1',
      'Transfer-Encoding: \x0bchunked',
    ]);
    return printHead('POST', uploads, ['Host: two.example', header]) + chunked(smuggled(random));
  },
  'lengths that differ': (random) => {
    const body = smuggled(random);
    const headers = random.shuffle([
      `Content-Length: ${body.length}`,
      random.pick([
        `Content-Length: ${random.below(9)}`,
        'content-length: 0',
        `Content-Length: ${body.length}`,
      ]),
    ]);
    return printHead('POST', uploads, ['Host: two.example', ...headers]) + body;
  },
  'lengths that are none': (random) =>
    printHead('POST', uploads, [
      'Host: two.example',
      `Content-Length: ${sign(random)}${random.below(9)}${random.pick(['', 'x', ',0'])}x`,
    ]) + smuggled(random),
  'chunks that are broken': (random) => {
    const body = smuggled(random);
    const size = random.pick([
      '-1',
      '0x5',
      '5 ',
      ' 5',
      'g',
      '',
      '+5',
      'fffffffffffffffff',
      '5\n',
      '5;\r\n',
      '0\r',
      '00000000000000000x',
    ]);
    return (
      printHead('POST', uploads, ['Host: two.example', 'Transfer-Encoding: chunked']) +
      `${size}\r\n${body}\r\n0\r\n\r\n`
    );
  },
  'chunks with extensions and trailers': (random) => {
    const body = smuggled(random);
    const extended = `${body.length.toString(16)};${random.pick(['a=b', 'x', 'a="\\r\\n"', `n=${'x'.repeat(random.below(9000))}`])}\r\n${body}\r\n`;
    const trailer = random.pick([
      '',
      'Host: two.example\r\n',
      'Content-Length: 5\r\n',
      'Authorization: Basic eDp5\r\n',
      'X: y\r\n',
    ]);
    return (
      printHead('POST', uploads, ['Host: two.example', 'Transfer-Encoding: chunked']) +
      `${extended}0\r\n${trailer}\r\n`
    );
  },
  'a request in the body of a push': (random) => {
    const body = smuggled(random);
    const framed = random.pick([true, false]);
    const method = random.pick(['POST', 'PUT', 'PATCH']);
    const target =
      method === 'PUT'
        ? '/v2/other/app/manifests/9.9'
        : method === 'POST'
          ? uploads
          : `${uploads}${'a'.repeat(36)}`;
    const headers = [
      'Host: two.example',
      framed ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`,
    ];
    return printHead(method, target, headers) + (framed ? chunked(body) : body);
  },
  'a request in the body of a pull': (random) => {
    const body = smuggled(random);
    const framed = random.pick([true, false]);
    const headers = [
      'Host: two.example',
      framed ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`,
    ];
    const method = random.pick(['GET', 'HEAD', 'DELETE', 'OPTIONS']);
    return (
      printHead(
        method,
        random.pick(['/v2/', '/v2/other/app/manifests/1.0', '/v2/other/app/tags/list']),
        headers,
      ) + (framed ? chunked(body) : body)
    );
  },
};
