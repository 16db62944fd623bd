import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Lab } from '../lab.ts';
import type { KeyPair } from '../pki.ts';
import { accepts, freePort } from '../port.ts';
import { debianPath, startDaemon, untilReady } from '../process.ts';

/** A running docker-registry on 127.0.0.1, plain HTTP unless it was given a certificate. */
export interface DockerRegistry {
  readonly port: number;
  /** `127.0.0.1:port`, the registry's name in an image reference. */
  readonly host: string;
  readonly url: string;
  /** The folder with all it holds; another registry may show the same. */
  readonly storage: string;
}

/** How it differs from an open registry with an empty storage. */
export interface RegistryOptions {
  readonly storage?: string;
  /** The `auth` section of its configuration. */
  readonly auth?: object;
  readonly tls?: KeyPair;
}

/** Starts docker-registry with its storage in the lab. */
export async function startRegistry(lab: Lab, options: RegistryOptions = {}): Promise<DockerRegistry> {
  const port = await freePort();
  const dir = await lab.folder(`registry-${port}`);
  const host = `127.0.0.1:${port}`;
  const { storage = join(dir, 'blobs'), auth, tls } = options;
  const config = {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: host, ...(tls && { tls: { certificate: tls.certFile, key: tls.keyFile } }) },
    ...(auth !== undefined && { auth }),
  };
  const file = join(dir, 'config.yml');
  await writeFile(file, stringify(config));
  const env = { PATH: debianPath, OTEL_TRACES_EXPORTER: 'none' };
  const daemon = await startDaemon(lab, 'docker-registry', 'docker-registry', ['serve', file], {
    env,
    cwd: dir,
  });
  await untilReady(daemon, () => accepts(port));
  return { port, host, url: `${tls === undefined ? 'http' : 'https'}://${host}`, storage };
}
