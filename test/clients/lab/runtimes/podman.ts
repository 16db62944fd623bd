import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { authFile, type ImageSettings, type LoginAt } from './containers-image.ts';
import type { Egress } from '../servers/egress.ts';
import { withoutName } from '../images.ts';
import type { Lab } from '../lab.ts';
import { mustRun, run, type Finished, type Setting } from '../process.ts';

const inspected = z.array(z.object({ Id: z.string(), Digest: z.string(), RepoDigests: z.array(z.string()) }));

/** podman with storage of its own; it has no daemon. */
export class Podman {
  readonly #flags: readonly string[];
  readonly #policy: string;
  readonly #setting: Setting & { readonly cwd: string };

  private constructor(flags: readonly string[], policy: string, setting: Setting & { readonly cwd: string }) {
    this.#flags = flags;
    this.#policy = policy;
    this.#setting = setting;
  }

  /** Makes one with these settings; its way out is `egress`. */
  static async open(lab: Lab, egress: Egress, { registriesConf, policy }: ImageSettings): Promise<Podman> {
    const dir = await lab.newFolder('podman');
    const flags = [
      '--root',
      join(dir, 'root'),
      '--runroot',
      join(dir, 'run'),
      '--tmpdir',
      join(dir, 'tmp'),
      '--storage-driver',
      'vfs',
      '--cgroup-manager',
      'cgroupfs',
      '--events-backend',
      'none',
    ];
    const env = { ...egress.env, CONTAINERS_REGISTRIES_CONF: registriesConf };
    return new Podman(flags, policy, { env, cwd: dir });
  }

  /** `podman pull` after `podman login`, whatever comes of it. */
  async pull(image: string, login?: LoginAt, ...flags: string[]): Promise<Finished> {
    const auth = join(await mkdtemp(join(this.#setting.cwd, 'login-')), 'auth.json');
    await writeFile(auth, authFile(login));
    const pull = ['pull', '--signature-policy', this.#policy, '--authfile', auth, ...flags, image];
    return await run('podman', [...this.#flags, ...pull], this.#setting);
  }

  /** `podman image rm`, also when there is none. */
  async remove(image: string): Promise<void> {
    await mustRun('podman', [...this.#flags, 'image', 'rm', '--force', image], this.#setting);
  }

  /** What podman recorded of an image: its id and the digests it was pulled by. Empty if there is none. */
  async records(image: string): Promise<readonly string[]> {
    const exists = await run('podman', [...this.#flags, 'image', 'exists', image], this.#setting);
    if (exists.status === 1) return [];
    const stdout = await mustRun('podman', [...this.#flags, 'image', 'inspect', image], this.#setting);
    return inspected
      .parse(JSON.parse(stdout))
      .flatMap((it) => [`sha256:${it.Id}`, it.Digest, ...it.RepoDigests.map(withoutName)]);
  }
}
