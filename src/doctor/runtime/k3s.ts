import type { Place, Report } from '../finding.ts';
import { listed, placeOf } from '../finding.ts';
import type { GateAddress } from '../gate-address.ts';
import type { NodeFiles, TextFile } from '../node-files.ts';
import { at, isTable, membersOf, textsOf, yamlOf } from '../tree.ts';
import { Units } from '../units.ts';

// k3s and RKE2 write the hosts.toml of their own containerd from registries.yaml at every start.

const noDefault = 'disable-default-registry-endpoint';
const embedded = 'embedded-registry';
const kinds = [
  { name: 'k3s', units: ['k3s', 'k3s-agent'] },
  { name: 'rke2', units: ['rke2-server', 'rke2-agent'] },
];

/** Looks at registries.yaml and config.yaml of k3s and RKE2. */
export function examineK3s(
  report: Report,
  node: NodeFiles,
  gate: GateAddress,
  registries: readonly string[],
): void {
  const found = kinds.filter(({ name }) => node.program(name) ?? node.exists(`/etc/rancher/${name}`));
  if (found.length === 0) report.skipped('k3s', 'no k3s, no rke2 and no /etc/rancher');
  for (const { name, units } of found) {
    const folder = `/etc/rancher/${name}`;
    const path = `${folder}/registries.yaml`;
    report.examine('k3s', { file: path, line: null }, 'every registry leads to the gate alone', () => {
      const flags = flagsOf(node, folder, new Units(node, ...units));
      const shared = flags(embedded);
      if (shared !== undefined) {
        const finding = `${embedded} takes images from other nodes without asking the gate`;
        report.open('k3s-embedded-registry', shared, finding);
      }
      const closed = flags(noDefault) !== undefined;
      const file = node.read(path);
      if (file === undefined) {
        const finding = `there is none: ${listed(registries)} is asked directly`;
        report.open('k3s-registry-unconfigured', { file: path, line: null }, finding);
      } else examineRegistries(report, gate, registries, file, closed);
    });
  }
}

function examineRegistries(
  report: Report,
  gate: GateAddress,
  registries: readonly string[],
  file: TextFile,
  closed: boolean,
): void {
  const tree = yamlOf(file);
  const mirrors = at(tree, 'mirrors');
  const named = Map.groupBy(registries, (registry) =>
    [registry, '*'].find((name) => isTable(at(mirrors, name))),
  );
  const missing = named.get(undefined);
  if (missing !== undefined) {
    const finding = `"mirrors" has no ${listed(missing)}: asked directly`;
    report.open('k3s-registry-unconfigured', placeOf(file, 'mirrors'), finding);
  }
  named.delete(undefined);
  for (const name of named.keys()) {
    if (name === undefined) continue;
    const endpoints = textsOf(at(mirrors, name, 'endpoint'));
    const other = endpoints.find((endpoint) => !gate.isUrl(endpoint));
    if (other !== undefined) {
      report.open(
        'k3s-other-endpoint',
        placeOf(file, other),
        `the endpoint ${other} of "${name}" is not the gate`,
      );
    } else if (endpoints.length === 0) {
      report.open(
        'k3s-registry-unconfigured',
        placeOf(file, name),
        `"${name}" has no endpoint: asked directly`,
      );
    }
    // k3s leaves the default endpoint of whatever has an entry of its own under "configs".
    if (closed && membersOf(at(tree, 'configs')).some(([config]) => config === name)) {
      const finding = `an entry of "configs" for "${name}" brings its default endpoint back, in spite of ${noDefault}`;
      report.open('k3s-configs-entry', placeOf(file, 'configs'), finding);
    }
  }
  if (!closed && named.size > 0) {
    const finding = 'containerd falls back to the default endpoint of a registry on any error';
    report.open('k3s-default-endpoint', { file: file.path, line: null }, finding);
  }
}

/** Gives where a flag is set, if it is: the command line counts before all, and of the files the last that has it. */
function flagsOf(node: NodeFiles, folder: string, units: Units): (flag: string) => Place | undefined {
  const more = node.list(`${folder}/config.yaml.d`).filter((name) => name.endsWith('.yaml'));
  const files = [`${folder}/config.yaml`, ...more.map((name) => `${folder}/config.yaml.d/${name}`)]
    .map((path) => node.read(path))
    .filter((file) => file !== undefined)
    .map((file) => ({ file, tree: yamlOf(file) }));
  return (flag) => {
    const option = units.option(`--${flag}`).at(-1);
    if (option !== undefined) return option.value === 'false' ? undefined : option.place;
    const last = files.findLast(({ tree }) => at(tree, flag) !== undefined);
    const value = at(last?.tree, flag);
    return last !== undefined && (value === true || value === 'true') ? placeOf(last.file, flag) : undefined;
  };
}
