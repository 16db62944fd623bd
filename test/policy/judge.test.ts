import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../../src/oci/reference.ts';
import { parseDigest, parseImageReference, parseTag } from '../../src/oci/reference.ts';
import type { Evidence, Tagged } from '../../src/policy/judge.ts';
import { Judge } from '../../src/policy/judge.ts';
import type { Rule } from '../../src/policy/rule.ts';
import type { Reach } from '../../src/policy/standing.ts';
import type { Verdict } from '../../src/policy/verdict.ts';
import { DownloadError } from '../../src/trust/download-error.ts';
import type { SignedTarget, TrustAnchor, TrustFailure, TrustSource } from '../../src/trust/trust.ts';
import { RepositoryError } from '../../src/tuf/error.ts';

// Rule → trust answer → verdict, over a trust source that is a plain table.

function known<Value>(value: Value | undefined): Value {
  assert.ok(value !== undefined);
  return value;
}
const digestOf = (letter: string): Digest => known(parseDigest(`sha256:${letter.repeat(64)}`));
const [signedDigest, otherDigest] = [digestOf('a'), digestOf('b')];
const tagged = known(parseImageReference('reg.test/team/app:1.0'));
const digested = (digest: Digest) => known(parseImageReference(`reg.test/team/app@${digest}`));
const target: SignedTarget = {
  kind: 'signed',
  tag: known(parseTag('1.0')),
  digest: signedDigest,
  sha512: undefined,
  shadowed: undefined,
  length: 5,
  role: 'targets',
  roles: [],
  outage: undefined,
};

/** One signed tag for every GUN, or one failure for all. `asked` says what was asked, under which anchor. */
class TableOfTrust implements TrustSource {
  readonly asked: (readonly [string, TrustAnchor])[] = [];
  readonly #failure: TrustFailure | undefined;

  constructor(failure?: TrustFailure) {
    this.#failure = failure;
  }

  async resolveTag(anchor: TrustAnchor, tag: string): ReturnType<TrustSource['resolveTag']> {
    this.asked.push([`tag ${tag}`, anchor]);
    if (this.#failure !== undefined) return this.#failure;
    return tag === target.tag ? target : { kind: 'unsigned', reason: 'TAG_NOT_SIGNED', roles: [] };
  }

  async signedTargets(anchor: TrustAnchor): ReturnType<TrustSource['signedTargets']> {
    this.asked.push(['targets', anchor]);
    return (
      this.#failure ?? {
        kind: 'listed',
        scope: 'scope',
        identity: 'identity',
        targets: [target],
        byDigest: new Map([[target.digest, target]]),
        roles: [],
      }
    );
  }
}

const ruleOf = (change: Partial<Extract<Rule, { mode: 'enforce' | 'audit' }>> = {}): Rule => ({
  match: 'reg.test/**',
  mode: 'enforce',
  digests: 'signed',
  tags: 'signed',
  keep: 0,
  exceptions: [],
  trust: {
    notary: 'main',
    gunTemplate: 'guns.test/{repository}',
    pin: { kind: 'first-use' },
    signers: [],
    checkEvery: 0,
    outageGrace: 0,
  },
  ...change,
});
const now = Date.parse('2026-06-01T00:00:00Z');
const judgeOf = (rules: readonly Rule[], trust: TrustSource): Judge => new Judge(rules, trust, () => now);
const never = (): Promise<never> => Promise.reject(new Error('nobody has to look below what is signed'));
const neverLook: Evidence = { reach: never, tagged: never };
const looks = (reach: Reach): Evidence => ({ reach: () => Promise.resolve(reach), tagged: never });
const standing = { kind: 'signed', target } as const;
const unavailable: TrustFailure = { kind: 'unavailable', cause: new DownloadError('outage', 'down') };

test('no rule and the modes allow and deny ask no trust', async () => {
  for (const [rules, kind, reason] of [
    [[], 'deny', 'NO_RULE'],
    [[{ match: 'reg.test/team/*', mode: 'deny' }], 'deny', 'RULE_DENY'],
    [[{ match: 'reg.test/team/*', mode: 'allow' }], 'unjudged', undefined],
  ] as const) {
    const trust = new TableOfTrust();
    const { verdict, gun, answer, rule } = await judgeOf(rules, trust).judge(tagged, neverLook);
    assert.deepEqual([verdict.kind, 'reason' in verdict ? verdict.reason : undefined], [kind, reason]);
    assert.deepEqual([gun, answer, rule, trust.asked], [undefined, undefined, rules[0], []]);
  }
});

