import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import { allTargets, missingSigners, resolveTarget } from '../../src/tuf/target.ts';
import type { Client } from './client.ts';
import { publish, publishReleases, releases, target } from './client.ts';
import { refuses } from './refuses.ts';

/** What a tag means to this client today: the role, and the letter of the digest. */
function meaning(client: Client, tag: string): string | undefined {
  const found = resolveTarget(client.update(), tag);
  return found && `${found.role} ${found.sha256.toString('hex').slice(0, 1)}`;
}

const sha512 = Buffer.alloc(64, 7);

describe('a tag', () => {
  test('means what targets/releases says, whatever targets say', () => {
    const { repository, client } = publishReleases();
    repository.sign('v1', target('2'));
    repository.publish();
    assert.equal(meaning(client, 'v1'), `${releases} 1`);
  });

  test('that targets/releases does not have means what targets say', () => {
    const { repository, client } = publishReleases();
    repository.sign('v2', target('2'));
    repository.publish();
    assert.equal(meaning(client, 'v2'), 'targets 2');
    repository.remove('v1', releases);
    repository.sign('v1', target('3'));
    repository.publish();
    assert.equal(meaning(client, 'v1'), 'targets 3');
  });

  test('means nothing if no one signs it, or not in this very spelling', () => {
    const { client } = publishReleases();
    for (const tag of ['v9', 'V1', 'v1 ', 'v', '']) assert.equal(meaning(client, tag), undefined);
  });

  test('outside the paths of targets/releases means what targets say', () => {
    const { repository, client } = publish();
    repository.addDelegation(releases, { paths: ['ci-'] });
    for (const tag of ['v1', 'ci-1']) {
      repository.sign(tag, target('1'), releases);
      repository.sign(tag, target('2'));
    }
    repository.sign('v3', target('3'), releases);
    repository.publish();
    assert.deepEqual(
      ['v1', 'ci-1', 'v3'].map((tag) => meaning(client, tag)),
      ['targets 2', `${releases} 1`, undefined],
    );
    assert.deepEqual(
      allTargets(client.update())
        .map(({ tag, role }) => `${tag} ${role}`)
        .toSorted(),
      [`ci-1 ${releases}`, 'v1 targets'],
    );
  });

  test('means nothing if targets/releases has no paths at all', () => {
    const { repository, client } = publish();
    repository.addDelegation(releases, { paths: [] });
    repository.sign('v1', target('1'), releases);
    repository.publish();
    assert.equal(meaning(client, 'v1'), undefined);
  });

  test('that only another or a nested delegation signs means nothing', () => {
    const { repository, client } = publishReleases();
    repository.addDelegation('targets/ci');
    repository.sign('v2', target('2'), 'targets/ci');
    repository.addDelegation(`${releases}/more`);
    repository.sign('v3', target('3'), `${releases}/more`);
    repository.publish();
    assert.equal(meaning(client, 'v2'), undefined);
    assert.equal(meaning(client, 'v3'), undefined);
  });

  test('comes with its length, and its sha512 where one is signed', () => {
    const { repository, client } = publish();
    repository.sign('v1', { ...target('1'), length: 4096, sha512, custom: { é: [1, { a: null }] } });
    repository.publish();
    assert.deepEqual(resolveTarget(client.update(), 'v1'), {
      tag: 'v1',
      role: 'targets',
      sha256: Buffer.alloc(32, 0x11),
      sha512,
      length: 4096,
      shadowed: undefined,
    });
  });

  test('without a sha256 is refused for itself alone, and nothing else answers for it', () => {
    const { repository, client } = publishReleases();
    repository.sign('v1', { ...target('1'), sha512 }, releases);
    repository.sign('v2', target('2'), releases);
    repository.sign('v1', target('3'));
    repository.forge(releases, {
      signed: (signed) => void delete objectAt(signed, 'targets', 'v1', 'hashes')['sha256'],
    });
    repository.publish();
    const result = client.update();
    refuses(() => resolveTarget(result, 'v1'), 'MALFORMED', `${releases} signs "v1" without a sha256`);
    assert.equal(resolveTarget(result, 'v2')?.role, releases);
    assert.deepEqual(
      allTargets(result).map(({ tag }) => tag),
      ['v2'],
    );
  });

  for (const [why, entry] of [
    ['of no length', { hashes: { sha256: Buffer.alloc(32).toString('base64') } }],
    ['of length 0', { hashes: { sha256: Buffer.alloc(32).toString('base64') }, length: 0 }],
    ['with a short sha256', { hashes: { sha256: 'AAAA' }, length: 1 }],
    ['with a sha256 in hex', { hashes: { sha256: 'ab'.repeat(32) }, length: 1 }],
    [
      'with Length beside length',
      { hashes: { sha256: Buffer.alloc(32).toString('base64') }, length: 1, Length: 2 },
    ],
    ['with CUSTOM', { hashes: { sha256: Buffer.alloc(32).toString('base64') }, length: 1, CUSTOM: 2 }],
    ['of null', null],
  ] as const) {
    test(`${why} is refused with its whole file`, () => {
      const { repository, client } = publishReleases();
      repository.forge(releases, {
        signed: (signed) => void (objectAt(signed, 'targets')['v2'] = structuredClone(entry)),
      });
      repository.publish();
      refuses(() => client.update(), 'MALFORMED', /^targets\/releases\.targets/);
    });
  }
});

