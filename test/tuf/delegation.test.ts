import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import type { Json } from '../../src/tuf/canonical-json.ts';
import type { Delegation } from '../../src/tuf/delegation.ts';
import { delegationKeys, maySign, readDelegations } from '../../src/tuf/delegation.ts';
import { json, refuses } from './refuses.ts';

const alice = SigningKey.plain(generatePrivateKey('p256'));
const future = { keytype: 'ml-dsa-65', keyval: { private: null, public: 'AAAA' } };
/** SHA-256 of {"keytype":"ml-dsa-65","keyval":{"private":null,"public":"AAAA"}}. */
const futureId = new SigningKey(alice.privateKey, 'ml-dsa-65' as 'ecdsa', Buffer.alloc(3)).id;
const keys = { [alice.id]: alice.shown, [futureId]: future };
const role = (name: string, more: object = {}): object => ({
  name,
  keyids: [alice.id],
  threshold: 1,
  paths: [''],
  ...more,
});
const read = (roles: unknown, parent = 'targets'): ReadonlyMap<string, Delegation> =>
  readDelegations(json({ keys, roles }), parent);

function only(more: object): Delegation {
  const delegation = read([role('targets/a', more)]).get('targets/a');
  assert.ok(delegation);
  return delegation;
}

describe('names of delegations', () => {
  const good = [
    'targets/releases',
    'targets/a',
    'targets/-',
    'targets/_',
    'targets/a-b_c',
    'targets/0',
    'targets/constructor',
    `targets/${'a'.repeat(247)}`,
  ];
  for (const name of good) {
    test(`${name.slice(0, 40)} is one of targets`, () =>
      assert.deepEqual([...read([role(name)]).keys()], [name]));
  }

  const bad = [
    'root',
    'snapshot',
    'timestamp',
    'targets',
    '',
    'a',
    'releases',
    'targets/',
    '/targets/a',
    'targets//a',
    'targets/a/',
    'targets/a/b',
    'targets/../a',
    'targets/./a',
    'targets/..',
    'targets/../../etc/x',
    'targets/A',
    'targets/a%2fb',
    'targets/a\0',
    'targets/a\n',
    'targets/a b',
    'targets/ä',
    'targets/a.json',
    'targets/a\\b',
    'Targets/a',
    'targetss/a',
    `targets/${'a'.repeat(248)}`,
  ];
  for (const name of bad) {
    test(`${JSON.stringify(name.slice(0, 40))} is none`, () => {
      const message = `targets.delegations names ${JSON.stringify(name.slice(0, 64))}, no child of targets`;
      refuses(() => read([role('targets/good'), role(name)]), 'MALFORMED', message);
    });
  }

  test('those of a delegation are its own children', () => {
    assert.equal(read([role('targets/a/b')], 'targets/a').size, 1);
    for (const name of ['targets/b', 'targets/a', 'targets/a/b/c', 'targets/ab/c']) {
      refuses(() => read([role(name)], 'targets/a'), 'MALFORMED', /no child of targets\/a$/);
    }
  });

  test('one that stands twice is refused', () => {
    refuses(
      () => read([role('targets/a'), role('targets/b'), role('targets/a')]),
      'MALFORMED',
      'targets.delegations names targets/a twice',
    );
  });
});

describe('what a delegation says', () => {
  test('no delegations, however that is written', () => {
    for (const value of [
      undefined,
      null,
      {},
      { keys: {}, roles: null },
      { keys: null, roles: [] },
      { roles: [] },
    ]) {
      const given = value === undefined ? undefined : json(value);
      assert.equal(readDelegations(given, 'targets').size, 0);
    }
  });

  const bad: readonly (readonly [why: string, more: object, message: string | RegExp])[] = [
    ['threshold 0', { threshold: 0 }, 'targets/a.threshold should be a positive integer, but is 0'],
    ['threshold null', { threshold: null }, 'targets/a.threshold should be a positive integer, but is null'],
    ['a key that is not filed', { keyids: ['e'.repeat(64)] }, /^key e{64} should be an object/],
    ['a key id twice', { keyids: [alice.id, alice.id] }, 'targets/a names a key id twice'],
    ['a path that is a number', { paths: [7] }, 'targets/a.paths[] should be a string, but is 7'],
    ['paths that are a string', { paths: '' }, 'targets/a.paths should be an array, but is ""'],
    [
      'Paths beside paths',
      { Paths: ['x'] },
      'targets.delegations.roles[] has "Paths" where "paths" is meant',
    ],
    [
      'NAME beside name',
      { NAME: 'targets/b' },
      'targets.delegations.roles[] has "NAME" where "name" is meant',
    ],
  ];
  for (const [why, more, message] of bad)
    test(`${why} is refused`, () => refuses(() => only(more), 'MALFORMED', message));

  test('a key filed under the id of another is refused, whoever uses it', () => {
    const swapped = { keys: { [alice.id]: future }, roles: [role('targets/a')] };
    refuses(
      () => readDelegations(json(swapped), 'targets'),
      'MALFORMED',
      `key ${alice.id} hashes to ${futureId}`,
    );
  });

  test('a key that a thousand delegations name is hashed once: it may be of many megabytes', () => {
    let hashed = 0;
    class Counted extends Map<string, Json> {
      override get(id: string): Json | undefined {
        hashed += 1;
        return super.get(id);
      }
    }
    const roles = Array.from({ length: 1000 }, (_, n) => role(`targets/${n}`));
    const file = new Map<string, Json>([
      ['keys', new Counted([[alice.id, json(alice.shown)]])],
      ['roles', json(roles)],
    ]);
    assert.equal(readDelegations(file, 'targets').size, 1000);
    assert.equal(hashed, 1);
  });

  test('a private key is refused, whoever uses it', () => {
    const secret = { keytype: 'ecdsa', keyval: { private: 'AAAA', public: 'AAAA' } };
    const file = { keys: { [alice.id]: secret }, roles: [role('targets/a')] };
    refuses(
      () => readDelegations(json(file), 'targets'),
      'MALFORMED',
      `key ${alice.id} carries a private key`,
    );
  });

  test('a key of an unknown kind is no hindrance until its role is used', () => {
    const roles = read([role('targets/new', { keyids: [futureId] }), role('targets/a')]);
    const [next, known] = [roles.get('targets/new'), roles.get('targets/a')];
    assert.ok(next && known);
    assert.deepEqual(
      delegationKeys(known).keys.map(({ id }) => id),
      [alice.id],
    );
    refuses(() => delegationKeys(next), 'MALFORMED', `key ${futureId} is of the unknown type "ml-dsa-65"`);
  });
});

describe('what a delegation may sign', () => {
  const cases: readonly (readonly [
    paths: readonly string[] | undefined | null,
    tag: string,
    may: boolean,
  ])[] = [
    [[''], 'v1', true],
    [['v'], 'v1', true],
    [['v1'], 'v1', true],
    [['v1.'], 'v1', false],
    [['ci-', 'v'], 'v1', true],
    [['ci-'], 'v1', false],
    [['V'], 'v1', false],
    [['*'], 'v1', false],
    [['v*'], 'v1', false],
    [['.'], 'v1', false],
    [[], 'v1', false],
    [null, 'v1', false],
    [undefined, 'v1', false],
  ];
  for (const [paths, tag, may] of cases) {
    test(`paths ${JSON.stringify(paths) ?? 'missing'} ${may ? 'allow' : 'do not allow'} ${tag}`, () => {
      assert.equal(maySign(only({ paths }), tag), may);
    });
  }
});
