import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certified, listed, load, refuse, textOf } from './folder.ts';

const rule = (keys: string): string => `rules:\n  - { match: reg.example/**, ${keys} }\n`;
const enforce = 'mode: enforce, notary: main, root: { first_use: true }';
const registry = (keys: string): string => `registries:\n  reg.example: { ${keys} }\n`;
const upstream = 'upstream: https://reg.example';

test('a variable is filled in as text, and one that is unset or empty is refused', (t) => {
  const registries = registry('upstream: "https://${HOST}:${PORT}"');
  const { registries: loaded } = load(t, textOf({ registries }), {}, { HOST: 'a.example', PORT: '81' });
  assert.equal(loaded.get('reg.example')?.upstream, 'https://a.example:81');
  assert.deepEqual(listed(refuse(t, textOf({ registries }), {}, { HOST: 'a.example', PORT: '' })), [
    '3:28 the environment variable "PORT" is not set',
  ]);
  for (const name of ['__proto__', 'toString', 'HOST']) {
    const open = registry(`upstream: "https://\${${name}${name === 'HOST' ? '' : '}'}"`);
    const error = refuse(t, textOf({ registries: open }), {}, { HOST: 'a.example' });
    assert.deepEqual(listed(error), [`3:28 the environment variable ${JSON.stringify(name)} is not set`]);
  }
});

test('what a variable holds is neither YAML nor another variable', (t) => {
  const environment = { NAME: 'x }, evil: { upstream: https://e', AGAIN: '${NAME}' };
  const auth = 'auth: { username: "${AGAIN}", password_file: p }';
  const config = load(
    t,
    textOf({ registries: registry(`${upstream}, ${auth}`) }),
    { p: 'secret' },
    environment,
  );
  assert.deepEqual([...config.registries.keys()], ['reg.example']);
  const { auth: account } = config.registries.get('reg.example') ?? {};
  assert.deepEqual(account, { username: '${NAME}', password: 'secret' });
});

test('no secret is in an error: from a file, a variable, or written where none belongs', (t) => {
  const { key } = certified();
  const changed = {
    listen: 'listen: "${CANARY}"\n',
    tls: 'tls: { cert_file: key, key_file: key }\n',
    registries: [
      'registries:',
      '  reg.example: { upstream: "https://me:canary@reg.example", password: canary }',
      '  b.example:',
      '    upstream: me:can ary/canary@b.example',
      '    auth: { username: "${CANARY}:x", password_file: two-lines, secret: canary }',
      '  c.example: { upstream: "${CANARY}", auth: "${CANARY}", token: { a: canary }, push: "${CANARY}" }',
      '',
    ].join('\n'),
    rules: rule(`${enforce}, notary: "\${CANARY}", gun: "{\${CANARY}}"`),
    default: 'default_registry: "${CANARY}"\n',
  };
  const error = refuse(t, textOf(changed), { key, 'two-lines': 'canary\ncanary\n' }, { CANARY: 'canary' });
  assert.ok(error.problems.length >= 12, error.message);
  assert.match(
    error.message,
    /\n {2}reg\.example: \{ upstream: "https:\/\/\*\*\*@reg\.example", password: \*\*\*\n/,
  );
  const shown = `${error.message}${JSON.stringify(error.problems)}${error.stack}`;
  assert.doesNotMatch(shown, /canary/);
  assert.doesNotMatch(shown, new RegExp(key.split('\n')[1] ?? 'canary'));
});

test('the name of a file that holds a secret is shown', (t) => {
  const auth = 'auth: { username: me, password_file: nowhere }, token_realm: "http://x"';
  const { message } = refuse(t, textOf({ registries: registry(`${upstream}, ${auth}`) }));
  assert.match(message, /password_file: nowhere \}, token_realm: "http:\/\/x" \}/);
});
