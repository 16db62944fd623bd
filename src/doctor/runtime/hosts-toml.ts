import { posix } from 'node:path';
import type { Report, Topic } from '../finding.ts';
import { listed, placeOf } from '../finding.ts';
import type { GateAddress } from '../gate-address.ts';
import type { NodeFiles, TextFile } from '../node-files.ts';
import { MalformedFile } from '../node-files.ts';
import { at, elementsOf, isTable, membersOf, textOf, textsOf, tomlOf } from '../tree.ts';

// The folders with hosts.toml (containerd's docs/hosts.md), which containerd and the containerd store of Docker read.
// A file that is not understood counts as none: the registry itself is asked, and only a log knows.

const capabilities = ['pull', 'resolve', 'push'];

export interface HostFolders {
  readonly topic: Topic;
  readonly folders: readonly string[];
  /** The registries that must be led to the gate. */
  readonly registries: readonly string[];
}

/** Looks at the hosts.toml of each registry; gives the registries that have none. */
export function examineHostFolders(
  report: Report,
  node: NodeFiles,
  gate: GateAddress,
  { topic, folders, registries }: HostFolders,
): readonly string[] {
  const serving = Map.groupBy(registries, (registry) => folderOf(node, folders, registry));
  const missing = serving.get(undefined) ?? [];
  serving.delete(undefined);
  for (const [folder = '', served] of serving) {
    const path = posix.join(folder, 'hosts.toml');
    const place = { file: path, line: null };
    report.examine(topic, place, `leads ${listed(served)} to the gate, and nowhere else`, () => {
      const file = node.read(path);
      if (file !== undefined && file.text !== '') return examineHosts(report, gate, file, served);
      const finding = `there is none in this folder: ${listed(served)} is asked directly, whatever _default says`;
      return report.open('hosts-file-missing', place, finding);
    });
  }
  reportOthers(report, node, topic, folders, new Set(serving.keys()));
  return missing;
}

/** As containerd looks: the first folder that is there counts, with or without a hosts.toml. */
function folderOf(node: NodeFiles, folders: readonly string[], registry: string): string | undefined {
  const names = [registry.replace(/:([0-9]+)$/, '_$1_'), registry, '_default'];
  return folders
    .flatMap((folder) => names.map((name) => posix.join(folder, name)))
    .find((folder) => node.exists(folder));
}

function reportOthers(
  report: Report,
  node: NodeFiles,
  topic: Topic,
  folders: readonly string[],
  known: ReadonlySet<string | undefined>,
): void {
  const others = folders
    .flatMap((folder) => node.list(folder).map((name) => posix.join(folder, name)))
    .filter((folder) => !known.has(folder) && node.exists(posix.join(folder, 'hosts.toml')));
  if (others.length > 0) report.skipped(topic, `${listed(others)}: for no registry of the configuration`);
}

function examineHosts(report: Report, gate: GateAddress, file: TextFile, served: readonly string[]): void {
  const fallen = `${listed(served)} is asked directly`;
  let tree: unknown;
  try {
    tree = tomlOf(file);
    checkKinds(file, tree);
  } catch (error) {
    // Here a malformed file is no open question: containerd goes on without it.
    if (!(error instanceof MalformedFile)) throw error;
    const place = { file: file.path, line: error.line };
    report.open('hosts-malformed', place, `${error.message}, so containerd leaves it out and ${fallen}`);
    return;
  }
  const server = textOf(at(tree, 'server')) ?? '';
  const leadsToGate = server !== '' && gate.isUrl(server);
  if (server === '') {
    report.open(
      'hosts-no-server',
      { file: file.path, line: null },
      `it has no "server": on any error ${fallen}`,
    );
  } else if (!leadsToGate) {
    report.open('hosts-server-elsewhere', placeOf(file, 'server'), '"server" is not the gate');
  }
  if (!isTable(at(tree, 'host'))) {
    const finding = `"server" without [host] is left out by containerd up to 1.7.31: ${fallen}`;
    if (leadsToGate) report.open('hosts-server-only', placeOf(file, 'server'), finding);
  }
  for (const [name, host] of membersOf(at(tree, 'host'))) {
    const place = placeOf(file, name);
    const may = textsOf(at(host, 'capabilities')).map((capability) => capability.toLowerCase());
    if (!gate.isUrl(name)) {
      report.open('hosts-other-host', place, `[host."${name}"] is not the gate`);
    } else if (may.length > 0 && !may.includes('resolve') && !leadsToGate) {
      const finding = `[host."${name}"] may not "resolve": what a tag means is asked elsewhere`;
      report.open('hosts-without-resolve', place, finding);
    }
  }
}

/** What containerd's own reading of the file refuses. */
function checkKinds(file: TextFile, tree: unknown): void {
  const wrong = (words: string, finding: string): MalformedFile =>
    new MalformedFile(file.path, placeOf(file, words).line, finding);
  const server = at(tree, 'server');
  if (server !== undefined && typeof server !== 'string') throw wrong('server', '"server" is no text');
  const hosts = at(tree, 'host');
  if (hosts !== undefined && !isTable(hosts)) throw wrong('host', '"host" is no table');
  for (const [name, host] of [['capabilities', tree] as const, ...membersOf(hosts)]) {
    const may = at(host, 'capabilities');
    if (!isTable(host)) throw wrong(name, `[host."${name}"] is no table`);
    if (may !== undefined && !Array.isArray(may)) throw wrong(name, '"capabilities" is no list');
    const strange = elementsOf(may).find(
      (one) => typeof one !== 'string' || !capabilities.includes(one.toLowerCase()),
    );
    if (strange !== undefined) throw wrong('capabilities', `${JSON.stringify(strange)} is no capability`);
  }
}
