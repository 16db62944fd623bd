import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeImageSettings } from './containers-image.ts';
import type { Egress } from './egress.ts';
import { digestOf } from './images.ts';
import type { Lab } from './lab.ts';
import { run, type Finished, type Setting } from './process.ts';

/** skopeo, which copies an image and keeps none. */
export class Skopeo {
  readonly #flags: readonly string[];
  readonly #setting: Setting & { readonly cwd: string };

  private constructor(flags: readonly string[], setting: Setting & { readonly cwd: string }) {
    this.#flags = flags;
    this.#setting = setting;
  }

  /** Makes one that reaches `registry` through `mirror` (`host/path`) only; its way out is `egress`. */
  static async open(lab: Lab, egress: Egress, registry: string, mirror: string): Promise<Skopeo> {
    const dir = await lab.folder('skopeo');
    const { registriesConf, policy } = await writeImageSettings(dir, registry, mirror);
    // skopeo 1.9 does not read CONTAINERS_REGISTRIES_CONF.
    const flags = ['--policy', policy, '--registries-conf', registriesConf, '--tmpdir', dir];
    return new Skopeo(flags, { env: egress.env, cwd: dir });
  }

  /** `skopeo copy docker://IMAGE dir:NAME`, whatever comes of it. */
  async copy(image: string, name: string, ...flags: string[]): Promise<Finished> {
    const target = `dir:${join(this.#setting.cwd, name)}`;
    return await run(
      'skopeo',
      [...this.#flags, 'copy', ...flags, `docker://${image}`, target],
      this.#setting,
    );
  }

  /** The digests of all files that were copied to NAME, from their bytes. Empty if nothing was. */
  async records(name: string): Promise<readonly string[]> {
    const dir = join(this.#setting.cwd, name);
    if (!existsSync(dir)) return [];
    // `version` is the stamp of the directory's format, there before anything is copied.
    const files = (await readdir(dir)).filter((file) => file !== 'version');
    return await Promise.all(files.map(async (file) => digestOf(await readFile(join(dir, file)))));
  }
}
