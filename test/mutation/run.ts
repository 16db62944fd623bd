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
/** A mutant with which a test takes so much longer goes round for ever, and is noticed. */
const patience = (usual: number): number => Math.ceil(10 * usual) + 5000;

const wanted = process.argv.slice(2);
const jobs: readonly Job[] = globSync('src/tuf/**/*.ts')
  .filter((file) => wanted.length === 0 || wanted.some((part) => basename(file).includes(part)))
  .toSorted()
  .flatMap((file) => mutantsOf(readFileSync(file, 'utf8')).map((mutant) => ({ ...mutant, file })));
// What the vectors of others show is shown by our own as well; this folder has the one without the other.
let tests = globSync('test/tuf/*.test.ts', { exclude: ['test/tuf/wycheproof.test.ts'] });

/** How long each test file takes without any mutation, in milliseconds. */
const durations = new Map<string, number>();

/** Runs a test file in a copy of the project; says whether it passed. */
function passes(copy: string, test: string): Promise<boolean> {
  const child = spawn(process.execPath, ['test/mutation/first-failure.ts', test], {
    cwd: copy,
    stdio: 'ignore',
    timeout: patience(durations.get(test) ?? 60_000),
    killSignal: 'SIGKILL',
  });
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  child.once('error', reject).once('exit', (code) => resolve(code === 0));
  return promise;
}

/** How many mutants of a file a test noticed: what noticed one will notice others. */
const noticed = new Map<string, number>();

/** Says whether no test notices; asks those first that are likely to, then the fast ones. */
async function survives(copy: string, { file, source }: Job): Promise<boolean> {
  const name = basename(file).replace('.ts', '.test.ts');
  const rank = (test: string): number =>
    (noticed.get(`${file} ${test}`) ?? 0) + (basename(test) === name ? 1 : 0);
  const path = join(copy, file);
  const honest = readFileSync(path);
  writeFileSync(path, source);
  try {
    for (const test of tests.toSorted((a, b) => rank(b) - rank(a))) {
      if (await passes(copy, test)) continue;
      noticed.set(`${file} ${test}`, (noticed.get(`${file} ${test}`) ?? 0) + 1);
      return false;
    }
    return true;
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
for (const test of tests) {
  const start = performance.now();
  if (!(await passes(copies[0] ?? '', test))) throw new Error(`${test} fails without any mutation`);
  durations.set(test, performance.now() - start);
}
tests = tests.toSorted((a, b) => (durations.get(a) ?? 0) - (durations.get(b) ?? 0));
await Promise.all(copies.map(work));

const score = (100 * (jobs.length - survivors.length)) / jobs.length;
console.log(`${jobs.length - survivors.length} of ${jobs.length} mutants noticed: ${score.toFixed(1)} %`);
process.exitCode = score >= leastScore ? 0 : 1;
