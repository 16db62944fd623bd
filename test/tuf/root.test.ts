import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import type { RoleKeys } from '../../src/demo/signing/role.ts';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import type { Forgery } from '../../src/demo/signing-repository.ts';
import { rootSigners } from '../../src/tuf/trusted-metadata-set.ts';
import type { Client } from './client.ts';
import { day, gun, publish, rootKey, start } from './client.ts';
import { refuses } from './refuses.ts';

const year = 365 * day;
const newKey = (name = gun): SigningKey =>
  rootKey(generatePrivateKey('p256'), start - day, start + 10 * year, name);
const newKeys = (count: number): SigningKey[] => Array.from({ length: count }, () => newKey());
const version = (client: Client, number: number): Uint8Array => {
  const file = client.files.version('root', number);
  assert.ok(file);
  return file.bytes;
};

/** A repository whose root has these keys, and whose second root has those, forged in this way. */
function rotated(before: RoleKeys, after: RoleKeys, forgery?: Forgery): Client {
  const { repository, client } = publish({ keys: { root: before } });
  repository.rotate('root', after);
  if (forgery !== undefined) repository.forge('root', forgery);
  repository.publish();
  return client;
}

const step = (client: Client, number = 2): void => client.begin().updateRoot(version(client, number));

describe('from one root to the next (TUF 5.3)', () => {
  test('each version follows from the one before, and the last is the root', () => {
    const { repository, client } = publish();
    for (let times = 0; times < 4; times += 1) {
      repository.rotate('root', { keys: newKeys(1) });
      repository.publish();
    }
    assert.equal(client.update().root.file.version, 5);
    assert.equal(client.root.version, 5);
  });

  test('a version left out, offered again, or older does not follow', () => {
    const { repository, client } = publish();
    repository.touch('root');
    repository.publish();
    repository.touch('root');
    repository.publish();
    refuses(() => step(client, 3), 'BAD_SIGNATURE', 'root is version 3, but 2 has to follow 1');
    refuses(() => step(client, 1), 'BAD_SIGNATURE', 'root is version 1, but 2 has to follow 1');
    client.update();
    refuses(() => step(client, 2), 'ROLLBACK', 'root is version 2, but 4 has to follow 3');
  });

  const [old, fresh] = [newKey(), newKey()];
  const pairs: readonly (readonly [why: string, keys: readonly SigningKey[], found: number])[] = [
    ['the new key only', [fresh], 0],
    ['the old key only', [old], 0],
    ['strangers', newKeys(2), 0],
  ];
  for (const [why, keys, found] of pairs) {
    test(`a root signed by ${why} is refused`, () => {
      const client = rotated({ keys: [old] }, { keys: [fresh] }, { keys });
      refuses(
        () => step(client),
        'BAD_SIGNATURE',
        `root version 2 needs 1 valid signatures, but has ${found}`,
      );
      assert.equal(client.root.version, 1);
    });
  }

  test('a root signed by the old and the new key follows, and names of other keys do not hinder it', () => {
    const client = rotated({ keys: [old] }, { keys: [fresh] }, { keys: [...newKeys(1), old, fresh] });
    step(client);
  });

  const [a, b, c, d, e, f] = [newKey(), newKey(), newKey(), newKey(), newKey(), newKey()];
  const three = { keys: [a, b, c], threshold: 2 };
  const others = { keys: [d, e, f], threshold: 2 };
  const thresholds: readonly (readonly [
    why: string,
    before: RoleKeys,
    after: RoleKeys,
    by: SigningKey[],
    refused?: [number, number],
  ])[] = [
    ['2 of 3 old and 2 of 3 new', three, others, [a, c, e, f]],
    ['1 of 3 old and 3 of 3 new', three, others, [b, d, e, f], [2, 1]],
    ['3 of 3 old and 1 of 3 new', three, others, [a, b, c, d], [2, 1]],
    ['3 of 3 old and none of the new', three, others, [a, b, c], [2, 0]],
    ['2 keys that are in both', three, { keys: [b, c, d], threshold: 2 }, [b, c]],
    ['1 key that is in both and 1 of each', three, { keys: [c, d, e], threshold: 2 }, [a, c, d]],
    ['1 key that is in both and 1 new', three, { keys: [c, d, e], threshold: 2 }, [c, d], [2, 1]],
    ['a threshold raised, by the old one only', three, { keys: [a, b, c], threshold: 3 }, [a, b], [3, 2]],
    ['a threshold raised, by the new one', three, { keys: [a, b, c], threshold: 3 }, [a, b, c]],
    ['a threshold lowered, by the new one only', three, { keys: [a, b, c], threshold: 1 }, [a], [2, 1]],
  ];
  for (const [why, before, after, by, refused] of thresholds) {
    test(`${why}: ${refused === undefined ? 'follows' : 'is refused'}`, () => {
      const client = rotated(before, after, { keys: by });
      if (refused === undefined) return step(client);
      refuses(
        () => step(client),
        'BAD_SIGNATURE',
        `root version 2 needs ${refused[0]} valid signatures, but has ${refused[1]}`,
      );
    });
  }

  test('an expired root on the way is no hindrance, and an expired certificate neither', () => {
    const old_ = rootKey(generatePrivateKey('p256'), start - 2 * year, start - day);
    const { repository, client } = publish({ keys: { root: { keys: [old_] } } });
    repository.setExpires('root', new Date(start - 2 * day));
    repository.publish();
    repository.setExpires('root', undefined);
    repository.rotate('root', { keys: newKeys(1) });
    repository.publish();
    assert.equal(client.update().root.file.version, 3);
  });
});

