import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { certified, folderOf, listed, load, refuse, textOf } from './folder.ts';

// Made by Apache's htpasswd 2.4: -nbB -C 4, -C 5, -m, -s, -d, -p.
const bcrypt = '$2y$04$yt4wXzuw.uM/iEmRAVD9geGoquj60JQJE/VIWlXodHCSJDZFhxp2q';
const dearer = '$2y$05$rEef1Wg2BMU.ONbGkreeWOQ8yTcjM4tZmbF.aAZCzMjhEl/aitmCC';
const md5 = '$apr1$CDJoues/$WABXm4.2SuMyxw.nO3wW81';
const sha1 = '{SHA}87u9ZqY9S/F0eUBXjsPQEDUw4h0=';
const crypt = 'TLPFs0uBDTFWU';

const withUsers = textOf({ clients: 'clients: { htpasswd_file: users }\n' });
const withAuthority = textOf({ clients: 'clients: { ca_file: ca }\n' });
const tls = 'tls: { cert_file: crt, key_file: key }\n';
const withDocker = textOf({
  registries:
    'registries:\n  reg.example:\n    upstream: https://reg.example\n    auth: { docker_config_file: docker.json }\n',
});
const gate = certified();

test('an htpasswd file gives its users, without comments and empty lines', (t) => {
  const other = bcrypt.replace('$2y$04', '$2b$14');
  const users = `# ours\nalice:${bcrypt}\r\n\n  \nbob smith:${dearer}\nzoë:${other}`;
  assert.deepEqual(load(t, withUsers, { users }).clients, {
    kind: 'htpasswd',
    users: new Map([
      ['alice', bcrypt],
      ['bob smith', dearer],
      ['zoë', other],
    ]),
  });
});

const noBcrypt = 'has no bcrypt hash ($2y$, $2a$ or $2b$), as htpasswd -B makes it';
const badUsers: readonly [what: string, users: string, problem: string][] = [
  ['is empty', '', 'that is empty'],
  ['names nobody', '# nobody\n\n', 'without a user'],
  ['has an MD5 hash', `alice:${bcrypt}\nbob:${md5}\n`, `whose line 2 ${noBcrypt}`],
  ['has a SHA-1 hash', `# x\n\nbob:${sha1}\n`, `whose line 3 ${noBcrypt}`],
  ['has a crypt hash', `bob:${crypt}\n`, `whose line 1 ${noBcrypt}`],
  ['has a plain password', 'bob:hunter2\n', `whose line 1 ${noBcrypt}`],
  ['has a hash that is cut', `bob:${bcrypt.slice(0, -1)}\n`, `whose line 1 ${noBcrypt}`],
  ['has a hash with more behind it', `bob:${bcrypt}:x\n`, `whose line 1 ${noBcrypt}`],
  ['has another kind of bcrypt', `bob:${bcrypt.replace('$2y', '$2x')}\n`, `whose line 1 ${noBcrypt}`],
  ['has a line without a colon', 'bob\n', 'whose line 1 does not begin with a user name and a colon'],
  ['has nobody’s hash', `:${bcrypt}\n`, 'whose line 1 does not begin with a user name and a colon'],
  [
    'has a hash that is too cheap',
    `bob:${bcrypt.replace('$04', '$03')}\n`,
    'whose line 1 has a bcrypt hash whose cost is not from 4 to 14',
  ],
  [
    'has a hash that is too dear',
    `bob:${bcrypt.replace('$04', '$15')}\n`,
    'whose line 1 has a bcrypt hash whose cost is not from 4 to 14',
  ],
  [
    'names a user twice',
    `bob:${bcrypt}\nalice:${bcrypt}\nbob:${dearer}\n`,
    'whose line 3 names a user whom an earlier line names',
  ],
];

for (const [what, users, problem] of badUsers) {
  test(`refused: an htpasswd file that ${what}`, (t) => {
    const error = refuse(t, withUsers, { users });
    assert.deepEqual(listed(error), [`9:27 "htpasswd_file" names a file ${problem}`]);
    assert.doesNotMatch(error.message, /yt4wXzuw|rEef1Wg2|WABXm4|87u9ZqY9|TLPFs0u|hunter2/);
  });
}

test('client certificates are asked for by their authorities, within TLS only', (t) => {
  const ca = certified({ isCa: true }).cert;
  const files = { ca, crt: gate.cert, key: gate.key };
  assert.deepEqual(load(t, withAuthority + tls, files).clients, { kind: 'certificates', ca });
  assert.deepEqual(listed(refuse(t, withAuthority, files)), [
    '9:21 "ca_file" needs "tls": clients show their certificates only within TLS',
  ]);
});

test('clients are told apart in exactly one way', (t) => {
  const files = { ca: certified({ isCa: true }).cert, users: `a:${bcrypt}\n`, crt: gate.cert, key: gate.key };
  for (const clients of ['{}', '{ htpasswd_file: users, ca_file: ca }']) {
    assert.deepEqual(listed(refuse(t, textOf({ tls, clients: `clients: ${clients}\n` }), files)), [
      '10:10 "clients" must have exactly one of htpasswd_file and ca_file',
    ]);
  }
});

test('a Docker config.json is named by its whole path, as it is read again later', (t) => {
  const folder = folderOf(t, { 'gate.yaml': withDocker, 'docker.json': '{"auths":{}}' });
  const { registries } = loadConfig(join(folder, 'gate.yaml'), {});
  assert.deepEqual(registries.get('reg.example')?.auth, { dockerConfig: join(folder, 'docker.json') });
});

test('a Docker config.json that is not there or not one is refused', (t) => {
  const problem = (files: Record<string, string>): string[] => listed(refuse(t, withDocker, files));
  assert.deepEqual(problem({}), ['5:33 "docker_config_file" names a file that does not exist']);
  assert.deepEqual(problem({ 'docker.json': '{"auths":' }), [
    '5:33 "docker_config_file" names a file that is not a JSON object',
  ]);
  assert.deepEqual(problem({ 'docker.json': '{"auths":{"reg.example":{"auth":"aHVudGVyMg=="}}}' }), [
    '5:33 "docker_config_file" names a file that has a broken entry for "reg.example" in "auths"',
  ]);
});

test('Docker Hub’s token server is known; any other on another host has to be named', (t) => {
  const realmOf = (keys: string): string | undefined => {
    const registries = `registries:\n  reg.example: { ${keys} }\n`;
    return load(t, textOf({ registries })).registries.get('reg.example')?.tokenRealm;
  };
  assert.equal(realmOf('upstream: https://registry-1.docker.io'), 'https://auth.docker.io/token');
  assert.equal(realmOf('upstream: https://registry-1.docker.io:444'), undefined);
  assert.equal(realmOf('upstream: http://registry-1.docker.io'), undefined);
  const named = 'token_realm: https://auth.example/token';
  assert.equal(realmOf(`upstream: https://registry-1.docker.io, ${named}`), 'https://auth.example/token');
  assert.equal(
    realmOf(`upstream: https://a.example, auth: anonymous, ${named}`),
    'https://auth.example/token',
  );
  const notaries = `notaries: { main: { url: https://n.example, ${named} } }\n`;
  assert.equal(load(t, textOf({ notaries })).notaries.get('main')?.tokenRealm, 'https://auth.example/token');
});
