import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { readFile } from '../../src/tuf/envelope.ts';
import { readSnapshot, readTargets, readTimestamp } from '../../src/tuf/metadata.ts';
import { refuses } from './refuses.ts';

const signed = {
  _type: 'Targets',
  delegations: {},
  expires: '2030-01-01T00:00:00Z',
  targets: {},
  version: 7,
};
const signature = (n: number): object => ({
  keyid: n.toString(16).padStart(64, '0'),
  method: 'ecdsa',
  sig: 'AAAA',
});
const good = { signed, signatures: [signature(1)] };
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const read = (value: unknown): unknown => readTargets(bytes(value), 'targets');
const hash = (size: number): string => Buffer.alloc(size, 1).toString('base64');
const entry = { hashes: { sha256: hash(32) }, length: 1 };

describe('the envelope', () => {
  test('keeps the received bytes, their hash, and signs the canonical form of what was read', () => {
    const text = Buffer.from(JSON.stringify({ signatures: good.signatures, signed }, undefined, 2));
    const { metadata } = readFile(text, 'targets', 'Targets', []);
    assert.equal(metadata.bytes, text);
    assert.equal(metadata.sha256, createHash('sha256').update(text).digest('hex'));
    assert.equal(Buffer.from(metadata.message).toString(), JSON.stringify(signed));
    assert.equal(metadata.version, 7);
  });

  test('a method is read in any case', () => {
    const { metadata } = readFile(
      bytes({ signed, signatures: [{ ...signature(1), method: 'ECDSA' }] }),
      'targets',
      'Targets',
      [],
    );
    assert.equal(metadata.signatures[0]?.method, 'ecdsa');
  });

  const changes: readonly (readonly [why: string, file: unknown, message: string | RegExp])[] = [
    ['an array', [], 'targets should be an object, but is an array'],
    ['a member beside signed and signatures', { ...good, abc: 'xyz' }, 'targets has an unknown member "abc"'],
    ['a capital Signed', { ...good, Signed: signed }, 'targets has "Signed" where "signed" is meant'],
    [
      'no signed',
      { signatures: [signature(1)] },
      'targets.signed should be an object, but is nothing of the kind',
    ],
    ['no signatures', { signed }, 'targets.signatures should be an array, but is nothing of the kind'],
    ['signatures null', { signed, signatures: null }, 'targets.signatures should be an array, but is null'],
    [
      'signatures an object',
      { signed, signatures: {} },
      'targets.signatures should be an array, but is an object',
    ],
    ['signatures empty', { signed, signatures: [] }, 'targets has 0 signatures, not 1 to 64'],
    [
      '65 signatures',
      { signed, signatures: Array.from({ length: 65 }, (_, n) => signature(n)) },
      'targets has 65 signatures, not 1 to 64',
    ],
    [
      'a signature twice',
      { signed, signatures: [signature(1), signature(1)] },
      'targets has two signatures of one key id',
    ],
    [
      'a member in a signature',
      { signed, signatures: [{ ...signature(1), valid: true }] },
      'targets.signatures[] has an unknown member "valid"',
    ],
    [
      'an upper-case key id',
      { signed, signatures: [{ ...signature(1), keyid: 'A'.repeat(64) }] },
      /should be a key id/,
    ],
    ['an empty signature', { signed, signatures: [{ ...signature(1), sig: '' }] }, /should be base64/],
    ['a loose signature', { signed, signatures: [{ ...signature(1), sig: 'AAB=' }] }, /should be base64/],
    [
      'another type',
      { ...good, signed: { ...signed, _type: 'Snapshot' } },
      'targets._type is "Snapshot", but "Targets" was expected',
    ],
    [
      'a lower-case type',
      { ...good, signed: { ...signed, _type: 'targets' } },
      'targets._type is "targets", but "Targets" was expected',
    ],
    [
      'version 0',
      { ...good, signed: { ...signed, version: 0 } },
      'targets.version should be a positive integer, but is 0',
    ],
    [
      'no expiry',
      { ...good, signed: { ...signed, expires: null } },
      'targets.expires should be a string, but is null',
    ],
    [
      'VERSION beside version',
      { ...good, signed: { ...signed, VERSION: 9 } },
      'targets.signed has "VERSION" where "version" is meant',
    ],
    [
      'Targets beside targets',
      { ...good, signed: { ...signed, Targets: {} } },
      /"Targets" where "targets" is meant/,
    ],
    [
      'expireſ beside expires',
      { ...good, signed: { ...signed, expireſ: 1 } },
      /"expireſ" where "expires" is meant/,
    ],
  ];
  for (const [why, file, message] of changes)
    test(`${why} is refused`, () => refuses(() => read(file), 'MALFORMED', message));

  test('64 signatures are read', () => {
    const signatures = Array.from({ length: 64 }, (_, n) => signature(n));
    assert.equal(readTargets(bytes({ signed, signatures }), 'targets').signatures.length, 64);
  });

  test('unknown members of what is signed are let through', () => {
    read({ ...good, signed: { ...signed, custom: { a: [1] }, spec_version: '1.0' } });
  });
});

