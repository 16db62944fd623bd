import type { Report } from '../finding.ts';
import { placeOf } from '../finding.ts';
import type { GateAddress } from '../gate-address.ts';
import type { NodeFiles } from '../node-files.ts';
import { at, elementsOf, jsonOf, textOf } from '../tree.ts';
import type { Setting } from '../units.ts';
import { Units } from '../units.ts';
import { examineHostFolders } from './hosts-toml.ts';

const usual = '/etc/docker/daemon.json';

/**
 * Looks at Docker's own configuration; gives the proxies that it goes through. Pulls by a registry's own name have no
 * setting: where that name leads is asked of the network.
 */
export function examineDocker(
  report: Report,
  node: NodeFiles,
  gate: GateAddress,
  registries: readonly string[],
): readonly Setting[] {
  const program = node.program('dockerd');
  const units = new Units(node, 'docker');
  const path = units.path('--config-file') ?? usual;
  if (program === undefined && !node.exists(path)) {
    report.skipped('docker', `no dockerd and no ${path}`);
    return [];
  }
  let proxies: Setting[] = [...units.variable('HTTPS_PROXY')];
  report.examine('docker', { file: path, line: null }, 'no registry-mirrors', () => {
    for (const { place, value } of units.option('--registry-mirror')) {
      report.open('docker-registry-mirrors', place, fallsBack('--registry-mirror', value));
    }
    const file = node.read(path);
    if (file === undefined) return;
    const tree = jsonOf(file);
    const mirrors = elementsOf(at(tree, 'registry-mirrors'));
    if (mirrors.length > 0) {
      const place = placeOf(file, '"registry-mirrors"');
      report.open('docker-registry-mirrors', place, fallsBack('"registry-mirrors"', String(mirrors[0])));
    }
    const proxy = textOf(at(tree, 'proxies', 'https-proxy'));
    if (proxy !== undefined) proxies = [{ place: placeOf(file, '"https-proxy"'), value: proxy }];
    // Only the containerd store reads hosts.toml; without one, a registry is asked by its own name.
    if (at(tree, 'features', 'containerd-snapshotter') !== true) return;
    const folders = ['/etc/docker/certs.d'];
    examineHostFolders(report, node, gate, { topic: 'docker', folders, registries });
  });
  return proxies;
}

function fallsBack(setting: string, mirror: string): string {
  return `${setting} (${mirror}) falls back to Docker Hub on any error`;
}
