import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Credential, DockerConfigFile } from '../../oci/docker-config.ts';
import { parseDockerConfig } from '../../oci/docker-config.ts';
import { DownloadError } from '../download-error.ts';
import type { CredentialSource } from './credential-source.ts';
import { askProgram } from './credential-program.ts';

const longestFile = 1024 ** 2;
/** Docker Hub, under the names that its credentials are kept by; the first is that of `docker login`. */
const dockerHub = ['index.docker.io', 'docker.io', 'registry-1.docker.io'];
const dockerHubAddress = 'https://index.docker.io/v1/';

/**
 * The credentials for one host in a Docker config.json, found as the docker CLI finds them: a credential program if one
 * is named for the host or for all, else what the file says itself. The file is read for each question: others renew
 * what is in it (ECR, ACR and Google give passwords that last hours).
 */
export class DockerConfigCredentials implements CredentialSource {
  readonly #file: string;
  readonly #host: string;
  /** One run serves all who ask meanwhile; it is told only the host. */
  readonly #runs = new Map<string, Promise<Credential>>();

  /** Takes the absolute path of the file, and the host with its port that its credentials are to be shown to. */
  constructor(file: string, host: string) {
    this.#file = file;
    this.#host = host;
  }

  async credentials(repository: string): Promise<Credential> {
    const config = await this.#read();
    const names = dockerHub.includes(this.#host) ? dockerHub : [this.#host];
    const keys = names.flatMap((name) => [name, ...addressesOf(name)]);
    const named = keys.map((key) => config.programs.get(key)).find((name) => name !== undefined);
    const program = named ?? config.store;
    if (program !== undefined && program !== '') return this.#ask(program);
    const found = [...prefixes(names, repository), ...keys]
      .map((key) => config.auths.get(key))
      .find((credential) => credential !== undefined);
    if (found !== undefined) return found;
    throw this.#failure(`${this.#file} holds no credentials for ${this.#host}`);
  }

  #ask(program: string): Promise<Credential> {
    const running = this.#runs.get(program);
    if (running !== undefined) return running;
    const address = dockerHub.includes(this.#host) ? dockerHubAddress : this.#host;
    const run = askProgram(program, address)
      .then((answer) => {
        if ('problem' in answer) {
          const asked = `docker-credential-${program}, which ${this.#file} names for ${this.#host},`;
          throw this.#failure(`${asked} ${answer.problem}`);
        }
        return answer.credential;
      })
      .finally(() => this.#runs.delete(program));
    this.#runs.set(program, run);
    return run;
  }

  async #read(): Promise<DockerConfigFile> {
    const text = await readText(this.#file);
    const config = typeof text === 'string' ? parseDockerConfig(text) : text;
    if ('problem' in config) {
      throw this.#failure(`${this.#file}, for the credentials of ${this.#host}, ${config.problem}`);
    }
    return config;
  }

  #failure(message: string): DownloadError {
    return new DownloadError('unauthorized', message);
  }
}

/** Takes a host; gives the addresses by which `docker login` has kept credentials for it. */
function addressesOf(host: string): string[] {
  const paths = ['', '/', '/v1', '/v1/', '/v2', '/v2/'];
  return ['https://', 'http://'].flatMap((scheme) => paths.map((path) => `${scheme}${host}${path}`));
}

/** Gives host and repository, shortened by one segment at a time, but never to the host alone. */
function prefixes(hosts: readonly string[], repository: string): string[] {
  const path = repository.split('/');
  return path.flatMap((_, cut) => hosts.map((host) => [host, ...path.slice(0, path.length - cut)].join('/')));
}

async function readText(path: string): Promise<string | { readonly problem: string }> {
  try {
    // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile()) return { problem: 'is not a regular file' };
    if (found.size > longestFile) return { problem: `is larger than ${longestFile} bytes` };
    // What a writer adds meanwhile is not read; cut short, it is no JSON object.
    const { buffer, bytesRead } = await file.read(Buffer.alloc(found.size), 0, found.size, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    const code =
      error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
    if (code === undefined) throw error;
    // It was there at the start, and its folder may have been swapped; the next token asks again.
    return { problem: code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})` };
  }
}