describe('what metadata says of a file', () => {
  const snapshot = (meta: unknown): unknown =>
    readSnapshot(bytes({ ...good, signed: { ...signed, _type: 'Snapshot', meta } }));
  const cases: readonly (readonly [why: string, run: () => unknown, message: string])[] = [
    [
      'no hashes',
      () => snapshot({ root: entry, targets: { length: 1 } }),
      'snapshot.meta.targets.hashes should be an object, but is nothing of the kind',
    ],
    [
      'no length',
      () => snapshot({ root: entry, targets: { hashes: {} } }),
      'snapshot.meta.targets.length should be a positive integer, but is nothing of the kind',
    ],
    [
      'length 0',
      () => snapshot({ root: { ...entry, length: 0 }, targets: entry }),
      'snapshot.meta.root.length should be a positive integer, but is 0',
    ],
    [
      'only sha1',
      () => snapshot({ root: entry, targets: { hashes: { sha1: 'AAAA' }, length: 1 } }),
      'snapshot.meta.targets has no sha256',
    ],
    [
      'only sha512 for root',
      () => snapshot({ targets: entry, root: { hashes: { sha512: hash(64) }, length: 1 } }),
      'snapshot.meta.root has no sha256',
    ],
    [
      'no root',
      () => snapshot({ targets: entry }),
      'snapshot.meta.root should be an object, but is nothing of the kind',
    ],
    [
      'no targets',
      () => snapshot({ root: entry }),
      'snapshot.meta.targets should be an object, but is nothing of the kind',
    ],
    [
      'a short sha256',
      () => snapshot({ root: entry, targets: { hashes: { sha256: hash(31) }, length: 1 } }),
      'snapshot.meta.targets.hashes.sha256 has 31 bytes, not 32',
    ],
    [
      'a sha256 as long as a sha512',
      () => snapshot({ root: entry, targets: { hashes: { sha256: hash(64) }, length: 1 } }),
      'snapshot.meta.targets.hashes.sha256 has 64 bytes, not 32',
    ],
    [
      'a short sha512',
      () => snapshot({ root: entry, targets: { hashes: { sha256: hash(32), sha512: hash(32) }, length: 1 } }),
      'snapshot.meta.targets.hashes.sha512 has 32 bytes, not 64',
    ],
    [
      'SHA256',
      () => snapshot({ root: entry, targets: { hashes: { SHA256: hash(32) }, length: 1 } }),
      'snapshot.meta.targets.hashes has "SHA256" where "sha256" is meant',
    ],
    [
      'a timestamp without the snapshot',
      () => readTimestamp(bytes({ ...good, signed: { ...signed, _type: 'Timestamp', meta: {} } })),
      'timestamp.meta.snapshot should be an object, but is nothing of the kind',
    ],
    [
      'a timestamp whose snapshot has no sha256',
      () =>
        readTimestamp(
          bytes({
            ...good,
            signed: { ...signed, _type: 'Timestamp', meta: { snapshot: { hashes: {}, length: 1 } } },
          }),
        ),
      'timestamp.meta.snapshot has no sha256',
    ],
  ];
  for (const [why, run, message] of cases)
    test(`${why} is refused`, () => refuses(run, 'MALFORMED', message));

  test('a role name of a megabyte is not repeated in the message', () => {
    const run = (): unknown => snapshot({ root: entry, targets: entry, ['x'.repeat(1_000_000)]: 1 });
    refuses(run, 'MALFORMED', /^.{1,300}$/);
  });

  test('a delegation may have a sha512 only, and unknown hashes stand beside known ones', () => {
    snapshot({
      root: { ...entry, hashes: { ...entry.hashes, md5: 7 } },
      targets: entry,
      'targets/a': { hashes: { sha512: hash(64) }, length: 1 },
    });
  });
});
