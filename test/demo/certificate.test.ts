import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { CertificateOptions } from '../../src/demo/certificate.ts';
import { issueCertificate } from '../../src/demo/certificate.ts';
import type { Algorithm } from '../../src/demo/signing/key.ts';
import { generatePrivateKey } from '../../src/demo/signing/key.ts';

const period = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2036-01-01T00:00:00Z') };
const key = generatePrivateKey('p256');

function issue(options: Partial<CertificateOptions> = {}): X509Certificate {
  return new X509Certificate(issueCertificate({ commonNames: ['reg.test/app'], key, ...period, ...options }));
}

for (const algorithm of ['p256', 'p384', 'p521', 'ed25519', 'rsa2048'] satisfies Algorithm[]) {
  test(`a certificate signed by itself with ${algorithm} verifies`, () => {
    const own = issue({ key: generatePrivateKey(algorithm) });
    assert.ok(own.verify(own.publicKey));
    assert.equal(own.issuer, own.subject);
  });
}

test('a certificate says what it was asked to say', () => {
  const certificate = issue({ commonNames: ['first', 'second'], attributes: [['2.5.4.10', 'Exämple']] });
  assert.equal(certificate.subject, 'CN=first\nCN=second\nO=Exämple');
  assert.equal(certificate.validFromDate.getTime(), period.notBefore.getTime());
  assert.equal(certificate.validToDate.getTime(), period.notAfter.getTime());
  assert.equal(certificate.ca, false);
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.3']);
});

test('years from 2050 on are written in the longer form', () => {
  const notAfter = new Date('2099-12-31T23:59:59Z');
  assert.equal(issue({ notAfter }).validToDate.getTime(), notAfter.getTime());
});

test('an authority issues certificates, for hosts too', () => {
  const authority = { commonNames: ['test authority'], key: generatePrivateKey('p384') };
  const ca = issue({ ...authority, isCa: true, pathLength: 1 });
  const leaf = issue({ issuer: authority, hosts: ['gate.test', '127.0.0.1', '::1'], usages: ['serverAuth'] });
  assert.ok(ca.ca);
  assert.ok(leaf.checkIssued(ca));
  assert.ok(leaf.verify(ca.publicKey));
  assert.equal(leaf.verify(leaf.publicKey), false);
  assert.equal(leaf.checkHost('gate.test'), 'gate.test');
  assert.equal(leaf.checkIP('127.0.0.1'), '127.0.0.1');
  assert.equal(leaf.checkIP('::1'), '::1');
});

test('the signature hash can be an outdated one', () => {
  const sha1WithEcdsa = Buffer.from('06072a8648ce3d0401', 'hex');
  assert.ok(issue({ hash: 'sha1' }).raw.includes(sha1WithEcdsa));
  assert.equal(issue().raw.includes(sha1WithEcdsa), false);
  assert.throws(() => issue({ hash: 'md5' }), TypeError);
});

test('PEM is written as Go writes it', () => {
  const lines = issueCertificate({ commonNames: ['x'], key, ...period }).split('\n');
  assert.equal(lines.at(-1), '');
  assert.equal(lines.at(-2), '-----END CERTIFICATE-----');
  assert.ok(lines.slice(1, -3).every((line) => line.length === 64));
});

test('serial numbers are positive', () => {
  for (let number = 0; number < 16; number += 1)
    assert.match(issue({ commonNames: [String(number)] }).serialNumber, /^[0-9A-F]+$/);
});
