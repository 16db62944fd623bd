import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDockerConfig } from '../../src/oci/docker-config.ts';

test('whatever a config.json says, it is read or refused, and a refusal is one short line', () => {
  const key = fc.constantFrom(
    'auths',
    'credHelpers',
    'credsStore',
    'auth',
    'username',
    'password',
    'a',
    '__proto__',
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(fc.jsonValue(), fc.string(), fc.constantFrom('', 'YTpi', 'ecr-login'), tie('object')),
    object: fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
  }));
  const config = fc.dictionary(key, tree, { maxKeys: 4 }).map((value) => JSON.stringify(value));
  fc.assert(
    fc.property(fc.oneof(config, fc.string(), fc.json()), (text) => {
      const read = parseDockerConfig(text);
      if ('problem' in read) {
        assert.match(read.problem, /^[^\n]{1,300}$/);
        return;
      }
      for (const credential of read.auths.values()) {
        const { username, password } = 'password' in credential ? credential : { username: '', password: '' };
        assert.doesNotMatch(`${username}${password}`, /\p{Cc}/u);
        assert.doesNotMatch(username, /:/);
      }
    }),
  );
});

test('what Docker Desktop and the docker CLI write is read', () => {
  const text = `{
    "auths": { "https://index.docker.io/v1/": {}, "reg.example": { "auth": "YTpi", "email": "a@b.example" } },
    "HttpHeaders": { "User-Agent": "Docker-Client/19.03.12 (linux)" },
    "credsStore": "desktop",
    "credHelpers": { "123456789012.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login" },
    "currentContext": "default"
  }`;
  assert.deepEqual(parseDockerConfig(text), {
    auths: new Map([['reg.example', { username: 'a', password: 'b' }]]),
    programs: new Map([['123456789012.dkr.ecr.eu-west-1.amazonaws.com', 'ecr-login']]),
    store: 'desktop',
  });
});

const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64');
const entries: readonly (readonly [what: string, entry: unknown, read: unknown])[] = [
  ['an account in auth', { auth: base64('a:b:c') }, { username: 'a', password: 'b:c' }],
  ['an account in words', { username: 'a', password: 'b' }, { username: 'a', password: 'b' }],
  ['an identity token', { identitytoken: 't', auth: base64('a:') }, { identityToken: 't' }],
  ['a user that means a token', { username: '<token>', password: 't' }, { identityToken: 't' }],
  ['empty members', { identitytoken: '', auth: '', username: '', password: '' }, undefined],
  ['nothing', {}, undefined],
];
for (const [what, entry, read] of entries) {
  test(`${what}: what an entry says is read`, () => {
    const config = parseDockerConfig(JSON.stringify({ auths: { 'reg.example': entry } }));
    assert.deepEqual('auths' in config ? config.auths.get('reg.example') : config, read);
  });
}

for (const [what, config] of [
  ['no JSON', '{'],
  ['a list', '[]'],
  ['a store that is no name', '{"credsStore":"../x"}'],
  ['a store that is a number', '{"credsStore":1}'],
  ['programs that are a list', '{"credHelpers":[]}'],
  ['entries that are a text', '{"auths":"x"}'],
  ['a program that is no name', '{"credHelpers":{"a":"b c"}}'],
  ['a program that is a number', '{"credHelpers":{"a":1}}'],
  ['an entry that is a text', '{"auths":{"a":"b"}}'],
  ['an auth that is a number', '{"auths":{"a":{"auth":1}}}'],
  ['an auth that is no base64', '{"auths":{"a":{"auth":"!!"}}}'],
  ['an auth without a colon', `{"auths":{"a":{"auth":"${base64('ab')}"}}}`],
  ['an auth that is no UTF-8', `{"auths":{"a":{"auth":"${base64(Uint8Array.of(0xff, 0x3a, 0x61))}"}}}`],
  ['an auth without a user', `{"auths":{"a":{"auth":"${base64(':b')}"}}}`],
  ['an auth without a password', `{"auths":{"a":{"auth":"${base64('a:')}"}}}`],
  ['a token that is a number', '{"auths":{"a":{"identitytoken":1}}}'],
  ['a password alone', '{"auths":{"a":{"password":"b"}}}'],
  ['a password with a line in it', '{"auths":{"a":{"username":"a","password":"b\\nc"}}}'],
  ['a long name of an entry', `{"auths":{"${'n'.repeat(500)}":1}}`],
] as const) {
  test(`${what}: a config.json is refused in one short line that repeats no secret`, () => {
    const read = parseDockerConfig(config);
    assert.match('problem' in read ? read.problem : '', /^[^\n]{1,200}$/);
  });
}

test('an empty name of a program says that auths has the credentials', () => {
  const read = parseDockerConfig('{"credsStore":"","credHelpers":{"a":""}}');
  assert.deepEqual(read, { auths: new Map(), programs: new Map([['a', '']]), store: undefined });
});
