import assert from 'node:assert/strict';
import { dirname, posix } from 'node:path';
import { test } from 'node:test';
import type { Source } from './sources.ts';
import { codeOf, everywhere, holds, sources } from './sources.ts';

interface Room {
  /** Rooms, or single files, that may be imported at run time (and for their types). */
  readonly values: readonly string[];
  /** Those of which only the types may be imported. */
  readonly types?: readonly string[];
  /** Packages and Node's own modules; `node:` stands for all of the latter. */
  readonly packages: readonly string[];
}

// Imports point down: main → cli → {proxy, admin, demo} → policy → trust → {tuf, oci}. Beside the stair stand config,
// whose types those who are configured may name, and telemetry, which nobody below trust knows.
const house: Readonly<Record<string, Room>> = {
  main: { values: ['cli', 'config', 'trust'], packages: ['node:', 'commander'] },
  cli: {
    values: [
      'proxy',
      'admin',
      'demo',
      'policy',
      'trust',
      'tuf',
      'oci',
      'config',
      'telemetry',
      'clients',
      'doctor',
    ],
    packages: ['node:', 'undici', 'yaml'],
  },
  proxy: {
    values: ['policy', 'trust', 'oci', 'telemetry'],
    types: ['config/config'],
    packages: ['node:', 'undici', 'http-proxy', 'lru-cache', 'bcryptjs'],
  },
  admin: { values: ['policy', 'trust', 'oci', 'telemetry'], types: ['config/config'], packages: ['node:'] },
  demo: { values: ['oci'], packages: ['node:'] },
  clients: { values: ['oci'], types: ['config/config'], packages: [] },
  doctor: { values: ['oci'], types: ['config/config'], packages: ['node:', 'undici', 'smol-toml', 'yaml'] },
  policy: { values: ['oci'], types: ['trust', 'tuf'], packages: ['node:crypto'] },
  trust: {
    values: ['tuf', 'oci', 'telemetry'],
    types: ['config/config'],
    packages: ['node:', 'undici', 'lru-cache'],
  },
  tuf: { values: [], packages: ['node:crypto', '@noble/curves', 'lru-cache'] },
  oci: { values: [], packages: ['node:crypto'] },
  config: {
    // tuf/error: what tuf/key/certificate throws, so that a bad file becomes a ConfigError and any other error does not.
    values: ['policy/pattern', 'oci', 'tuf/key/certificate', 'tuf/error'],
    types: ['policy', 'trust', 'tuf'],
    packages: ['node:', 'yaml', 'zod'],
  },
  telemetry: {
    values: ['policy/reason'],
    types: ['policy', 'oci'],
    packages: ['node:', 'pino', 'prom-client'],
  },
};

/** The rooms without hands, and what an innocent-looking line of theirs could hold of the world. */
const pure = ['oci', 'tuf', 'policy'];
const hands: readonly RegExp[] = [
  /\bDate\.now\b/,
  /\bnew Date\b(?!\s*\([^)])/,
  /(?<!new )\bDate\(/,
  /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|fetch|WebSocket)\b/,
  /\b(?:process|console|performance|globalThis|Temporal)\./,
  /\bMath\.random\b|\brandom(?:Bytes|UUID|Int)\b/,
];

const mostFiles = 12;

test('imports point down the house, and never up', () => {
  const text = `import type { Rule } from './rule.ts';
    import { parseTag } from '../oci/reference.ts';
    import type { TrustAnswer } from '../trust/trust.ts';
    import { DownloadError } from '../trust/download-error.ts';
    import {
      type Handler,
    } from '../proxy/handler.ts';
    export { load } from '../config/load.ts';
    import '../main.ts';
    import { x } from '../../test/x.ts';`;
  holds(
    misplacedImports,
    { path: 'src/policy/judge.ts', text },
    'src/policy/judge.ts imports values of trust/download-error',
    'src/policy/judge.ts imports values of proxy/handler',
    'src/policy/judge.ts imports values of config/load',
    'src/policy/judge.ts imports values of main',
    'src/policy/judge.ts imports values of ../test/x',
  );
});

test('tuf and oci do not know each other, not even by a type', () => {
  const text = "import type { Digest } from '../oci/reference.ts';";
  holds(
    misplacedImports,
    { path: 'src/tuf/role.ts', text },
    'src/tuf/role.ts imports types of oci/reference',
  );
});

test('a folder that is not in the table may not stand in src', () => {
  const path = 'src/utils/x.ts';
  holds(misplacedImports, { path, text: '' }, `${path} stands in no room of the house`);
});

