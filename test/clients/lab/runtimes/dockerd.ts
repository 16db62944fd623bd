import { copyFile, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { authFile, type LoginAt } from './containers-image.ts';
import type { Egress } from '../servers/egress.ts';
import type { Lab } from '../lab.ts';
import type { NotaryServer } from '../servers/notary.ts';
import type { Pki } from '../pki.ts';
import { withoutName } from '../images.ts';
import { mustRun, run, startDaemon, untilReady, type Finished, type Setting } from '../process.ts';

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

  /** Starts dockerd without networking; its way out is `egress`, its settings are `daemonJson`. */
  static async start(lab: Lab, egress: Egress, daemonJson: object = {}): Promise<Dockerd> {
    const dir = await lab.newFolder('docker');
    const socket = `unix://${join(dir, 'd.sock')}`;
    // A file of our own, so that the machine's /etc/docker/daemon.json is not read.
    await writeFile(join(dir, 'daemon.json'), JSON.stringify(daemonJson));
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

  /** `docker pull` after `docker login`, whatever comes of it. */
  async pull(image: string, login?: LoginAt): Promise<Finished> {
    const config = await mkdtemp(join(this.#dir, 'login-'));
    await writeFile(join(config, 'config.json'), authFile(login));
    return await run(dockerCli, ['--config', config, 'pull', image], { env: this.#env, cwd: this.#dir });
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

  /**
   * The docker command line of a publisher, with passphrases set. Content trust is at the notary that is given, or else
   * where docker looks for it: at the registry of the image's name. `trusts` signed the certificates of both.
   */
  async publisher(trusts: Pki, notary?: NotaryServer, login?: LoginAt): Promise<DockerPublisher> {
    const config = await mkdtemp(join(this.#dir, 'publisher-'));
    await writeFile(join(config, 'config.json'), authFile(login));
    const server = notary === undefined ? {} : { DOCKER_CONTENT_TRUST_SERVER: notary.url };
    if (notary !== undefined) {
      const tls = join(config, 'tls', `127.0.0.1:${notary.port}`);
      await mkdir(tls, { recursive: true });
      await copyFile(trusts.caFile, join(tls, 'ca.crt'));
    }
    const env = {
      ...this.#env,
      ...server,
      SSL_CERT_FILE: trusts.caFile,
      DOCKER_CONFIG: config,
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'root-passphrase',
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'repository-passphrase',
    };
    const setting = (trust: '0' | '1'): Setting => ({
      env: { ...env, DOCKER_CONTENT_TRUST: trust },
      cwd: this.#dir,
    });
    return {
      docker: async (...args) => await mustRun(dockerCli, args, setting('0')),
      tryDocker: async (...args) => await run(dockerCli, args, setting('0')),
      trusted: async (...args) => await run(dockerCli, args, setting('1')),
    };
  }
}

/** Docker Content Trust's command line. */
export interface DockerPublisher {
  /** Throws with docker's words when it fails; gives its stdout. */
  readonly docker: (...args: string[]) => Promise<string>;
  /** The same, whatever comes of it. */
  readonly tryDocker: (...args: string[]) => Promise<Finished>;
  /** The same with `DOCKER_CONTENT_TRUST=1`: a push signs into `targets`, a pull takes what is signed. */
  readonly trusted: (...args: string[]) => Promise<Finished>;
}
