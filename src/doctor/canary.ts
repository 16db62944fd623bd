import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Report } from './finding.ts';
import { gateWords } from './reach.ts';

// An image that nobody signed, pulled as the runtime pulls. Only the gate refuses it in the gate's words: a success,
// or another's "not found", came from somewhere else.

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Canary {
  /** The whole name of the image. */
  readonly image: string;
  /** Milliseconds for one pull. */
  readonly timeLimit?: number;
}

interface Route {
  readonly program: string;
  /** Where the runtime listens, if it is a server; without one of these there is nothing to ask. */
  readonly sockets: readonly string[];
  /** The variable, or the file, that names another place. */
  readonly elsewhere: readonly string[];
  /** How the client says that it did not reach its own runtime, which says nothing about the gate. */
  readonly unreached: RegExp;
}

const routes: readonly Route[] = [
  {
    program: 'docker',
    sockets: ['/run/docker.sock', '/var/run/docker.sock'],
    elsewhere: ['DOCKER_HOST', 'DOCKER_CONTEXT'],
    unreached: /connect to the docker (?:daemon|API)|Is the docker daemon running/i,
  },
  {
    program: 'crictl',
    sockets: [
      '/run/containerd/containerd.sock',
      '/run/crio/crio.sock',
      '/run/k3s/containerd/containerd.sock',
    ],
    elsewhere: ['CONTAINER_RUNTIME_ENDPOINT', 'IMAGE_SERVICE_ENDPOINT'],
    unreached: /validate service connection|validate CRI v1|connect endpoint|unable to determine image API/i,
  },
  { program: 'podman', sockets: [], elsewhere: [], unreached: /unable to connect to Podman/i },
];
const usualLimit = 60_000;
const longestOutput = 64 * 1024;

interface Outcome {
  readonly status: number | null;
  readonly output: string;
  readonly failure: string | undefined;
}

/** Pulls each canary through every runtime of this machine, one after the other, and reports what came of it. */
export async function pullCanaries(
  report: Report,
  canaries: readonly Canary[],
  environment: Environment,
): Promise<void> {
  for (const route of routes) {
    const program = await findProgram(route.program, environment['PATH'] ?? '');
    if (program === undefined)
      report.skipped('canary', `${route.program}: not tried, there is no such program`);
    else if (!(await isServed(route, environment))) {
      report.skipped('canary', `${route.program}: not tried, its runtime does not run here`);
    } else {
      for (const canary of canaries) await pullCanary(report, route, program, canary, environment);
    }
  }
}

async function pullCanary(
  report: Report,
  { program: name, unreached }: Route,
  program: string,
  { image, timeLimit = usualLimit }: Canary,
  environment: Environment,
): Promise<void> {
  const what = `${name} pull ${image}`;
  // Content trust of the client's own would end the pull before it reached anybody.
  const outcome = await run(
    program,
    ['pull', image],
    { ...environment, DOCKER_CONTENT_TRUST: '0' },
    timeLimit,
  );
  const told = outcome.output.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
  if (outcome.failure !== undefined) {
    report.unknown('canary-undecided', null, `${what}: ${outcome.failure}`);
  } else if (outcome.status === 0) {
    report.open('canary-passed', null, `${what}: an image that nobody signed was pulled`);
  } else if (outcome.output.includes(gateWords)) {
    report.ok('canary', null, `${what}: refused by the gate`);
  } else if (unreached.test(outcome.output)) {
    report.unknown('canary-undecided', null, `${what}: its runtime was not reached: ${told}`);
  } else {
    report.open('canary-passed', null, `${what}: the answer is not the gate's: ${told}`);
  }
}

async function findProgram(name: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter((part) => part !== '')) {
    const candidate = join(folder, name);
    if (await isThere(() => access(candidate, constants.X_OK))) return candidate;
  }
  return undefined;
}

async function isServed({ sockets, elsewhere }: Route, environment: Environment): Promise<boolean> {
  if (sockets.length === 0 || elsewhere.some((name) => environment[name])) return true;
  for (const socket of sockets) if (await isThere(() => stat(socket))) return true;
  return false;
}

async function isThere(look: () => Promise<unknown>): Promise<boolean> {
  try {
    await look();
    return true;
  } catch (error) {
    // Whatever the system says: it cannot be used.
    if (!(error instanceof Error && 'code' in error)) throw error;
    return false;
  }
}

function run(
  program: string,
  args: readonly string[],
  environment: Environment,
  timeLimit: number,
): Promise<Outcome> {
  return new Promise((resolve) => {
    // A process group of its own, so that what the program started ends with it.
    const child = spawn(program, args, {
      env: { ...environment },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let failure: string | undefined;
    const end = (status: number | null): void => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ status, output, failure });
    };
    const timer = setTimeout(() => {
      failure = `no end after ${timeLimit / 1000} s`;
      killGroup(child.pid);
      end(null);
    }, timeLimit);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        // The last words matter: progress comes before them.
        output = (output + chunk.toString('utf8')).slice(-longestOutput);
      });
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      failure = `cannot be run: ${error.code ?? error.name}`;
      end(null);
    });
    child.once('close', (status, signal) => {
      if (signal !== null) failure ??= `ended by ${signal}`;
      end(status);
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has ended in the meantime.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