test('each room uses the packages of its trade, and no other', () => {
  const text = "import { readFile } from 'node:fs';\nimport { Agent } from 'undici';\nimport 'node:crypto';";
  holds(
    strangePackages,
    { path: 'src/tuf/role.ts', text },
    'src/tuf/role.ts: node:fs',
    'src/tuf/role.ts: undici',
  );
});

test('one file alone knows http-proxy', () => {
  const carrying = sources.filter(
    ({ path, text }) => path.startsWith('src/') && /from 'http-proxy'/.test(text),
  );
  assert.deepEqual(carrying.map(({ path }) => path), ['src/proxy/upstream/pass-through.ts']); // prettier-ignore
});

test('oci, tuf and policy have no hands: no clock, no timer, no chance, no process, no console', () => {
  const text = `// Date.now() in a comment and 'console.log' in a string are nothing
    const a = Date.now(); const b = new Date(a); const c = new Date();
    const d = 'process.env' + process.env.X; console.log(d);`;
  holds(
    handsOf,
    { path: 'src/oci/x.ts', text },
    'src/oci/x.ts: Date.now',
    'src/oci/x.ts: new Date',
    'src/oci/x.ts: process.',
  );
});

test('nothing is imported at run time but by a declaration at the top', () => {
  const text = "const a = await import('x');\nconst b = createRequire(url)('y');\nconst c = require('z');";
  const path = 'src/cli/x.ts';
  holds(hiddenImports, { path, text }, `${path}: import(`, `${path}: createRequire(`, `${path}: require(`);
});

test('a folder of src has at most a dozen files', () => {
  assert.deepEqual(largeFolders(sources), []);
  const added = (folder: string, count: number): Source[] =>
    Array.from({ length: count }, (_, index) => ({ path: `${folder}/${index}.ts`, text: '' }));
  assert.deepEqual(largeFolders(added('src/oci', 13)), ['src/oci has 13 files, not at most 12']);
});

interface Import {
  readonly from: string;
  readonly types: boolean;
}

function importsOf({ text }: Source): Import[] {
  const statement = /^\s*(?:import|export)\b(?:( type\b)?[^;'"]*?\bfrom)?\s*'([^']+)';/gm;
  return [...text.matchAll(statement)].map(([, type, from = '']) => ({ from, types: type !== undefined }));
}

/** The room of a file of src: its first folder, or for `main` the file itself. */
function roomOf(inSrc: string): string {
  return inSrc.split('/')[0]?.replace(/\.ts$/, '') ?? '';
}

function inSource(files: readonly Source[]): { file: Source; room: string }[] {
  return files
    .filter(({ path }) => path.startsWith('src/'))
    .map((file) => ({ file, room: roomOf(file.path.slice('src/'.length)) }));
}

function misplacedImports(files: readonly Source[]): string[] {
  return inSource(files).flatMap(({ file, room }) => {
    const may = house[room];
    if (may === undefined) return [`${file.path} stands in no room of the house`];
    return importsOf(file).flatMap(({ from, types }) => {
      if (!from.startsWith('.')) return [];
      const target = posix.relative('src', posix.join(dirname(file.path), from)).replace(/\.ts$/, '');
      const open = [room, ...may.values, ...(types ? (may.types ?? []) : [])];
      if (open.includes(roomOf(target)) || open.includes(target)) return [];
      return [`${file.path} imports ${types ? 'types' : 'values'} of ${target}`];
    });
  });
}

function strangePackages(files: readonly Source[]): string[] {
  return inSource(files).flatMap(({ file, room }) =>
    importsOf(file)
      .filter(({ from }) => !from.startsWith('.'))
      .filter(({ from }) => !isPackageOf(from, house[room]?.packages ?? []))
      .map(({ from }) => `${file.path}: ${from}`),
  );
}

function isPackageOf(from: string, packages: readonly string[]): boolean {
  return packages.some((name) => from === name || from.startsWith(name === 'node:' ? name : `${name}/`));
}

function handsOf(files: readonly Source[]): string[] {
  return inSource(files)
    .filter(({ room }) => pure.includes(room))
    .flatMap(({ file }) =>
      hands.flatMap((hand) => (hand.exec(codeOf(file.text)) ?? []).map((found) => `${file.path}: ${found}`)),
    );
}

function hiddenImports(files: readonly Source[]): string[] {
  const src = files.filter(({ path }) => path.startsWith('src/'));
  return everywhere(src, /\b(?:import|require|createRequire)\(/g, codeOf);
}

function largeFolders(files: readonly Source[]): string[] {
  const counts = Map.groupBy(inSource(files), ({ file }) => dirname(file.path));
  return [...counts].flatMap(([folder, { length }]) => {
    return length > mostFiles ? [`${folder} has ${length} files, not at most ${mostFiles}`] : [];
  });
}
