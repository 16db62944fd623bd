import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeImageSettings } from './containers-image.ts';
import type { Egress } from './egress.ts';
import { withoutName } from './images.ts';
import type { Lab } from './lab.ts';
import { mustRun, run, type Finished, type Setting } from './process.ts';

const inspected = z.array(z.object({ Id: z.string(), Digest: z.string(), RepoDigests: z.array(z.string()) }));

/** podman with storage of its own; it has no daemon. */
export class Podman {
  readonly #flags: readonly string[];
  readonly #policy: string;
  readonly #setting: Setting;

  private constructor(flags: readonly string[], policy: string, setting: Setting) {
    this.#flags = flags;
    this.#policy = policy;
    this.#setting = setting;
  }

  /** Makes one that reaches `registry` through `mirror` (`host/path`) only; its way out is `egress`. */
  static async open(lab: Lab, egress: Egress, registry: string, mirror: string): Promise<Podman> {
    const dir = await lab.folder('podman');
    const { registriesConf, policy } = await writeImageSettings(dir, registry, mirror);
    const authFile = join(dir, 'auth.json');
    await writeFile(authFile, '{}');
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
    const env = { ...egress.env, CONTAINERS_REGISTRIES_CONF: registriesConf, REGISTRY_AUTH_FILE: authFile };
    return new Podman(flags, policy, { env, cwd: dir });
  }

  /** `podman pull`, whatever comes of it. */
  async pull(image: string, ...flags: string[]): Promise<Finished> {
    const args = [...this.#flags, 'pull', '--signature-policy', this.#policy, ...flags, image];
    return await run('podman', args, this.#setting);
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
