import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parse, stringify } from 'yaml';
import type { RequestRecord } from '../../src/demo/local-server.ts';
import type { ConfigurationTree, Proxy } from '../world/world.ts';

// What a pull leaves behind: counted pulls, stored rows, requests at notary and registry.

/** Every sample of a metric that is not 0, by its labels as they stand in the text. */
export async function samples(proxy: Proxy, name: string): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const line of (await proxy.metrics()).split('\n')) {
    const [, metric, labels = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (metric === name && Number(value) !== 0) found.set(labels, Number(value));
  }
  return found;
}

/** Runs `action`; gives by how much each sample of a metric rose meanwhile. */
export async function rise(
  proxy: Proxy,
  name: string,
  action: () => Promise<unknown>,
): Promise<Record<string, number>> {
  const before = await samples(proxy, name);
  await action();
  const after = [...(await samples(proxy, name))];
  return Object.fromEntries(
    after.map(([labels, value]) => [labels, value - (before.get(labels) ?? 0)]).filter(([, by]) => by !== 0),
  ) as Record<string, number>;
}

/** The labels of one kind of pull, as `samples` gives them. */
export function pullLabels(mode: string, verdict: string, reason = ''): string {
  return `registry="reg.test",mode="${mode}",verdict="${verdict}",reason="${reason}"`;
}

export function stateFile(directory: string): string {
  return join(directory, 'state.db');
}

/** Every row of the state, byte for byte. */
export function storedRows(directory: string): readonly unknown[] {
  const database = new DatabaseSync(stateFile(directory), { readOnly: true });
  try {
    return ['repository', 'root', 'file'].map((table) => database.prepare(`SELECT * FROM ${table}`).all());
  } finally {
    database.close();
  }
}

/** Changes the state behind the proxy's back. */
export function alterState(directory: string, sql: string): void {
  const database = new DatabaseSync(stateFile(directory));
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

/** Writes another configuration and starts again with it, on the same state. */
export async function reconfigure(
  proxy: Proxy,
  change: (tree: ConfigurationTree) => ConfigurationTree,
): Promise<void> {
  const tree = parse(await readFile(proxy.configPath, 'utf8')) as ConfigurationTree;
  await writeFile(proxy.configPath, stringify(change(tree)));
  await proxy.restart();
}

/** The one rule of a world, in part replaced. */
export function withRule(tree: ConfigurationTree, change: ConfigurationTree): ConfigurationTree {
  const [rule] = tree['rules'] as readonly ConfigurationTree[];
  return { ...tree, rules: [{ ...rule, ...change }] };
}

/** The one registry of a world, in part replaced. */
export function withRegistry(
  tree: ConfigurationTree,
  change: ConfigurationTree,
): ConfigurationTree & { readonly registries: Record<string, ConfigurationTree> } {
  const registries = tree['registries'] as Record<string, ConfigurationTree>;
  return { ...tree, registries: { 'reg.test': { ...registries['reg.test'], ...change } } };
}

/** `METHOD /path` of each request. */
export function asked(requests: readonly RequestRecord[]): readonly string[] {
  return requests.map(({ method, url }) => `${method} ${url}`);
}

/** Runs `action`; gives what a server was asked meanwhile. */
export async function askedDuring(
  server: { readonly requests: readonly RequestRecord[] },
  action: () => Promise<unknown>,
): Promise<readonly string[]> {
  const before = server.requests.length;
  await action();
  return asked(server.requests.slice(before));
}
