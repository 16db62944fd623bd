import { writeFile } from 'node:fs/promises';
import { get, type IncomingHttpHeaders } from 'node:http';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { z } from 'zod';
import type { Lab } from './lab.ts';
import { freePort } from './port.ts';
import { run, startDaemon, untilReady, type Daemon, type Setting } from './process.ts';

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

/** An answer of tufgate, with the reason phrase that some clients show alone. */
export interface Answer {
  readonly status: number;
  readonly phrase: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
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
  readonly #lab: Lab;
  readonly #admin: number;
  readonly #file: string;
  readonly #setting: Setting & { readonly cwd: string };
  #daemon: Daemon | undefined;

  private constructor(
    lab: Lab,
    ports: { readonly api: number; readonly admin: number },
    setting: Setting & { readonly cwd: string },
  ) {
    this.host = `127.0.0.1:${ports.api}`;
    this.#lab = lab;
    this.#admin = ports.admin;
    this.#file = join(setting.cwd, 'tufgate.yaml');
    this.#setting = setting;
  }

  /** Writes the configuration; nothing runs yet. */
  static async configure(lab: Lab, guarded: Guarded): Promise<Tufgate> {
    const ports = { api: await freePort(), admin: await freePort() };
    const cwd = await lab.folder(`tufgate-${ports.api}`);
    const path = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
    const tufgate = new Tufgate(lab, ports, { env: { PATH: path, HOME: cwd }, cwd });
    const config = {
      listen: tufgate.host,
      admin: `127.0.0.1:${ports.admin}`,
      state: `sqlite:${join(cwd, 'state.db')}`,
      registries: { [guarded.registry]: { upstream: guarded.upstream, auth: 'anonymous' } },
      default_registry: guarded.registry,
      notaries: { main: { url: guarded.notary, ca_file: guarded.notaryCaFile, auth: 'anonymous' } },
      rules: [
        {
          match: `${guarded.registry}/**`,
          mode: 'enforce',
          notary: 'main',
          root: guarded.root,
          check_every: 0,
        },
      ],
    };
    await writeFile(tufgate.#file, stringify(config));
    return tufgate;
  }

  /** `configure`, and `tufgate serve` until it is ready. */
  static async start(lab: Lab, guarded: Guarded): Promise<Tufgate> {
    const tufgate = await Tufgate.configure(lab, guarded);
    await tufgate.serve();
    return tufgate;
  }

  /** `tufgate serve`, until /readyz says 200. */
  async serve(): Promise<void> {
    const args = ['serve', '-c', this.#file];
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

  /** The JSON log lines since the last start. */
  logLines(): unknown[] {
    return (this.#daemon?.stdoutLines() ?? []).map((line): unknown => JSON.parse(line));
  }

  /** GET `/v2/<path>`; throws if nothing answers. */
  async get(path: string): Promise<Answer> {
    const answer = await ask(`http://${this.host}/v2/${path}`);
    if (answer === undefined) throw new Error(`tufgate does not answer; it said:\n${this.#daemon?.output()}`);
    return answer;
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
    const args = ['explain', image, '-c', this.#file, '--json'];
    const { status, stdout, output } = await run(launcher, args, this.#setting);
    if (stdout.trim() === '') throw new Error(`tufgate explain ${image} exited with ${status}:\n${output}`);
    return { ...explained.parse(JSON.parse(stdout)), exit: status };
  }
}

const launcher = join(import.meta.dirname, '../../../bin/tufgate');

/** One GET on a connection of its own; undefined if nobody listens or the connection breaks. */
async function ask(url: string): Promise<Answer | undefined> {
  return await new Promise((resolve, reject) => {
    const request = get(url, { agent: false }, (response) => {
      const { statusCode: status = 0, statusMessage: phrase = '', headers } = response;
      buffer(response).then((body) => resolve({ status, phrase, headers, body }), reject);
    });
    request.on('error', () => resolve(undefined));
  });
}
