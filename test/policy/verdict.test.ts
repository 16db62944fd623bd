import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDigest, parseImageReference } from '../../src/oci/reference.ts';
import type { Rule } from '../../src/policy/rule.ts';
import type { Refused, Verdict } from '../../src/policy/verdict.ts';
import {
  contentMismatch,
  contentMissing,
  decide,
  noRule,
  ruleDenies,
  upstreamUnavailable,
} from '../../src/policy/verdict.ts';
import type { DownloadFailure } from '../../src/trust/download-error.ts';
import { DownloadError } from '../../src/trust/download-error.ts';
import { StateError } from '../../src/trust/trust-store.ts';
import type { SignedTarget, TrustAnswer } from '../../src/trust/trust.ts';
import type { RepositoryErrorCode } from '../../src/tuf/error.ts';
import { RepositoryError } from '../../src/tuf/error.ts';

// The decision table: every answer that trust can give, and what becomes of it.

function known<Value>(value: Value | undefined): Value {
  assert.ok(value !== undefined);
  return value;
}
const imageNamed = (text: string) => known(parseImageReference(text));
const digest = known(parseDigest(`sha256:${'a'.repeat(64)}`));
const child = known(parseDigest(`sha256:${'b'.repeat(64)}`));
const byTag = imageNamed('reg.test/team/app:1.0');
const byDigest = imageNamed(`reg.test/team/app@${child}`);
const gun = 'reg.test/team/app';
const rule: Rule = {
  match: 'reg.test/**',
  mode: 'enforce',
  digests: 'signed',
  tags: 'signed',
  keep: 0,
  exceptions: [],
  trust: {
    notary: 'main',
    gunTemplate: '{registry}/{repository}',
    pin: { kind: 'first-use' },
    signers: [],
    checkEvery: 0,
    outageGrace: 0,
  },
};
const roles = ['root', 'targets', 'targets/releases'].map((role, at) => {
  return { role, version: at + 1, expires: new Date(0), keys: [], threshold: 1 };
});
const signed: SignedTarget = {
  kind: 'signed',
  tag: (byTag.identifier as Extract<typeof byTag.identifier, { kind: 'tag' }>).tag,
  digest,
  sha512: undefined,
  shadowed: undefined,
  length: 5,
  role: 'targets',
  roles,
  outage: undefined,
};

const verdictOf = (answer: TrustAnswer): Verdict => decide(byTag, rule, gun, answer);
function refused(verdict: Verdict): Refused {
  assert.ok(verdict.kind !== 'allow' && verdict.kind !== 'unjudged', verdict.kind);
  return verdict;
}

test('signed allows the signed digest, or the digest that was asked for below it', () => {
  const standing = { kind: 'signed', target: signed };
  assert.deepEqual(verdictOf(signed), { kind: 'allow', digest, standing });
  assert.deepEqual(decide(byDigest, rule, gun, signed), { kind: 'allow', digest: child, standing });
});

const unsigned: readonly (readonly [Extract<TrustAnswer, { kind: 'unsigned' }>, RegExp])[] = [
  [
    { kind: 'unsigned', reason: 'REPOSITORY_NOT_SIGNED', roles: [] },
    /the notary has no trust data for reg\.test\/team\/app; sign it: docker trust sign reg\.test\/team\/app:1\.0$/,
  ],
  [
    { kind: 'unsigned', reason: 'TAG_NOT_SIGNED', roles },
    /this tag is not \(targets version 2, targets\/releases version 3\); sign it/,
  ],
  [
    { kind: 'unsigned', reason: 'DIGEST_NOT_SIGNED', roles },
    /no signed tag of reg\.test\/team\/app means this digest/,
  ],
  [
    { kind: 'unsigned', reason: 'SIGNER_MISSING', roles, digest, missing: ['targets/alice', 'targets/bob'] },
    /rule reg\.test\/\*\* requires targets\/alice, targets\/bob to sign sha256:aaaaaaaaaaaa; have them sign this tag$/,
  ],
];
for (const [answer, says] of unsigned) {
  test(`unsigned ${answer.reason} is denied`, () => {
    const { kind, reason, message } = refused(verdictOf(answer));
    assert.deepEqual([kind, reason], ['deny', answer.reason]);
    assert.match(message, says);
  });
}

