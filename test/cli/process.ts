import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import type { HttpAnswer } from '../world/http.ts';
import { at, send } from '../world/http.ts';
import type { ConfigurationTree, World } from '../world/world.ts';

const launcher = fileURLToPath(new URL('../../bin/tufgate', import.meta.url));
/** A verb that has not ended by then has hung: it is killed, and its status is null. */
const longestRun = 120_000;

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one verb to its end, without a terminal. */
export async function tufgate(...args: readonly string[]): Promise<Run> {
  const child = run(args);
  const [status, stdout, stderr] = await Promise.all([ended(child), text(child.stdout), text(child.stderr)]);
  return { status, stdout, stderr };
}

/** The same, with nobody who reads what it prints. */
export async function tufgateUnread(...args: readonly string[]): Promise<Omit<Run, 'stdout'>> {
  const child = run(args);
  child.stdout.destroy();
  const [status, stderr] = await Promise.all([ended(child), text(child.stderr)]);
  return { status, stderr };
}

/** Takes a world and changes to its configuration; gives a file with them, and with a state of its own. */
export async function configure(
  { proxy, directory }: World,
  change: (tree: ConfigurationTree) => ConfigurationTree = (tree) => tree,
): Promise<string> {
  const tree = parse(await readFile(proxy.configPath, 'utf8')) as ConfigurationTree;
  const path = join(directory, 'process.yaml');
  await writeFile(path, stringify(change({ ...tree, state: `sqlite:${join(directory, 'process.db')}` })));
  return path;
}

/** A running `tufgate serve`, killed at the end of the test if it still runs. */
export class ServeProcess {
  /** The records of its log so far. */
  readonly logs: Record<string, unknown>[] = [];
  /** Its exit status; null if a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #stdout: Readable;
  #news = Promise.withResolvers<void>();
  #isOver = false;
  #rest = '';

  private constructor(child: ChildProcess, stdout: Readable) {
    this.#child = child;
    this.#stdout = stdout;
    this.ended = ended(child).finally(() => {
      this.#isOver = true;
      this.#tell();
    });
    stdout.setEncoding('utf8').on('data', (chunk: string) => this.#read(chunk));
  }

  /** Gives it once it serves. Rejects with what is on its stderr if it ends before. */
  static async start(t: TestContext, configPath: string): Promise<ServeProcess> {
    const child = spawn(launcher, ['serve', '-c', configPath], { stdio: ['ignore', 'pipe', 'pipe'] });
    const serve = new ServeProcess(child, child.stdout);
    t.after(() => {
      serve.kill('SIGKILL');
      return serve.ended;
    });
    const stderr = text(child.stderr);
    await serve.logged('serving').catch(async (error: unknown) => {
      throw new Error(`it did not start: ${await stderr}`, { cause: error });
    });
    return serve;
  }

  get url(): string {
    return `http://${String(this.#serving['listen'])}`;
  }

  get adminUrl(): string {
    return `http://${String(this.#serving['admin'])}`;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Nobody reads its log from now on: the next write to it fails with EPIPE. */
  closeLog(): void {
    this.#stdout.destroy();
  }

  /** Gives the first record with this message, as soon as it is there. Rejects if the process ends without it. */
  async logged(message: string): Promise<Record<string, unknown>> {
    for (;;) {
      const found = this.logs.find(({ msg }) => msg === message);
      if (found !== undefined) return found;
      if (this.#isOver) throw new Error(`serve ended without "${message}"`);
      await this.#news.promise;
    }
  }

  pull(repository: string, reference: string): Promise<HttpAnswer & { readonly reason: unknown }> {
    return pull(this.url, repository, reference);
  }

  get #serving(): Record<string, unknown> {
    const found = this.logs.find(({ msg }) => msg === 'serving');
    if (found === undefined) throw new TypeError('it does not serve yet');
    return found;
  }

  #read(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    this.logs.push(...lines.map((line) => JSON.parse(line) as Record<string, unknown>));
    this.#tell();
  }

  #tell(): void {
    const { resolve } = this.#news;
    this.#news = Promise.withResolvers();
    resolve();
  }
}

/** Asks for a manifest by tag or digest; `reason` is that of a refusal (contract §5). */
async function pull(
  origin: string,
  repository: string,
  reference: string,
): Promise<HttpAnswer & { readonly reason: unknown }> {
  const answered = await send(origin, `/v2/${repository}/manifests/${reference}`);
  return { ...answered, reason: at(answered.json, 'errors', 0, 'detail', 'reason') };
}

function run(args: readonly string[]) {
  const options = { timeout: longestRun, killSignal: 'SIGKILL' } as const;
  return spawn(launcher, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
}
