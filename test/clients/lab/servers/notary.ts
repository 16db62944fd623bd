import { createHash, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import type { PushedManifest } from '../images.ts';
import type { Lab } from '../lab.ts';
import { makeSigner, type Pki } from '../pki.ts';
import { accepts, freePort } from '../port.ts';
import { debianPath, mustRun, startDaemon, untilReady, type Setting } from '../process.ts';

/** A running notary-server, HTTPS on 127.0.0.1. */
export interface NotaryServer {
  readonly port: number;
  readonly url: string;
}

/** Which program holds the server's keys: the server itself (Ed25519), or a notary-signer beside it (ECDSA). */
export type ServerKeys = 'local' | 'signer';

const passphrases = {
  NOTARY_ROOT_PASSPHRASE: 'root-passphrase',
  NOTARY_TARGETS_PASSPHRASE: 'targets-passphrase',
  NOTARY_SNAPSHOT_PASSPHRASE: 'snapshot-passphrase',
  // `notary key generate -o` encrypts a root key with this one, and `key rotate -k` opens it as a root key.
  NOTARY_DELEGATION_PASSPHRASE: 'root-passphrase',
};

/** Starts notary-server with an empty memory store, and with `signer` a notary-signer before it. */
export async function startNotaryServer(lab: Lab, pki: Pki, keys: ServerKeys): Promise<NotaryServer> {
  const port = await freePort();
  const dir = await lab.folder(`notary-server-${port}`);
  const env = { PATH: debianPath };
  const files = { tls_cert_file: pki.certFile, tls_key_file: pki.keyFile };
  const common = { storage: { backend: 'memory' }, logging: { level: 'warn' } };
  const start = async (program: string, config: object, itsPort: number): Promise<void> => {
    const file = join(dir, `${program}.json`);
    await writeFile(file, JSON.stringify({ ...config, ...common }));
    const daemon = await startDaemon(lab, program, program, ['-config', file], { env, cwd: dir });
    await untilReady(daemon, () => accepts(itsPort));
  };
  let trustService: object = { type: 'local' };
  if (keys === 'signer') {
    const signerPort = await freePort();
    const server = { grpc_addr: `127.0.0.1:${signerPort}`, ...files, client_ca_file: pki.caFile };
    await start('notary-signer', { server }, signerPort);
    trustService = {
      type: 'remote',
      hostname: '127.0.0.1',
      port: `${signerPort}`,
      key_algorithm: 'ecdsa',
      tls_ca_file: pki.caFile,
      tls_client_cert: pki.certFile,
      tls_client_key: pki.keyFile,
    };
  }
  const server = { http_addr: `127.0.0.1:${port}`, ...files };
  await start('notary-server', { server, trust_service: trustService }, port);
  return { port, url: `https://127.0.0.1:${port}` };
}

/** Hashes beyond sha256, and where `addhash` puts the target. */
export interface TargetOptions {
  readonly role?: string;
  readonly sha512?: string;
  readonly custom?: string;
}

const rootFile = z.object({
  signed: z.object({
    version: z.number(),
    keys: z.record(z.string(), z.object({ keyval: z.object({ public: z.string() }) })),
    roles: z.object({ root: z.object({ keyids: z.array(z.string()) }) }),
  }),
});

/** The `notary` command line with its own trust directory: somebody who signs. */
export class NotaryClient {
  readonly #setting: Setting & { readonly cwd: string };
  readonly #config: string;
  readonly #server: NotaryServer;
  readonly #ca: Buffer;

  private constructor(dir: string, server: NotaryServer, ca: Buffer) {
    this.#setting = { env: { PATH: debianPath, HOME: dir, ...passphrases }, cwd: dir };
    this.#config = join(dir, 'notary.json');
    this.#server = server;
    this.#ca = ca;
  }

  /** Makes a signer with no keys yet; `name` keeps the trust directories of two signers apart. */
  static async open(lab: Lab, name: string, server: NotaryServer, pki: Pki): Promise<NotaryClient> {
    const dir = await lab.folder(name);
    const client = new NotaryClient(dir, server, await readFile(pki.caFile));
    // An absolute trust_dir: a relative one would hang on the working directory.
    const config = {
      trust_dir: join(dir, 'trust'),
      remote_server: { url: server.url, root_ca: pki.caFile },
    };
    await writeFile(client.#config, JSON.stringify(config));
    return client;
  }

  /** Runs `notary` with closed stdin; throws with its words when it fails. */
  async notary(...args: string[]): Promise<string> {
    return await mustRun('notary', ['-c', this.#config, ...args], this.#setting);
  }

  /** Creates the GUN's trust data and publishes it. */
  async init(gun: string): Promise<void> {
    await this.notary('init', '-p', gun);
  }

  /** Stages a tag for a manifest; `publish` signs and sends it. */
  async addHash(
    gun: string,
    tag: string,
    manifest: PushedManifest,
    options: TargetOptions = {},
  ): Promise<void> {
    const args = [
      'addhash',
      gun,
      tag,
      `${manifest.size}`,
      '--sha256',
      manifest.digest.replace('sha256:', ''),
    ];
    if (options.role !== undefined) args.push('--roles', options.role);
    if (options.sha512 !== undefined) args.push('--sha512', options.sha512);
    if (options.custom !== undefined) {
      const file = join(this.#setting.cwd, 'custom.json');
      await writeFile(file, options.custom);
      args.push('--custom', file);
    }
    await this.notary(...args);
  }

  /** Signs what was staged and sends it. */
  async publish(gun: string): Promise<void> {
    await this.notary('publish', gun);
  }

  /** `addHash` and `publish`. */
  async sign(gun: string, tag: string, manifest: PushedManifest, options: TargetOptions = {}): Promise<void> {
    await this.addHash(gun, tag, manifest, options);
    await this.publish(gun);
  }

  /** Makes a key pair, delegates the role to it for all tags (or those with a prefix) and imports the key. */
  async delegate(gun: string, role: string, kind: 'ecdsa' | 'rsa' = 'ecdsa', prefix?: string): Promise<void> {
    const signer = await makeSigner(this.#setting, role.replaceAll('/', '-'), kind);
    const paths = prefix === undefined ? ['--all-paths'] : ['--paths', prefix];
    await this.notary('delegation', 'add', '-p', gun, role, signer.certFile, ...paths);
    await this.notary('key', 'import', signer.keyFile, '--role', 'delegation-signer', '--gun', gun);
  }

  /** Removes the whole delegation and publishes that. */
  async removeDelegation(gun: string, role: string): Promise<void> {
    await this.notary('delegation', 'remove', '-p', '-y', gun, role);
  }

  /** Gives the role a new key; of `snapshot` and `timestamp`, `-r` makes the server hold it. */
  async rotate(gun: string, role: string, ...flags: string[]): Promise<void> {
    // Rotating a root asks "are you sure".
    const args = ['-c', this.#config, 'key', 'rotate', gun, role, ...flags];
    await mustRun('notary', args, this.#setting, 'yes\n');
  }

  /** Makes a root key outside the trust directory; gives the path of its encrypted PEM file. */
  async newRootKey(name: string): Promise<string> {
    await this.notary('key', 'generate', 'ecdsa', '--role', 'root', '-o', name);
    return join(this.#setting.cwd, `${name}-key.pem`);
  }

  /** A metadata file as the server gives it, straight from it; throws unless it answers 200. */
  async served(gun: string, name: string): Promise<Buffer> {
    const url = `${this.#server.url}/v2/${gun}/_trust/tuf/${name}.json`;
    return await new Promise((resolve, reject) => {
      get(url, { ca: this.#ca }, (response) => {
        if (response.statusCode === 200) buffer(response).then(resolve, reject);
        else reject(new Error(`${url}: ${response.statusCode}`));
      }).on('error', reject);
    });
  }

  /** The root's version and, of each key its root role has, the id and the SHA-256 of the SPKI in hex. */
  async root(
    gun: string,
    name = 'root',
  ): Promise<{ version: number; keys: readonly { readonly id: string; readonly spki: string }[] }> {
    const { signed } = rootFile.parse(JSON.parse((await this.served(gun, name)).toString()));
    const keys = signed.roles.root.keyids.map((id) => {
      const pem = Buffer.from(signed.keys[id]?.keyval.public ?? '', 'base64');
      const der = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
      return { id, spki: createHash('sha256').update(der).digest('hex') };
    });
    return { version: signed.version, keys };
  }
}
