import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Writable } from 'node:stream';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { stringify } from 'yaml';
import { startGate } from '../../src/cli/gate.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Address } from '../../src/config/config.ts';
import type { Log } from '../../src/telemetry/log.ts';
import { createLog } from '../../src/telemetry/log.ts';
import type { HttpAnswer, HttpOptions } from './http.ts';
import { at, send } from './http.ts';
import type { LyingNotaryOptions } from './lying-notary.ts';
import { LyingNotary } from './lying-notary.ts';
import { LyingRegistry } from './lying-registry.ts';
import type { RegistryServerOptions } from '../../src/demo/registry-server.ts';

/** The registry's name in the configuration, and so the first part of every GUN. */
export const registryName = 'reg.test';

export type ConfigurationTree = Record<string, unknown>;

export interface WorldOptions {
  /** Added to the one rule, for all of the registry: enforce, the root pinned, the notary asked on every pull. */
  readonly rule?: ConfigurationTree;
  /** Instead of that rule. */
  readonly rules?: readonly ConfigurationTree[];
  /** Top-level keys of the configuration, added or replaced; or a function that makes another of it. */
  readonly config?: ConfigurationTree | ((tree: ConfigurationTree) => ConfigurationTree);
  readonly notary?: Omit<LyingNotaryOptions, 'gunPrefix' | 'now'>;
  readonly registry?: Omit<RegistryServerOptions, 'through'>;
}

/** The time for signers and proxy alike: the system's, and what a test adds. */
export class Clock {
  #ahead = 0;

  readonly now = (): number => Date.now() + this.#ahead;

  /** Milliseconds, forward or back. */
  advance(milliseconds: number): void {
    this.#ahead += milliseconds;
  }
}

export interface PullAnswer extends HttpAnswer {
  /** `detail.reason` of a refusal (contract §5). */
  readonly reason: string | undefined;
}

type Gate = Awaited<ReturnType<typeof startGate>>;

/** What the proxy logs, in place of its stdout. */
class LogLines {
  readonly lines: string[] = [];
  readonly log: Log = createLog(
    new Writable({
      decodeStrings: false,
      write: (chunk: string, _encoding, done) => {
        this.lines.push(...chunk.trimEnd().split('\n'));
        done();
      },
    }),
  );
}

/** The real proxy, from a real configuration file, on free ports. */
export class Proxy {
  readonly configPath: string;
  readonly #clock: Clock;
  readonly #scheme: 'http' | 'https';
  readonly #output: LogLines;
  #gate: Gate;

  private constructor(
    configPath: string,
    clock: Clock,
    scheme: 'http' | 'https',
    output: LogLines,
    gate: Gate,
  ) {
    this.configPath = configPath;
    this.#clock = clock;
    this.#scheme = scheme;
    this.#output = output;
    this.#gate = gate;
  }

  static async start(configPath: string, clock: Clock): Promise<Proxy> {
    const config = loadConfig(configPath, {});
    const scheme = config.tls.length > 0 ? 'https' : 'http';
    const output = new LogLines();
    const gate = await startGate(config, { now: clock.now, log: output.log, drainGrace: 0 });
    return new Proxy(configPath, clock, scheme, output, gate);
  }

  get url(): string {
    return `${this.#scheme}://${authority(this.#gate.address)}`;
  }

  /** The records logged so far, parsed, over every restart. */
  get logs(): readonly Record<string, unknown>[] {
    return this.#output.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  get adminUrl(): string {
    return `http://${authority(this.#gate.admin)}`;
  }

  /** Takes an image without its registry, by tag (`team/app:1.0`) or digest (`team/app@sha256:…`); asks for its
   * manifest as a client does. */
  async pull(image: string, options: HttpOptions & { readonly accept?: string } = {}): Promise<PullAnswer> {
    const mark = image.includes('@') ? image.indexOf('@') : image.lastIndexOf(':');
    const target = `/v2/${image.slice(0, mark)}/manifests/${image.slice(mark + 1)}`;
    const { accept = '*/*', headers, ...rest } = options;
    const answered = await this.request(target, { ...rest, headers: { accept, ...headers } });
    const reason = at(answered.json, 'errors', 0, 'detail', 'reason');
    return { ...answered, reason: typeof reason === 'string' ? reason : undefined };
  }

  /** Takes a request target; sends it as it is. Gives the answer when nothing goes on beside it any more. */
  async request(target: string, options: HttpOptions = {}): Promise<HttpAnswer> {
    const answered = await send(this.url, target, options);
    await this.settled();
    return answered;
  }

  /** Resolves when nothing goes on beside the answers. */
  settled(): Promise<void> {
    return this.#gate.settled();
  }

  /** The text of `/metrics`. */
  async metrics(): Promise<string> {
    return (await send(this.adminUrl, '/metrics')).body.toString();
  }

  /** Stops and starts again with the same file and the same state. */
  async restart(): Promise<void> {
    await this.close();
    this.#gate = await startGate(loadConfig(this.configPath, {}), {
      now: this.#clock.now,
      log: this.#output.log,
      drainGrace: 0,
    });
  }

  /** Ends as on SIGTERM. */
  drain(): Promise<void> {
    return this.#gate.drain();
  }

  close(): Promise<void> {
    return this.#gate.close();
  }
}

export interface World {
  readonly notary: LyingNotary;
  readonly registry: LyingRegistry;
  readonly proxy: Proxy;
  readonly clock: Clock;
  /** The temporary directory with the configuration and the state. */
  readonly directory: string;
}

/** Starts a notary, a registry and the proxy between them; all end with the test. */
export async function startWorld(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const clock = new Clock();
  const directory = await mkdtemp(join(tmpdir(), 'tufgate-world-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const notary = await LyingNotary.start({
    ...options.notary,
    gunPrefix: `${registryName}/`,
    now: clock.now,
  });
  t.after(() => notary.close());
  const registry = await LyingRegistry.start(options.registry);
  t.after(() => registry.close());

  const configPath = join(directory, 'tufgate.yaml');
  await writeFile(configPath, stringify(configuration(options, notary, registry, directory)));
  const proxy = await Proxy.start(configPath, clock);
  t.after(() => proxy.close());
  return { notary, registry, proxy, clock, directory };
}

function configuration(
  options: WorldOptions,
  notary: LyingNotary,
  registry: LyingRegistry,
  directory: string,
): ConfigurationTree {
  const root = { keys: [notary.rootPin] };
  const rule = {
    match: `${registryName}/**`,
    mode: 'enforce',
    notary: 'main',
    root,
    check_every: 0,
    ...options.rule,
  };
  const tree = {
    listen: '127.0.0.1:0',
    admin: '127.0.0.1:0',
    state: `sqlite:${join(directory, 'state.db')}`,
    registries: { [registryName]: { upstream: registry.url, auth: 'anonymous' } },
    default_registry: registryName,
    notaries: { main: { url: notary.url, auth: 'anonymous' } },
    rules: options.rules ?? [rule],
  };
  return typeof options.config === 'function' ? options.config(tree) : { ...tree, ...options.config };
}

function authority({ host, port }: Address): string {
  return `${host}:${port}`;
}
