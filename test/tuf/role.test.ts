import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { describe, test } from 'node:test';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import type { Metadata } from '../../src/tuf/envelope.ts';
import { readKey } from '../../src/tuf/key/key.ts';
import type { RoleKeys } from '../../src/tuf/role.ts';
import { checkThreshold, readFiledKeys, readRoleKeys } from '../../src/tuf/role.ts';
import { SignatureVerifier } from '../../src/tuf/key/signature.ts';
import { json, refuses } from './refuses.ts';

const message = Buffer.from('{"_type":"Targets"}');
const verifier = new SignatureVerifier();
const make = (): SigningKey => SigningKey.plain(generatePrivateKey('p256'));
const certified = (key: KeyObject, name: string): SigningKey =>
  SigningKey.certified(key, {
    commonNames: [name],
    notBefore: new Date(0),
    notAfter: new Date('2040-01-01'),
  });
const [a, b, c, stranger] = [make(), make(), make(), make()];

function rule(threshold: number, ...keys: readonly SigningKey[]): RoleKeys {
  const read = keys.map((key) => {
    const object = json(key.shown);
    assert.ok(object instanceof Map);
    return readKey(object, key.id);
  });
  return { keys: read, threshold };
}

type Entry = {
  readonly by: SigningKey;
  readonly as?: string;
  readonly method?: string;
  readonly over?: Uint8Array;
};

function file(...entries: readonly Entry[]): Metadata {
  const signatures = entries.map(({ by, as = by.id, method, over = message }) => {
    const signature = by.sign(over);
    return { keyId: as, method: method ?? signature.method, bytes: Buffer.from(signature.sig, 'base64') };
  });
  return { bytes: message, sha256: '', message, signatures, version: 5, expires: new Date(0) };
}

const passes = (keys: RoleKeys, signed: Metadata): void => checkThreshold('targets', signed, keys, verifier);
const fails = (keys: RoleKeys, signed: Metadata, needed: number, found: number): void =>
  refuses(
    () => passes(keys, signed),
    'BAD_SIGNATURE',
    `targets version 5 needs ${needed} valid signatures, but has ${found}`,
  );

describe('a threshold', () => {
  test('is met by that many keys, and by more', () => {
    passes(rule(1, a), file({ by: a }));
    passes(rule(2, a, b, c), file({ by: a }, { by: c }));
    passes(rule(2, a, b, c), file({ by: c }, { by: b }, { by: a }));
  });

  test('is not met by one fewer, and the message says how many there are', () => {
    fails(rule(2, a, b, c), file({ by: b }), 2, 1);
    fails(rule(3, a, b, c), file({ by: a }, { by: b }), 3, 2);
    fails(rule(1, a), file({ by: stranger }), 1, 0);
  });

  test('counts valid signatures only, and is not hindered by others', () => {
    passes(rule(1, a, b), file({ by: b, over: Buffer.from('other') }, { by: stranger }, { by: a }));
    fails(rule(2, a, b), file({ by: a }, { by: b, over: Buffer.from('other') }), 2, 1);
    fails(rule(2, a, b), file({ by: a }, { by: stranger, as: b.id }), 2, 1);
    fails(rule(1, a), file({ by: a, method: 'rsapss' }), 1, 0);
    fails(rule(1, a), file({ by: a, method: 'none' }), 1, 0);
  });

  test('does not count the key of another role, though it is filed', () => {
    fails(rule(1, a), file({ by: b }), 1, 0);
  });

  test('does not count a signature that names another key', () => {
    fails(rule(1, a), file({ by: a, as: b.id }), 1, 0);
  });

  test('above the number of keys can be met by nobody', () => {
    const run = (): void => passes(rule(3, a, b), file({ by: a }, { by: b }, { by: c }));
    refuses(run, 'BAD_SIGNATURE', 'targets needs 3 signatures, but has 2 keys');
    refuses(
      () => passes(rule(1), file({ by: a })),
      'BAD_SIGNATURE',
      'targets needs 1 signatures, but has 0 keys',
    );
  });

  test('counts a key once, whatever certificates wrap it (GHSA-3633-5h82-39pq)', () => {
    const key = generatePrivateKey('p256');
    const [one, two, plain] = [certified(key, 'one'), certified(key, 'two'), SigningKey.plain(key)];
    assert.equal(new Set([one.id, two.id, plain.id]).size, 3);
    const signed = file({ by: one }, { by: two }, { by: plain });
    refuses(
      () => passes(rule(2, one, two, plain), signed),
      'BAD_SIGNATURE',
      'targets needs 2 signatures, but has 1 keys',
    );
    fails(rule(2, one, two, a), signed, 2, 1);
    passes(rule(2, one, two, a), file({ by: two }, { by: a }));
    passes(rule(1, one), signed);
  });

  test('counts an RSA key once as rsa and as rsa-x509', () => {
    const key = generatePrivateKey('rsa2048');
    const [plain, wrapped] = [SigningKey.plain(key), certified(key, 'x')];
    fails(rule(2, plain, wrapped, a), file({ by: plain }, { by: wrapped }), 2, 1);
  });

  test('is met among 64 signatures, of which 63 are by strangers', () => {
    const many = Array.from({ length: 63 }, (_, n): Entry => ({
      by: stranger,
      as: n.toString(16).padStart(64, '0'),
    }));
    passes(rule(1, a), file(...many, { by: a }));
  });
});

