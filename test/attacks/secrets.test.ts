import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import type { User } from '../../src/demo/access.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { exchange } from '../proxy/door.ts';
import { answer, changeBody, reset } from '../world/fault.ts';
import type { HttpOptions } from '../world/http.ts';
import { send } from '../world/http.ts';
import { LyingRegistry } from '../world/lying-registry.ts';
import type { ConfigurationTree, World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { evil, good } from './attack.ts';
import type { Overheard } from './overheard.ts';
import { overhear } from './overheard.ts';
import { execute } from './state-damage.ts';

// O-02: every flow there is, with secrets that can be told from all else, and then a search for them in all that the
// proxy said and stored.

/** By where each is kept or sent. */
const secrets = {
  'password of a client': 'kanarienvogel-client-password',
  'token of a client': 'kanarienvogel.client.token',
  'cookie of a client': 'kanarienvogel-cookie',
  'token in a query': 'kanarienvogel-query-token',
  'token in a referrer': 'kanarienvogel-referrer',
  'password in a target': 'kanarienvogel-userinfo',
  'password of the account at a registry': 'kanarienvogel-registry-password',
  'password of the account at the notary': 'kanarienvogel-notary-password',
  'text of a variable': 'kanarienvogel-variable',
  'token that a token server gives': 'kanarienvogel.issued.token',
} as const;

const robot: User = {
  username: secrets['text of a variable'],
  password: secrets['password of the account at a registry'],
  grants: [{ repository: '*', actions: ['*'] }],
};
const reader: User = {
  username: 'reader',
  password: secrets['password of the account at the notary'],
  grants: [{ repository: '*', actions: ['pull'] }],
};

interface Canaries extends World, Overheard {
  readonly account: LyingRegistry;
}

/** A proxy before a registry that is forwarded to, one with an account, and a notary with another. */
async function startCanaries(t: TestContext): Promise<Canaries> {
  const account = await LyingRegistry.start({ access: { kind: 'bearer', users: [robot] } });
  t.after(() => account.close());
  const world = await startWorld(t, { notary: { access: { kind: 'basic', users: [reader] } } });
  const { directory, notary, registry, proxy } = world;
  await writeFile(join(directory, 'registry-password'), `${robot.password}\n`, { mode: 0o600 });
  await writeFile(join(directory, 'notary-password'), `${reader.password}\n`, { mode: 0o600 });
  const tree = parse(await readFile(proxy.configPath, 'utf8')) as ConfigurationTree;
  const [rule] = tree['rules'] as readonly ConfigurationTree[];
  const path = join(directory, 'overheard.yaml');
  await writeFile(
    path,
    stringify({
      ...tree,
      state: `sqlite:${join(directory, 'overheard.db')}`,
      registries: {
        'reg.test': { upstream: registry.url, auth: 'forward', push: 'allow', aliases: ['forwarded'] },
        'account.test': {
          upstream: account.url,
          auth: { username: '${CANARY}', password_file: 'registry-password' },
          aliases: ['account'],
        },
      },
      notaries: {
        main: { url: notary.url, auth: { username: reader.username, password_file: 'notary-password' } },
      },
      rules: [
        rule,
        { ...structuredClone(rule), match: 'account.test/**', gun: 'reg.test/account/{repository}' },
      ],
    }),
  );
  const overheard = await overhear(t, path, { CANARY: secrets['text of a variable'] });
  for (const [store, name] of [
    [registry, 'team/app'],
    [account, 'account/team/app'],
  ] as const) {
    store.put('team/app', good, '1.0');
    store.put('team/app', evil, '9.9');
    notary.sign(name, '1.0', good);
  }
  return { ...world, ...overheard, account };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const credentials: readonly Record<string, string>[] = [
  { authorization: `Basic ${base64(`alice:${secrets['password of a client']}`)}` },
  { authorization: `Bearer ${secrets['token of a client']}` },
  { authorization: secrets['token of a client'] },
  {
    'proxy-authorization': `Basic ${base64(`alice:${secrets['password of a client']}`)}`,
    cookie: `session=${secrets['cookie of a client']}`,
    'x-registry-auth': base64(secrets['token of a client']),
    referer: `https://ui.example/?token=${secrets['token in a referrer']}`,
  },
];
const query = `?token=${secrets['token in a query']}&access_token=${secrets['token in a query']}&n=1`;
const paths = [
  '',
  'manifests/1.0',
  'manifests/9.9',
  `manifests/${good.digest}`,
  `manifests/${evil.digest}`,
  `blobs/${digestOf(good.config)}`,
  'tags/list',
  `referrers/${good.digest}`,
  'blobs/uploads/',
  'nothing',
  `manifests/${'x'.repeat(200)}`,
];

/** Asks for everything with every credential, as a client of this name; gives all that came back. */
async function askAll({ url, port }: Overheard, agent: string): Promise<string> {
  const asked = ['forwarded', 'account', 'evil.test'].flatMap((registry) =>
    paths.flatMap((path) => {
      const target = path === '' ? '/v2/' : `/v2/${registry}/team/app/${path}`;
      const methods = ['GET', path === 'blobs/uploads/' ? 'POST' : 'HEAD'];
      // With what nobody has configured, one path is as good as another.
      if (registry === 'evil.test' && path !== 'manifests/1.0') return [];
      return credentials.flatMap((headers) =>
        methods.map((method) =>
          ask(url, target + query, { method, headers: { ...headers, 'user-agent': agent } }),
        ),
      );
    }),
  );
  const form = new URLSearchParams({
    grant_type: 'password',
    username: 'alice',
    password: secrets['password of a client'],
    scope: 'repository:forwarded/team/app:pull',
  });
  const posted = {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  };
  const tokens = ['forwarded', 'account'].map(
    (registry) => `/token${query}&scope=repository:${registry}/team/app:pull`,
  );
  asked.push(
    ask(url, '/token', posted),
    ...tokens.flatMap((target) => credentials.map((headers) => ask(url, target, { headers }))),
  );
  const userinfo = `GET http://alice:${secrets['password in a target']}@gate.example/v2/${query} HTTP/1.1\r\nHost: gate.example\r\nConnection: close\r\n\r\n`;
  const broken = `GET /v2/${query} HTTP/1.1\r\nHost: a b\r\nAuthorization: Bearer ${secrets['token of a client']}\r\n\r\n`;
  return (await Promise.all([...asked, exchange(port, userinfo), exchange(port, broken)])).join('\n');
}

async function ask(url: string, target: string, options: HttpOptions): Promise<string> {
  try {
    const { status, statusMessage, headers, body } = await send(url, target, options);
    return `HTTP/1.1 ${status} ${statusMessage} ${JSON.stringify(headers)} ${body.toString('latin1')}`;
  } catch (error) {
    // A blob whose registry breaks off is broken off here too.
    if (!(error instanceof Error) || !('code' in error)) throw error;
    return error.message;
  }
}

/** What goes wrong, one after the other; each ends before the next. */
const troubles: readonly (readonly [string, (world: Canaries) => unknown])[] = [
  ['nothing', () => {}],
  [
    'the notary lets the account in no more',
    ({ notary }) =>
      notary.intercept(() => answer(401, { headers: { 'www-authenticate': 'Basic realm="x"' } })),
  ],
  ['the notary is broken', ({ notary }) => notary.intercept(() => answer(500))],
  ['the notary hangs up', ({ notary }) => notary.intercept(() => reset)],
  ['trust data is no JSON', ({ notary }) => notary.intercept(() => answer(200, { body: '<html>' }))],
  [
    'the registries let nobody in',
    ({ registry, account }) => [registry, account].map((one) => one.intercept(() => answer(403))),
  ],
  [
    'a registry asks who the client is, and knows nobody',
    ({ registry }) =>
      registry.intercept(() => answer(401, { headers: { 'www-authenticate': 'Basic realm="x"' } })),
  ],
  [
    'a registry sends the client elsewhere',
    ({ registry }) =>
      registry.intercept(() =>
        answer(401, { headers: { 'www-authenticate': 'Bearer realm="https://evil.test/token"' } }),
      ),
  ],
  [
    'the registries are broken',
    ({ registry, account }) => [registry, account].map((one) => one.intercept(() => answer(500))),
  ],
  [
    'the registries hang up',
    ({ registry, account }) => [registry, account].map((one) => one.intercept(() => reset)),
  ],
  [
    'the registries lie',
    ({ registry, account }) =>
      [registry, account].map((one) =>
        one.intercept(({ path }) =>
          path.includes('/manifests/') ? changeBody((body) => body.fill(0, 0, 1)) : undefined,
        ),
      ),
  ],
  [
    'a realm elsewhere',
    ({ account }) =>
      account.intercept(() =>
        answer(401, { headers: { 'www-authenticate': 'Bearer realm="https://evil.test/token"' } }),
      ),
  ],
  [
    'a token that is none',
    ({ account }) =>
      account.intercept(({ path }) =>
        path === '/token'
          ? answer(200, {
              body: JSON.stringify({ token: `${secrets['token that a token server gives']} x` }),
            })
          : undefined,
      ),
  ],
  [
    'the state is damaged',
    ({ directory }) =>
      execute(join(directory, 'overheard.db'), "UPDATE file SET version = 1000 WHERE role = 'timestamp'"),
  ],
];

test('O-02 warm: no secret of a client, an account or a variable is in a log, a metric, an answer or the state', async (t) => {
  const world = await startCanaries(t);
  const said: string[] = [];
  for (const [what, trouble] of troubles) {
    world.account.server.access?.revokeTokens();
    await trouble(world);
    // Another client each time: what one client asks for again within seconds is not logged again.
    said.push(await askAll(world, what));
    for (const server of [world.notary, world.registry, world.account]) server.behave();
    for (const page of ['/metrics', '/', '/readyz', '/livez'])
      said.push((await send(world.adminUrl, page)).body.toString());
  }
  // The flows were those that were meant, or the silence means nothing.
  const all = said.join('\n');
  for (const status of [200, 202, 400, 401, 403, 404, 405, 503])
    assert.ok(all.includes(`\nHTTP/1.1 ${status} `), `no answer is ${status}`);
  const sent = JSON.stringify(
    [world.notary, world.registry, world.account].map(({ requests }) =>
      requests.map(({ headers }) => headers),
    ),
  );
  for (const password of [reader, robot].map(({ username, password }) => base64(`${username}:${password}`)))
    assert.ok(sent.includes(password));
  assert.ok(sent.includes(secrets['token of a client']));

  const places = new Map([
    ['an answer or a page of the admin', all],
    ['the log', world.log()],
  ]);
  for (const file of (await readdir(world.directory)).filter((name) => name.includes('.db')))
    places.set(file, (await readFile(join(world.directory, file))).toString('latin1'));
  assert.ok([...places.keys()].some((name) => name.startsWith('overheard.db')));
  assert.ok(world.log().split('\n').length > 60);
  for (const [place, text] of places)
    for (const [what, secret] of Object.entries(secrets))
      for (const form of formsOf(secret))
        assert.ok(!text.includes(form), `the ${what} is in ${place}, as ${form}`);
});

/** A secret as it is, in hex, and in base64 wherever in a text it begins. */
function formsOf(secret: string): string[] {
  const shifted = ['', 'x', 'xx'].map((before) => {
    const text = base64(before + secret);
    // The first and last characters also depend on what stands beside the secret.
    return text.slice(before === '' ? 0 : 4, -4);
  });
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('hex'), ...shifted];
}
