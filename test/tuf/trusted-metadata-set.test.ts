import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import type { JsonObject } from '../../src/demo/signing/signed-file.ts';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import type { SigningRepository } from '../../src/demo/signing-repository.ts';
import { day, publish, publishReleases, releases, start, target } from './client.ts';
import { refuses } from './refuses.ts';

const roles = ['timestamp', 'snapshot', 'targets', releases];
const make = (): SigningKey => SigningKey.plain(generatePrivateKey('p256'));

/** The bytes of a role's current file. */
function current(repository: SigningRepository, role: string): Buffer {
  const file = repository.files.current(role);
  assert.ok(file);
  return file.bytes;
}

describe('the whole way from root to delegation', () => {
  test('gives every role with its version and keys, the floors, and the first expiry', () => {
    const { repository, client } = publishReleases();
    const result = client.update();
    assert.deepEqual(
      result.roles.map(({ role, file, signers }) => [role, file.version, signers.keys.map(({ id }) => id)]),
      ['root', ...roles].map((role) => [
        role,
        repository.version(role),
        repository.keys(role).map(({ id }) => id),
      ]),
    );
    assert.equal(result.expires.getTime(), start + 14 * day);
    assert.deepEqual([...result.floors().keys()], roles);
    assert.deepEqual(result.floors().get('targets'), {
      version: repository.version('targets'),
      sha256: createHash('sha256').update(current(repository, 'targets')).digest('hex'),
      keys: repository.keys('targets').map(({ spkiSha256 }) => spkiSha256),
    });
  });

  test('a step out of order is our own error', () => {
    const { repository, client } = publishReleases();
    const set = client.begin();
    assert.throws(() => set.updateSnapshot(current(repository, 'snapshot')), TypeError);
    assert.throws(() => set.updateTargets(current(repository, 'targets')), TypeError);
    assert.throws(() => set.result(), TypeError);
    set.updateTimestamp(current(repository, 'timestamp'));
    set.updateSnapshot(current(repository, 'snapshot'));
    set.updateTargets(current(repository, 'targets'));
    assert.throws(() => set.updateDelegation('targets/other', current(repository, releases)), TypeError);
  });

  test('a step that is refused has changed nothing', () => {
    const { repository, client } = publishReleases();
    const set = client.begin();
    set.updateTimestamp(current(repository, 'timestamp'));
    const { snapshotFile } = set;
    repository.forge('timestamp', { keys: [make()] });
    repository.publish();
    refuses(
      () => set.updateTimestamp(current(repository, 'timestamp')),
      'BAD_SIGNATURE',
      /^timestamp version 3 needs 1 valid/,
    );
    assert.equal(set.snapshotFile, snapshotFile);
  });
});

for (const role of roles) {
  describe(role, () => {
    test('signed by another key, or not by enough, is refused', () => {
      const { repository, client } = publishReleases();
      repository.forge(role, { keys: [make()] });
      repository.publish();
      const version = repository.version(role);
      refuses(
        () => client.update(),
        'BAD_SIGNATURE',
        `${role} version ${version} needs 1 valid signatures, but has 0`,
      );
      repository.rotate(role, { keys: [make(), make(), make()], threshold: 2 });
      repository.forge(role, { signatures: (all) => all.slice(1, 2) });
      repository.publish();
      refuses(
        () => client.update(),
        'BAD_SIGNATURE',
        `${role} version ${version + 1} needs 2 valid signatures, but has 1`,
      );
      repository.publish();
      client.update();
    });

    test('signed by the key of another role is refused', () => {
      for (const other of ['root', ...roles].filter((name) => name !== role)) {
        const { repository, client } = publishReleases();
        repository.forge(role, { keys: repository.keys(other) });
        repository.publish();
        refuses(() => client.update(), 'BAD_SIGNATURE', /needs 1 valid signatures, but has 0$/);
      }
    });

    test('with a change behind the signature is refused', () => {
      const { repository, client } = publishReleases();
      repository.forge(role, {
        bytes: (bytes) => Buffer.from(bytes.toString().replace('"version":', '"version":1')),
      });
      repository.publish();
      refuses(() => client.update(), 'BAD_SIGNATURE', /needs 1 valid signatures, but has 0$/);
    });

    test('is expired at the very instant of its expiry, and not a millisecond before', () => {
      const { repository, client } = publishReleases();
      repository.setExpires(role, new Date(start + day));
      repository.publish();
      client.update(start + day - 1);
      const message = `${role} version ${repository.version(role)} expired at 2026-11-21T12:00:00.000Z, and it is 2026-11-21T12:00:00.000Z`;
      refuses(() => client.update(start + day), 'EXPIRED', message);
    });

    test('with an expiry in another zone, to the nanosecond, is read in UTC', () => {
      const { repository, client } = publishReleases();
      repository.forge(role, {
        signed: (signed) => (signed['expires'] = '2026-11-22T02:00:00.000999999+14:00'),
      });
      repository.publish();
      client.update(start + day - 1);
      refuses(
        () => client.update(start + day),
        'EXPIRED',
        / expired at 2026-11-21T12:00:00\.000Z, and it is 2026-11-21T12:00:00\.000Z$/,
      );
    });

    const shapes: readonly (readonly [why: string, change: (signed: JsonObject) => void])[] = [
      ['of another type', (signed) => (signed['_type'] = role === 'snapshot' ? 'Timestamp' : 'Snapshot')],
      [
        'of a lower-case type',
        (signed) => (signed['_type'] = JSON.stringify(signed['_type']).toLowerCase().replaceAll('"', '')),
      ],
      ['of version 0', (signed) => (signed['version'] = 0)],
      ['of version "7"', (signed) => (signed['version'] = '7')],
      ['without an expiry', (signed) => void delete signed['expires']],
      ['that expires on 30 February', (signed) => (signed['expires'] = '2030-02-30T00:00:00Z')],
      ['with VERSION too', (signed) => (signed['VERSION'] = 1)],
    ];
    for (const [why, change] of shapes) {
      test(`${why} is refused, however well it is signed`, () => {
        const { repository, client } = publishReleases();
        repository.forge(role, { signed: change });
        repository.publish();
        refuses(() => client.update(), 'MALFORMED', /./);
        repository.publish();
        client.update();
      });
    }

    test('with a member twice, or the number 1.0, is refused though it is signed', () => {
      for (const text of [
        (all: string) => all.replace('{', '{"version":1,'),
        (all: string) => all.replace(/"version":(\d+)/, '"version":$1.0'),
      ]) {
        const { repository, client } = publishReleases();
        repository.forge(role, { text });
        repository.publish();
        refuses(
          () => client.update(),
          'MALFORMED',
          new RegExp(`^${role} is not the JSON of metadata at character \\d+: `),
        );
      }
    });

    test('with members of its own, white space, and another order is fine', () => {
      const { repository, client } = publishReleases();
      const spread = (bytes: Buffer): Buffer => {
        const { signed, signatures } = JSON.parse(bytes.toString()) as {
          signed: JsonObject;
          signatures: unknown;
        };
        const turned = Object.fromEntries(Object.entries(signed).toReversed());
        return Buffer.from(`${JSON.stringify({ signatures, signed: turned }, undefined, '\t')}\n`);
      };
      repository.forge(role, {
        signed: (signed) => (signed['x-<&>\u2028\n'] = { __proto__x: [1, 'é😀\u0001'] }),
        bytes: spread,
      });
      repository.publish();
      client.update();
    });
  });
}

