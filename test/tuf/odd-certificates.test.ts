import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { describe, test } from 'node:test';
import { issueCertificate, pem } from '../../src/demo/certificate.ts';
import type { CertificateOptions } from '../../src/demo/certificate.ts';
import { generatePrivateKey } from '../../src/demo/signing/key.ts';
import type { Certificate } from '../../src/tuf/key/certificate.ts';
import { chainsTo, readBundle, rootCertificateFault } from '../../src/tuf/key/certificate.ts';
import type { DerElement } from '../../src/tuf/key/der.ts';
import { derChildren, derElement } from '../../src/tuf/key/der.ts';
import { RepositoryError } from '../../src/tuf/error.ts';
import { bytesOf, der } from '../vectors/seed.ts';
import { refuses } from './refuses.ts';
import { derOf } from './shown-key.ts';

// Certificates that OpenSSL reads, and that no honest issuer makes. Their signatures are not looked at here.

const gun = 'reg.test/team/app';
const key = generatePrivateKey('p256');
const dates = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2036-01-01T00:00:00Z') };
const issue = (options: Partial<CertificateOptions> = {}): string =>
  issueCertificate({ commonNames: [gun], key, ...dates, ...options });
const read = (text: string): readonly Certificate[] => readBundle(Buffer.from(text), 'key');
const print = ({ tag, content }: DerElement): Buffer => der(tag, content);

interface Change {
  readonly inner?: string;
  readonly outer?: string;
  readonly fields?: (fields: readonly DerElement[]) => readonly DerElement[];
}

/** An honest certificate with other names of algorithms in it (DER in hex), or with other fields. */
function changed({ inner, outer, fields = (all) => all }: Change, text = issue()): string {
  const [tbs, algorithm, signature] = derChildren(derElement(derOf(text)).content);
  assert.ok(tbs && algorithm && signature);
  const named = (element: DerElement, name: string | undefined): Buffer =>
    name === undefined ? print(element) : der(0x30, Buffer.from(name, 'hex'));
  const parts = fields(derChildren(tbs.content)).map((field, index) =>
    index === 2 ? named(field, inner) : print(field),
  );
  return pem('CERTIFICATE', der(0x30, der(0x30, ...parts), named(algorithm, outer), print(signature)));
}

/** Passes if the bundle is refused, and for this reason. */
function refusesFor(text: string, reason: string): void {
  assert.throws(
    () => read(text),
    (error) => {
      assert.ok(error instanceof RepositoryError && error.cause instanceof RangeError);
      assert.equal(error.code, 'MALFORMED');
      assert.equal(error.cause.message, reason);
      return true;
    },
  );
}

describe('a certificate', () => {
  test('put together anew from its own parts is the same', () => {
    const text = issue();
    assert.equal(changed({}, text), text);
  });

  test('that names another algorithm beside the signature than under it is refused', () => {
    const sha384 = '06082a8648ce3d040303';
    refusesFor(changed({ outer: sha384 }), 'two signature algorithms');
    refusesFor(changed({ inner: sha384 }), 'two signature algorithms');
    assert.equal(read(changed({ inner: sha384, outer: sha384 })).length, 1);
  });

  for (const [name, oid] of [
    ['md5WithRSAEncryption', '06092a864886f70d010104'],
    ['sha1WithRSAEncryption', '06092a864886f70d010105'],
    ['sha1WithRSA of the OIW', '06052b0e03021d'],
    ['ecdsa-with-SHA1', '06072a8648ce3d0401'],
    ['dsa-with-sha1', '06072a8648ce380403'],
  ] as const) {
    test(`signed by ${name} is no root certificate`, () => {
      const bundle = read(changed({ inner: oid, outer: oid }));
      assert.equal(rootCertificateFault(bundle, gun), 'it is signed with MD5 or SHA-1');
    });
  }

  test('of version 1, without extensions, is read, and is a leaf', () => {
    const bare = read(changed({ fields: (all) => all.filter(({ tag }) => tag !== 0xa3) }));
    const [first] = read(changed({ fields: (all) => all.filter(({ tag }) => tag !== 0xa3 && tag !== 0xa0) }));
    assert.equal(rootCertificateFault(bare, gun), undefined);
    assert.deepEqual(first?.commonNames, [gun]);
    assert.equal(first.pathLength, undefined);
    assert.equal(rootCertificateFault([first], gun), undefined);
  });

  test('may begin and end in the same second', () => {
    const moment = read(issue({ notAfter: dates.notBefore }));
    assert.equal(rootCertificateFault(moment, gun), undefined);
  });

  test('of an authority may have an RSA key of 2048 bits, and no smaller one', () => {
    const modulus = (bits: number): string =>
      bytesOf((1n << BigInt(bits - 1)) + 1n, 256).toString('base64url');
    const rsa = (bits: number): CertificateOptions['key'] =>
      createPublicKey({ key: { kty: 'RSA', n: modulus(bits), e: 'AQAB' }, format: 'jwk' });
    const fault = (bits: number): string | undefined => {
      const authority = issue({ key: rsa(bits), isCa: true, issuer: { commonNames: ['x'], key } });
      return rootCertificateFault(read(issue() + authority), gun);
    };
    assert.equal(fault(2048), undefined);
    assert.equal(fault(2047), 'it has an RSA key of 2047 bits');
  });

  test('issues from its first second on', () => {
    const authority = read(issue({ commonNames: ['ca'], isCa: true }));
    const leaf = read(issue({ issuer: { commonNames: ['ca'], key } }));
    assert.equal(chainsTo(leaf, authority, dates.notBefore), true);
    assert.equal(chainsTo(leaf, authority, new Date(dates.notBefore.getTime() - 1)), false);
  });

  test('with a path length of more than a byte is taken for one that may issue leafs only', () => {
    const yes = der(1, Buffer.from([0xff]));
    const constraints = der(0x30, yes, der(2, Buffer.from([1, 0])));
    const extension = der(0x30, Buffer.from('0603551d13', 'hex'), yes, der(4, constraints));
    const wide = (all: readonly DerElement[]): readonly DerElement[] =>
      all.map((field) => (field.tag === 0xa3 ? { tag: 0xa3, content: der(0x30, extension) } : field));
    const [authority] = read(changed({ fields: wide }, issue({ isCa: true })));
    assert.equal(authority?.x509.ca, true);
    assert.equal(authority.pathLength, 0);
  });
});

describe('a bundle', () => {
  const begin = '-----BEGIN CERTIFICATE-----\n';
  const [first = '', second = '', ...rest] = issue().split('\n');
  const bundles: readonly (readonly [why: string, text: string])[] = [
    ['with a second certificate that does not end', issue() + begin],
    ['with half a certificate after it', `${issue()}${begin}${second}\n`],
    ['with a line of garbage', [first, second, '!!!!', ...rest].join('\n')],
    ['with garbage in front of a line', [first, `!${second}`, ...rest].join('\n')],
    ['with garbage at the end of a line', [first, `${second}!`, ...rest].join('\n')],
    ['with a space at the end of a line', [first, `${second} `, ...rest].join('\n')],
    ['with an empty line', [first, '', second, ...rest].join('\n')],
    ['with padding in the middle', [first, `${second}==`, ...rest].join('\n')],
    ['that begins twice', begin + issue()],
    ['that ends twice', `${issue()}-----END CERTIFICATE-----\n`],
  ];
  for (const [why, text] of bundles)
    test(`${why} is refused`, () => refuses(() => read(text), 'MALFORMED', /^key /));

  test('may end without a line end', () => assert.equal(read(issue().trimEnd()).length, 1));
});
