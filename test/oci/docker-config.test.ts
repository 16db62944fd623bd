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