describe('the newest root', () => {
  test('is expired at the very instant of its expiry, and not a millisecond before', () => {
    const { repository, client } = publish();
    repository.setExpires('root', new Date(start + day));
    repository.publish();
    client.update(start + day - 1);
    const message = `root version 2 expired at 2026-11-21T12:00:00.000Z, and it is 2026-11-21T12:00:00.000Z`;
    refuses(() => client.update(start + day), 'EXPIRED', message);
    assert.equal(client.root.version, 2, 'it is trusted all the same, for those that follow it');
  });

  test('needs a threshold of certificates within their dates, and signatures by those', () => {
    const ended = rootKey(generatePrivateKey('p256'), start - 2 * year, start - 1000);
    const early = rootKey(generatePrivateKey('p256'), start + day + 1000, start + year);
    for (const key of [ended, early]) {
      const { client } = publish({ keys: { root: { keys: [key] } } });
      refuses(
        () => client.update(),
        'EXPIRED',
        'root version 1 needs 1 keys, but 0 have a certificate within its dates',
      );
    }
    const good = newKey();
    const { client } = publish({ keys: { root: { keys: [ended, good] } } });
    client.update();
    const mixed = rotated({ keys: [ended] }, { keys: [ended, good] }, { keys: [ended] });
    refuses(() => mixed.update(), 'BAD_SIGNATURE', 'root version 2 needs 1 valid signatures, but has 0');
  });

  test('a certificate may begin up to a day from now', () => {
    const { client } = publish({
      keys: { root: { keys: [rootKey(generatePrivateKey('p256'), start + day, start + year)] } },
    });
    client.update();
  });
});

