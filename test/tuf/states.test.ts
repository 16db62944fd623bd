import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import { resolveTarget } from '../../src/tuf/target.ts';
import { day, gun, publish, publishReleases, releases, rootKey, start, target } from './client.ts';
import { refuses } from './refuses.ts';

const make = (): SigningKey => SigningKey.plain(generatePrivateKey('p256'));
const hidden = `${releases} is delegated and was seen before, but the snapshot hides it`;

for (const snapshotBy of ['server', 'client'] as const) {
  describe(`states that look odd and are honest, with the snapshot by the ${snapshotBy}`, () => {
    test('the versions at birth: targets 2, snapshot 1 or 2', () => {
      const { client } = publish({ snapshotBy });
      const floors = client.update().floors();
      assert.deepEqual(
        ['timestamp', 'snapshot', 'targets'].map((role) => floors.get(role)?.version),
        [1, snapshotBy === 'server' ? 1 : 2, 2],
      );
    });

    test('a signer added, and nothing signed yet', () => {
      const { repository, client } = publish({ snapshotBy });
      repository.sign('v1', target('1'));
      repository.publish();
      client.update();
      repository.addSigner('alice');
      repository.publish();
      const result = client.update();
      assert.equal(result.delegations.size, 0);
      assert.equal(resolveTarget(result, 'v1')?.role, 'targets');
      repository.sign('v1', target('2'), releases);
      repository.publish();
      assert.equal(resolveTarget(client.update(), 'v1')?.role, releases);
      repository.addSigner('bob');
      repository.publish();
      assert.equal(resolveTarget(client.update(), 'v1')?.role, releases);
    });

    test('the last delegation removed: roles null, and the snapshot may list it still', () => {
      const { repository, client } = publishReleases({ snapshotBy });
      repository.removeDelegation(releases);
      repository.publish();
      const result = client.update();
      assert.equal(result.snapshot.file.meta.has(releases), snapshotBy === 'server');
      assert.deepEqual([result.delegations.size, result.targets.file.delegations.size], [0, 0]);
    });

    test('old root keys that stay listed, and a root with more signatures than it needs', () => {
      const { repository, client } = publish({ snapshotBy });
      for (let times = 0; times < 3; times += 1) repository.rotate('root', { keys: [repository.rootKey()] });
      repository.publish();
      repository.rotate('root', { keys: [repository.rootKey()] });
      repository.publish();
      const { root } = client.update();
      assert.equal(root.file.signatures.length, 2);
    });

    test('versions that jump, as when a server signs anew', () => {
      const { repository, client } = publishReleases({ snapshotBy });
      for (const role of ['timestamp', 'snapshot', 'targets', releases]) repository.setVersion(role, 40);
      repository.publish();
      client.update();
    });
  });
}

describe('other states that look odd and are honest', () => {
  test('no members private, delegations, paths or roles', () => {
    const { repository, client } = publish();
    repository.forge('targets', { signed: (signed) => void delete signed['delegations'] });
    repository.publish();
    client.update();
    repository.forge('targets', { signed: (signed) => (signed['delegations'] = {}) });
    repository.publish();
    client.update();
  });

  test('one root key for many GUNs, each under its own certificate', () => {
    const privateKey = generatePrivateKey('p256');
    const [here, there] = [gun, 'reg.test/team/other'].map((name) =>
      rootKey(privateKey, start, start + day, name),
    );
    assert.ok(here && there);
    assert.notEqual(here.id, there.id);
    assert.equal(here.spkiSha256, there.spkiSha256);
    publish({ keys: { root: { keys: [here] } } }).client.update();
  });

  test('every algorithm of notary in every role', () => {
    const keys = (['p384', 'p521', 'rsa2048', 'ed25519'] as const).map((name) =>
      SigningKey.plain(generatePrivateKey(name)),
    );
    for (const key of keys) {
      const own = { keys: [key] };
      const { repository, client } = publish({ keys: { timestamp: own, snapshot: own, targets: own } });
      repository.addDelegation(releases, own);
      repository.sign('v1', target('1'), releases);
      repository.publish();
      assert.equal(resolveTarget(client.update(), 'v1')?.role, releases);
    }
  });

  test('a delegation whose keys are certificates of anybody, long ended', () => {
    const { repository, client } = publish();
    const key = rootKey(generatePrivateKey('rsa2048'), start - 2 * day, start - day, 'Alice');
    repository.addDelegation(releases, { keys: [key] });
    repository.sign('v1', target('1'), releases);
    repository.publish();
    assert.equal(client.update().delegations.size, 1);
  });

  test('a delegation that no one asks for may be of an unknown kind, broken, or expired', () => {
    const { repository, client } = publishReleases();
    repository.addDelegation('targets/other', { keys: [make()] });
    repository.sign('v1', target('2'), 'targets/other');
    repository.forge('targets/other', { bytes: () => Buffer.from('not JSON') });
    repository.publish();
    client.update();
  });

  test('a tag of any name, __proto__ too', () => {
    const { repository, client } = publish();
    const names = ['constructor', 'toString', '10', '9', 'v1', 'V1'];
    for (const name of names) repository.sign(name, target('1'));
    repository.publish();
    const result = client.update();
    for (const name of names) assert.equal(resolveTarget(result, name)?.tag, name);
    for (const name of ['hasOwnProperty', 'valueOf', '__proto__', 'size'])
      assert.equal(resolveTarget(result, name), undefined);
  });
});

