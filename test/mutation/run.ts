// Changes every check of src/tuf, one at a time, and runs its tests: a change that no test notices is printed.
// `npm run test:mutation`, or `… certificate key` for the files whose name contains one of these.
import { spawn } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Mutant } from './mutants.ts';
import { mutantsOf } from './mutants.ts';

interface Job extends Mutant {
  readonly file: string;
}

/** Per cent of the mutants that have to be noticed. */
const leastScore = 95;
/** A mutant that keeps the tests busy for so long goes round for ever: noticed. In milliseconds. */
const longest = 120_000;

const wanted = process.argv.slice(2);
const jobs: readonly Job[] = globSync('src/tuf/*.ts')
  .filter((file) => wanted.length === 0 || wanted.some((part) => basename(file).includes(part)))
  .toSorted()
  .flatMap((file) => mutantsOf(readFileSync(file, 'utf8')).map((mutant) => ({ ...mutant, file })));
// What the vectors of others show is shown by our own as well; this folder has the one without the other.
const tests = globSync('test/tuf/*.test.ts', { exclude: ['test/tuf/wycheproof.test.ts'] }).toSorted();

/** Runs test files in a copy of the project; says whether all passed. */
function passes(copy: string, files: readonly string[]): Promise<boolean> {
  const reporter = '--test-reporter=./test/mutation/first-failure.ts';
  const child = spawn(process.execPath, ['--test', '--test-isolation=none', reporter, ...files], {
    cwd: copy,
    stdio: 'ignore',
    timeout: longest,
    killSignal: 'SIGKILL',
  });
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  child.once('error', reject).once('exit', (code) => resolve(code === 0));
  return promise;
}

/** Those that are about the file itself first: most mutants get no further. */
async function survives(copy: string, { file, source }: Job): Promise<boolean> {
  const near = tests.filter((path) => basename(path) === basename(file).replace('.ts', '.test.ts'));
  const path = join(copy, file);
  const honest = readFileSync(path);
  writeFileSync(path, source);
  try {
    if (near.length > 0 && !(await passes(copy, near))) return false;
    return await passes(
      copy,
      tests.filter((other) => !near.includes(other)),
    );
  } finally {
    writeFileSync(path, honest);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'tufgate-mutation-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(3));

/** Copies the sources and the tests that are run. */
function copyProject(name: string): string {
  const copy = join(folder, name);
  for (const part of ['src', 'test/tuf', 'test/vectors', 'test/mutation', 'package.json']) {
    cpSync(part, join(copy, part), { recursive: true });
  }
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

const survivors: Job[] = [];
const queue = [...jobs];

async function work(copy: string): Promise<void> {
  for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
    if (!(await survives(copy, job))) continue;
    survivors.push(job);
    console.log(`${job.file}:${job.line}  ${job.from}  →  ${job.to}`);
  }
}

const copies = Array.from({ length: Math.min(2, availableParallelism()) }, (_, index) =>
  copyProject(`${index}`),
);
if (!(await passes(copies[0] ?? '', tests))) throw new Error('the tests fail without any mutation');
await Promise.all(copies.map(work));

const score = (100 * (jobs.length - survivors.length)) / jobs.length;
console.log(`${jobs.length - survivors.length} of ${jobs.length} mutants noticed: ${score.toFixed(1)} %`);
process.exitCode = score >= leastScore ? 0 : 1;
