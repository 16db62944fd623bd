import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parse } from 'smol-toml';
import { clients as printClients } from '../../src/cli/clients.ts';
import { exit } from '../../src/cli/output.ts';
import { ConfigError } from '../../src/config/load.ts';
import { folderOf } from '../config/folder.ts';
import type { Run } from './process.ts';

// What `tufgate clients` prints for a configuration, taken apart again.

export interface Gate {
  readonly entrance: string;
  readonly url: string;
  readonly host: string;
}
/** By `public_url`, behind whatever ends TLS; and by `listen`, over plain HTTP. */
export const tlsGate = {
  entrance: 'listen: 0.0.0.0:443\npublic_url: https://gate.example\n',
  url: 'https://gate.example',
  host: 'gate.example',
};
export const plainGate = {
  entrance: 'listen: 127.0.0.1:5000\n',
  url: 'http://127.0.0.1:5000',
  host: '127.0.0.1:5000',
};
export const gates: readonly Gate[] = [
  tlsGate,
  plainGate,
  { entrance: 'listen: "[::1]:5000"\n', url: 'http://[::1]:5000', host: '[::1]:5000' },
  // Docker takes a first segment without dot and port for a part of Docker Hub.
  {
    entrance: 'listen: "[::]:443"\npublic_url: https://gate\n',
    url: 'https://gate',
    host: 'gate:443',
  },
];

export const hub =
  'docker.io: { upstream: "https://r.example", hosts: [registry-1.docker.io, index.docker.io] }';
export const withAlias =
  'registry.example:5000: { upstream: "https://r.example", aliases: [example, other], push: allow }';
export const withoutAlias = 'bare.example:5000: { upstream: "https://r.example" }';

/** Runs the verb in this process, for an entrance and registries; a ConfigError is what main makes of it. */
export async function clients(
  t: TestContext,
  runtime: string,
  entrance: string,
  registries = [hub, withAlias],
): Promise<Run> {
  const listed = `registries:\n${registries.map((line) => `  ${line}\n`).join('')}`;
  const text = `${entrance}${listed}default_registry: docker.io\nnotaries: {}\nrules: []\n`;
  const path = join(folderOf(t, { 'gate.yaml': text }), 'gate.yaml');
  let stdout = '';
  const write = (written: string): void => {
    stdout += written;
  };
  try {
    return { status: await printClients(runtime, path, write), stdout, stderr: '' };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { status: exit.config, stdout, stderr: error.message };
  }
}

/** Takes what was printed; gives the files in it, by path and note. A heading or the next file ends one. */
export function filesIn({ stdout }: Run): Map<string, string> {
  const files = new Map<string, string>();
  let path: string | undefined;
  for (const line of stdout.split('\n')) {
    const header = /^# ((?:\/|arguments of |as root)[^ ]*(?: .*)?)$/.exec(line)?.[1];
    if (header !== undefined && !/[.,;]$/.test(header)) path = header;
    else if (line.startsWith('# == ')) path = undefined;
    else if (path !== undefined) files.set(path, `${files.get(path) ?? ''}${line}\n`);
  }
  return files;
}

/** One of the files that were printed; it must say why it is no way round. */
export function file(run: Run, path: string): string {
  const text = filesIn(run).get(path);
  assert.ok(text !== undefined, `${path} is not among ${[...filesIn(run).keys()].join(', ')}`);
  // Each says why nothing in it falls back, or what stands in the way.
  assert.match(text, /# (?:Nothing here|This is --disable)/, path);
  return text;
}

/** Takes a file of what was printed; gives what a reader of TOML finds in it, as plain objects. */
export function toml(text: string): unknown {
  return JSON.parse(JSON.stringify(parse(text)));
}

export function json(run: Run, path: string): unknown {
  return JSON.parse(file(run, path).replaceAll(/^#.*$/gm, ''));
}

/** Every hosts.toml of a folder, by the registry it is for. */
export function routes(run: Run, folder: string): [string, unknown][] {
  return [...filesIn(run).keys()]
    .filter((path) => path.startsWith(folder) && path.endsWith('/hosts.toml'))
    .map((path) => [path.slice(folder.length + 1, -'/hosts.toml'.length), toml(file(run, path))]);
}

/** What each must say: one server, the gate, first and last. */
export function route({ url }: Gate, ...capabilities: string[]): unknown {
  return { server: url, capabilities, host: { [url]: { capabilities } } };
}
