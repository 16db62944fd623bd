// Runs the tests with real clients, a real notary and a real registry: `npm run test:clients`, as root, on Debian.
// Arguments narrow the run to the files whose path contains one.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printedTable, tableVariable } from './lab/stories/table.ts';

/** Each program, by its path because another docker may come first on PATH, and the package that brings it. */
const programs = {
  '/usr/bin/docker-registry': 'docker-registry',
  '/usr/bin/notary': 'notary',
  '/usr/bin/notary-server': 'notary',
  '/usr/bin/notary-signer': 'notary',
  '/usr/bin/docker': 'docker.io',
  '/usr/sbin/dockerd': 'docker.io',
  '/usr/bin/containerd': 'containerd',
  '/usr/bin/podman': 'podman',
  '/usr/bin/skopeo': 'skopeo',
  '/usr/bin/openssl': 'openssl',
  '/usr/bin/curl': 'curl',
};

function missingPackages(): string[] {
  const missing = Object.entries(programs).filter(([program]) => !existsSync(program));
  return [...new Set(missing.map(([, name]) => name))];
}

function aptGet(...args: string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', args, { stdio: 'inherit', env });
}

function installMissing(): void {
  const packages = missingPackages();
  if (packages.length === 0) return;
  const install = ['install', '-y', '--no-install-recommends', ...packages];
  aptGet('update');
  aptGet(...install);
  const absent = Object.keys(programs).filter((program) => !existsSync(program));
  if (absent.length === 0) return;
  throw new Error(
    `there is still no ${absent.join(', ')} after:\n  DEBIAN_FRONTEND=noninteractive apt-get ${install.join(' ')}`,
  );
}

if (process.getuid?.() !== 0) throw new Error('dockerd and containerd need root: run this as root');
installMissing();
const wanted = process.argv.slice(2);
const files = globSync('*.test.ts', { cwd: import.meta.dirname })
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .toSorted()
  .map((file) => join(import.meta.dirname, file));
if (files.length === 0) throw new Error(`no test file matches ${wanted.join(' ')}`);
// One file at a time: each has daemons of its own, and a machine has few cores.
// A client that hangs fails its test instead of stopping the run.
const flags = ['--test', '--test-concurrency=1', '--test-timeout=180000'];
const scratch = mkdtempSync(join(tmpdir(), 'tufgate-table-'));
const table = join(scratch, 'lines');
const env = { ...process.env, [tableVariable]: table };
const run = spawnSync(process.execPath, [...flags, ...files], { stdio: 'inherit', env });
process.stdout.write(`\n${printedTable(table)}`);
rmSync(scratch, { recursive: true });
process.exitCode = run.status ?? 1;
