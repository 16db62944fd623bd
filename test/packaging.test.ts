import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

interface Locked {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: string | readonly string[];
  readonly cpu?: string | readonly string[];
  readonly libc?: string | readonly string[];
}

interface Lock {
  readonly version: string;
  readonly packages: Readonly<Record<string, Locked>>;
}

const manifest = JSON.parse(read('package.json')) as Manifest;
const lock = JSON.parse(read('package-lock.json')) as Lock;

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** The instructions of the Dockerfile, continued lines joined, one list for each stage. */
const stages = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .reduce<{ name: string; text: string }[][]>((all, line) => {
    const [name = '', ...rest] = line.trim().split(/\s+/);
    if (name === 'FROM') all.push([]);
    all.at(-1)?.push({ name, text: rest.join(' ') });
    return all;
  }, []);

function instructions(stage: number, name: string): string[] {
  return (stages.at(stage) ?? []).filter((instruction) => instruction.name === name).map(({ text }) => text);
}

test('the image is built in two stages, both on Node 24, and the second takes only what the first made', () => {
  assert.deepEqual(
    [instructions(0, 'FROM'), instructions(1, 'FROM')],
    [['node:24-bookworm-slim AS build'], ['node:24-bookworm-slim']],
  );
  assert.equal(stages.length, 2);
  assert.deepEqual(instructions(0, 'RUN'), ['npm ci --omit=dev --omit=optional --ignore-scripts']);
  assert.deepEqual(instructions(1, 'COPY'), ['--from=build /opt/tufgate /opt/tufgate']);
});

test('the image runs as a user that is a number and not root, and can write in its one volume only', () => {
  assert.deepEqual(instructions(1, 'USER'), ['65532:65532']);
  assert.deepEqual(instructions(1, 'VOLUME'), ['/var/lib/tufgate']);
  assert.deepEqual(instructions(1, 'RUN'), ['install -d -m 0700 -o 65532 -g 65532 /var/lib/tufgate']);
  const names = stages.at(1)?.map(({ name }) => name) ?? [];
  assert.ok(names.indexOf('USER') > Math.max(names.lastIndexOf('RUN'), names.lastIndexOf('COPY')));
});

// O-22: SIGUSR1 opens the inspector in a Node that is not told otherwise.
test('the image starts the proxy itself, in production, and without a signal that opens a debugger', () => {
  const [entry = ''] = instructions(1, 'ENTRYPOINT');
  const [program, flag, main = ''] = JSON.parse(entry) as string[];
  assert.deepEqual([program, flag], ['node', '--disable-sigusr1']);
  assert.ok(existsSync(join(root, main.replace('/opt/tufgate/', ''))), main);
  assert.deepEqual(instructions(1, 'CMD'), ['["serve", "-c", "/etc/tufgate/tufgate.yaml"]']);
  assert.deepEqual(instructions(1, 'ENV'), ['NODE_ENV=production']);
  assert.deepEqual(instructions(1, 'EXPOSE'), ['5000 9095']);
  const allowed = execFileSync(process.execPath, ['--disable-sigusr1', '-p', 'process.version'], {
    encoding: 'utf8',
  });
  assert.match(allowed, /^v/);
});

test('the health check needs no program but node, and says no to an error and where nothing listens', async () => {
  const [check = ''] = instructions(1, 'HEALTHCHECK');
  const [node, option, program = ''] = JSON.parse(check.slice(check.indexOf('['))) as string[];
  assert.deepEqual([node, option], ['node', '-e']);
  assert.ok(program.includes("'http://127.0.0.1:9095/livez'"), program);

  let answer = 200;
  const server = createServer((request, response) =>
    response.writeHead(request.url === '/livez' ? answer : 404).end(),
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const ask = async (): Promise<unknown> => {
    const asking = spawn(process.execPath, ['-e', program.replace(':9095', `:${port}`)]);
    const [status] = (await once(asking, 'exit')) as unknown[];
    return status;
  };
  assert.equal(await ask(), 0);
  answer = 503;
  assert.equal(await ask(), 1);
  server.close();
  await once(server, 'close');
  assert.equal(await ask(), 1);
});

test('what the image is made of exists and gets into the build; nothing else does', () => {
  const copied = instructions(0, 'COPY').flatMap((text) => text.split(' ').slice(0, -1));
  assert.deepEqual(copied, ['package.json', 'package-lock.json', 'LICENSE', 'src']);
  for (const path of copied) {
    assert.ok(existsSync(join(root, path)), path);
    assert.ok(isInBuild(path), path);
  }
  for (const path of [
    'node_modules',
    'test',
    '.git',
    'state',
    'config',
    'docs',
    '.env',
    'key.pem',
    'coverage',
  ]) {
    assert.ok(!isInBuild(path), path);
  }
});

/** Takes a name at the top; gives what .dockerignore says of it, by Docker's rule: the last line that matches counts. */
function isInBuild(name: string): boolean {
  const lines = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const last = lines.findLast((line) => ['*', name, `!${name}`].includes(line));
  return last === undefined || last.startsWith('!');
}

test('a dependency is one exact version, locked by its hash, and runs nothing when it is installed', () => {
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  for (const [name, version] of Object.entries({
    ...dependencies,
    ...devDependencies,
    ...optionalDependencies,
  })) {
    assert.match(version, /^(?:npm:[a-z0-9-]+@)?[0-9]+\.[0-9]+\.[0-9]+$/, name);
  }
  const locked = Object.entries(lock.packages).filter(([path]) => path !== '');
  assert.ok(locked.length > 10);
  for (const [path, entry] of locked) {
    assert.equal(entry.resolved, undefined, `${path} is bound to one registry`);
    assert.equal(entry.hasInstallScript, undefined, path);
    if (isForUs(entry)) assert.match(entry.integrity ?? '', /^sha512-/, path);
  }
  const atInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
  assert.deepEqual(Object.keys(manifest.scripts ?? {}).filter((name) => atInstall.includes(name)), []); // prettier-ignore
});

/** Whether the systems that tufgate is for (Debian on x64 and arm64) would install it; others only lint with it. */
function isForUs({ os = ['linux'], cpu = ['x64'], libc = ['glibc'] }: Locked): boolean {
  return (
    os.includes('linux') &&
    libc.includes('glibc') &&
    [cpu].flat().some((name) => ['x64', 'arm64'].includes(name))
  );
}

// npm drops from the lock what a registry does not have for a foreign system, and then refuses `npm ci` for the gap.
test('the lock knows every optional dependency that a locked package names, in its version', () => {
  for (const [path, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
    if (path === '') continue;
    for (const [name, version] of Object.entries(optionalDependencies)) {
      assert.equal(lock.packages[`node_modules/${name}`]?.version, version, `${path} names ${name}`);
    }
  }
});

test('version, licence and the Node that is needed are the same wherever they are said', () => {
  assert.equal(manifest.license, 'Apache-2.0');
  assert.match(read('LICENSE'), /^\s*Apache License\n\s*Version 2\.0, January 2004\n/);
  assert.match(read('LICENSE'), /^ {3}Copyright \d{4} The tufgate authors$/m);
  assert.deepEqual(manifest.engines, { node: '>=24' });
  assert.equal(lock.version, manifest.version);
  assert.ok(read('CHANGELOG.md').includes(`\n## [${manifest.version}] - `));
  assert.ok(read('SECURITY.md').includes(`\n| ${manifest.version.split('.').slice(0, 2).join('.')} `));
});
