import { basename } from 'node:path';
import { test } from 'node:test';
import type { Source } from './sources.ts';
import { codeOf, everywhere, holds } from './sources.ts';

const mostLines = 300;
/** Words of the specifications: the token protocol's parameter, notary's `trust_service`, what a Notary serves, TUF's
 * "endless data". */
const given = /^service$|trustService|trust-?data|endless-?data/i;
const banned = ['manager', 'helper', 'util', 'utility', 'service', 'processor', 'data', 'info'];

test('a file has at most 300 lines', () => {
  holds(longFiles, { path: 'src/x.ts', text: 'x\n'.repeat(301) }, 'src/x.ts has 301 lines');
});

test('no name of ours says nothing', () => {
  const text = [
    "import type { AddressInfo } from 'node:net';",
    'export class TokenManager { getInfo(x: Dispatcher.ResponseData): void {',
    'const userData = 1; for (const info of x) {} } }',
    'interface Database { data: string }',
    'async function parseUtils() {}',
  ].join('\n');
  const path = 'test/some-helpers.ts';
  const names = ['TokenManager', 'userData', 'info', 'parseUtils', 'some-helpers'];
  holds(emptyNames, { path, text }, ...names.map((name) => `${path}: ${name}`));
});

test('there is no default export, no unfinished work and no test that is switched off', () => {
  const [todo, fixme] = ['TO' + 'DO', 'FIX' + 'ME'];
  const text = `// ${todo}: later\n// ${fixme}\nexport default 1;\nexport { x as default };\ntest.skip('x');\nit.only('y')`;
  const found = [todo, fixme, 'export default', 'as default', 'test.skip(', 'it.only('];
  holds(loose, { path: 'test/x.ts', text }, ...found.map((words) => `test/x.ts: ${words}`));
});

function longFiles(files: readonly Source[]): string[] {
  return files
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > mostLines)
    .map(({ path, lines }) => `${path} has ${lines} lines`);
}

function emptyNames(files: readonly Source[]): string[] {
  // What others named (`AddressInfo`, the parameter `service` of a token realm) is used here, but not declared.
  const declaration =
    /(?:^\s*|\()(?:export )?(?:declare )?(?:abstract )?(?:async )?(?:class|interface|type|function\*?|const|let) +([\w$]+)/gm;
  return files.flatMap(({ path, text }) => {
    const declared = [...codeOf(text).matchAll(declaration)].map(([, name = '']) => name);
    return [...declared, basename(path).split('.')[0] ?? '']
      .filter(isEmptyName)
      .map((name) => `${path}: ${name}`);
  });
}

function isEmptyName(name: string): boolean {
  const parts = name.replace(given, '').match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g) ?? [];
  return parts.some((part) => banned.includes(part.toLowerCase().replace(/(?<=.)s$/, '')));
}

function loose(files: readonly Source[]): string[] {
  const unfinished = new RegExp(`\\b(?:${'TO'}DO|${'FIX'}ME)\\b`, 'g');
  const exported = /\bexport default\b|\bas default\b|\b(?:test|it|describe|suite|t)\.(?:skip|only|todo)\(/g;
  return [...everywhere(files, unfinished, (text) => text), ...everywhere(files, exported, codeOf)];
}