describe('signers', () => {
  test('are missing unless they signed this tag with this digest, within their paths', () => {
    const { repository, client } = publishReleases();
    repository.addDelegation('targets/ci', { paths: ['v'] });
    repository.sign('v1', target('1'), 'targets/ci');
    repository.sign('v2', target('2'), releases);
    repository.sign('v2', target('3'), 'targets/ci');
    repository.sign('x1', target('4'), releases);
    repository.sign('x1', target('4'), 'targets/ci');
    repository.sign('v3', target('5'), releases);
    repository.publish();
    const result = client.update();
    const missing = (tag: string, ...signers: readonly string[]): readonly string[] => {
      const found = resolveTarget(result, tag);
      assert.ok(found);
      return missingSigners(result, signers, found);
    };
    assert.deepEqual(missing('v1', 'targets/ci'), []);
    assert.deepEqual(missing('v2', 'targets/ci'), ['targets/ci'], 'another digest');
    assert.deepEqual(missing('x1', 'targets/ci'), ['targets/ci'], 'outside its paths');
    assert.deepEqual(missing('v3', 'targets/ci'), ['targets/ci'], 'not signed at all');
    assert.deepEqual(missing('v1', 'targets/ci', 'targets/bob', 'targets'), ['targets/bob', 'targets']);
    assert.deepEqual(missing('v1'), []);
  });
});

describe('all targets', () => {
  test('are those of targets where nothing is delegated', () => {
    const { repository, client } = publish();
    repository.sign('v1', target('1'));
    repository.publish();
    assert.deepEqual(
      allTargets(client.update()).map(({ tag, role }) => `${tag} ${role}`),
      ['v1 targets'],
    );
  });

  test('stand once each, as they are resolved one by one', () => {
    const { repository, client } = publishReleases();
    repository.sign('v1', target('2'));
    repository.sign('v2', target('2'));
    repository.sign('v3', target('3'), releases);
    repository.publish();
    const result = client.update();
    const all = allTargets(result);
    assert.deepEqual(all.map(({ tag }) => tag).toSorted(), ['v1', 'v2', 'v3']);
    for (const one of all) assert.deepEqual(resolveTarget(result, one.tag), one);
  });
});

test('a tag that targets means otherwise carries along what the releases role shadows', () => {
  const { repository, client } = publishReleases();
  repository.sign('v1', target('1'), releases);
  repository.sign('v1', target('3'));
  repository.sign('v2', target('2'), releases);
  repository.sign('v2', target('2'));
  repository.publish();
  const result = client.update();
  assert.deepEqual(resolveTarget(result, 'v1')?.shadowed, Buffer.alloc(32, 0x33));
  assert.equal(resolveTarget(result, 'v2')?.shadowed, undefined);
});