describe('a delegation that was seen', () => {
  test('may not leave the snapshot while targets delegate to it', () => {
    const { repository, client } = publishReleases();
    repository.sign('v1', target('2'));
    repository.forge('snapshot', { signed: (signed) => void delete objectAt(signed, 'meta')[releases] });
    repository.publish();
    refuses(() => client.update(), 'ROLLBACK', hidden);
    repository.publish();
    assert.equal(resolveTarget(client.update(), 'v1')?.role, releases);
  });

  test('may not leave it though it is not the one that is asked for', () => {
    const { repository, client } = publishReleases();
    repository.addDelegation('targets/alice');
    repository.sign('v1', target('1'), 'targets/alice');
    repository.publish();
    client.update();
    repository.forge('snapshot', {
      signed: (signed) => void delete objectAt(signed, 'meta')['targets/alice'],
    });
    repository.publish();
    refuses(() => client.update(), 'ROLLBACK', hidden.replace(releases, 'targets/alice'));
  });

  test('may leave it together with the delegation, and come back', () => {
    const { repository, client } = publishReleases({ snapshotBy: 'client' });
    const keys = repository.keys(releases);
    repository.removeDelegation(releases);
    repository.publish();
    client.update();
    repository.addDelegation(releases, { keys });
    repository.sign('v1', target('2'), releases);
    repository.publish();
    assert.equal(resolveTarget(client.update(), 'v1')?.role, releases);
  });

  test('whose keys were replaced needs to be signed anew, and nothing else answers for it', () => {
    const { repository, client } = publishReleases();
    repository.sign('v1', target('2'));
    repository.rotate(releases, { keys: [make()] }, { resign: false });
    repository.publish();
    refuses(
      () => client.update(),
      'BAD_SIGNATURE',
      `${releases} version 1 needs 1 valid signatures, but has 0`,
    );
    repository.touch(releases);
    repository.publish();
    client.update();
  });

  test('that the snapshot lists without delegation is ignored', () => {
    const { repository, client } = publish();
    repository.forge('snapshot', {
      signed: (signed) => (objectAt(signed, 'meta')[releases] = objectAt(signed, 'meta', 'targets')),
    });
    repository.publish();
    assert.equal(client.update().delegations.size, 0);
  });
});

test('a role that was away comes back unseen with new keys, and hidden with the old ones', () => {
  for (const sameKeys of [false, true]) {
    const { repository, client } = publishReleases({ snapshotBy: 'client' });
    client.update();
    const keys = repository.keys(releases);
    repository.removeDelegation(releases);
    repository.publish();
    client.update();
    repository.addDelegation(releases, sameKeys ? { keys } : {});
    repository.publish();
    if (sameKeys) refuses(() => client.update(), 'ROLLBACK', hidden);
    else assert.equal(client.update().delegations.size, 0);
  }
});