for (const mode of ['enforce', 'audit'] as const) {
  test(`${mode}: a tag is resolved under the GUN and the terms of its rule, and nobody looks below it`, async () => {
    const trust = new TableOfTrust();
    const rule = ruleOf({ mode });
    const judgement = await judgeOf([rule], trust).judge(tagged, neverLook);
    assert.deepEqual(judgement, {
      image: tagged,
      rule,
      gun: 'guns.test/team/app',
      answer: target,
      verdict: { kind: 'allow', digest: signedDigest, standing },
    });
    const [[asked, anchor] = []] = trust.asked;
    assert.deepEqual(
      [trust.asked.length, asked, anchor?.gun, anchor?.notary],
      [1, 'tag 1.0', 'guns.test/team/app', 'main'],
    );
  });
}

test('a signed digest is allowed without a look below the others', async () => {
  const judge = judgeOf([ruleOf()], new TableOfTrust());
  const { verdict, size } = await judge.judge(digested(signedDigest), neverLook);
  assert.deepEqual([verdict, size], [{ kind: 'allow', digest: signedDigest, standing }, target.length]);
});

test('a digest below what is signed is allowed as itself, on the signature of what it stands below', async () => {
  const judge = judgeOf([ruleOf()], new TableOfTrust());
  const { verdict, answer, size } = await judge.judge(
    digested(otherDigest),
    looks({ kind: 'stands', standing, size: 7 }),
  );
  assert.deepEqual([verdict, size], [{ kind: 'allow', digest: otherDigest, standing }, 7]);
  assert.equal(answer, target);
});

test('a digest nowhere below is denied, and one that was not looked for to the end is undecided', async () => {
  const judge = judgeOf([ruleOf()], new TableOfTrust());
  for (const [reach, kind, reason] of [
    [{ kind: 'nowhere' }, 'deny', 'DIGEST_NOT_SIGNED'],
    [{ kind: 'unknown', finding: 'an index could not be read' }, 'unavailable', 'UPSTREAM_UNAVAILABLE'],
  ] as const) {
    const { verdict } = await judge.judge(digested(otherDigest), looks(reach));
    assert.deepEqual([verdict.kind, 'reason' in verdict && verdict.reason], [kind, reason]);
  }
});

test('a digest that trust data says nothing usable of is not looked for', async () => {
  for (const [failure, kind] of [
    [unavailable, 'unavailable'],
    [{ kind: 'invalid', error: new RepositoryError('EXPIRED', 'old') }, 'deny'],
    [{ kind: 'unsigned', reason: 'REPOSITORY_NOT_SIGNED', roles: [] }, 'deny'],
  ] as const) {
    const { verdict } = await judgeOf([ruleOf()], new TableOfTrust(failure)).judge(
      digested(otherDigest),
      neverLook,
    );
    assert.equal(verdict.kind, kind);
  }
});

test('an exception allows a tag that is not signed, or of which nothing is known, until its instant', async () => {
  const exception = { reference: known(parseTag('2.0')), digest: otherDigest, until: now + 1, why: 'x' };
  const image = known(parseImageReference('reg.test/team/app:2.0'));
  const excepted = { kind: 'allow', digest: otherDigest, standing: { kind: 'excepted', exception } };
  for (const failure of [undefined, unavailable]) {
    const judge = judgeOf([ruleOf({ exceptions: [exception] })], new TableOfTrust(failure));
    assert.deepEqual((await judge.judge(image, neverLook)).verdict, excepted);
    const ended = ruleOf({ exceptions: [{ ...exception, until: now }] });
    const after = judgeOf([ended], new TableOfTrust(failure));
    assert.equal(
      (await after.judge(image, neverLook)).verdict.kind,
      failure === undefined ? 'deny' : 'unavailable',
    );
  }
});

test('an exception without a digest means what the registry has, and what it does not tell is undecided', async () => {
  const exception = { reference: known(parseTag('2.0')), digest: undefined, until: now + 1, why: 'x' };
  const judge = judgeOf([ruleOf({ exceptions: [exception] })], new TableOfTrust());
  const image = known(parseImageReference('reg.test/team/app:2.0'));
  const verdictOf = async (tagged: Tagged): Promise<Verdict> =>
    (await judge.judge(image, { reach: never, tagged: () => Promise.resolve(tagged) })).verdict;
  const standing = { kind: 'excepted', exception };
  const found = await verdictOf({ kind: 'found', digest: otherDigest });
  assert.deepEqual(found, { kind: 'allow', digest: otherDigest, standing });
  const missing = await verdictOf({ kind: 'missing' });
  assert.equal('reason' in missing && missing.reason, 'TAG_NOT_SIGNED');
  const unknown = await verdictOf({ kind: 'unknown', finding: 'down' });
  assert.deepEqual(
    [unknown.kind, 'reason' in unknown && unknown.reason],
    ['unavailable', 'UPSTREAM_UNAVAILABLE'],
  );
});

