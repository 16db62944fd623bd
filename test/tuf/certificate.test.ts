import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import type { CertificateOptions } from '../../src/demo/certificate.ts';
import { issueCertificate, pem } from '../../src/demo/certificate.ts';
import { generatePrivateKey } from '../../src/demo/signing/key.ts';
import type { Certificate } from '../../src/tuf/key/certificate.ts';
import { isWithinDates, readBundle, rootCertificateFault } from '../../src/tuf/key/certificate.ts';
import { refuses } from './refuses.ts';
import { derOf } from './shown-key.ts';

const gun = 'reg.test/team/app';
const day = 24 * 3600_000;
const key = generatePrivateKey('p256');
const dates = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2036-01-01T00:00:00Z') };

const read = (text: string): readonly Certificate[] => readBundle(Buffer.from(text), 'key');
const issue = (options: Partial<CertificateOptions> = {}): string =>
  issueCertificate({ commonNames: [gun], key, ...dates, ...options });
const fault = (options: Partial<CertificateOptions>, asked = gun): string | undefined =>
  rootCertificateFault(read(issue(options)), asked);

describe('the common name of a root certificate', () => {
  test('is the GUN', () => assert.equal(fault({}), undefined));

  test('may stand among other attributes', () => {
    assert.equal(
      fault({
        attributes: [
          ['2.5.4.10', 'Example Ltd'],
          ['2.5.4.6', 'DE'],
        ],
      }),
      undefined,
    );
  });

  const others: readonly (readonly [why: string, name: string])[] = [
    ['another GUN', 'reg.test/team/other'],
    ['longer', `${gun}s`],
    ['shorter', 'reg.test/team/ap'],
    ['a parent', 'reg.test/team'],
    ['empty', ''],
    ['in capitals', 'REG.TEST/team/app'],
    ['with a dot at the end', `${gun}.`],
    ['with a space at the end', `${gun} `],
    ['with a space in front', ` ${gun}`],
    ['with a NUL at the end', `${gun}\0`],
    ['with a NUL and more', `${gun}\0.evil.test`],
    ['with a newline', `${gun}\n`],
    ['with a Cyrillic letter', 'reg.test/te\u0430m/app'],
    ['in full-width letters', 'ｒeg.test/team/app'],
    ['with a zero-width space', `${gun}\u200b`],
  ];
  for (const [why, name] of others) {
    test(`does not fit if it is ${why}`, () => {
      assert.equal(
        fault({ commonNames: [name] }),
        `its common name is ${JSON.stringify(Buffer.from(name).toString('latin1'))}`,
      );
    });
  }

  test('does not count if it hides in another attribute', () => {
    for (const oid of ['2.5.4.10', '2.5.4.11', '1.2.840.113549.1.9.1']) {
      assert.equal(
        fault({ commonNames: ['evil.test'], attributes: [[oid, `x\nCN=${gun}`]] }),
        'its common name is "evil.test"',
      );
      assert.equal(fault({ commonNames: [], attributes: [[oid, `x\nCN=${gun}`]] }), 'it has 0 common names');
    }
  });

  test('does not count if there are two, whichever fits', () => {
    assert.equal(fault({ commonNames: [gun, 'evil.test'] }), 'it has 2 common names');
    assert.equal(fault({ commonNames: ['evil.test', gun] }), 'it has 2 common names');
    assert.equal(fault({ commonNames: [gun, gun] }), 'it has 2 common names');
  });

  test('does not count as a subject alternative name', () => {
    assert.equal(fault({ commonNames: ['evil.test'], hosts: [gun] }), 'its common name is "evil.test"');
  });

  test('in a string type that readers read differently is nobody’s', () => {
    const der = derOf(issue());
    const last = der.lastIndexOf(Buffer.from(gun)) - 2;
    for (const tag of [0x14]) {
      const changed = Buffer.from(der);
      changed[last] = tag;
      const bundle = read(pem('CERTIFICATE', changed));
      assert.equal(
        rootCertificateFault(bundle, gun),
        `its common name is "#${Buffer.from(gun).toString('hex')}"`,
      );
    }
  });

  // The rows of notary's TestWildcardMatching, and more; wildcards other than a last `/*` are off here.
  const wildcards: readonly (readonly [name: string, gun: string, fits: boolean])[] = [
    ['docker.com/*', 'docker.com/notary', true],
    ['docker.com/*', 'docker.com/notary/notary', true],
    ['docker.com/notary/*', 'docker.com/notary/notary', true],
    ['docker.com/notary/*', 'docker.com/notary2/x', false],
    ['docker.com/*', 'docker.com', false],
    ['docker.com/*', 'docker.com/', false],
    ['docker.com/*', 'docker.com.evil.test/x', false],
    ['docker.com*', 'docker.com/notary', false],
    ['docker.com/not*', 'docker.com/notary', false],
    ['docker.com/**', 'docker.com/notary', false],
    ['docker.com/*/*', 'docker.com/a/b', false],
    ['*/all', 'test/all', false],
    ['*', 'docker.com/notary', false],
    ['/*', '/x', false],
    ['/*', 'docker.com/notary', false],
    ['docker.*/notary', 'docker.com/notary', false],
    ['*.com/*', 'docker.com/notary', false],
    ['DOCKER.com/*', 'docker.com/notary', false],
  ];
  for (const [name, asked, fits] of wildcards) {
    test(`${name} ${fits ? 'stands' : 'does not stand'} for ${asked}`, () => {
      assert.equal(fault({ commonNames: [name] }, asked) === undefined, fits);
    });
  }
});

