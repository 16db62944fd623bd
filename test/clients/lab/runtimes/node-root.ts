import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ImageSettings } from './containers-image.ts';
import type { Lab } from '../lab.ts';
import type { Tufgate } from '../servers/tufgate.ts';

/** A folder that stands for the root of a node's file system: what its runtimes, and `tufgate doctor`, read. */
export class NodeRoot {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Makes an empty one; the name keeps several of one lab apart. */
  static async open(lab: Lab, name: string): Promise<NodeRoot> {
    return new NodeRoot(await lab.folder(name));
  }

  /** Where a file with this absolute name lies. */
  path(name: string): string {
    return join(this.dir, name);
  }

  /** Writes a file of the node, and the folders above it. */
  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.path(name)), { recursive: true });
    await writeFile(this.path(name), text);
  }

  /** Puts the files that `tufgate clients RUNTIME` prints where it says, if `wanted`; gives their names. */
  async install(
    tufgate: Tufgate,
    runtime: string,
    wanted: (name: string) => boolean = () => true,
  ): Promise<string[]> {
    const { status, stdout, output } = await tufgate.tell('clients', runtime);
    if (status !== 0) throw new Error(`tufgate clients ${runtime} exited with ${status}:\n${output}`);
    const files = [...printedFiles(stdout)].filter(([name]) => wanted(name));
    for (const [name, text] of files) await this.write(name, text);
    return files.map(([name]) => name);
  }

  /** Makes the lines of a file that a mark leaves out count, as an admin would; `own` in them is a file of this node. */
  async takeAwayMarks(name: string, own: string): Promise<void> {
    const text = await readFile(this.path(name), 'utf8');
    const unmarked = text.replaceAll(`# ca = "${own}"`, `ca = "${this.path(own)}"`);
    if (unmarked === text) throw new Error(`${name} does not mention ${own}`);
    await this.write(name, unmarked);
  }

  /** Adds a client certificate to the `[host]` at the end of a hosts.toml. */
  async showCertificate(name: string, certFile: string, keyFile: string): Promise<void> {
    const text = await readFile(this.path(name), 'utf8');
    await this.write(name, `${text}\n  client = [["${certFile}", "${keyFile}"]]\n`);
  }

  /** What `tufgate clients podman` printed and `install` put here. */
  get imageSettings(): ImageSettings {
    return {
      registriesConf: this.path('/etc/containers/registries.conf.d/99-tufgate.conf'),
      policy: this.path('/etc/containers/policy.json'),
    };
  }
}

/** Each file stands under a comment with its name alone; of two for one name, by version, the first is for the older. */
function printedFiles(printed: string): Map<string, string> {
  const files = new Map<string, string>();
  const parts = printed.split(/^# (?:(\/\S+)(?: \(.*\))?|==.*)$/m);
  for (let at = 1; at < parts.length; at += 2) {
    const [name, text = ''] = [parts[at], parts[at + 1]];
    if (name === undefined || files.has(name)) continue;
    // JSON has no comments: what stands after it is for the reader.
    files.set(name, name.endsWith('.json') ? text.replace(/^#.*$/gm, '') : text);
  }
  return files;
}
