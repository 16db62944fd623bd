import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CertificateOptions } from '../../src/demo/certificate.ts';
import { issueCertificate, pem } from '../../src/demo/certificate.ts';
import { generatePrivateKey } from '../../src/demo/signing/key.ts';
import type { Certificate } from '../../src/tuf/key/certificate.ts';
import { chainsTo, readBundle } from '../../src/tuf/key/certificate.ts';
import { derOf } from './shown-key.ts';

const gun = 'reg.test/team/app';
const now = new Date('2026-11-20T12:00:00Z');
const key = generatePrivateKey('p256');
const dates = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2036-01-01T00:00:00Z') };
const read = (text: string): readonly Certificate[] => readBundle(Buffer.from(text), 'key');
const issue = (options: Partial<CertificateOptions> = {}): string =>
  issueCertificate({ commonNames: [gun], key, ...dates, ...options });

describe('a chain to an authority', () => {
  const caKey = generatePrivateKey('p256');
  const middleKey = generatePrivateKey('p256');
  const lowerKey = generatePrivateKey('p256');
  const authority = (name: string, own: typeof key, options: Partial<CertificateOptions> = {}): string =>
    issue({ commonNames: [name], key: own, isCa: true, ...options });
  const by = (name: string, issuer: typeof key): Partial<CertificateOptions> => ({
    issuer: { commonNames: [name], key: issuer },
  });
  const pinned = read(authority('ca', caKey));
  const middle = authority('middle', middleKey, by('ca', caKey));
  const lower = authority('lower', lowerKey, by('middle', middleKey));
  const chains = (text: string, authorities = pinned, at = now): boolean =>
    chainsTo(read(text), authorities, at);

  test('leads there from the leaf, over one authority, or over two in any order', () => {
    assert.ok(chains(issue(by('ca', caKey))));
    assert.ok(chains(issue(by('middle', middleKey)) + middle));
    assert.ok(chains(issue(by('lower', lowerKey)) + lower + middle));
    assert.ok(chains(issue(by('lower', lowerKey)) + middle + lower));
  });

  const forged: readonly (readonly [why: string, text: string])[] = [
    ['self-signed', issue()],
    ['self-signed under the name of the authority', issue({ commonNames: ['ca'] })],
    ['signed by another key under the name of the authority', issue(by('ca', middleKey))],
    ['with a forged authority of the right name', issue(by('ca', middleKey)) + authority('ca', middleKey)],
    ['with the middle missing', issue(by('lower', lowerKey)) + lower],
    [
      'over a leaf that signed another',
      issue({ commonNames: ['x'], ...by('y', lowerKey) }) +
        issue({ commonNames: ['y'], key: lowerKey, ...by('ca', caKey) }),
    ],
    ['under another name of the key of the authority', issue(by('another', caKey))],
    ['under an authority that is not pinned', issue(by('other', middleKey)) + authority('other', middleKey)],
    [
      'over an authority that has ended',
      issue(by('middle', middleKey)) +
        authority('middle', middleKey, { ...by('ca', caKey), notAfter: new Date('2026-06-01') }),
    ],
    [
      'over an authority that has not begun',
      issue(by('middle', middleKey)) +
        authority('middle', middleKey, { ...by('ca', caKey), notBefore: new Date('2027-06-01') }),
    ],
    [
      'beyond the path length of an authority',
      issue(by('lower', lowerKey)) +
        lower +
        authority('middle', middleKey, { ...by('ca', caKey), pathLength: 0 }),
    ],
  ];
  for (const [why, text] of forged)
    test(`does not lead there ${why}`, () => assert.equal(chains(text), false));

  test('counts the path length of the pinned authority too', () => {
    const narrow = (pathLength: number): readonly Certificate[] =>
      read(authority('ca', caKey, { pathLength }));
    assert.equal(chains(issue(by('middle', middleKey)) + middle, narrow(0)), false);
    assert.equal(chains(issue(by('middle', middleKey)) + middle, narrow(1)), true);
    assert.equal(chains(issue(by('ca', caKey)), narrow(0)), true);
  });

  test('ends when the pinned authority does', () => {
    assert.equal(chains(issue(by('ca', caKey)), pinned, dates.notAfter), true);
    assert.equal(chains(issue(by('ca', caKey)), pinned, new Date(dates.notAfter.getTime() + 1)), false);
  });

  test('leads nowhere if what is pinned is no authority, or nothing is', () => {
    assert.equal(chains(issue(by('ca', caKey)), read(issue({ commonNames: ['ca'], key: caKey }))), false);
    assert.equal(chains(issue(by('ca', caKey)), []), false);
    assert.equal(chainsTo([], pinned, now), false);
    // Without its key usage, only the basic constraints say that it is none.
    const der = derOf(issue({ commonNames: ['ca'], key: caKey }));
    der[der.indexOf(Buffer.from('0603551d0f', 'hex')) + 4] = 0x63;
    assert.equal(chains(issue(by('ca', caKey)), read(pem('CERTIFICATE', der))), false);
  });
});
