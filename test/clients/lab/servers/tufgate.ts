import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { z } from 'zod';
import { ask, type Answer, type Asking } from './ask.ts';
import type { Lab } from '../lab.ts';
import { freePort } from '../port.ts';
import { run, startDaemon, untilReady, type Daemon, type Finished, type Setting } from '../process.ts';

/** What one tufgate of the lab guards: one registry, enforced everywhere, with one notary asked for every pull. */
export interface Guarded {
  /** The registry's name in image references; it is also the default registry. */
  readonly registry: string;
  readonly upstream: string;
  readonly notary: string;
  readonly notaryCaFile: string;
  /** Key ids or SPKI hashes of the trusted roots; or the first root that is seen. */
  readonly root: { readonly keys: readonly string[] } | { readonly first_use: true };
}

/** What a configuration file says beside its addresses, in the file's own words. */
export interface Settings {
  readonly registries: Readonly<Record<string, object>>;
  readonly rules: readonly object[];
  readonly notaries: Readonly<Record<string, object>>;
  readonly [key: string]: unknown;
}

const explained = z.object({
  verdict: z.enum(['allow', 'deny', 'unavailable']),
  reason: z.string().nullable(),
  message: z.string(),
  digest: z.string().nullable(),
  gun: z.string().nullable(),
  roles: z.array(z.object({ role: z.string(), version: z.number() })),
});

/** What `tufgate explain --json` says, and its exit status. */
export type Explained = z.infer<typeof explained> & { readonly exit: number };

const errorBody = z.object({
  errors: z.tuple([
    z.object({ code: z.string(), message: z.string(), detail: z.object({ reason: z.string() }) }),
  ]),
});

/** The real program, `bin/tufgate`, with a configuration file and a state database of its own. */
export class Tufgate {
  /** `127.0.0.1:port` of the registry API. */
  readonly host: string;
  readonly port: number;
  /** The path of its configuration. */
  readonly file: string;
  readonly #lab: Lab;
  readonly #admin: number;
  readonly #ca: Buffer | undefined;
  readonly #setting: Setting & { readonly cwd: string };
  #daemon: Daemon | undefined;

  private constructor(
    lab: Lab,
    ports: { readonly api: number; readonly admin: number },
    setting: Setting & { readonly cwd: string },
    caFile: string | undefined,
  ) {
    this.#ca = caFile === undefined ? undefined : readFileSync(caFile);
    this.host = `127.0.0.1:${ports.api}`;
    this.port = ports.api;
    this.#lab = lab;
    this.#admin = ports.admin;
    this.file = join(setting.cwd, 'tufgate.yaml');
    this.#setting = setting;
  }

  /** Writes the configuration; nothing runs yet. */
  static async configure(lab: Lab, guarded: Guarded): Promise<Tufgate> {
    return await Tufgate.#written(lab, () => enforcing(guarded));
  }

  /** `configure`, and `tufgate serve` until it is ready. */
  static async start(lab: Lab, guarded: Guarded): Promise<Tufgate> {
    return await Tufgate.startWith(lab, () => enforcing(guarded));
  }

  /** The same with any settings, made from the `127.0.0.1:port` it will have; `ca` signed its certificate, if any. */
  static async startWith(lab: Lab, settings: (host: string) => Settings, caFile?: string): Promise<Tufgate> {
    const tufgate = await Tufgate.#written(lab, settings, caFile);
    await tufgate.serve();
    return tufgate;
  }

