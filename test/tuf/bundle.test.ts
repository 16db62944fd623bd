import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { describe, test } from 'node:test';
import { pem } from '../../src/demo/certificate.ts';
import { generatePrivateKey } from '../../src/demo/signing/key.ts';
import { refuses } from './refuses.ts';
import { certify, derOf, read } from './shown-key.ts';

const p256 = generatePrivateKey('p256');
const certificate = certify(p256);

/** The certificate with the algorithm of its public key changed to one that nobody knows. */
function ofUnknownAlgorithm(): string {
  const der = Buffer.from(derOf(certificate));
  der[der.indexOf(Buffer.from('2a8648ce3d0201', 'hex')) + 6] = 0x55;
  return pem('CERTIFICATE', der);
}

describe('bundles of certificates that are refused', () => {
  const unreadable: readonly (readonly [why: string, bytes: Uint8Array | string, message: RegExp])[] = [
    [
      'EC PRIVATE KEY for a certificate',

      p256.export({ type: 'sec1', format: 'pem' }),
      /is not a bundle of PEM certificates and nothing else$/,
    ],
    [
      'PRIVATE KEY beside a certificate',

      certificate + p256.export({ type: 'pkcs8', format: 'pem' }).toString(),
      /is not a bundle/,
    ],
    [
      'PUBLIC KEY for a certificate',

      createPublicKey(p256).export({ type: 'spki', format: 'pem' }),
      /is not a bundle/,
    ],
    ['DER for PEM', derOf(certificate), /is not a bundle|has no whole PEM certificate/],
    ['text before the certificate', `subject=x\n${certificate}`, /is not a bundle/],
    ['text after the certificate', `${certificate}x\n`, /is not a bundle/],
    ['an empty line between certificates', `${certificate}\n${certificate}`, /is not a bundle/],
    ['PEM headers', certificate.replace('\n', '\nProc-Type: 4,ENCRYPTED\n\n'), /is not a bundle/],
    ['CRLF', certificate.replaceAll('\n', '\r\n'), /is not a bundle/],
    ['TRUSTED CERTIFICATE', certificate.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE'), /is not a bundle/],
    [
      'a block without an end',

      certificate.slice(0, certificate.indexOf('-----END')),
      /has no whole PEM certificate$/,
    ],
    ['a block in a block', `-----BEGIN CERTIFICATE-----\n${certificate}`, /is not a bundle/],
    [
      'lengths that are longer than they need be',
      pem('CERTIFICATE', Buffer.concat([Buffer.from([0x30, 0x83, 0]), derOf(certificate).subarray(2)])),
      /has a certificate that cannot be read$/,
    ],
    ['an empty block', pem('CERTIFICATE', Buffer.alloc(0)), /has a certificate that cannot be read$/],
    [
      'a certificate in a certificate',

      pem('CERTIFICATE', Buffer.from(certificate)),
      /has a certificate that cannot be read$/,
    ],
    [
      'bytes after a certificate',

      pem('CERTIFICATE', Buffer.concat([derOf(certificate), Buffer.from([0])])),
      /has a certificate that cannot be read$/,
    ],
    [
      'padding in the middle of a certificate',

      certificate.replace(/\n(.{62}).{2}\n/, '\n$1==\n'),
      /has a certificate that cannot be read$/,
    ],
    [
      'padding before the end of a certificate',

      certificate.replace('-----END', 'AA==\n-----END').replace(/([^=\n])=*\nAA==/, '$1=\nAA=='),
      /has a certificate that cannot be read$/,
    ],
    [
      'a certificate with a key of an unknown algorithm',

      ofUnknownAlgorithm(),
      /has a certificate that cannot be read$/,
    ],
    ['a newline alone', '\n', /is not a bundle/],
  ];
  for (const [why, bytes, message] of unreadable) {
    test(why, () => refuses(() => read('ecdsa-x509', bytes), 'MALFORMED', message));
  }

  test('no change of a byte of a certificate makes reading throw anything but a RepositoryError', () => {
    const der = derOf(certificate);
    let refused = 0;
    for (let at = 0; at < der.length; at += 1) {
      for (const flip of [0x01, 0x20, 0x80, 0xff]) {
        const changed = Buffer.from(der);
        changed[at] = (changed[at] ?? 0) ^ flip;
        try {
          read('ecdsa-x509', pem('CERTIFICATE', changed));
        } catch (error) {
          refuses(
            () => {
              throw error;
            },
            'MALFORMED',
            /^key /,
          );
          refused += 1;
        }
      }
    }
    assert.ok(refused > der.length, `only ${refused} changes were refused`);
  });
});
