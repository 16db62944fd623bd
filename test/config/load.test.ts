import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { folderOf, listed, load, refuse, textOf } from './folder.ts';

const rule = (keys: string): string => `rules:\n  - { match: reg.example/**, ${keys} }\n`;
const upstream = 'upstream: https://reg.example';

test('what is left out has its documented default', (t) => {
  const config = load(t, textOf());
  assert.deepEqual(config.admin, { host: '127.0.0.1', port: 9095 });
  assert.equal(config.statePath, '/var/lib/tufgate/state.db');
  assert.deepEqual(config.tls, []);
  assert.equal(config.publicUrl, undefined);
  assert.deepEqual(config.clients, { kind: 'anyone' });
  assert.equal(config.defaultRegistry, undefined);
  assert.deepEqual(config.registries.get('reg.example'), {
    name: 'reg.example',
    upstream: 'https://reg.example',
    hosts: [],
    aliases: [],
    auth: 'forward',
    push: 'deny',
    blobs: 'proxy',
    tokenRealm: undefined,
    ca: undefined,
  });
  assert.deepEqual(config.notaries.get('main'), {
    name: 'main',
    url: 'https://notary.example:4443/base',
    auth: 'anonymous',
    tokenRealm: undefined,
    ca: undefined,
  });
  assert.deepEqual(config.rules, [
    {
      match: 'reg.example/**',
      mode: 'enforce',
      digests: 'signed',
      tags: 'signed',
      keep: 0,
      exceptions: [],
      trust: {
        notary: 'main',
        gunTemplate: '{registry}/{repository}',
        pin: { kind: 'first-use' },
        signers: [],
        checkEvery: 60_000,
        outageGrace: 0,
      },
    },
  ]);
  assert.deepEqual(config.limits, {
    rootBytes: 1024 ** 2,
    timestampBytes: 64 * 1024,
    snapshotBytes: 16 * 1024 ** 2,
    targetsBytes: 32 * 1024 ** 2,
    manifestBytes: 4 * 1024 ** 2,
    manifestCacheBytes: 64 * 1024 ** 2,
    rootRotations: 256,
    downloadTimeout: 10_000,
    retryAfter: 5000,
    expandManifests: 100,
    drainTimeout: 30_000,
  });
});

test('what is written is taken: durations, sizes, addresses, pins, exceptions', (t) => {
  const digest = `sha256:${'d'.repeat(64)}`;
  const keys = `[${'0'.repeat(63)}a]`;
  const config = load(
    t,
    textOf({
      listen: 'listen: "[::1]:5000"\nstate: sqlite:state/trust.db\npublic_url: https://gate.example:443/\n',
      notaries: 'notaries: { main: { url: http://notary.example/a/b/ } }\n',
      rules:
        `rules:\n  - { match: reg.example/a, mode: audit, notary: main, root: { keys: ${keys} }, digests: any, tags: all,` +
        ' gun: fixed/name, signers: [targets/alice], check_every: 0, outage_grace: 90m, keep: 720h, exceptions: [' +
        ` { reference: v1.2, until: 2026-12-31T23:59:59Z, why: x }, { digest: ${digest}, until: 1970-01-01T00:00:00Z, why: y },` +
        ` { reference: V_1, digest: ${digest}, until: 2028-02-29T00:00:00Z, why: z }] }\n` +
        '  - { match: reg.example/**, mode: allow }\n',
      limits: 'limits: { root_bytes: 3B, drain_timeout: 0, download_timeout: 250ms, expand_manifests: 0 }\n',
    }),
  );
  assert.deepEqual(config.listen, { host: '::1', port: 5000 });
  assert.match(config.statePath, /^\/.*\/state\/trust\.db$/);
  assert.equal(config.publicUrl, 'https://gate.example');
  assert.equal(config.notaries.get('main')?.url, 'http://notary.example/a/b');
  assert.deepEqual(config.rules, [
    {
      match: 'reg.example/a',
      mode: 'audit',
      digests: 'any',
      tags: 'all',
      keep: 720 * 3_600_000,
      exceptions: [
        { reference: 'v1.2', digest: undefined, until: Date.UTC(2026, 11, 31, 23, 59, 59), why: 'x' },
        { reference: undefined, digest, until: 0, why: 'y' },
        { reference: 'V_1', digest, until: Date.UTC(2028, 1, 29), why: 'z' },
      ],
      trust: {
        notary: 'main',
        gunTemplate: 'fixed/name',
        pin: { kind: 'keys', ids: [`${'0'.repeat(63)}a`] },
        signers: ['targets/alice'],
        checkEvery: 0,
        outageGrace: 5_400_000,
      },
    },
    { match: 'reg.example/**', mode: 'allow' },
  ]);
  const { rootBytes, drainTimeout, downloadTimeout, expandManifests } = config.limits;
  assert.deepEqual([rootBytes, drainTimeout, downloadTimeout, expandManifests], [3, 0, 250, 0]);
});

