import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ConfigError, loadConfig } from '../../src/config/load.ts';
import type { JsonValue } from '../../src/demo/signing/signed-file.ts';
import { canonicalJson } from '../../src/demo/signing/signed-file.ts';
import { parseChallenges } from '../../src/oci/challenge.ts';
import { parseEndpoint, printEndpoint } from '../../src/oci/endpoint.ts';
import { parseImageReference, printReference } from '../../src/oci/reference.ts';
import type { Json } from '../../src/tuf/canonical-json.ts';
import { canonicalBytes, parseStrictJson } from '../../src/tuf/canonical-json.ts';
import { textOf } from '../config/folder.ts';
import { assertReadAlike, damagedTarget, endpoint } from '../oci/endpoint-model.ts';
import { isRead } from './metadata.ts';
import { damaged, fuzzTarget } from './target.ts';

/** Takes what the strict parser gives; gives it as JSON.parse would. */
function plain(value: Json): unknown {
  if (value instanceof Map) {
    const members = [...(value as ReadonlyMap<string, Json>)].map(
      ([name, member]) => [name, plain(member)] as const,
    );
    // As a member of its own, which assigning `__proto__` would not be.
    return Object.fromEntries(members);
  }
  return Array.isArray(value) ? (value as readonly Json[]).map(plain) : value;
}

const jsonTexts = fc.oneof(
  damaged(
    fc.jsonValue({ noUnicodeString: false, maxDepth: 6 }).map((value) => JSON.stringify(value)),
    [
      '{',
      '}',
      '[',
      ']',
      '"',
      ',',
      ':',
      '\\',
      '\\u0000',
      '\\ud800',
      '\\u0022',
      '-',
      '0',
      '.',
      'e9',
      'null',
      ' ',
      '\ufeff',
      '"a":1,"a":2',
    ],
  ),
  fc.string({ unit: fc.constantFrom(...Array.from('{}[]:,"\\u0019eE.- \ntrfalsn')) }),
);

export const jsonText = fuzzTarget('strict JSON', jsonTexts, (text) => {
  isRead(() =>
    assert.deepEqual(plain(parseStrictJson(Buffer.from(text))), JSON.parse(Buffer.from(text).toString())),
  );
});

export const jsonBytes = fuzzTarget('strict JSON in any bytes', fc.uint8Array({ maxLength: 64 }), (bytes) => {
  isRead(() => parseStrictJson(bytes));
});

const canonicalValues = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(fc.maxSafeInteger(), fc.boolean(), fc.constant(null), fc.string({ unit: 'binary' })),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'binary' }), tie('value'), { maxKeys: 6 }),
  ),
})).value;

export const canonical = fuzzTarget('canonical JSON', canonicalValues, (value) => {
  const once = canonicalBytes(parseStrictJson(Buffer.from(JSON.stringify(value)))).toString();
  assert.equal(once, canonicalJson(value), 'the signer of the tests writes it differently');
  // Raw control characters are canonical, but no JSON.
  if (!/[\u0000-\u001f]/.test(once))
    assert.equal(canonicalBytes(parseStrictJson(Buffer.from(once))).toString(), once);
});

export const printedEndpoint = fuzzTarget('endpoints as they are printed', endpoint, (asked) => {
  assert.deepEqual(parseEndpoint(printEndpoint(asked)), { endpoint: asked, namespaces: [] });
});

export const askedEndpoint = fuzzTarget('endpoints as they are asked for', damagedTarget, (target) => {
  const read = parseEndpoint(target);
  if (read !== undefined) assertReadAlike(target, read.endpoint);
});

const images = fc.constantFrom(
  'alpine',
  'docker.io/library/alpine:3.22',
  'reg.test:5000/a/b_c/d.e',
  `reg.test/a@sha256:${'a'.repeat(64)}`,
  `localhost/a:b@sha256:${'0'.repeat(64)}`,
);

export const reference = fuzzTarget(
  'image references',
  damaged(images, ['/', ':', '@', '.', '..', '_', '-', 'A', '%2f', '\n', 'é', 'sha256:']),
  (text) => {
    const read = parseImageReference(text);
    if (read !== undefined) assert.deepEqual(parseImageReference(printReference(read)), read);
  },
);

const headers = fc.constantFrom(
  'Bearer realm="https://auth.test/token",service="reg.test",scope="repository:a/b:pull"',
  'Basic realm="x", Bearer realm=y',
  'Negotiate abc==, Basic',
);

export const challenge = fuzzTarget(
  'challenges',
  damaged(headers, ['"', '\\', ',', '=', ' ', '\t', 'Basic', 'realm=', '\u00ff', '\u0100', '\0']),
  (text) => {
    for (const { scheme, realm = '' } of parseChallenges(text)) {
      assert.ok(scheme === 'basic' || scheme === 'bearer');
      assert.ok(realm.length <= text.length);
    }
  },
);

const folder = mkdtempSync(join(tmpdir(), 'tufgate-fuzz-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'gate.yaml');
const settings = [
  ':',
  '- ',
  '  ',
  '\n',
  '\t',
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  '&a ',
  '*a',
  '<<: ',
  '!!js/function ',
  '!!binary ',
  '---\n',
  '...\n',
  '#',
  '|',
  '>',
  '? ',
  '${HOME}',
  '~',
  'null',
  '0o17',
  '1e3',
  '.inf',
  '2026-01-01',
  '__proto__: ',
  'constructor: ',
];

export const configuration = fuzzTarget(
  'configuration',
  damaged(fc.constant(textOf({ limits: 'limits:\n  root_bytes: 65536\n' })), settings),
  (text) => {
    writeFileSync(file, text);
    try {
      assert.ok(loadConfig(file, { HOME: 'x' }).rules.length > 0);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      assert.ok(error.problems.length > 0);
      for (const { line, column } of error.problems) assert.ok(line >= 1 && column >= 1, `${line}:${column}`);
    }
    assert.equal(Reflect.get({}, 'polluted'), undefined);
  },
);
