import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync } from 'node:crypto';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { ConfigError, loadConfig } from '../../src/config/load.ts';
import { issueCertificate } from '../../src/demo/certificate.ts';

export type Contents = Readonly<Record<string, string | Uint8Array>>;

/** Takes files by name; gives the path of the folder they were written to, which goes when the test ends. */
export function folderOf(t: TestContext, files: Contents): string {
  const folder = mkdtempSync(join(tmpdir(), 'tufgate-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/** Takes the text of a configuration and the files beside it; gives what it loads as. */
export function load(
  t: TestContext,
  text: string,
  files: Contents = {},
  environment: Record<string, string> = {},
): Config {
  return loadConfig(join(folderOf(t, { ...files, 'gate.yaml': text }), 'gate.yaml'), environment);
}

/** The same for one that must be refused; gives the error. */
export function refuse(
  t: TestContext,
  text: string,
  files: Contents = {},
  environment: Record<string, string> = {},
): ConfigError {
  try {
    load(t, text, files, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error(`this loaded:\n${text}`);
}

/** Gives each problem as `line:column message`, with its hint. */
export function listed(error: ConfigError): string[] {
  return error.problems.map(
    ({ line, column, message, hint }) => `${line}:${column} ${message}${hint ? ` (${hint})` : ''}`,
  );
}

/** A configuration that loads, in parts that a test may replace; each ends with a line break. */
export const parts = {
  listen: 'listen: 127.0.0.1:0\n',
  registries: 'registries:\n  reg.example:\n    upstream: https://reg.example\n',
  notaries: 'notaries:\n  main: { url: "https://notary.example:4443/base" }\n',
  rules: 'rules:\n  - { match: reg.example/**, mode: enforce, notary: main, root: { first_use: true } }\n',
};

/** Gives the whole configuration, with some parts replaced or added. */
export function textOf(changed: Record<string, string> = {}): string {
  return Object.values({ ...parts, ...changed }).join('');
}

/** A mistake stands behind a §, which is taken out before the text is loaded. */
export type Refusal = readonly [what: string, changed: Record<string, string>, problem: string];

/** Asserts that a mistake is the only problem, and reported at its place. */
export function assertRefused(t: TestContext, [, changed, problem]: Refusal): void {
  // A password file is there for the rows that need one: their mistake is another.
  const marked = textOf(changed);
  const before = marked.slice(0, marked.indexOf('§')).split('\n');
  const place = `${before.length}:${(before.at(-1) ?? '').length + 1}`;
  const error = refuse(t, marked.replace('§', ''), { p: 'secret\n' });
  assert.deepEqual(listed(error), [`${place} ${problem}`]);
}

/** Makes a key and a certificate of it that a TLS listener can use, or that is an authority. */
export function certified(options: { isCa?: boolean; notAfter?: Date; privateKey?: KeyObject } = {}): {
  readonly cert: string;
  readonly key: string;
} {
  const privateKey = options.privateKey ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const cert = issueCertificate({
    commonNames: ['gate.example'],
    key: privateKey,
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: options.notAfter ?? new Date('2120-01-01T00:00:00Z'),
    isCa: options.isCa ?? false,
    usages: options.isCa ? [] : ['serverAuth'],
    hosts: ['gate.example'],
  });
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}