describe('a root certificate', () => {
  const rsa = generatePrivateKey('rsa2048');
  const faults: readonly (readonly [why: string, options: Partial<CertificateOptions>, fault: string])[] = [
    ['an authority', { isCa: true }, 'its first certificate is not a leaf'],
    ['signed with SHA-1 and ECDSA', { hash: 'sha1' }, 'it is signed with MD5 or SHA-1'],
    ['signed with SHA-1 and RSA', { key: rsa, hash: 'sha1' }, 'it is signed with MD5 or SHA-1'],
    ['signed with MD5', { key: rsa, hash: 'md5' }, 'it is signed with MD5 or SHA-1'],
    [
      'that ends before it begins',
      { notBefore: dates.notAfter, notAfter: dates.notBefore },
      'it ends before it begins',
    ],
  ];
  for (const [why, options, message] of faults)
    test(`${why} is refused`, () => assert.equal(fault(options), message));

  test('signed with SHA-256, SHA-384 or SHA-512 is fine', () => {
    for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
      assert.equal(fault({ hash }), undefined);
      assert.equal(fault({ hash, key: rsa }), undefined);
    }
  });

  test('may be followed by authorities, but not by a second leaf', () => {
    const authority = issue({ commonNames: ['ca'], isCa: true });
    assert.equal(rootCertificateFault(read(issue() + authority), gun), undefined);
    assert.equal(rootCertificateFault(read(issue() + issue()), gun), 'it has more than one leaf');
    assert.equal(rootCertificateFault(read(authority + issue()), gun), 'its first certificate is not a leaf');
    const broken = issue({ commonNames: ['ca'], isCa: true, hash: 'sha1' });
    assert.equal(rootCertificateFault(read(issue() + broken), gun), 'it is signed with MD5 or SHA-1');
  });

  test('may be followed by eight authorities, and not by more', () => {
    const authority = issue({ commonNames: ['ca'], isCa: true });
    assert.equal(rootCertificateFault(read(issue() + authority.repeat(8)), gun), undefined);
    assert.equal(
      rootCertificateFault(read(issue() + authority.repeat(9)), gun),
      'it has 9 authorities, and 8 are the limit',
    );
  });

  test('may not be followed by an authority with an RSA key below 2048 bits', () => {
    const weak = issue({
      commonNames: ['ca'],
      isCa: true,
      key: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
    });
    assert.equal(rootCertificateFault(read(issue() + weak), gun), 'it has an RSA key of 1024 bits');
  });

  test('is within its dates from a day before its begin, to its last second', () => {
    const [leaf] = read(issue());
    assert.ok(leaf);
    const within = (time: number): boolean => isWithinDates(leaf, new Date(time));
    assert.deepEqual(
      [-day - 1, -day, 0].map((leeway) => within(dates.notBefore.getTime() + leeway)),
      [false, true, true],
    );
    assert.deepEqual(
      [0, 1, day].map((after) => within(dates.notAfter.getTime() + after)),
      [true, false, false],
    );
  });

  test('with a date that does not exist is refused', () => {
    const der = derOf(issue());
    for (const date of ['260101000000Z', '360101000000Z']) {
      for (const bad of [
        '269901000000Z',
        '260230000000Z',
        '260101240000Z',
        '2601010000000',
        'garbagegarbag',
        '26010100000Z0',
      ]) {
        const changed = Buffer.from(der);
        changed.write(bad, changed.indexOf(date));
        refuses(
          () => read(pem('CERTIFICATE', changed)),
          'MALFORMED',
          'key has a certificate that cannot be read',
        );
      }
    }
  });

  test('has the dates that node:crypto reads, in both centuries and beyond 2049', () => {
    for (const at of [
      '1950-01-01T00:00:00Z',
      '1999-12-31T23:59:59Z',
      '2049-12-31T23:59:59Z',
      '2050-01-01T00:00:00Z',
      '9999-12-31T23:59:59Z',
    ]) {
      const [leaf] = read(issue({ notBefore: new Date(at), notAfter: new Date(at) }));
      assert.ok(leaf);
      assert.deepEqual([leaf.validFrom, leaf.validTo], [leaf.x509.validFromDate, leaf.x509.validToDate]);
      assert.deepEqual(leaf.validFrom, new Date(at));
    }
  });
});