const remedies: Record<RepositoryErrorCode, RegExp> = {
  EXPIRED: / has to sign it again$/,
  ROLLBACK: /; if re-created on purpose: tufgate trust reset reg\.test\/team\/app:1\.0$/,
  EQUIVOCATION: /tufgate trust reset reg\.test\/team\/app:1\.0$/,
  BAD_SIGNATURE: /; its publisher has to sign it again with the keys in force$/,
  BAD_HASH: /; its publisher has to publish it again, or its notary was tampered with$/,
  ROOT_NOT_PINNED: /; compare with: tufgate trust pin$/,
  MALFORMED: /; ask the operator of the notary what it serves$/,
};
for (const [code, remedy] of Object.entries(remedies) as [RepositoryErrorCode, RegExp][]) {
  test(`invalid for ${code} is denied, with the finding and what to do about it`, () => {
    const { kind, reason, message } = refused(
      verdictOf({ kind: 'invalid', error: new RepositoryError(code, 'two is not three') }),
    );
    assert.deepEqual([kind, reason], ['deny', code]);
    assert.ok(message.startsWith(`content trust: reg.test/team/app:1.0 denied: ${code}: two is not three; `));
    assert.match(message, remedy);
  });
}

const failures: Record<DownloadFailure, string> = {
  outage: 'NOTARY_UNAVAILABLE',
  missing: 'NOTARY_UNAVAILABLE',
  'too-large': 'NOTARY_UNAVAILABLE',
  protocol: 'NOTARY_UNAVAILABLE',
  unauthorized: 'NOTARY_UNAUTHORIZED',
};
for (const [failure, expected] of Object.entries(failures) as [DownloadFailure, string][]) {
  test(`unavailable for ${failure} is not decided, never denied: ${expected}`, () => {
    const cause = new DownloadError(failure, 'notary.test answers strangely');
    const { kind, reason, message } = refused(verdictOf({ kind: 'unavailable', cause }));
    assert.deepEqual([kind, reason], ['unavailable', expected]);
    assert.match(message, /^content trust: \S+ not decided: NOTARY_[A-Z]+: notary\.test answers strangely; /);
  });
}

test('a damaged state is not decided', () => {
  const { kind, reason } = refused(
    verdictOf({ kind: 'unavailable', cause: new StateError('rows are missing') }),
  );
  assert.deepEqual([kind, reason], ['unavailable', 'STATE_UNAVAILABLE']);
});

test('what is refused without asking trust says so', () => {
  const cases: readonly (readonly [Refused, string, string])[] = [
    [noRule(byTag), 'deny', 'NO_RULE'],
    [ruleDenies(byTag, rule), 'deny', 'RULE_DENY'],
    [contentMismatch(byTag, 'x'), 'deny', 'CONTENT_MISMATCH'],
    [contentMissing(byTag, digest), 'not-found', 'CONTENT_MISSING'],
    [upstreamUnavailable(byTag, 'x'), 'unavailable', 'UPSTREAM_UNAVAILABLE'],
  ];
  for (const [{ kind, reason, message }, ...expected] of cases) {
    assert.deepEqual([kind, reason], expected);
    assert.ok(message.startsWith('content trust: reg.test/team/app:1.0 '), message);
  }
});

test('a message is ASCII of at most 300 characters, whatever it is made of; image, reason and remedy stay readable', () => {
  const longest = imageNamed(`reg.test/${'n'.repeat(255)}:${'t'.repeat(128)}`);
  for (const finding of ['', 'x', 'x'.repeat(10_000), '\r\nSet-Cookie: a=b', 'é\u2028\u0000☃', '\ud83d']) {
    for (const image of [byTag, byDigest, longest]) {
      for (const { message } of [
        contentMismatch(image, finding),
        upstreamUnavailable(image, finding),
        refused(
          decide(image, rule, gun, { kind: 'invalid', error: new RepositoryError('ROLLBACK', finding) }),
        ),
      ]) {
        assert.match(
          message,
          /^content trust: reg\.test\/[\x20-\x7e]+: [A-Z_]+: [\x20-\x7e]*; [\x20-\x7e]+$/,
        );
        assert.ok(message.length <= 300, String(message.length));
      }
    }
  }
});

test('a long finding gives way in its middle, where it says least', () => {
  const finding = `timestamp is version 4${' and so on'.repeat(50)} but version 5 was already trusted`;
  const { message } = contentMismatch(byTag, finding);
  assert.equal(message.length, 300);
  assert.match(message, /: timestamp is version 4.*\.\.\..* but version 5 was already trusted; /);
});