test('a tag that is signed means what is signed, whatever an exception says of it', async () => {
  const exception = { reference: target.tag, digest: otherDigest, until: now + 1, why: 'x' };
  const judge = judgeOf([ruleOf({ exceptions: [exception] })], new TableOfTrust());
  assert.deepEqual((await judge.judge(tagged, neverLook)).verdict, {
    kind: 'allow',
    digest: signedDigest,
    standing,
  });
});

test('a digest costs one question, whether it is signed or not', async () => {
  for (const digest of [signedDigest, otherDigest]) {
    const trust = new TableOfTrust();
    await judgeOf([ruleOf()], trust).judge(digested(digest), looks({ kind: 'nowhere' }));
    assert.deepEqual(
      trust.asked.map(([asked]) => asked),
      ['targets'],
    );
  }
});

test('digests: any leaves digests unjudged, and tags judged', async () => {
  const trust = new TableOfTrust(unavailable);
  const judge = judgeOf([ruleOf({ digests: 'any' })], trust);
  assert.deepEqual((await judge.judge(digested(otherDigest), neverLook)).verdict, { kind: 'unjudged' });
  assert.equal(trust.asked.length, 0);
  assert.equal((await judge.judge(tagged, neverLook)).verdict.kind, 'unavailable');
});

test('coverage is what the rule alone says: for what names neither tag nor digest', () => {
  for (const [rules, kind] of [
    [[], 'deny'],
    [[{ match: 'reg.test/team/*', mode: 'deny' }], 'deny'],
    [[{ match: 'reg.test/team/*', mode: 'allow' }], 'unjudged'],
    [[ruleOf()], 'unjudged'],
    [[ruleOf({ mode: 'audit' })], 'unjudged'],
  ] as const) {
    assert.equal(judgeOf(rules, new TableOfTrust()).coverage(tagged).kind, kind);
  }
});

test('what a list may name is left to the registry but under enforce with tags: signed', () => {
  for (const rules of [
    [],
    [{ match: 'reg.test/team/*', mode: 'deny' }],
    [{ match: 'reg.test/team/*', mode: 'allow' }],
    [ruleOf({ mode: 'audit' })],
    [ruleOf({ tags: 'all' })],
  ] as const) {
    assert.equal(judgeOf(rules, new TableOfTrust()).pullableTags(tagged), undefined);
  }
});

test('a list may name what is signed under the terms of the rule, and trust is asked only when it is wanted', async () => {
  const trust = new TableOfTrust();
  const pullable = known(judgeOf([ruleOf()], trust).pullableTags(tagged));
  assert.equal(trust.asked.length, 0);
  assert.deepEqual(await pullable(), new Set(['1.0']));
  const [[asked, anchor] = []] = trust.asked;
  assert.deepEqual([asked, anchor?.gun, anchor?.notary], ['targets', 'guns.test/team/app', 'main']);
});

test('a list of what is not signed is empty, and of what is not trusted there is none', async () => {
  const repository = { registry: tagged.registry, repository: tagged.repository };
  const listed = async (failure: TrustFailure): Promise<unknown> =>
    known(judgeOf([ruleOf()], new TableOfTrust(failure)).pullableTags(repository))();
  const unsigned = { kind: 'unsigned', reason: 'REPOSITORY_NOT_SIGNED', roles: [] } as const;
  assert.deepEqual(await listed(unsigned), new Set());
  const expired = { kind: 'invalid', error: new RepositoryError('EXPIRED', 'targets expired') } as const;
  assert.deepEqual(await listed(expired), {
    kind: 'deny',
    reason: 'EXPIRED',
    message:
      'content trust: reg.test/team/app denied: EXPIRED: targets expired; whoever holds the key of this role has to sign it again',
  });
  assert.deepEqual(await listed(unavailable), {
    kind: 'unavailable',
    reason: 'NOTARY_UNAVAILABLE',
    message:
      'content trust: reg.test/team/app not decided: NOTARY_UNAVAILABLE: down; try again when the notary answers',
  });
});
