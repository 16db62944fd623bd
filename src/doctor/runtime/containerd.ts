import { posix } from 'node:path';
import type { Place, Report } from '../finding.ts';
import { listed, placeOf } from '../finding.ts';
import type { GateAddress } from '../gate-address.ts';
import type { NodeFiles, TextFile } from '../node-files.ts';
import { FileError } from '../node-files.ts';
import { at, membersOf, textOf, textsOf, tomlOf } from '../tree.ts';
import type { Setting } from '../units.ts';
import { Units } from '../units.ts';
import { examineHostFolders } from './hosts-toml.ts';

const usual = '/etc/containerd/config.toml';
const mostImports = 100;

/** What the CRI plugin, through which kubelet pulls, is told about registries. */
interface CriSettings {
  readonly files: readonly string[];
  readonly disabled: boolean;
  readonly configPath: Setting | undefined;
  /** The section of a later file that stands in place of the one with `config_path`. */
  readonly replaced: Place | undefined;
  readonly mirrors: Place | undefined;
}

/** Looks at containerd's configuration and hosts.toml files; gives the proxies that it goes through. */
export function examineContainerd(
  report: Report,
  node: NodeFiles,
  gate: GateAddress,
  registries: readonly string[],
): readonly Setting[] {
  const units = new Units(node, 'containerd');
  const path = units.path('--config', '-c') ?? usual;
  if (node.program('containerd') === undefined && !node.exists(path)) {
    report.skipped('containerd', `no containerd and no ${path}`);
    return [];
  }
  report.attempt(() => {
    const settings = criSettings(node, path);
    if (settings.disabled) {
      report.skipped('containerd', `${path} turns the CRI plugin off: kubelet does not pull through it`);
    } else {
      examineCri(report, node, gate, registries, path, settings);
    }
  });
  return units.variable('HTTPS_PROXY');
}

/** `ctr` reads no hosts.toml unless it is told to; that matters where it can reach a registry. */
export function examineCtr(report: Report, node: NodeFiles, reached: readonly string[]): void {
  const path = node.program('ctr');
  if (path === undefined) return;
  const place = { file: path, line: null };
  if (reached.length === 0) report.ok('ctr', place, 'it reads no hosts.toml, but cannot reach a registry');
  else {
    const finding = `without --hosts-dir it reads no hosts.toml and goes to ${listed(reached)} directly`;
    report.open('ctr-goes-direct', place, finding);
  }
}

function examineCri(
  report: Report,
  node: NodeFiles,
  gate: GateAddress,
  registries: readonly string[],
  path: string,
  { files, configPath, replaced, mirrors }: CriSettings,
): void {
  if (mirrors !== undefined) {
    const finding = 'registry.mirrors falls back to the registry itself on any error';
    report.open('containerd-registry-mirrors', mirrors, finding);
  }
  if (configPath === undefined || configPath.value === '') {
    // Only 2.1 to 2.2.1 look into certs.d unasked.
    const place = configPath?.place ?? { file: path, line: null };
    const finding = 'the CRI plugin has no registry.config_path, so no hosts.toml is read';
    if (mirrors === undefined) report.open('containerd-no-config-path', place, finding);
    return;
  }
  if (replaced !== undefined) {
    const finding = `to containerd 1.x this section replaces the one in ${configPath.place.file}, with its config_path`;
    report.open('containerd-import-replaces', replaced, finding);
  }
  const folders = configPath.value.split(':').filter((folder) => folder !== '');
  report.ok(
    'containerd',
    configPath.place,
    `hosts.toml files are read from ${folders.join(' and ')} (${files.length} files)`,
  );
  const missing = examineHostFolders(report, node, gate, { topic: 'containerd', folders, registries });
  if (missing.length === 0) return;
  const finding = `there is no folder for ${listed(missing)}, and no _default: asked directly`;
  report.open('containerd-registry-unconfigured', { file: folders[0] ?? '', line: null }, finding);
}

function criSettings(node: NodeFiles, path: string): CriSettings {
  let settings: CriSettings = {
    files: [],
    disabled: false,
    configPath: undefined,
    replaced: undefined,
    mirrors: undefined,
  };
  let version = 1;
  const pending = [path];
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const file = node.read(next);
    if (file === undefined || settings.files.includes(next)) continue;
    if (settings.files.length === mostImports)
      throw new FileError(path, `it imports more than ${mostImports} files`);
    const tree = tomlOf(file);
    const own = at(tree, 'version');
    if (settings.files.length === 0) version = typeof own === 'number' ? own : 1;
    settings = merged(settings, file, tree, typeof own === 'number' ? own : version);
    pending.push(...textsOf(at(tree, 'imports')).flatMap((pattern) => imported(node, next, pattern)));
  }
  return settings;
}

function merged(before: CriSettings, file: TextFile, tree: unknown, version: number): CriSettings {
  const plugin = pluginOf(version);
  const section = at(tree, 'plugins', plugin);
  const value = textOf(at(section, 'registry', 'config_path'));
  const off = textsOf(at(tree, 'disabled_plugins'));
  const hasMirrors = membersOf(at(section, 'registry', 'mirrors')).length > 0;
  const configPath = value === undefined ? before.configPath : { place: placeOf(file, 'config_path'), value };
  const replaces = section !== undefined && value === undefined && before.configPath !== undefined;
  return {
    files: [...before.files, file.path],
    disabled: before.disabled || off.includes('cri') || off.includes(plugin),
    configPath,
    replaced: replaces ? placeOf(file, plugin) : value === undefined ? before.replaced : undefined,
    mirrors: hasMirrors ? placeOf(file, 'mirrors') : before.mirrors,
  };
}

/** The plugin that pulls has another name in each version of the file, and is not found under that of another. */
function pluginOf(version: number): string {
  if (version <= 1) return 'cri';
  return version === 2 ? 'io.containerd.grpc.v1.cri' : 'io.containerd.cri.v1.images';
}

/** Go's filepath.Glob for a `*` in the file's name, which is all that is met; else the path as it is. */
function imported(node: NodeFiles, from: string, pattern: string): string[] {
  const path = posix.resolve(posix.dirname(from), pattern);
  const [folder, name] = [posix.dirname(path), posix.basename(path)];
  if (folder.includes('*')) throw new FileError(from, `the import ${pattern} is not understood`);
  const [before = '', ...rest] = name.split('*');
  if (rest.length === 0) return [path];
  if (rest.length > 1) throw new FileError(from, `the import ${pattern} is not understood`);
  return node
    .list(folder)
    .filter(
      (file) => file.length >= name.length - 1 && file.startsWith(before) && file.endsWith(rest[0] ?? ''),
    )
    .map((file) => posix.join(folder, file));
}
