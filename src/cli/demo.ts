import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { stringify } from 'yaml';
import { loadConfig } from '../config/load.ts';
import type { Story } from '../demo/stories.ts';
import { demoRegistry, DemoWorld, isAsTold, pullManifest } from '../demo/stories.ts';
import { createLog } from '../telemetry/log.ts';
import { exit } from './output.ts';
import type { Gate } from './gate.ts';
import { startGate } from './gate.ts';

export interface DemoOptions {
  readonly once: boolean;
  readonly write: (text: string) => void;
}

/**
 * Starts an embedded registry and notary and the real proxy with a real configuration file, tells the stories, and stays
 * up until Ctrl-C unless `once`. Gives the exit status: 0 only if every story ended as it must.
 */
export async function demo({ once, write }: DemoOptions): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'tufgate-demo-'));
  const world = await DemoWorld.start();
  let gate: Gate | undefined;
  try {
    const configPath = join(directory, 'tufgate.yaml');
    const yaml = configuration(world, directory);
    await writeFile(configPath, yaml);
    write(`# ${configPath}\n${yaml}\n`);
    // The stories say what happened; the log would say it twice.
    const log = createLog(new Writable({ write: (_chunk, _encoding, done) => done() }));
    gate = await startGate(loadConfig(configPath, {}), { log, drainGrace: 0 });
    const origin = `http://${gate.address.host}:${gate.address.port}`;

    let good = true;
    for (const story of world.stories()) good = (await tell(story, origin, write)) && good;
    if (!once) await stayUp(gate, configPath, write);
    return good ? exit.ok : exit.refused;
  } finally {
    await gate?.close();
    await world.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function tell(story: Story, origin: string, write: (text: string) => void): Promise<boolean> {
  const pull = (image: string) => pullManifest(origin, image);
  await story.prepare(pull);
  const pulled = await pull(story.image);
  const good = isAsTold(story, pulled);
  const outcome = pulled.digest ?? pulled.message ?? '';
  write(`${good ? 'ok  ' : 'FAIL'} ${story.title}\n     ${story.image} -> ${pulled.status} ${outcome}\n`);
  return good;
}

function configuration(world: DemoWorld, directory: string): string {
  return stringify({
    listen: '127.0.0.1:0',
    admin: '127.0.0.1:0',
    state: `sqlite:${join(directory, 'state.db')}`,
    registries: { [demoRegistry]: { upstream: world.registry.url, auth: 'anonymous' } },
    default_registry: demoRegistry,
    notaries: { demo: { url: world.notary.url } },
    rules: [...world.rootPins()].map(([name, keys]) => ({
      match: `${demoRegistry}/${name}`,
      mode: 'enforce',
      notary: 'demo',
      root: { keys: [...keys] },
      check_every: 0,
    })),
  });
}

async function stayUp(gate: Gate, configPath: string, write: (text: string) => void): Promise<void> {
  const host = `${gate.address.host}:${gate.address.port}`;
  write(
    [
      '',
      `The proxy is up at http://${host}, its metrics at http://${gate.admin.host}:${gate.admin.port}/metrics. Try:`,
      '',
      `  curl -i http://${host}/v2/hello/manifests/1.0`,
      `  curl -i http://${host}/v2/hello/manifests/2.0`,
      `  docker pull ${host}/hello:1.0`,
      `  docker pull ${host}/hello:2.0`,
      `  podman pull --tls-verify=false ${host}/hello:1.0`,
      `  skopeo inspect --tls-verify=false docker://${host}/stale:1.0`,
      `  bin/tufgate explain ${demoRegistry}/old:1.0 -c ${configPath}`,
      '',
      'Ctrl-C ends it.',
      '',
    ].join('\n'),
  );
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}
