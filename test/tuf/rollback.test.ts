import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import type { SigningRepository } from '../../src/demo/signing-repository.ts';
import type { Client } from './client.ts';
import { day, publishReleases, releases, start, target } from './client.ts';
import { refuses } from './refuses.ts';

const make = (): SigningKey => SigningKey.plain(generatePrivateKey('p256'));
const roles = ['timestamp', 'snapshot', 'targets', releases];
/** What the roles are called in messages and files; each is signed anew with those that name it. */
const versions = (repository: SigningRepository): Record<string, number> =>
  Object.fromEntries(roles.map((role) => [role, repository.version(role)]));

/** Publishes `role` with this version, whatever came before; the files that name it fit. */
function publishVersion(repository: SigningRepository, role: string, version: number): void {
  repository.setVersion(role, version);
  repository.publish();
}

/** A client that has seen version 9 of a role, in a repository that is about to publish what it may. */
function seenNine(role: string): { repository: SigningRepository; client: Client } {
  const { repository, client } = publishReleases();
  publishVersion(repository, role, 9);
  assert.equal(client.update().floors().get(role)?.version, 9);
  return { repository, client };
}

for (const role of roles) {
  describe(role, () => {
    test('an older version is refused, though everything that names it is newer, and nothing is kept of it', () => {
      const { repository, client } = seenNine(role);
      publishVersion(repository, role, 8);
      const { floors, listedBefore } = client;
      refuses(() => client.update(), 'ROLLBACK', `${role} is version 8, but version 9 was already trusted`);
      assert.equal(client.floors, floors);
      assert.equal(client.listedBefore, listedBefore);
    });

    test('the same version with other bytes is refused', () => {
      const { repository, client } = seenNine(role);
      const trusted = client.floors.get(role)?.sha256;
      repository.setExpires(role, new Date(start + 3 * day));
      publishVersion(repository, role, 9);
      const message = new RegExp(
        `^${role} version 9 has SHA-256 (?!${trusted})[0-9a-f]{64}, but the one already trusted has ${trusted}$`,
      );
      refuses(() => client.update(), 'EQUIVOCATION', message);
    });

    test('the same bytes again, a later version, and one that jumps are fine', () => {
      const { repository, client } = seenNine(role);
      client.update();
      publishVersion(repository, role, 10);
      client.update();
      publishVersion(repository, role, 4_294_967_296);
      assert.equal(client.update().floors().get(role)?.version, 4_294_967_296);
    });

    test('the next update after a refused one is fine', () => {
      const { repository, client } = seenNine(role);
      publishVersion(repository, role, 3);
      refuses(() => client.update(), 'ROLLBACK', `${role} is version 3, but version 9 was already trusted`);
      publishVersion(repository, role, 10);
      assert.equal(client.update().floors().get(role)?.version, 10);
    });

    test('after a fast-forward, an honest version is refused while the keys stay', () => {
      const { repository, client } = seenNine(role);
      publishVersion(repository, role, 2147483647);
      client.update();
      publishVersion(repository, role, 11);
      refuses(
        () => client.update(),
        'ROLLBACK',
        `${role} is version 11, but version 2147483647 was already trusted`,
      );
    });

    test('after a fast-forward, an honest version is fine once the keys are replaced, and is the new floor', () => {
      const { repository, client } = seenNine(role);
      publishVersion(repository, role, 2147483647);
      client.update();
      repository.rotate(role, { keys: [make()] });
      publishVersion(repository, role, 11);
      assert.equal(client.update().floors().get(role)?.version, 11);
      publishVersion(repository, role, 10);
      refuses(() => client.update(), 'ROLLBACK', `${role} is version 10, but version 11 was already trusted`);
    });

    test('a key that only joins, or a raised threshold, replaces nothing', () => {
      const { repository, client } = seenNine(role);
      repository.rotate(role, { keys: [...repository.keys(role), make()], threshold: 2 });
      publishVersion(repository, role, 8);
      refuses(() => client.update(), 'ROLLBACK', `${role} is version 8, but version 9 was already trusted`);
    });

    test('another certificate for the same key replaces nothing', () => {
      const { repository, client } = publishReleases();
      const privateKey = generatePrivateKey('p256');
      repository.rotate(role, { keys: [SigningKey.plain(privateKey)] });
      publishVersion(repository, role, 9);
      client.update();
      repository.rotate(role, { keys: [SigningKey.forRoot('any.test/name', start, privateKey)] });
      publishVersion(repository, role, 8);
      refuses(() => client.update(), 'ROLLBACK', `${role} is version 8, but version 9 was already trusted`);
    });

    test('one of two keys replaced frees the roles of the server, and no other', () => {
      const { repository, client } = publishReleases();
      const [stays, goes] = [make(), make()];
      repository.rotate(role, { keys: [stays, goes] });
      publishVersion(repository, role, 9);
      client.update();
      repository.rotate(role, { keys: [stays, make()] });
      publishVersion(repository, role, 8);
      if (role === 'timestamp' || role === 'snapshot') {
        assert.equal(client.update().floors().get(role)?.version, 8);
      } else {
        refuses(() => client.update(), 'ROLLBACK', `${role} is version 8, but version 9 was already trusted`);
      }
    });

    test('the keys of a role are no excuse for another', () => {
      for (const other of roles.filter((name) => name !== role)) {
        const { repository, client } = seenNine(role);
        repository.rotate(other, { keys: [make()] });
        publishVersion(repository, role, 8);
        refuses(() => client.update(), 'ROLLBACK', `${role} is version 8, but version 9 was already trusted`);
      }
    });
  });
}

describe('replays of what was once valid', () => {
  test('an old timestamp', () => {
    const { repository, client } = publishReleases();
    const old = repository.files.copy();
    const before = versions(repository)['timestamp'];
    repository.publish();
    client.update();
    repository.files.restore(old);
    refuses(
      () => client.update(),
      'ROLLBACK',
      `timestamp is version ${before}, but version ${Number(before) + 1} was already trusted`,
    );
  });

  test('the delegation of old under a parent that never changed (CVE-2025-2887)', () => {
    const { repository, client } = publishReleases();
    const old = repository.files.current(releases);
    repository.sign('v1', target('2'), releases);
    repository.publish();
    client.update();
    repository.forge(releases, { bytes: () => old?.bytes ?? Buffer.alloc(0) });
    repository.publish();
    refuses(() => client.update(), 'ROLLBACK', `${releases} is version 1, but version 2 was already trusted`);
  });

  test('a delegation keeps its floor while it is not delegated', () => {
    const { repository, client } = publishReleases();
    const keys = repository.keys(releases);
    publishVersion(repository, releases, 9);
    client.update();
    repository.removeDelegation(releases);
    repository.publish();
    assert.equal(client.update().delegations.size, 0);
    repository.addDelegation(releases, { keys });
    publishVersion(repository, releases, 8);
    refuses(() => client.update(), 'ROLLBACK', `${releases} is version 8, but version 9 was already trusted`);
  });
});