  static async #written(lab: Lab, settings: (host: string) => Settings, caFile?: string): Promise<Tufgate> {
    const ports = { api: await freePort(), admin: await freePort() };
    const cwd = await lab.folder(`tufgate-${ports.api}`);
    const path = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
    // As in a system's store of authorities, for the servers that the configuration names.
    const authority = caFile === undefined ? {} : { NODE_EXTRA_CA_CERTS: caFile };
    const tufgate = new Tufgate(lab, ports, { env: { PATH: path, HOME: cwd, ...authority }, cwd }, caFile);
    const config = {
      listen: tufgate.host,
      admin: `127.0.0.1:${ports.admin}`,
      state: `sqlite:${join(cwd, 'state.db')}`,
      limits: { retry_after: '1s' },
      ...settings(tufgate.host),
    };
    await writeFile(tufgate.file, stringify(config, { aliasDuplicateObjects: false }));
    return tufgate;
  }

  /** `tufgate serve`, until /readyz says 200. */
  async serve(): Promise<void> {
    const args = ['serve', '-c', this.file];
    const daemon = await startDaemon(this.#lab, 'tufgate', launcher, args, this.#setting);
    this.#daemon = daemon;
    const url = `http://127.0.0.1:${this.#admin}/readyz`;
    await untilReady(daemon, async () => (await ask(url))?.status === 200);
  }

  /** Ends it as an operator does. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#daemon?.stop(signal);
  }

  /** Ends it as a power failure does. */
  async kill9(): Promise<void> {
    await this.stop('SIGKILL');
  }

  /** Ends it, and starts it again with its state, or with none. */
  async restart(state: 'kept' | 'empty'): Promise<void> {
    await this.stop();
    const names = ['state.db', 'state.db-wal', 'state.db-shm'].map((name) => join(this.#setting.cwd, name));
    if (state === 'empty') await Promise.all(names.map((name) => rm(name, { force: true })));
    await this.serve();
  }

  /** The JSON log lines since the last start. */
  logLines(): unknown[] {
    return (this.#daemon?.stdoutLines() ?? []).map((line): unknown => JSON.parse(line));
  }

  /** GET `/v2/<path>`; throws if nothing answers. */
  async get(path: string): Promise<Answer> {
    return await this.ask(`/v2/${path}`);
  }

  /** One request for a path of the registry API; throws if nothing answers. */
  async ask(path: string, asking: Omit<Asking, 'ca'> = {}): Promise<Answer> {
    const url = `${this.origin}${path}`;
    const answer = await ask(url, this.#ca === undefined ? asking : { ...asking, ca: this.#ca });
    if (answer === undefined) throw new Error(`tufgate does not answer; it said:\n${this.#daemon?.output()}`);
    return answer;
  }

  /** `http://` or, if it has a certificate, `https://` and the host. */
  get origin(): string {
    return `${this.#ca === undefined ? 'http' : 'https'}://${this.host}`;
  }

  /** How many requests for the registry API it has answered since its start, by its own metric. */
  async requests(): Promise<number> {
    const answer = await ask(`http://127.0.0.1:${this.#admin}/metrics`);
    if (answer?.status !== 200) throw new Error(`/metrics answers ${answer?.status}`);
    const lines = answer.body.toString().matchAll(/^tufgate_requests_total\{[^}]*\} ([0-9]+)$/gm);
    return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** The one error of a refused GET `/v2/<path>`: its status and reason; throws if the body is no refusal. */
  async refusal(path: string): Promise<{ readonly status: number; readonly reason: string }> {
    const answer = await this.get(path);
    const { errors } = errorBody.parse(JSON.parse(answer.body.toString()));
    return { status: answer.status, reason: errors[0].detail.reason };
  }

  /**
   * Asks for `/v2/<path>` until it answers 200: a failed notary is remembered for a while, so its return is not
   * seen at once. Throws after 60 s.
   */
  async untilServed(path: string): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const { status, phrase } = await this.get(path);
      if (status === 200) return;
      if (Date.now() > deadline) throw new Error(`/v2/${path} is still ${status} ${phrase}`);
      await delay(200);
    }
  }

  /** `tufgate explain IMAGE --json`; throws if it prints no such value. */
  async explain(image: string): Promise<Explained> {
    const { status, stdout, output } = await this.tell('explain', image, '--json');
    if (stdout.trim() === '') throw new Error(`tufgate explain ${image} exited with ${status}:\n${output}`);
    return { ...explained.parse(JSON.parse(stdout)), exit: status };
  }

  /** Any other verb of the program with this configuration, whatever comes of it. */
  async tell(...args: string[]): Promise<Finished> {
    return await run(launcher, [...args, '-c', this.file], this.#setting);
  }
}

const launcher = join(import.meta.dirname, '../../../../bin/tufgate');

function enforcing({ registry, upstream, notary, notaryCaFile, root }: Guarded): Settings {
  return {
    registries: { [registry]: { upstream, auth: 'anonymous' } },
    default_registry: registry,
    notaries: { main: { url: notary, ca_file: notaryCaFile, auth: 'anonymous' } },
    rules: [{ match: `${registry}/**`, mode: 'enforce', notary: 'main', root, check_every: 0 }],
  };
}
