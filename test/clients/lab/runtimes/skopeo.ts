import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { authFile, type ImageSettings, type LoginAt } from './containers-image.ts';
import type { Egress } from '../servers/egress.ts';
import { digestOf } from '../images.ts';
import type { Lab } from '../lab.ts';
import { run, type Finished, type Setting } from '../process.ts';

/** skopeo, which copies an image and keeps none. */
export class Skopeo {
  readonly #flags: readonly string[];
  readonly #setting: Setting & { readonly cwd: string };

  private constructor(flags: readonly string[], setting: Setting & { readonly cwd: string }) {
    this.#flags = flags;
    this.#setting = setting;
  }

  /** Makes one with these settings; its way out is `egress`. */
  static async open(lab: Lab, egress: Egress, { registriesConf, policy }: ImageSettings): Promise<Skopeo> {
    const dir = await lab.newFolder('skopeo');
    // skopeo 1.9 does not read CONTAINERS_REGISTRIES_CONF.
    const flags = ['--policy', policy, '--registries-conf', registriesConf, '--tmpdir', dir];
    return new Skopeo(flags, { env: egress.env, cwd: dir });
  }

  /** `skopeo copy docker://IMAGE dir:NAME` after `skopeo login`, whatever comes of it. */
  async copy(image: string, name: string, login?: LoginAt, ...flags: string[]): Promise<Finished> {
    const auth = join(await mkdtemp(join(this.#setting.cwd, 'login-')), 'auth.json');
    await writeFile(auth, authFile(login));
    const copy = ['copy', '--src-authfile', auth, ...flags, `docker://${image}`, `dir:${this.#folder(name)}`];
    return await run('skopeo', [...this.#flags, ...copy], this.#setting);
  }

  /** The same skopeo with more of the flags that stand before the verb. */
  with(flags: readonly string[]): Skopeo {
    return new Skopeo([...this.#flags, ...flags], this.#setting);
  }

  /** Any other verb of skopeo, whatever comes of it. */
  async skopeo(...args: string[]): Promise<Finished> {
    return await run('skopeo', [...this.#flags, ...args], this.#setting);
  }

  /** Removes what was copied to NAME, if anything was. */
  async remove(name: string): Promise<void> {
    await rm(this.#folder(name), { recursive: true, force: true });
  }

  #folder(name: string): string {
    return join(this.#setting.cwd, `copy-${name}`);
  }

  /** The digests of all files that were copied to NAME, from their bytes. Empty if nothing was. */
  async records(name: string): Promise<readonly string[]> {
    const dir = this.#folder(name);
    if (!existsSync(dir)) return [];
    // `version` is the stamp of the directory's format, there before anything is copied.
    const files = (await readdir(dir)).filter((file) => file !== 'version');
    return await Promise.all(files.map(async (file) => digestOf(await readFile(join(dir, file)))));
  }
}