test('a configuration with ten different mistakes reports all ten, in order, with place and likely word', (t) => {
  const error = refuse(
    t,
    [
      'lisen: 127.0.0.1:0',
      'listen: 5000',
      'registries:',
      '  reg.example:',
      '    upstream: https://reg.example/v2',
      '    auth: forwrd',
      '    push: deny',
      '    push: allow',
      'notaries:',
      '  main: { url: "https://notary.example", ca_file: nowhere.crt }',
      'rules:',
      '  - match: reg.example/**',
      '    mode: enforc',
      '    notary: mian',
      '  - match: reg.exmple/a',
      '    mode: allow',
      '    signers: [targets/alice]',
      '',
    ].join('\n'),
  );
  assert.deepEqual(listed(error), [
    '1:1 unknown key "lisen" (did you mean "listen"?)',
    '2:9 "listen" must be text, not a number (put quotes around it if it is text)',
    '5:15 "upstream" must not have a path: only scheme, host and port',
    '6:11 "auth" must be "forward", "anonymous", an account (username and password_file) or a docker_config_file (did you mean "forward"?)',
    '8:5 duplicate key "push", given before on line 7',
    '10:51 "ca_file" names a file that does not exist',
    '13:11 "mode" must be one of "enforce", "audit", "allow", "deny" (did you mean "enforce"?)',
    '14:13 "notary" names no configured notary (did you mean "main"?)',
    '15:12 "match" must begin with the name of a registry under "registries" (did you mean "reg.example"?)',
    '17:5 "signers" has no meaning in a rule whose mode is allow',
  ]);
});

test('an error prints every problem with its source line, a caret and the likely word', (t) => {
  const folder = folderOf(t, {
    'gate.yaml': textOf({ rules: rule('mode: alow'), limits: '\tlimits: {}\n' }),
  });
  const tabs = join(folder, 'gate.yaml');
  assert.throws(() => loadConfig(tabs, {}), /gate\.yaml:9:1: error: [^\n]*\n\tlimits: \{\}\n\^/);

  const error = refuse(t, textOf({ rules: rule('mode: alow'), limits: 'limit: {}\n' }));
  const file = error.problems[0]?.file;
  assert.equal(
    error.message,
    [
      `${file}:8:36: error: "mode" must be one of "enforce", "audit", "allow", "deny"`,
      '  - { match: reg.example/**, mode: alow }',
      '                                   ^',
      'did you mean "allow"?',
      `${file}:9:1: error: unknown key "limit"`,
      'limit: {}',
      '^',
      'did you mean "limits"?',
    ].join('\n'),
  );
  assert.equal(String(error), error.message);
});

test('the caret stands under its column, tabs and all', (t) => {
  const { message } = refuse(t, textOf({ listen: 'listen:\t5000\n' }));
  assert.deepEqual(message.split('\n').slice(1), ['listen:\t5000', '       \t^']);
});

test('a misspelled mode hides nothing else, and demands nothing that follows from a mode', (t) => {
  const rules = 'rules:\n  - { match: reg.example/a, mode: enforc, sginers: [], check_every: never }\n';
  assert.deepEqual(
    refuse(t, textOf({ rules })).problems.map(({ message, hint }) => [message, hint]),
    [
      ['"mode" must be one of "enforce", "audit", "allow", "deny"', 'did you mean "enforce"?'],
      ['unknown key "sginers"', 'did you mean "signers"?'],
      ['"check_every" must be a duration: 0, or a whole number of ms, s, m or h, such as "30s"', undefined],
    ],
  );
});

test('two listeners may both leave the port to the system', (t) => {
  const { listen, admin } = load(t, textOf({ listen: 'listen: localhost:0\nadmin: localhost:0\n' }));
  assert.deepEqual([listen.port, admin.port], [0, 0]);
});

test('a host or alias leads to one registry, and an alias is no other registry’s name', (t) => {
  const registries = [
    'registries:',
    '  reg.example: { upstream: https://a.example, hosts: [x.example], aliases: [hub] }',
    '  quay: { upstream: https://b.example, hosts: [x.example], aliases: [hub] }',
    '  ghcr: { upstream: https://b.example, aliases: [quay] }',
    '',
  ].join('\n');
  assert.deepEqual(listed(refuse(t, textOf({ registries }))), [
    '4:48 this already leads to the registry "reg.example"',
    '4:70 this already leads to the registry "reg.example"',
    '5:50 this already leads to the registry "quay"',
  ]);
});

test('of rules that overlap, only those that tie are refused', (t) => {
  const matches = ['a/*/c', 'a/b/*', 'a/**', 'b/**', 'a/*', '**', '*', 'a/b/c'];
  const rules = matches.map((name) => `  - { match: reg.example/${name}, mode: deny }\n`).join('');
  assert.equal(load(t, textOf({ rules: `rules:\n${rules}` })).rules.length, matches.length);
});

test('a Docker Hub name is the same rule with and without library/', (t) => {
  const registries = `registries: { docker.io: { ${upstream} } }\n`;
  const rules =
    'rules:\n  - { match: docker.io/a, mode: deny }\n  - { match: docker.io/library/a, mode: deny }\n';
  assert.deepEqual(listed(refuse(t, textOf({ registries, rules }))), [
    '7:14 this rule ties with the one on line 6: both match the same names equally well',
  ]);
});

test('loading twice gives equal configurations and leaves the environment alone', (t) => {
  const folder = folderOf(t, { 'gate.yaml': textOf({ listen: 'listen: "${HOST}:0"\n' }) });
  const environment = Object.freeze({ HOST: 'localhost' });
  const path = join(folder, 'gate.yaml');
  assert.deepEqual(loadConfig(path, environment), loadConfig(path, environment));
});
