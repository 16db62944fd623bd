import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from './lab.ts';

/** What a program needs beside its arguments; its environment is this one alone, so that no setting leaks in. */
export interface Setting {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A finished program. `output` is stdout, then stderr: what a person would have seen. */
export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly output: string;
}

/** A program that runs until it is stopped. */
export interface Daemon {
  readonly name: string;
  readonly running: () => boolean;
  /** The end of what it printed, stdout and stderr together. */
  readonly output: () => string;
  /** Every stdout line since the start, as far as `output` reaches. */
  readonly stdoutLines: () => readonly string[];
  /** Sends the signal (SIGTERM) by process id and waits for the end; SIGKILL follows after 20 s. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
}

/** The Debian programs' PATH: not /usr/local, where another docker may lie. */
export const debianPath = '/usr/sbin:/usr/bin:/sbin:/bin';

const keptOutput = 1 << 20;
const alive = new Set<ChildProcess>();

function killAll(): void {
  for (const child of alive) child.kill('SIGKILL');
}

function interrupted(): void {
  // process.exit, and not the default death by signal, because only it runs the exit listeners.
  process.exit(143);
}

/** No program may outlive the test process, however that one ends. */
function guard(child: ChildProcess): void {
  if (!process.listeners('exit').includes(killAll)) {
    process.once('exit', killAll);
    process.once('SIGTERM', interrupted);
    process.once('SIGINT', interrupted);
  }
  alive.add(child);
  child.once('exit', () => alive.delete(child));
}

/** Starts a program that stays; the lab stops it at its end. Throws if it cannot be started at all. */
export async function startDaemon(
  lab: Lab,
  name: string,
  command: string,
  args: readonly string[],
  setting: Setting,
): Promise<Daemon> {
  const child = spawn(command, args, { ...setting, stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = { all: '', stdout: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed.all = (printed.all + text).slice(-keptOutput);
    printed.stdout = (printed.stdout + text).slice(-keptOutput);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    printed.all = (printed.all + text).slice(-keptOutput);
  });
  // Rejects with the spawn's own error (ENOENT, EACCES), which names the program.
  await once(child, 'spawn');
  guard(child);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const running = (): boolean => child.exitCode === null && child.signalCode === null;
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (!running()) return;
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await exited;
    clearTimeout(late);
  };
  lab.defer(() => stop());
  return {
    name,
    running,
    output: () => printed.all,
    stdoutLines: () => printed.stdout.split('\n').filter((line) => line !== ''),
    stop,
  };
}

/** Waits until `probe` says true; throws with the daemon's own words when it dies or 60 s have passed. */
export async function untilReady(daemon: Daemon, probe: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await probe())) {
    const state = daemon.running() ? 'is not ready after 60 s' : 'has ended';
    if (!daemon.running() || Date.now() > deadline) {
      throw new Error(`${daemon.name} ${state}; it said:\n${daemon.output().slice(-4000)}`);
    }
    await delay(50);
  }
}

/** Runs a program to its end with `input` (nothing) on stdin; throws only if it cannot be run, or after 120 s. */
export async function run(
  command: string,
  args: readonly string[],
  setting: Setting,
  input = '',
): Promise<Finished> {
  return await new Promise((resolve, reject) => {
    const options = { ...setting, timeout: 120_000, maxBuffer: 8 << 20, killSignal: 'SIGKILL' as const };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`;
      if (error === null) resolve({ status: 0, stdout, output });
      else if (typeof error.code === 'number') resolve({ status: error.code, stdout, output });
      else reject(new Error(`${command} did not finish: ${error.message}\n${output}`, { cause: error }));
    });
    guard(child);
    // A program that ends without reading its input closes the pipe under us: its status tells the story.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

/** As `run`, but throws, with all it printed, unless the program succeeds. Gives its stdout. */
export async function mustRun(
  command: string,
  args: readonly string[],
  setting: Setting,
  input = '',
): Promise<string> {
  const finished = await run(command, args, setting, input);
  if (finished.status !== 0) {
    throw new Error(`${command} ${args.join(' ')} exited with ${finished.status}:\n${finished.output}`);
  }
  return finished.stdout;
}
