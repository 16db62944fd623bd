import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Egress } from './egress.ts';
import type { Lab } from './lab.ts';
import type { NotaryServer } from './notary.ts';
import type { Pki } from './pki.ts';
import { withoutName } from './images.ts';
import { mustRun, run, startDaemon, untilReady, type Finished } from './process.ts';

/** The CLI of docker.io, which still has content trust: docker 29 has dropped it. */
const dockerCli = '/usr/bin/docker';

/** A dockerd of our own, and the docker command line that talks to it. */
export class Dockerd {
  readonly #dir: string;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(dir: string, env: Readonly<Record<string, string>>) {
    this.#dir = dir;
    this.#env = env;
  }

  /** Starts dockerd without networking; its way out is `egress`. */
  static async start(lab: Lab, egress: Egress): Promise<Dockerd> {
    const dir = await lab.folder('docker');
    const socket = `unix://${join(dir, 'd.sock')}`;
    // A file of our own, so that the machine's /etc/docker/daemon.json is not read.
    await writeFile(join(dir, 'daemon.json'), '{}');
    const flags = [
      '--iptables=false',
      '--ip6tables=false',
      '--ip-masq=false',
      '--bridge=none',
      '--storage-driver=vfs',
      '--insecure-registry=127.0.0.0/8',
      // A download that fails would be tried five times, with seconds between.
      '--max-download-attempts=1',
      `--host=${socket}`,
      `--data-root=${join(dir, 'data')}`,
      `--exec-root=${join(dir, 'exec')}`,
      `--pidfile=${join(dir, 'd.pid')}`,
      `--config-file=${join(dir, 'daemon.json')}`,
    ];
    const daemon = await startDaemon(lab, 'dockerd', 'dockerd', flags, { env: egress.env, cwd: dir });
    const config = join(dir, 'config');
    await mkdir(config);
    const dockerd = new Dockerd(dir, { ...egress.env, DOCKER_HOST: socket, DOCKER_CONFIG: config });
    await untilReady(daemon, async () => (await dockerd.docker('version')).status === 0);
    return dockerd;
  }

  /** Runs `docker`, whatever comes of it. */
  async docker(...args: string[]): Promise<Finished> {
    return await run(dockerCli, args, { env: this.#env, cwd: this.#dir });
  }

  /** Runs `docker`; throws with its words when it fails. */
  async mustDocker(...args: string[]): Promise<string> {
    return await mustRun(dockerCli, args, { env: this.#env, cwd: this.#dir });
  }

  /** What docker recorded of an image: its id and the digests it was pulled by. Empty if there is none. */
  async records(image: string): Promise<readonly string[]> {
    const format = '{{.ID}}{{range .RepoDigests}} {{.}}{{end}}';
    const { status, stdout, output } = await this.docker('image', 'inspect', '--format', format, image);
    if (status === 0) return stdout.trim().split(' ').map(withoutName);
    if (!output.includes('No such image')) throw new Error(`docker image inspect ${image}: ${output}`);
    return [];
  }

  /** The ids of all images there are. */
  async imageIds(): Promise<string[]> {
    const listed = await this.mustDocker('images', '--all', '--quiet', '--no-trunc');
    return listed.split('\n').filter((line) => line !== '');
  }

  /** The docker command line of a publisher: content trust against this notary, with passphrases set. */
  async publisher(notary: NotaryServer, pki: Pki): Promise<DockerPublisher> {
    const config = join(this.#dir, 'publisher');
    const tls = join(config, 'tls', `127.0.0.1:${notary.port}`);
    await mkdir(tls, { recursive: true });
    await copyFile(pki.caFile, join(tls, 'ca.crt'));
    const env = {
      ...this.#env,
      DOCKER_CONFIG: config,
      DOCKER_CONTENT_TRUST_SERVER: notary.url,
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'root-passphrase',
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'repository-passphrase',
    };
    return {
      docker: async (...args) => await mustRun(dockerCli, args, { env, cwd: this.#dir }),
      trustedPush: async (image) => {
        const trusted = { ...env, DOCKER_CONTENT_TRUST: '1' };
        return await mustRun(dockerCli, ['push', image], { env: trusted, cwd: this.#dir });
      },
    };
  }
}

/** Docker Content Trust's publishing side. Both throw with docker's words when it fails and give its stdout. */
export interface DockerPublisher {
  readonly docker: (...args: string[]) => Promise<string>;
  /** `DOCKER_CONTENT_TRUST=1 docker push IMAGE`: pushes, and signs into `targets`. */
  readonly trustedPush: (image: string) => Promise<string>;
}