describe('a role as it stands in a file', () => {
  const filed = readFiledKeys(
    json({ [a.id]: a.shown, [b.id]: b.shown, ['f'.repeat(64)]: { keytype: 7 } }),
    'root.keys',
  );
  const read = (role: unknown): unknown => readRoleKeys(json(role), 'root.roles.targets', filed, new Set());

  test('names its keys and threshold', () => {
    assert.deepEqual(read({ keyids: [b.id, a.id], threshold: 2 }), { keyIds: [b.id, a.id], threshold: 2 });
  });

  for (const threshold of [0, -1, '1', null, true, [1]]) {
    test(`is refused with the threshold ${JSON.stringify(threshold)}`, () => {
      refuses(
        () => read({ keyids: [a.id], threshold }),
        'MALFORMED',
        /^root\.roles\.targets\.threshold should be a positive integer, but is /,
      );
    });
  }

  const bad: readonly (readonly [why: string, role: unknown, message: string | RegExp])[] = [
    [
      'without a threshold',
      { keyids: [a.id] },
      /threshold should be a positive integer, but is nothing of the kind$/,
    ],
    [
      'with a key id twice',
      { keyids: [a.id, a.id], threshold: 1 },
      'root.roles.targets names a key id twice',
    ],
    [
      'with a key that is not filed',
      { keyids: [c.id], threshold: 1 },
      `key ${c.id} should be an object, but is nothing of the kind`,
    ],
    [
      'with a key that is none',
      { keyids: ['f'.repeat(64)], threshold: 1 },
      /\.?keyval should be an object|key f+ should be an object/,
    ],
    ['with a short key id', { keyids: [a.id.slice(1)], threshold: 1 }, /should be a key id/],
    ['with an upper-case key id', { keyids: [a.id.toUpperCase()], threshold: 1 }, /should be a key id/],
    [
      'without key ids',
      { threshold: 1 },
      'root.roles.targets.keyids should be an array, but is nothing of the kind',
    ],
    [
      'with keyIDs',
      { keyIDs: [a.id], keyids: [a.id], threshold: 1 },
      'root.roles.targets has "keyIDs" where "keyids" is meant',
    ],
    ['of null', null, 'root.roles.targets should be an object, but is null'],
  ];
  for (const [why, role, message_] of bad)
    test(`is refused ${why}`, () => refuses(() => read(role), 'MALFORMED', message_));

  test('is refused if a key is filed under the id of another', () => {
    const swapped = readFiledKeys(json({ [a.id]: b.shown }), 'root.keys');
    const run = (): unknown =>
      readRoleKeys(json({ keyids: [a.id], threshold: 1 }), 'root', swapped, new Set());
    refuses(run, 'MALFORMED', `key ${a.id} hashes to ${b.id}`);
  });

  test('names at most 64 keys', () => {
    const many = (count: number): unknown =>
      read({
        keyids: Array.from({ length: count }, (_, n) => n.toString(16).padStart(64, '0')),
        threshold: 1,
      });
    refuses(() => many(65), 'MALFORMED', 'root.roles.targets names 65 keys, and 64 are the limit');
    refuses(() => many(64), 'MALFORMED', /^key 0{64} should be an object/);
  });

  test('keys are filed under key ids only', () => {
    refuses(
      () => readFiledKeys(json({ __x: a.shown }), 'root.keys'),
      'MALFORMED',
      'root.keys name should be a key id, but is "__x"',
    );
  });
});
