import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import type { Canary } from '../doctor/canary.ts';
import { pullCanaries } from '../doctor/canary.ts';
import type { Finding } from '../doctor/finding.ts';
import { findingLine, listed, Report } from '../doctor/finding.ts';
import { GateAddress } from '../doctor/gate-address.ts';
import { NodeFiles } from '../doctor/node-files.ts';
import type { TriedWay } from '../doctor/reach.ts';
import { addressesOf, reportWays, tryAll } from '../doctor/reach.ts';
import { examineBuildkit } from '../doctor/runtime/buildkit.ts';
import { examineContainerd, examineCtr } from '../doctor/runtime/containerd.ts';
import { examineDocker } from '../doctor/runtime/docker.ts';
import { examineK3s } from '../doctor/runtime/k3s.ts';
import { examinePodman } from '../doctor/runtime/podman.ts';
import type { Setting } from '../doctor/units.ts';
import { officialName, parseRepositoryName } from '../oci/reference.ts';
import { ruleFor } from '../policy/rule.ts';
import { exit, printable } from './output.ts';

export interface DoctorOptions {
  /** Where the node's file system is mounted; `/` if it is ours. */
  readonly root: string;
  readonly json: boolean;
  /** Whether to pull unsigned images. */
  readonly canary: boolean;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly write: (text: string) => void;
}

/**
 * Takes a configuration; looks for ways round the gate on this node and prints what is found. Gives the exit status: 1
 * if a way is open, 3 if that could not be found out, 2 if the root is no folder. Throws ConfigError.
 */
export async function doctor(configPath: string, options: DoctorOptions): Promise<number> {
  const { environment = process.env, write } = options;
  const config = loadConfig(configPath, environment);
  const root = resolve(options.root);
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) {
    process.stderr.write(`tufgate: ${printable(options.root)} is not a folder\n`);
    return exit.usage;
  }
  const report = new Report();
  const gate = new GateAddress(config);
  report.ok('gate', null, `it is ${listed(gate.origins)}: what leads elsewhere goes round it`);
  const node = new NodeFiles(root);
  const tag = `unsigned-${randomBytes(8).toString('hex')}`;
  const ways = await tryAll(addressesOf(config.registries.values()), tag);
  const proxies = examineFiles(report, node, gate, config, ways);
  await examineWays(report, node, config, ways, proxies, tag);
  if (!options.canary) report.skipped('canary', 'not tried, as was asked');
  else if (root !== '/')
    report.skipped('canary', `not tried: the runtimes of ${root} are not run from outside`);
  else await pullCanaries(report, canariesOf(report, config, tag), environment);
  write(options.json ? asJson(report, gate, root) : asText(report));
  if (report.count('open') > 0) return exit.refused;
  return report.count('unknown') > 0 ? exit.undecided : exit.ok;
}

/** Gives the proxies that runtimes go through. */
function examineFiles(
  report: Report,
  node: NodeFiles,
  gate: GateAddress,
  { registries }: Config,
  ways: readonly TriedWay[],
): readonly Setting[] {
  const known = [...registries.keys()];
  // A registry whose own name leads to the gate needs no setting of a runtime.
  const atGate = ways
    .filter(({ byName, way }) => byName && way.kind === 'gate')
    .map(({ registry }) => registry);
  const led = known.filter((registry) => !atGate.includes(registry));
  const proxies: Setting[] = [];
  report.attempt(() => proxies.push(...examineDocker(report, node, gate, led)));
  report.attempt(() => proxies.push(...examineContainerd(report, node, gate, led)));
  report.attempt(() => examineK3s(report, node, gate, led));
  report.attempt(() => proxies.push(...examinePodman(report, node, gate, { led, known })));
  report.attempt(() => examineBuildkit(report, node));
  return proxies;
}

async function examineWays(
  report: Report,
  node: NodeFiles,
  { registries }: Config,
  ways: readonly TriedWay[],
  proxies: readonly Setting[],
  tag: string,
): Promise<void> {
  const reached = reportWays(report, ways);
  report.attempt(() => examineCtr(report, node, reached));
  const byProxy = new Map(proxies.map((proxy) => [proxy.value, proxy]));
  for (const proxy of byProxy.values()) {
    reportWays(report, await tryAll(addressesOf(registries.values()), tag, proxy));
  }
}

/** One canary for each registry whose rule refuses what nobody signed. */
function canariesOf(report: Report, { registries, rules }: Config, tag: string): readonly Canary[] {
  return [...registries.keys()].flatMap((registry) => {
    const repository = parseRepositoryName(officialName(registry, 'tufgate-canary'));
    if (repository === undefined) throw new TypeError('tufgate-canary is no repository');
    const mode = ruleFor(rules, registry, repository)?.mode;
    if (mode === 'audit' || mode === 'allow') {
      report.skipped('canary', `${registry}: not tried, the rule for ${repository} is ${mode}`);
      return [];
    }
    return [{ image: `${registry}/tufgate-canary:${tag}` }];
  });
}

function asText(report: Report): string {
  const counts = (['open', 'unknown', 'ok', 'skipped'] as const).map(
    (status) => `${report.count(status)} ${status}`,
  );
  const lines = [...report.findings.map(findingLine), counts.join(', ')];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function asJson(report: Report, gate: GateAddress, root: string): string {
  const shown = ({ status, code, place, message, mend }: Finding): object => ({
    status,
    code,
    file: place?.file ?? null,
    line: place?.line ?? null,
    message,
    mend,
  });
  const [open, unknown] = [report.count('open'), report.count('unknown')];
  return `${JSON.stringify({ gate: gate.origins, root, open, unknown, findings: report.findings.map(shown) })}\n`;
}
