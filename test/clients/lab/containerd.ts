import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CriImages } from './cri.ts';
import type { Egress } from './egress.ts';
import type { Lab } from './lab.ts';
import { run, startDaemon, untilReady } from './process.ts';

/** A containerd of our own, seen through its CRI plugin as kubelet sees it. */
export interface Containerd {
  readonly images: CriImages;
  /** Sends every pull of `registry/…` to `http://host`, and nowhere else: the no-bypass hosts.toml. */
  readonly route: (registry: string, host: string) => Promise<void>;
}

/** Starts containerd with an empty certs.d; its way out is `egress`. */
export async function startContainerd(lab: Lab, egress: Egress): Promise<Containerd> {
  const dir = await lab.folder('containerd');
  const socket = join(dir, 'c.sock');
  const certs = join(dir, 'certs.d');
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  const config = [
    'version = 2',
    `root = "${join(dir, 'root')}"`,
    `state = "${join(dir, 'state')}"`,
    `[grpc]\n  address = "${socket}"`,
    `[${cri}]\n  stream_server_port = "0"`,
    `[${cri}.containerd]\n  snapshotter = "native"`,
    `[${cri}.cni]\n  conf_dir = "${join(dir, 'cni')}"\n  bin_dir = "${join(dir, 'cni-bin')}"`,
    `[${cri}.registry]\n  config_path = "${certs}"`,
  ];
  await writeFile(join(dir, 'config.toml'), config.join('\n'));
  await mkdir(certs);
  const setting = { env: egress.env, cwd: dir };
  const daemon = await startDaemon(
    lab,
    'containerd',
    'containerd',
    ['-c', join(dir, 'config.toml')],
    setting,
  );
  await untilReady(daemon, async () => (await run('ctr', ['-a', socket, 'version'], setting)).status === 0);
  const images = new CriImages(socket);
  // The daemon answers `version` before its plugins are all there.
  await images.list();
  return {
    images,
    route: async (registry, host) => {
      await mkdir(join(certs, registry), { recursive: true });
      // `server` and the same host again: containerd up to 1.7.31 ignores a file with `server` alone.
      const toml = `server = "http://${host}"\n[host."http://${host}"]\n  capabilities = ["pull", "resolve"]\n`;
      await writeFile(join(certs, registry, 'hosts.toml'), toml);
    },
  };
}
