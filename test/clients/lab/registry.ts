import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from './lab.ts';
import { accepts, freePort } from './port.ts';
import { debianPath, startDaemon, untilReady } from './process.ts';

/** A running docker-registry, plain HTTP on 127.0.0.1. */
export interface DockerRegistry {
  readonly port: number;
  /** `127.0.0.1:port`, the registry's name in an image reference. */
  readonly host: string;
  readonly url: string;
}

/** Starts docker-registry with its storage in the lab. */
export async function startRegistry(lab: Lab): Promise<DockerRegistry> {
  const dir = await lab.folder('registry');
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const config = [
    'version: 0.1',
    'log: { level: warn, accesslog: { disabled: true } }',
    `storage: { filesystem: { rootdirectory: ${join(dir, 'blobs')} }, delete: { enabled: true } }`,
    `http: { addr: ${host} }`,
  ];
  await writeFile(join(dir, 'config.yml'), config.join('\n'));
  const daemon = await startDaemon(
    lab,
    'docker-registry',
    'docker-registry',
    ['serve', join(dir, 'config.yml')],
    {
      env: { PATH: debianPath, OTEL_TRACES_EXPORTER: 'none' },
      cwd: dir,
    },
  );
  await untilReady(daemon, () => accepts(port));
  return { port, host, url: `http://${host}` };
}
