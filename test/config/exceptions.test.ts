import { test } from 'node:test';
import type { Refusal } from './folder.ts';
import { assertRefused } from './folder.ts';

// What a rule may say of content that is not signed, or is so no longer.

const enforce = 'mode: enforce, notary: main, root: { first_use: true }';
const rule = (keys: string): string => `rules:\n  - { match: reg.example/**, ${keys} }\n`;
const until = 'until: 2026-12-31T00:00:00Z';
const exception = (keys: string): string => rule(`${enforce}, exceptions: [{ ${keys} }]`);

const refusals: readonly Refusal[] = [
  [
    'keep without a unit',
    { rules: rule(`${enforce}, keep: §"720"`) },
    '"keep" must be a duration: 0, or a whole number of ms, s, m or h, such as "30s"',
  ],
  ['keep for ever', { rules: rule(`${enforce}, keep: §87601h`) }, '"keep" must be at most 87600h'],
  [
    'keep of a rule that judges nothing',
    { rules: rule('mode: allow, §keep: 1h') },
    '"keep" has no meaning in a rule whose mode is allow',
  ],
  [
    'exceptions of a rule that refuses all',
    { rules: rule('mode: deny, §exceptions: []') },
    '"exceptions" has no meaning in a rule whose mode is deny',
  ],
  ['one exception that is no list', { rules: rule(`${enforce}, exceptions: §{}`) }, '"exceptions" must be a list, not a mapping'], // prettier-ignore
  [
    'an exception of nothing',
    { rules: rule(`${enforce}, exceptions: [§{ ${until}, why: x }]`) },
    'each of "exceptions" must have a reference, a digest or both',
  ],
  ['an exception for ever', { rules: rule(`${enforce}, exceptions: [§{ reference: v1, why: x }]`) }, '"until" is missing'], // prettier-ignore
  ['an exception without a reason', { rules: rule(`${enforce}, exceptions: [§{ reference: v1, ${until} }]`) }, '"why" is missing'], // prettier-ignore
  ['an exception for an empty reason', { rules: exception(`reference: v1, ${until}, why: §""`) }, '"why" must say why'], // prettier-ignore
  [
    'an exception for a long story',
    { rules: exception(`reference: v1, ${until}, why: §${'x'.repeat(501)}`) },
    '"why" must be at most 500 characters',
  ],
  [
    'a misspelled key of an exception',
    { rules: exception(`digest: sha256:${'d'.repeat(64)}, §referense: v1, ${until}, why: x`) },
    'unknown key "referense" (did you mean "reference"?)',
  ],
  [
    'an exception of a whole image name',
    { rules: exception(`reference: §reg.example/app:v1, ${until}, why: x`) },
    '"reference" must be a tag, such as "v1.2"',
  ],
  [
    'an exception of half a digest',
    { rules: exception(`digest: §sha256:abc, ${until}, why: x`) },
    '"digest" must be a digest: sha256: and 64 hexadecimal digits',
  ],
  ...[
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-12-31T24:00:01Z',
    '2026-12-31T24:00:00Z',
    '2026-12-31T23:59:60Z',
    '2026-12-31T00:00:00',
    '2026-12-31T00:00:00+01:00',
    '2026-12-31T00:00:00.5Z',
    '2026-12-31 00:00:00Z',
    '2026-12-31',
    '+002026-12-31T00:00:00Z',
  ].map((instant): Refusal => [
    `an exception until ${instant}`,
    { rules: exception(`reference: v1, until: §"${instant}", why: x`) },
    '"until" must be an instant in UTC, such as "2026-12-31T00:00:00Z"',
  ]),
  [
    'an exception until a number',
    { rules: exception('reference: v1, until: §2026, why: x') },
    '"until" must be text, not a number (put quotes around it if it is text)',
  ],
];

for (const refusal of refusals) test(`refused: ${refusal[0]}`, (t) => assertRefused(t, refusal));
