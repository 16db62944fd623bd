import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { stringify } from 'yaml';
import { doctor } from '../../src/cli/doctor.ts';

/** Files by their name on the node; one that ends with a slash is a folder. */
export type Tree = Readonly<Record<string, string>>;

export interface Shown {
  readonly status: string;
  readonly code: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly message: string;
  readonly mend: string | null;
}

export interface Visit {
  readonly exit: number;
  readonly findings: readonly Shown[];
  /** What is open, or could not be found out, as `code file:line`. */
  readonly bad: readonly string[];
}

export const gate = 'https://gate.example';
/** Nothing listens on port 1 of the loopback, so these cannot be reached. */
export const unreachable = 'http://127.0.0.1:1';

/** Takes files; writes them to a folder of their own, which goes when the test ends. */
export function nodeWith(t: TestContext, tree: Tree): string {
  const root = mkdtempSync(join(tmpdir(), 'tufgate-node-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(tree)) {
    const whole = join(root, path);
    mkdirSync(path.endsWith('/') ? whole : dirname(whole), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(whole, text);
  }
  return root;
}

/** Takes changes to a configuration with the registries `hub` and `quay`; gives its file. */
export function configure(t: TestContext, changes: Readonly<Record<string, unknown>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'tufgate-doctor-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'tufgate.yaml');
  const tree = {
    listen: '127.0.0.1:5000',
    public_url: gate,
    state: `sqlite:${join(folder, 'state.db')}`,
    registries: { hub: { upstream: unreachable }, quay: { upstream: unreachable } },
    default_registry: 'hub',
    notaries: { main: { url: 'https://notary.example' } },
    rules: ['hub', 'quay'].map((name) => ({ match: `${name}/**`, mode: 'deny' })),
    ...changes,
  };
  writeFileSync(path, stringify(tree));
  return path;
}

/** Lets the doctor look at a node with these files. */
export async function visit(t: TestContext, tree: Tree, changes = {}): Promise<Visit> {
  return visitRoot(nodeWith(t, tree), configure(t, changes));
}

/** The same for a root and a configuration that are there. */
export async function visitRoot(root: string, configPath: string): Promise<Visit> {
  let text = '';
  const write = (more: string): void => void (text += more);
  const exit = await doctor(configPath, { root, json: true, canary: true, environment: {}, write });
  const { findings } = JSON.parse(text) as { findings: Shown[] };
  const bad = findings
    .filter(({ status }) => status === 'open' || status === 'unknown')
    .map(({ code, file, line }) => `${code} ${file ?? '-'}${line === null ? '' : `:${line}`}`);
  return { exit, findings, bad };
}
