import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseChallenges, printChallenge } from '../../src/oci/challenge.ts';

test('reads the Bearer challenge of a registry', () => {
  const header =
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull",error="x"';
  assert.deepEqual(parseChallenges(header), [
    {
      scheme: 'bearer',
      realm: 'https://auth.docker.io/token',
      service: 'registry.docker.io',
      scope: 'repository:a/b:pull',
      error: 'x',
    },
  ]);
});

test('reads a Basic challenge, its scheme and parameter names in any case', () => {
  assert.deepEqual(parseChallenges('BASIC Realm="x", CharSet="UTF-8"'), [{ scheme: 'basic', realm: 'x' }]);
});

test('reads several challenges in their order and leaves out the schemes that no registry uses', () => {
  assert.deepEqual(
    parseChallenges('Negotiate, Basic realm="a, b=c", NTLM TlRM==,, Bearer realm=x , service = y'),
    [
      { scheme: 'basic', realm: 'a, b=c' },
      { scheme: 'bearer', realm: 'x', service: 'y' },
    ],
  );
});

test('resolves the escapes of a quoted string once', () => {
  assert.deepEqual(parseChallenges(String.raw`Bearer realm="a\"b\\\\c\,d"`), [
    { scheme: 'bearer', realm: String.raw`a"b\\c,d` },
  ]);
});

test('a scheme without parameters is a challenge', () => {
  assert.deepEqual(parseChallenges('Basic'), [{ scheme: 'basic' }]);
  assert.deepEqual(parseChallenges(' , Basic , Bearer '), [{ scheme: 'basic' }, { scheme: 'bearer' }]);
});

test('a quoted string may hold what looks like another challenge', () => {
  assert.deepEqual(parseChallenges('Basic realm="x, Bearer realm=\\"https://attacker/\\""'), [
    { scheme: 'basic', realm: 'x, Bearer realm="https://attacker/"' },
  ]);
});

for (const [what, header] of [
  ['an unfinished quoted string', 'Bearer realm="https://a'],
  ['an unfinished escape', 'Bearer realm="a\\'],
  ['a parameter twice', 'Bearer realm="https://a",realm="https://b"'],
  ['a parameter twice in another case', 'Bearer realm="https://a",REALM="https://b"'],
  ['two parameters without a comma', 'Bearer realm="a" service="b"'],
  ['two schemes without a comma', 'Bearer Basic realm="a"'],
  ['text after a quoted string', 'Bearer realm="a"b'],
  ['a parameter without a scheme', 'realm="a"'],
  ['a parameter without a value', 'Bearer realm=, service=x'],
  ['a line feed', 'Bearer realm="a\nb"'],
  ['a good challenge before a bad one', 'Basic realm="a", Bearer realm="'],
  ['more than 16 KiB', `Bearer realm="${'a'.repeat(16 * 1024)}"`],
] as const) {
  test(`${what} gives no challenge at all`, () => {
    assert.deepEqual(parseChallenges(header), []);
  });
}

test('an empty header gives no challenge', () => {
  assert.deepEqual(parseChallenges(''), []);
});

test('any parameter value comes back as it was quoted', () => {
  const text = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)) });
  const quote = (value: string): string => `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
  fc.assert(
    fc.property(text, text, (realm, service) => {
      const header = `Basic realm=${quote(service)}, Bearer realm=${quote(realm)},service=${quote(service)}`;
      assert.deepEqual(parseChallenges(header), [
        { scheme: 'basic', realm: service },
        { scheme: 'bearer', realm, service },
      ]);
    }),
  );
});

test('no text makes the parser throw', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('Basic', 'Bearer', 'x', '=', '"', ',', '\\', ' ', '\t', '\n') }),
      (text) => {
        parseChallenges(text);
      },
    ),
  );
});

test('a challenge is printed as it is read', () => {
  for (const challenge of [
    {
      scheme: 'bearer',
      realm: 'https://gate.example/token?ns=docker.io',
      service: 'tufgate',
      scope: 'repository:a:pull',
    },
    { scheme: 'bearer', realm: 'a"b\\c', error: 'insufficient_scope' },
    { scheme: 'basic', realm: 'tufgate' },
  ] as const) {
    assert.deepEqual(parseChallenges(printChallenge(challenge)), [challenge]);
  }
  assert.throws(() => printChallenge({ scheme: 'basic', realm: 'a\r\nb' }), TypeError);
});
