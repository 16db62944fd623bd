import type { Code, Report } from '../finding.ts';
import { listed } from '../finding.ts';
import type { GateAddress } from '../gate-address.ts';
import type { NodeFiles } from '../node-files.ts';
import type { Setting } from '../units.ts';
import { Units } from '../units.ts';
import type { RegistriesConf, RegistryEntry } from './registries-conf.ts';
import { entriesBelow, entryFor, systemConf, userConf } from './registries-conf.ts';

/** Which registries must be led to the gate, and which the gate knows at all. */
export interface Registries {
  readonly led: readonly string[];
  readonly known: readonly string[];
}

/** Looks at what podman, CRI-O, skopeo and buildah read, for every user; gives the proxies that CRI-O goes through. */
export function examinePodman(
  report: Report,
  node: NodeFiles,
  gate: GateAddress,
  registries: Registries,
): readonly Setting[] {
  const program = node.program('podman', 'crio', 'skopeo', 'buildah');
  const path = '/etc/containers/registries.conf';
  const hasFiles = node.exists(path) || node.list(`${path}.d`).length > 0;
  if (program === undefined && !hasFiles) {
    report.skipped('podman', `no podman, crio, skopeo or buildah, and no ${path}`);
    return [];
  }
  const looked = 'every registry leads to the gate alone';
  report.examine('podman', { file: path, line: null }, looked, () =>
    examineConf(report, gate, registries, systemConf(node)),
  );
  for (const home of homesOf(node)) {
    report.attempt(() => {
      const conf = userConf(node, home);
      if (conf === undefined) return;
      report.examine('podman', conf.main, looked, () => examineConf(report, gate, registries, conf));
    });
  }
  return new Units(node, 'crio').variable('HTTPS_PROXY');
}

/** The homes where users may have files of their own. Throws FileError. */
export function homesOf(node: NodeFiles): readonly string[] {
  return ['/root', ...node.list('/home').map((name) => `/home/${name}`)];
}

function examineConf(
  report: Report,
  gate: GateAddress,
  { led, known }: Registries,
  conf: RegistriesConf,
): void {
  const missing = led.filter((registry) => entryFor(conf, registry) === undefined);
  if (missing.length > 0) {
    const code: Code = conf.isUser ? 'podman-user-override' : 'podman-registry-unconfigured';
    const cause = conf.isUser ? 'for this user the system files do not count, and ' : '';
    report.open(code, conf.main, `${cause}no [[registry]] covers ${listed(missing)}: asked directly`);
  }
  for (const registry of led) {
    const entries = [entryFor(conf, registry), ...entriesBelow(conf, registry)];
    for (const entry of entries) if (entry !== undefined) examineEntry(report, gate, conf, registry, entry);
  }
  const strange = (conf.search?.names ?? []).filter(
    (name) => !known.includes(name) && !gate.isLocation(name),
  );
  if (conf.search !== undefined && strange.length > 0) {
    const finding = `a name without a registry is looked for at ${listed(strange)}, which the gate does not know`;
    report.open('podman-unqualified-search', conf.search.place, finding);
  }
}

/** Mirrors are asked first, then the location; `blocked` is what ends the search before it. */
function examineEntry(
  report: Report,
  gate: GateAddress,
  conf: RegistriesConf,
  registry: string,
  { prefix, location, mirrors, place }: RegistryEntry,
): void {
  const other = mirrors.find((mirror) => !gate.isLocation(mirror.location));
  if (other !== undefined) {
    report.open('podman-elsewhere', place, `the mirror ${other.location} of ${prefix} is not the gate`);
  }
  // A wildcard has no location: the name stays what it was, and so does what blocks it.
  const asked = location === '' ? registry : location;
  if (gate.isLocation(asked) || entryFor(conf, asked)?.blocked === true) return;
  if (asked !== registry && !asked.startsWith(`${registry}/`)) {
    report.open('podman-elsewhere', place, `the location ${asked} of ${prefix} is not the gate`);
  } else if (mirrors.length === 0) {
    report.open(
      'podman-registry-unconfigured',
      place,
      `${prefix} has no mirror and is not blocked: asked directly`,
    );
  } else if (mirrors.every(({ byTag }) => !byTag)) {
    const finding = `the mirrors of ${prefix} are for digests only: a tag is asked of the registry directly`;
    report.open('podman-mirror-digest-only', place, finding);
  } else {
    const finding = `${prefix} is not blocked: on any error of a mirror it is asked directly`;
    report.open('podman-mirror-falls-back', place, finding);
  }
}
