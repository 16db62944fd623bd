import { good } from './attack.ts';
import type { DoorAttack } from './door-attack.ts';
import { doorAttacks, refused, requestTo, served, turnedAway } from './door-attack.ts';

// Differentials of paths and parsers: one target that two servers read as two. Every case names an unsigned image in one
// of the readings; nearMisses in test/oci/endpoint.test.ts are more of them, and hostile-requests.test.ts makes more.

const hex = good.digest.slice('sha256:'.length);
const manifest = (name: string, reference = '9.9'): string => `/v2/${name}/manifests/${reference}`;

/** One case of targets; `name` is a repository with a signed 1.0 and an unsigned 9.9. */
function targets(
  id: string,
  title: string,
  make: (name: string) => readonly string[],
  ...statuses: readonly number[]
): DoorAttack {
  return {
    id,
    title,
    send: ({ name }) => {
      // What is not even HTTP has no method: its answer cannot be one to HEAD.
      const methods = statuses.length === 0 ? ['GET', 'HEAD'] : ['GET'];
      return make(name).flatMap((target) => methods.map((method) => requestTo(target, [], method)));
    },
    comesTo: turnedAway(...(statuses.length === 0 ? [404] : statuses)),
  };
}

doorAttacks('path and parser differentials', [
  targets('H-01', 'an encoded slash is none', (name) =>
    ['%2F', '%2f', '%252F', '%5c'].flatMap((slash) => [
      manifest(name.replace('/', slash)),
      `/v2/${name}/manifests${slash}9.9`,
      `/v2${slash}${name}/manifests/9.9`,
    ]),
  ),
  targets('H-02', 'dot segments, plain and encoded, are not resolved', (name) => [
    `/v2/team/app/../../${name}/manifests/9.9`,
    `/v2/${name}/manifests/../manifests/9.9`,
    `/v2/./${name}/manifests/9.9`,
    `/v2/${name}/manifests/.`,
    `/v2/${name}/manifests/..`,
    `/v2/${name}/..`,
    `/v2/team/%2e%2e/${name}/manifests/9.9`,
    `/v2/${name}/manifests/1.0/../9.9`,
    `/../v2/${name}/manifests/9.9`,
  ]),
  targets('H-04', 'doubled and trailing slashes are not merged', (name) => [
    `//v2/${name}/manifests/9.9`,
    `/v2//${name}/manifests/9.9`,
    `/v2/${name.replace('/', '//')}/manifests/9.9`,
    `/v2/${name}//manifests/9.9`,
    `/v2/${name}/manifests//9.9`,
    `/v2/${name}/manifests/9.9/`,
    `/v2/${name}/manifests/`,
  ]),
  targets('H-05', 'an authority in the path leads nowhere', (name) => [
    `//evil.test/v2/${name}/manifests/9.9`,
    `///evil.test/v2/${name}/manifests/9.9`,
    `/\\evil.test/v2/${name}/manifests/9.9`,
    `/@evil.test/v2/${name}/manifests/9.9`,
  ]),
  targets('H-06', 'the absolute form is for proxies, and not answered', (name) => [
    `http://evil.test/v2/${name}/manifests/9.9`,
    `http://gate.example/v2/${name}/manifests/9.9`,
    `HTTP://GATE.EXAMPLE/v2/${name}/manifests/1.0`,
    `http://gate.example:80@evil.test/v2/${name}/manifests/9.9`,
  ]),
  {
    id: 'H-08',
    title: 'asterisk and authority forms are refused, and no tunnel is ever opened',
    send: ({ name }) => [
      requestTo('*', [], 'OPTIONS'),
      requestTo('*'),
      requestTo('evil.test:443', [], 'CONNECT'),
      `${requestTo('gate.example:80', [], 'CONNECT')}${requestTo(manifest(name))}`,
    ],
    comesTo: turnedAway(404, 405),
  },
  targets('H-09', 'a fragment does not belong to a target', (name) => [
    `${manifest(name, '1.0')}#/../9.9`,
    `${manifest(name, '1.0')}#`,
    `/v2/${name}#/manifests/9.9`,
    `${manifest(name, '1.0')}?ns=reg.test#x`,
  ]),
  targets('H-10', 'a backslash is no slash', (name) => [
    `/v2\\${name.replace('/', '\\')}\\manifests\\9.9`,
    `/v2/${name}/manifests\\9.9`,
    `${manifest(name, '1.0')}\\..\\9.9`,
  ]),
  targets('H-11', 'an encoded colon makes no digest', (name) => [
    manifest(name, `sha256%3A${hex}`),
    manifest(name, `sha256%3a${hex}`),
    `/v2/${name}/blobs/sha256%3A${hex}`,
  ]),
  targets('H-13', 'control characters, raw and encoded, stand in no name', (name) =>
    ['%00', '%0d%0a', '%0D%0AHost:%20evil.test', '%09', '%7f', '%1b[2J', '%20'].flatMap((control) => [
      manifest(`${name}${control}`),
      manifest(name, `9.9${control}`),
    ]),
  ),
  targets(
    'H-13',
    'control characters that are not even encoded are no HTTP',
    (name) => ['\0', '\t', '\x7f', '\x0b'].map((control) => manifest(name, `9.9${control}`)),
    400,
    404,
  ),
  targets(
    'H-14',
    'letters beyond ASCII, encoded, raw or fullwidth, are folded into none of ours',
    (name) =>
      ['%C3%A9', '%EF%BC%8F', '\xc3\xa9', '\xef\xbc\x8f', '%u002f', '%c0%af', '\xc0\xaf'].flatMap(
        (letter) => [manifest(`${name}${letter}x`), manifest(name, `9.9${letter}`)],
      ),
    400,
    404,
  ),
  targets('H-15', 'a repository, a prefix or an endpoint in capitals is another, and none', (name) => [
    manifest(name.replace('team', 'Team')),
    manifest(name.toUpperCase()),
    `/V2/${name}/manifests/9.9`,
    `/v2/${name}/Manifests/9.9`,
    `/v2/${name}/MANIFESTS/9.9`,
  ]),
  targets('H-17', 'a name longer than names may be is none, and is answered as fast as any', (name) => [
    manifest(`${name}/${'a'.repeat(256 - name.length - 1)}`),
    manifest(`${name}/${'a/'.repeat(1000)}a`),
    manifest(`${name}/${'a-'.repeat(1900)}`),
    manifest(`${name}/${'a__'.repeat(1200)}`),
    manifest(name, 'a'.repeat(4000)),
  ]),
  targets(
    'H-17',
    'a target longer than a head may be is 431',
    (name) => [manifest(name, 'a'.repeat(17_000))],
    431,
  ),
  {
    id: 'H-18',
    title: 'a query changes nothing of what a manifest is asked by',
    send: ({ name }) =>
      [
        'x=../9.9',
        'tag=9.9',
        'reference=9.9',
        'n=1',
        `digest=${good.digest}`,
        'tag=9.9&tag=1.0',
        '_method=DELETE',
        '',
      ].map((query) => requestTo(`${manifest(name, '1.0')}?${query}`)),
    comesTo: served,
  },
  targets('H-18', 'a parameter in the path is part of no tag', (name) => [
    `${manifest(name, '1.0')};9.9`,
    `${manifest(name, '1.0')};tag=9.9`,
    `/v2/${name};x/manifests/9.9`,
    `${manifest(name, '1.0')}&tag=9.9`,
  ]),
  targets(
    'H-19',
    'an ns that is not configured, or two that differ, choose no registry',
    (name) =>
      [
        'ns=evil.test',
        'ns=',
        'ns=reg.test&ns=evil.test',
        'ns=evil.test&n%73=reg.test',
        'ns=reg.test%00',
        'ns=REG.TEST',
        'ns=reg.test%2f..',
        'ns=169.254.169.254',
      ].map((query) => `${manifest(name, '1.0')}?${query}`),
    400,
    404,
  ),
  {
    id: 'H-19',
    title: 'an ns that is configured chooses registry and GUN together, encoded or not',
    send: ({ name }) =>
      ['ns=reg.test', 'ns=reg%2Etest', '%6es=reg.test', 'ns=reg.test&ns=reg.test'].map((query) =>
        requestTo(`${manifest(name, '1.0')}?${query}`),
      ),
    comesTo: served,
  },
  targets('M-25', 'what is nearly a digest is none, and no other algorithm is known', (name) =>
    [hex.slice(1), `${hex}0`, hex.toUpperCase(), '', `${hex.slice(2)}%2f`, '..%2f..%2f..%2fetc%2fpasswd']
      .map((text) => `sha256:${text}`)
      .concat(
        `SHA256:${hex}`,
        `md5:${hex.slice(32)}`,
        `sha256+b64u:${hex}`,
        `sha384:${hex}${hex.slice(32)}`,
        `sha256:${hex}@1.0`,
      )
      .flatMap((digest) => [manifest(name, digest), `/v2/${name}/blobs/${digest}`]),
  ),
  targets('M-27', 'what is no tag is none', (name) =>
    ['t'.repeat(129), '.9', '-9', '9.9%20', '9.9+', '9.9~', '9.9,1.0', ':9.9'].map((tag) =>
      manifest(name, tag),
    ),
  ),
  {
    id: 'M-27',
    title: 'the longest tag, and the same tag in other letters, are tags of their own that nobody signed',
    send: ({ name }) =>
      ['t'.repeat(128), '1.0.', 'V1', '_', '1.0-'].map((tag) => requestTo(manifest(name, tag))),
    comesTo: refused('TAG_NOT_SIGNED'),
  },
  targets('A-17', 'a registry that is not configured is not found, however it is named', (name) => [
    manifest(`evil.test/${name}`),
    manifest(`169.254.169.254/${name}`),
    manifest(`localhost/${name}`),
    manifest('127.0.0.1:9095/metrics'),
    `${manifest(name)}?ns=169.254.169.254`,
    `/v2/evil.test:443/${name}/blobs/${good.digest}`,
  ]),
  targets('O-08', 'what belongs to the admin listener is not on this one', (name) => [
    '/metrics',
    '/metrics/',
    '/v2/../metrics',
    '/livez',
    '/readyz',
    '/healthz',
    '/admin',
    '/api/v1/',
    '/debug/pprof/',
    `/explain/${name}:1.0`,
    '/',
    '/v2/_catalog',
    `/v2/${name}/_trust/tuf/root.json`,
  ]),
]);
