import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CriImages } from './cri.ts';
import type { Egress } from '../servers/egress.ts';
import type { Lab } from '../lab.ts';
import { run, startDaemon, untilReady } from '../process.ts';

/** Starts containerd with such a certs.d, seen through its CRI plugin as kubelet sees it; its way out is `egress`. */
export async function startContainerd(lab: Lab, egress: Egress, certs: string): Promise<CriImages> {
  const dir = await lab.newFolder('containerd');
  const socket = join(dir, 'c.sock');
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
  return images;
}