describe('files and what their parents sign of them', () => {
  for (const role of roles.slice(1)) {
    test(`${role} with other bytes is refused by its hash`, () => {
      const { repository, client } = publishReleases();
      const honest = current(repository, role);
      const served = Buffer.from(honest).fill(' ', honest.length - 1);
      const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
      const message = `${role} has sha256 ${hash(served)}, but ${hash(honest)} is signed`;
      refuses(() => client.update(start, { [role]: served }), 'BAD_HASH', message);
    });

    test(`${role} with a byte more or less is refused by its length`, () => {
      const { repository, client } = publishReleases();
      const { length } = current(repository, role);
      const longer = Buffer.concat([current(repository, role), Buffer.from(' ')]);
      refuses(
        () => client.update(start, { [role]: longer }),
        'BAD_HASH',
        `${role} has ${length + 1} bytes, but ${length} are signed`,
      );
      const shorter = longer.subarray(0, length - 1);
      refuses(
        () => client.update(start, { [role]: shorter }),
        'BAD_HASH',
        `${role} has ${length - 1} bytes, but ${length} are signed`,
      );
    });

    test(`${role} of before, under files of now, is refused (mix and match)`, () => {
      const { repository, client } = publishReleases();
      const before = current(repository, role);
      repository.sign('v-10', target('2'), releases);
      repository.touch('targets');
      repository.publish();
      refuses(() => client.update(start, { [role]: before }), 'BAD_HASH', /^\S+ has /);
      client.update();
    });

    test(`${role} is held to its sha512 too, where one is signed`, () => {
      const parent = role === 'snapshot' ? 'timestamp' : 'snapshot';
      const { repository, client } = publishReleases();
      const forge = (signed: JsonObject): void => {
        objectAt(signed, 'meta', role, 'hashes')['sha512'] = Buffer.alloc(64, 1).toString('base64');
      };
      repository.forge(parent, { signed: forge });
      repository.publish();
      refuses(
        () => client.update(),
        'BAD_HASH',
        new RegExp(`^${role} has sha512 [0-9a-f]{128}, but (01){64} is signed$`),
      );
      repository.forge(parent, {
        signed: (signed) => void delete objectAt(signed, 'meta', role, 'hashes')['sha512'],
      });
      repository.publish();
      client.update();
    });

    test(`${role} without a signed sha256 is refused`, () => {
      const parent = role === 'snapshot' ? 'timestamp' : 'snapshot';
      const { repository, client } = publishReleases();
      repository.forge(parent, {
        signed: (signed) => void delete objectAt(signed, 'meta', role, 'hashes')['sha256'],
      });
      repository.publish();
      refuses(
        () => client.update(),
        'MALFORMED',
        /(\.meta\.\w+ has no sha256|the snapshot has no sha256 of targets\/releases)$/,
      );
    });
  }

  test('a root that is not the one of the snapshot is refused', () => {
    const { repository, client } = publish();
    const files = repository.files.copy();
    repository.setExpires('root', new Date(start + day));
    repository.publish();
    const [next, old] = [repository.files.version('root', 2), files.current('root')];
    assert.ok(next && old);
    repository.files.restore(files);
    repository.files.put('root', 2, next);
    refuses(
      () => client.update(),
      'BAD_HASH',
      /^root version 2 has (\d+ bytes, but \d+ are|sha256 [0-9a-f]{64}, but [0-9a-f]{64} is) signed$/,
    );
    assert.equal(client.root.version, 2);
  });
});
