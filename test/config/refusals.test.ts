import { test } from 'node:test';
import type { Refusal } from './folder.ts';
import { assertRefused } from './folder.ts';

const rule = (keys: string): string => `rules:\n  - { match: reg.example/**, ${keys} }\n`;
const enforce = 'mode: enforce, notary: main, root: { first_use: true }';
const registry = (keys: string): string => `registries:\n  reg.example: { ${keys} }\n`;
const upstream = 'upstream: https://reg.example';

const refusals: readonly Refusal[] = [
  ['a missing section', { listen: '§listen: h:1\n', rules: '' }, '"rules" is missing'],
  ['an empty section', { rules: 'rules:§\n' }, '"rules" must be a list, not nothing'],
  [
    'no registry',
    { registries: 'registries: §{}\n', rules: 'rules: []\n' },
    '"registries" must name at least one registry',
  ],
  [
    'tags of a rule that judges nothing',
    { rules: rule('mode: allow, §tags: all') },
    '"tags" has no meaning in a rule whose mode is allow',
  ],
  ['other tags', { rules: rule(`${enforce}, tags: §any`) }, '"tags" must be one of "signed", "all"'],
  [
    'a state elsewhere',
    { state: 'state: §postgres://db/x\n' },
    '"state" must be sqlite:PATH: this version keeps its state in SQLite only',
  ],
  [
    'a listen address without a host',
    { listen: 'listen: §":5000"\n' },
    '"listen" must be host:port, such as "0.0.0.0:5000" or "[::]:5000"',
  ],
  [
    'a port out of range',
    { listen: 'listen: §localhost:65536\n' },
    '"listen" must be host:port, such as "0.0.0.0:5000" or "[::]:5000"',
  ],
  [
    'one address for both listeners',
    { listen: 'listen: h:1\nadmin: §h:1\n' },
    '"admin" must be another address than "listen"',
  ],
  [
    'an upstream of another scheme',
    { registries: registry('upstream: §ftp://x') },
    '"upstream" must be an address that begins with https:// or http://',
  ],
  [
    'an upstream with a query',
    { registries: registry('upstream: §"https://x?a=b"') },
    '"upstream" must not have a query or a fragment',
  ],
  [
    'a notary address with dot segments',
    { notaries: 'notaries: { main: { url: §https://x/a/../b } }\n' },
    '"url" must be an address that begins with https:// or http://',
  ],
  [
    'a token server without https',
    { registries: registry(`${upstream}, token_realm: §http://x`) },
    '"token_realm" must begin with https://',
  ],
  [
    'an account without a password',
    { registries: registry(`${upstream}, §auth: { username: a }`) },
    '"password_file" is missing',
  ],
  [
    'a token server of the account',
    { registries: registry(`${upstream}, auth: { username: a, password_file: p, §token_realm: https://x }`) },
    'unknown key "token_realm"',
  ],
  [
    'an account and credentials that docker holds',
    { registries: registry(`${upstream}, auth: { username: a, password_file: p, §docker_config_file: x }`) },
    '"docker_config_file" cannot stand beside the other keys of "auth"',
  ],
  [
    'a notary’s credentials that docker holds',
    {
      notaries:
        'notaries: { main: { url: https://x, auth: { username: a, password_file: p, §docker_config_file: x } } }\n',
    },
    'unknown key "docker_config_file"',
  ],
  [
    'a registry name in capitals',
    { registries: `registries:\n  reg.example: { ${upstream} }\n  §Quay.io: { ${upstream} }\n` },
    '"Quay.io" must be a host in lower case, with its port if it has one',
  ],
  [
    'an unknown default registry',
    { default: 'default_registry: §reg.exampel\n' },
    '"default_registry" names no configured registry (did you mean "reg.example"?)',
  ],
  [
    'an enforce rule without a root',
    { rules: 'rules:\n  - §{ match: reg.example/**, mode: enforce, notary: main }\n' },
    '"root" is missing',
  ],
  [
    'an audit rule without a notary',
    { rules: 'rules:\n  - §{ match: reg.example/**, mode: audit, root: { first_use: true } }\n' },
    '"notary" is missing',
  ],
  [
    'a root of no kind',
    { rules: rule('mode: audit, notary: main, root: §{}') },
    '"root" must have exactly one of keys, ca_file, root_file, first_use',
  ],
  [
    'a root of two kinds',
    { rules: rule(`mode: audit, notary: main, root: §{ first_use: true, keys: [${'a'.repeat(64)}] }`) },
    '"root" must have exactly one of keys, ca_file, root_file, first_use',
  ],
  [
    'first_use: false',
    { rules: rule('mode: audit, notary: main, root: { first_use: §false }') },
    '"first_use" must be true; to pin a root instead, give keys, ca_file or root_file',
  ],
  [
    'an empty list of pins',
    { rules: rule('mode: audit, notary: main, root: { keys: §[] }') },
    '"keys" must not be empty',
  ],
  [
    'a key id in capitals',
    { rules: rule(`mode: audit, notary: main, root: { keys: [§${'A'.repeat(64)}] }`) },
    'each of "keys" must be 64 lower-case hexadecimal digits',
  ],
  [
    'a key id that YAML reads as a number',
    { rules: rule(`mode: audit, notary: main, root: { keys: [§${'1'.repeat(64)}] }`) },
    'each of "keys" must be text, not a number (put quotes around it if it is text)',
  ],
  [
    'a match without a registry',
    { rules: 'rules: [{ match: §"**", mode: deny }]\n' },
    '"match" must be a registry and a name: exact, with * for one whole segment, or ending in /**',
  ],
  [
    'a star for part of a segment',
    { rules: 'rules: [{ match: §reg.example/a*, mode: deny }]\n' },
    '"match" must be a registry and a name: exact, with * for one whole segment, or ending in /**',
  ],
  [
    'two rules for one repository',
    {
      rules:
        'rules:\n  - { match: reg.example/a/*, mode: deny }\n  - { match: §reg.example/a/*, mode: allow }\n',
    },
    'this rule ties with the one on line 8: both match the same names equally well',
  ],
  [
    'an unknown placeholder',
    { rules: rule(`${enforce}, gun: §"{repo}"`) },
    '"gun" has an unknown placeholder: only {registry} and {repository} are filled in',
  ],
  [
    'one GUN for many repositories',
    { rules: rule(`${enforce}, gun: §"fixed/{registry}"`) },
    '"gun" must contain {repository}, or one trust data would speak for every repository that the rule covers',
  ],
  [
    'a GUN that climbs',
    { rules: rule(`${enforce}, gun: §"../{repository}"`) },
    '"gun" must be a name such as "{registry}/{repository}"',
  ],
  [
    'a signer outside targets',
    { rules: rule(`${enforce}, signers: [§alice]`) },
    'each of "signers" must be a delegation such as "targets/alice", in lower case',
  ],
  [
    'a negative duration',
    { rules: rule(`${enforce}, check_every: §-5s`) },
    '"check_every" must be a duration: 0, or a whole number of ms, s, m or h, such as "30s"',
  ],
  [
    'a duration without a unit',
    { rules: rule(`${enforce}, outage_grace: §60`) },
    '"outage_grace" must be a duration: 0, or a whole number of ms, s, m or h, such as "30s"',
  ],
  [
    'a time-out that a timer cannot hold',
    { limits: 'limits: { drain_timeout: §720h }\n' },
    '"drain_timeout" must be at most 24h',
  ],
  [
    'a time-out of nothing',
    { limits: 'limits: { download_timeout: §0s }\n' },
    '"download_timeout" must be more than 0',
  ],
  [
    'a size in decimal units',
    { limits: 'limits: { root_bytes: §1MB }\n' },
    '"root_bytes" must be a size: a whole number of B, KiB, MiB or GiB, such as "64KiB"',
  ],
  ['a size of nothing', { limits: 'limits: { root_bytes: §0B }\n' }, '"root_bytes" must be from 1B to 1GiB'],
  [
    'a count that is no whole number',
    { limits: 'limits: { root_rotations: §1.5 }\n' },
    '"root_rotations" must be a whole number from 1 to 10000',
  ],
  [
    'an upstream with an account',
    { registries: registry('upstream: §https://a:b@reg.example') },
    '"upstream" must not carry an account: that belongs in "auth"',
  ],
  [
    'an address that is half an IPv4 address',
    { listen: 'listen: §0.0.0:5000\n' },
    '"listen" must be host:port, such as "0.0.0.0:5000" or "[::]:5000"',
  ],
  [
    'a state address with an authority',
    { state: 'state: §sqlite://host/x\n' },
    '"state" must be sqlite:PATH, such as "sqlite:/var/lib/tufgate/state.db"',
  ],
  [
    'a user name with a colon',
    { registries: registry(`${upstream}, auth: { username: §"a:b", password_file: p }`) },
    '"username" must be 1 to 255 characters without a colon or control characters',
  ],
  [
    'an alias of two segments',
    { registries: registry(`${upstream}, aliases: [§a/b]`) },
    'each of "aliases" must be one path segment in lower case, without a colon',
  ],
  [
    'a host in capitals',
    { registries: registry(`${upstream}, hosts: [§Reg.example]`) },
    'each of "hosts" must be a host name in lower case, with a port if need be',
  ],
  [
    'a notary by the name of a prototype',
    { notaries: 'notaries: { main: { url: "https://x" }, §__proto__: { url: "https://x" } }\n' },
    'unknown key "__proto__"',
  ],
  ['an empty list of certificates', { tls: 'tls: §[]\n' }, '"tls" must not be empty'],
];

for (const refusal of refusals) test(`refused: ${refusal[0]}`, (t) => assertRefused(t, refusal));
