import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { Credential } from '../../src/oci/docker-config.ts';
import { askProgram } from '../../src/trust/credentials/credential-program.ts';
import { DockerConfigCredentials } from '../../src/trust/credentials/docker-config-credentials.ts';
import { DownloadError } from '../../src/trust/download-error.ts';
import { isDownloadError } from './challenging-registry.ts';

const auth = (pair: string): { auth: string } => ({ auth: Buffer.from(pair).toString('base64') });
const robot = { username: 'robot', password: 'hunter2' };

/** A config.json, and programs in a folder that `PATH` begins with until the test ends. */
function folderWith(
  t: TestContext,
  config: unknown,
  programs: Readonly<Record<string, string>> = {},
): string {
  const folder = mkdtempSync(join(tmpdir(), 'tufgate-docker-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, `docker-credential-${name}`), 0o755);
  }
  const before = process.env['PATH'];
  process.env['PATH'] = `${folder}:${before}`;
  t.after(() => (process.env['PATH'] = before));
  return folder;
}

function ask(folder: string, host: string, repository = 'team/app'): Promise<Credential> {
  return new DockerConfigCredentials(join(folder, 'config.json'), host).credentials(repository);
}

const answer = (username: string, secret: string): string =>
  `echo '{"ServerURL":"x","Username":"${username}","Secret":"${secret}"}'`;

test('credentials are found by host, with and without an address around it', async (t) => {
  for (const key of ['reg.example:5000', 'https://reg.example:5000', 'http://reg.example:5000/v2/']) {
    const folder = folderWith(t, { auths: { 'other.example': auth('a:b'), [key]: auth('robot:hunter2') } });
    assert.deepEqual(await ask(folder, 'reg.example:5000'), robot, key);
  }
});

test('a colon belongs to the password, and letters of any language to both', async (t) => {
  const folder = folderWith(t, { auths: { 'reg.example': auth('zoë:pä:ss:') } });
  assert.deepEqual(await ask(folder, 'reg.example'), { username: 'zoë', password: 'pä:ss:' });
});

test('username and password stand for auth, and an identity token for both', async (t) => {
  const folder = folderWith(t, {
    auths: {
      'a.example': { username: 'robot', password: 'hunter2' },
      'b.example': { ...auth('robot:'), identitytoken: 'refresh-1' },
      'c.example': { identitytoken: 'refresh-1' },
    },
  });
  assert.deepEqual(await ask(folder, 'a.example'), robot);
  assert.deepEqual(await ask(folder, 'b.example'), { identityToken: 'refresh-1' });
  assert.deepEqual(await ask(folder, 'c.example'), { identityToken: 'refresh-1' });
});

test('Docker Hub is found under each of its names', async (t) => {
  for (const host of ['registry-1.docker.io', 'docker.io', 'index.docker.io']) {
    for (const key of ['https://index.docker.io/v1/', 'docker.io', 'registry-1.docker.io']) {
      const folder = folderWith(t, { auths: { [key]: auth('robot:hunter2') } });
      assert.deepEqual(await ask(folder, host), robot, `${host} ${key}`);
    }
  }
  const folder = folderWith(t, { auths: { 'https://index.docker.io/v1/': auth('robot:hunter2') } });
  await assert.rejects(ask(folder, 'docker.io.evil.example'), isDownloadError('unauthorized', /holds no/));
});

test('of entries with a path the longest that begins the repository is taken', async (t) => {
  const folder = folderWith(t, {
    auths: {
      'reg.example': auth('host:x'),
      'reg.example/team': auth('team:x'),
      'reg.example/team/app': auth('app:x'),
      'reg.example/team/app/sub': auth('sub:x'),
    },
  });
  const user = async (repository: string): Promise<unknown> => {
    const credential = await ask(folder, 'reg.example', repository);
    return 'username' in credential && credential.username;
  };
  assert.equal(await user('team/app'), 'app');
  assert.equal(await user('team/app/sub/deep'), 'sub');
  assert.equal(await user('team/apple'), 'team');
  assert.equal(await user('teams/app'), 'host');
  assert.equal(await user('app'), 'host');
});

test('a file without credentials for the host is a failure that names both, never anonymous', async (t) => {
  for (const config of [
    {},
    { auths: {} },
    { auths: { 'reg.example': {} } },
    { auths: { example: auth('a:b') } },
  ]) {
    const folder = folderWith(t, config);
    const said = new RegExp(`^${join(folder, 'config.json')} holds no credentials for reg\\.example$`);
    await assert.rejects(ask(folder, 'reg.example'), isDownloadError('unauthorized', said));
  }
});

/** Answers with what it was asked as the secret. */
const echo = '[ "$1" = get ] || exit 9\n' + answer('robot', '\'"$(cat)"\'');

test('a program is asked for the host: its own, else the store, and not the file', async (t) => {
  const folder = folderWith(
    t,
    {
      auths: { 'a.example:5000': auth('a:b'), 'b.example': auth('a:b'), 'c.example': auth('robot:hunter2') },
      credHelpers: { 'a.example:5000': 'own', 'c.example': '' },
      credsStore: 'store',
    },
    { own: echo, store: answer('of-the-store', 'x') },
  );
  assert.deepEqual(await ask(folder, 'a.example:5000'), { username: 'robot', password: 'a.example:5000' });
  assert.deepEqual(await ask(folder, 'b.example'), { username: 'of-the-store', password: 'x' });
  assert.deepEqual(await ask(folder, 'c.example'), robot);
});

test('a program is asked for Docker Hub by the address of `docker login`', async (t) => {
  const folder = folderWith(t, { credHelpers: { 'docker.io': 'own' } }, { own: echo });
  const found = await ask(folder, 'registry-1.docker.io');
  assert.deepEqual(found, { username: 'robot', password: 'https://index.docker.io/v1/' });
});

test('the user name <token> of a program means an identity token', async (t) => {
  const folder = folderWith(t, { credsStore: 'store' }, { store: answer('<token>', 'refresh-1') });
  assert.deepEqual(await ask(folder, 'reg.example'), { identityToken: 'refresh-1' });
});

test('a program has our environment', async (t) => {
  process.env['TUFGATE_TEST_SECRET'] = 'of-the-environment';
  t.after(() => delete process.env['TUFGATE_TEST_SECRET']);
  const script = answer('robot', '\'"$TUFGATE_TEST_SECRET"\'');
  const folder = folderWith(t, { credsStore: 'store' }, { store: script });
  assert.deepEqual(await ask(folder, 'reg.example'), { username: 'robot', password: 'of-the-environment' });
});

test('those who ask at the same time share one run, and the next has its own', async (t) => {
  const folder = folderWith(t, { credsStore: 'store' });
  const runs = join(folder, 'runs');
  writeFileSync(
    join(folder, 'docker-credential-store'),
    `#!/bin/sh\necho >>${runs}\n${answer('robot', 'x')}\n`,
  );
  chmodSync(join(folder, 'docker-credential-store'), 0o755);
  const source = new DockerConfigCredentials(join(folder, 'config.json'), 'reg.example');
  await Promise.all(['a', 'b', 'c'].map((repository) => source.credentials(repository)));
  assert.equal(readFileSync(runs, 'utf8'), '\n');
  await source.credentials('a');
  assert.equal(readFileSync(runs, 'utf8'), '\n\n');
});

const badPrograms: readonly [what: string, script: string, problem: string][] = [
  ['knows nothing', 'echo credentials not found; exit 1', 'gives no credentials (exit status 1)'],
  [
    'fails after it answered',
    `${answer('robot', 'hunter2')}; exit 3`,
    'gives no credentials (exit status 3)',
  ],
  ['is killed', `${answer('robot', 'hunter2')}; kill -9 $$`, 'gives no credentials (SIGKILL)'],
  ['says nothing', 'true', 'gives what are no credentials'],
  ['says what is no JSON', 'echo hunter2', 'gives what are no credentials'],
  ['says null', 'echo null', 'gives what are no credentials'],
  ['gives no secret', 'echo \'{"Username":"hunter2"}\'', 'gives what are no credentials'],
  ['gives an empty secret', answer('hunter2', ''), 'gives what are no credentials'],
  ['gives a secret with a line break', answer('robot', 'hunter2\\\\n'), 'gives what are no credentials'],
  ['gives a user with a colon', answer('robot:hunter2', 'x'), 'gives what are no credentials'],
  ['does not end its answer', 'exec cat /dev/zero', 'gives an answer of more than 65536 bytes'],
];

for (const [what, script, problem] of badPrograms) {
  test(`a program that ${what} is a failure that does not repeat what it printed`, async (t) => {
    const folder = folderWith(t, { credsStore: 'bad' }, { bad: `echo hunter2 >&2\n${script}` });
    const said = `docker-credential-bad, which ${folder}/config.json names for reg.example, ${problem}`;
    await assert.rejects(ask(folder, 'reg.example'), (error) => {
      assert.equal(error instanceof DownloadError && error.message, said);
      return isDownloadError('unauthorized', /^docker-credential-bad, /)(error);
    });
  });
}

test('a program that is not there is named', async (t) => {
  const folder = folderWith(t, { credHelpers: { 'reg.example': 'nowhere' } });
  await assert.rejects(
    ask(folder, 'reg.example'),
    isDownloadError('unauthorized', /^docker-credential-nowhere, .* cannot be run \(ENOENT\)$/),
  );
});

test('a program that takes too long is killed, and what it started with it', async (t) => {
  const folder = folderWith(t, {});
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // Whoever reads the pipe sees its end when the last of the two is gone.
  writeFileSync(
    join(folder, 'docker-credential-late'),
    `#!/bin/sh\nexec 3>${pipe}\nsleep 1000 &\nsleep 1000\n`,
  );
  chmodSync(join(folder, 'docker-credential-late'), 0o755);
  const gone = readFile(pipe);
  assert.deepEqual(await askProgram('late', 'reg.example', 300), {
    problem: 'gives no answer within 300 ms',
  });
  assert.equal((await gone).length, 0);
});

test('a program that reads nothing of what it is asked may still answer', async (t) => {
  const folder = folderWith(t, { credsStore: 'deaf' }, { deaf: `exec <&-\n${answer('robot', 'hunter2')}` });
  assert.deepEqual(await ask(folder, 'reg.example'), robot);
});

test('the file is read anew for each question', async (t) => {
  const folder = folderWith(t, { auths: { 'reg.example': auth('robot:hunter2') } });
  const source = new DockerConfigCredentials(join(folder, 'config.json'), 'reg.example');
  assert.deepEqual(await source.credentials('app'), robot);
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { 'reg.example': auth('robot:new') } }));
  assert.deepEqual(await source.credentials('app'), { username: 'robot', password: 'new' });
});