describe('certificates of root keys', () => {
  test('count only if they name the GUN', () => {
    const { client } = publish({ keys: { root: { keys: [newKey('reg.test/team/other')] } } });
    refuses(
      () => rootSigners(client.root, gun),
      'ROOT_NOT_PINNED',
      /^root version 1 needs 1 certificates for reg\.test\/team\/app, but has 0 \([0-9a-f]{12}: its common name is "reg\.test\/team\/other"\)$/,
    );
    const next = rotated({ keys: newKeys(1) }, { keys: [newKey('reg.test/team/other')] });
    refuses(() => step(next), 'ROOT_NOT_PINNED', /^root version 2 needs 1 certificates/);
    const both = rotated({ keys: newKeys(1) }, { keys: [newKey('reg.test/*'), newKey('evil.test')] });
    step(both);
  });

  test('the key of a certificate for another GUN adds nothing to the threshold', () => {
    const other = newKey('reg.test/team/other');
    const client = rotated({ keys: newKeys(1) }, { keys: [newKey(), other], threshold: 2 });
    refuses(
      () => step(client),
      'ROOT_NOT_PINNED',
      /^root version 2 needs 2 certificates for reg\.test\/team\/app, but has 1 /,
    );
  });

  test('many that do not fit are not all named', () => {
    const certificates = Array.from({ length: 40 }, (_, n) => newKey(`${'é'.repeat(60)}${n}`));
    const client = rotated({ keys: newKeys(1) }, { keys: certificates });
    refuses(() => step(client), 'ROOT_NOT_PINNED', /, but has 0 \(.{1,800}\)$/);
  });

  test('a key without a certificate is no root key', () => {
    const client = rotated({ keys: newKeys(1) }, { keys: [SigningKey.plain(generatePrivateKey('p256'))] });
    refuses(() => step(client), 'ROOT_NOT_PINNED', /: no certificate\)$/);
  });

  test('two certificates of one key are one key', () => {
    const key = generatePrivateKey('p256');
    const twice = [rootKey(key, start - day, start + year), rootKey(key, start - day, start + 2 * year)];
    const client = rotated({ keys: newKeys(1) }, { keys: twice, threshold: 2 });
    refuses(() => step(client), 'BAD_SIGNATURE', 'root needs 2 signatures, but has 1 keys');
  });

  test('a new certificate of the same key follows the old one', () => {
    const key = generatePrivateKey('rsa2048');
    const certified = (until: number): RoleKeys => ({ keys: [rootKey(key, start - day, start + until)] });
    assert.equal(rotated(certified(year), certified(2 * year)).update().root.file.version, 2);
  });
});

describe('what a root may say', () => {
  const forged = (signed: NonNullable<Forgery['signed']>): (() => void) => {
    const { repository, client } = publish();
    repository.forge('root', { signed });
    repository.publish();
    return () => step(client);
  };

  test('other roles, keys that no role uses, and keys of unknown types', () => {
    forged((signed) => {
      objectAt(signed, 'roles')['mirrors'] = { keyids: [], threshold: 1 };
      objectAt(signed, 'keys')['f'.repeat(64)] = { keytype: 'ml-dsa-65', keyval: { public: 'AAAA' } };
      signed['consistent_snapshot'] = true;
      signed['x'] = { y: [1] };
    })();
  });

  const bad: readonly (readonly [why: string, signed: NonNullable<Forgery['signed']>, message: RegExp])[] = [
    [
      'threshold 0 for targets',
      (signed) => void (objectAt(signed, 'roles', 'targets')['threshold'] = 0),
      /^root\.roles\.targets\.threshold should be a positive integer, but is 0$/,
    ],
    [
      'threshold -1 for the snapshot',
      (signed) => void (objectAt(signed, 'roles', 'snapshot')['threshold'] = -1),
      /^root\.roles\.snapshot\.threshold should be/,
    ],
    [
      'a threshold in quotes for the timestamp',
      (signed) => void (objectAt(signed, 'roles', 'timestamp')['threshold'] = '1'),
      /^root\.roles\.timestamp\.threshold should be/,
    ],
    [
      'no targets role',
      (signed) => void delete objectAt(signed, 'roles')['targets'],
      /^root\.roles\.targets should be an object, but is nothing of the kind$/,
    ],
    [
      'a key that is not filed',
      (signed) => void (objectAt(signed, 'roles', 'root')['keyids'] = ['e'.repeat(64)]),
      /^key e{64} should be an object/,
    ],
    [
      'consistent_snapshot in quotes',
      (signed) => void (signed['consistent_snapshot'] = 'true'),
      /^root\.consistent_snapshot should be a boolean$/,
    ],
    [
      'Roles beside roles',
      (signed) => void (signed['Roles'] = {}),
      /^root\.signed has "Roles" where "roles" is meant$/,
    ],
    [
      'TARGETS beside targets',
      (signed) => void (objectAt(signed, 'roles')['TARGETS'] = {}),
      /^root\.roles has "TARGETS" where "targets" is meant$/,
    ],
  ];
  for (const [why, signed, message] of bad)
    test(`is not ${why}`, () => refuses(forged(signed), 'MALFORMED', message));

  test('a threshold above the keys of a role, which is refused when the role is used', () => {
    const { repository, client } = publish();
    repository.rotate('timestamp', { keys: repository.keys('timestamp'), threshold: 2 });
    repository.publish();
    refuses(() => client.update(), 'BAD_SIGNATURE', 'timestamp needs 2 signatures, but has 1 keys');
  });
});
