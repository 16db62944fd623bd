import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { ConfigError, loadConfig } from '../../src/config/load.ts';
import { jsonSchema } from '../../src/config/schema.ts';
import { certified, folderOf } from './folder.ts';

const example = 'config/tufgate.yaml';
const text = readFileSync(example, 'utf8');
const leftOut = /^( *)#((?: {2})*)([a-z_]+:.*)$/;
/** The example with the keys that it leaves out; of alternatives, only the first. */
const whole = text
  .split('\n')
  .filter((line) => !/^ *(first_use: true|#root_file: root\.json)$/.test(line))
  .map((line) => line.replace(leftOut, '$1$2$3'))
  .map((line) => line.replace(/^( *)# {2,}#(.*)$/, '$1#$2'))
  .join('\n')
  .replace('    auth: forward\n', '');

function loadOrUndefined(path: string): Config | undefined {
  try {
    return loadConfig(path, {});
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return undefined;
  }
}

test('the example configuration loads as it is', () => {
  const config = loadConfig(example, {});
  assert.deepEqual(
    config.rules.map(({ match, mode }) => [match, mode]),
    [
      ['docker.io/library/**', 'enforce'],
      ['docker.io/myteam/*', 'audit'],
      ['registry.example:5000/**', 'deny'],
    ],
  );
});

test('the example configuration loads with the keys it leaves out', (t) => {
  const gate = certified();
  const folder = folderOf(t, {
    'gate.yaml': whole,
    'gate.crt': gate.cert,
    'gate.key': gate.key,
    'example-ca.crt': certified({ isCa: true }).cert,
    'registry-password': 'secret\n',
    'clients.htpasswd': 'alice:$2y$04$yt4wXzuw.uM/iEmRAVD9geGoquj60JQJE/VIWlXodHCSJDZFhxp2q\n',
  });
  const config = loadConfig(join(folder, 'gate.yaml'), {});
  assert.equal(config.tls.length, 1);
  assert.equal(config.publicUrl, 'https://gate.example');
  assert.deepEqual(config.registries.get('registry.example:5000')?.auth, {
    username: 'puller',
    password: 'secret',
  });
  assert.equal(config.clients.kind, 'htpasswd');
  assert.ok(config.notaries.get('main')?.ca);
  assert.equal(config.notaries.get('main')?.tokenRealm, 'https://auth.example/token');
});

test('the limits in the example are the defaults', (t) => {
  const folder = folderOf(t, { 'gate.yaml': text.replace(/^limits:\n(?:  .*\n)*/m, '') });
  assert.deepEqual(loadConfig(join(folder, 'gate.yaml'), {}).limits, loadConfig(example, {}).limits);
});

test('every key in the example is explained by a comment of its own', () => {
  const lines = text.split('\n').map((line) => line.replace(leftOut, '$1$2$3'));
  const named = ['docker.io', 'registry.example:5000', 'main'];
  const bare = lines.filter((line, at) => {
    const key = /^ *(?:- )?([a-z0-9_.]+(?::[0-9]+)?):(?: |$)/.exec(line)?.[1];
    return key !== undefined && !named.includes(key) && !/^ *#(?: +#)? /.test(lines[at - 1] ?? '');
  });
  assert.deepEqual(bare, []);
});

test('every key of the schema is in the example', () => {
  const keys = keysOf(jsonSchema());
  assert.ok(keys.has('drain_timeout') && keys.has('token_realm') && keys.has('first_use'));
  const missing = [...keys].filter((key) => !new RegExp(`^[ #]*(?:- )?${key}:`, 'm').test(text));
  assert.deepEqual(missing, []);
});

test('the example cut at any byte is refused or whole, never a policy with fewer rules', (t) => {
  const path = join(folderOf(t, {}), 'gate.yaml');
  const bytes = readFileSync(example);
  const config = loadConfig(example, {});
  let loaded = 0;
  for (let length = 0; length < bytes.length; length += 1) {
    writeFileSync(path, bytes.subarray(0, length));
    const cut = loadOrUndefined(path);
    if (cut === undefined) continue;
    loaded += 1;
    assert.deepEqual(cut, config, `cut at byte ${length}`);
  }
  assert.equal(loaded, 1, 'only the last line break may be missing');
});

test('schema.json is the schema', () => {
  assert.equal(
    readFileSync('config/schema.json', 'utf8'),
    `${JSON.stringify(jsonSchema(), null, 2)}\n`,
    'write it again with: node src/main.ts schema > config/schema.json',
  );
});

function keysOf(schema: unknown, keys = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return keys;
  for (const [name, value] of Object.entries(schema) as [string, unknown][]) {
    if (name === 'properties') for (const key of Object.keys(value as object)) keys.add(key);
    keysOf(value, keys);
  }
  return keys;
}