const secret = Buffer.from('hunter2').toString('base64');
const badFiles: readonly [what: string, config: unknown, problem: RegExp][] = [
  [
    'is no JSON',
    '{"auths": hunter2',
    /config\.json, for the credentials of reg\.example, is not a JSON object$/,
  ],
  ['is empty', '', /is not a JSON object$/],
  ['is a list', [], /is not a JSON object$/],
  ['has auths that are a list', { auths: [] }, /has "credHelpers" or "auths" that are no JSON object$/],
  ['has an entry that is text', { auths: { a: 'hunter2' } }, /has a broken entry for "a" in "auths"$/],
  [
    'has an auth without a colon',
    { auths: { a: { auth: secret } } },
    /has a broken entry for "a" in "auths"$/,
  ],
  [
    'has an auth that is no base64',
    { auths: { a: { auth: `${auth('a:hunter2').auth}!` } } },
    /has a broken entry for "a"/,
  ],
  [
    'has an auth of bytes',
    { auths: { a: { auth: Buffer.from([97, 58, 255]).toString('base64') } } },
    /broken entry/,
  ],
  [
    'has an auth with a line break',
    { auths: { a: auth('a:hunter2\r\nX: y') } },
    /has a broken entry for "a"/,
  ],
  ['has a user without a password', { auths: { a: { username: 'hunter2' } } }, /has a broken entry for "a"/],
  [
    'names a program by a path',
    { credsStore: '../../hunter2' },
    /has a "credsStore" that is not the name of/,
  ],
  ['names a program by a number', { credHelpers: { a: 1 } }, /names for "a" what is not the name of a/],
  ['is larger than 1 MiB', ' '.repeat(1024 ** 2 + 1), /is larger than 1048576 bytes$/],
];

for (const [what, config, problem] of badFiles) {
  test(`a file that ${what} is a failure that does not repeat what it says`, async (t) => {
    const folder = folderWith(t, config);
    await assert.rejects(ask(folder, 'reg.example'), isDownloadError('unauthorized', problem));
  });
}

test('a file that is gone, a folder and a pipe are failures, and the pipe is not waited for', async (t) => {
  const folder = folderWith(t, {});
  const path = join(folder, 'config.json');
  rmSync(path);
  await assert.rejects(ask(folder, 'reg.example'), isDownloadError('unauthorized', /does not exist$/));
  mkdirSync(path);
  await assert.rejects(ask(folder, 'reg.example'), isDownloadError('unauthorized', /is not a regular file$/));
  rmSync(path, { recursive: true });
  execFileSync('mkfifo', [path]);
  await assert.rejects(ask(folder, 'reg.example'), isDownloadError('unauthorized', /is not a regular file$/));
});
