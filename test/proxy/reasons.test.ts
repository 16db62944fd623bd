import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import { denyReasons, notFoundReasons, reasons, unavailableReasons } from '../../src/policy/reason.ts';
import type { Reason } from '../../src/policy/reason.ts';
import { answer, changeBody, loginPage } from '../world/fault.ts';
import { at } from '../world/http.ts';
import type { PullAnswer, World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { decisionTable } from './decision-table.ts';
import { alterState, pullLabels, reconfigure, rise, storedRows, withRule } from './evidence.ts';

// Every reason of contract §5, made to happen at notary, registry, state or configuration, and seen as a client sees it.

const good = buildImage('good');
const other = buildImage('other');

interface Place {
  readonly world: World;
  readonly name: string;
  readonly tag: string;
}
interface Story {
  readonly options?: WorldOptions;
  /** What is there before the control pull, whose trust data is stored. */
  readonly before?: (place: Place) => unknown;
  /** What goes wrong after it. Gives what is then pulled in place of the tag. */
  readonly breaks: (place: Place) => Promise<void> | string | void;
  readonly mend: (place: Place) => unknown;
  readonly mode?: string;
  /** The rule that a refusal names, where it is not the usual one. */
  readonly rule?: string | null;
  readonly gun?: null;
}

const otherDigest = ({ name }: Place): string => `${name}@${other.digest}`;
const otherTag = ({ name, tag }: Place): string => `${name}:${nextTag(tag)}`;
const nextTag = (tag: string): string => `${tag.slice(0, -1)}9`;
const publish = ({ world, name }: Place): unknown => world.notary.repository(name).publish();
const behave = ({ world }: Place): void => {
  world.notary.behave();
  world.registry.behave();
};
const signOther = ({ world, name, tag }: Place): void => {
  world.registry.put(name, other);
  world.notary.sign(name, nextTag(tag), other);
};
const usualRule = ({ world }: Place): Promise<void> =>
  reconfigure(world.proxy, (tree) =>
    withRule(tree, {
      match: 'reg.test/**',
      mode: 'enforce',
      notary: 'main',
      root: { keys: [world.notary.rootPin] },
      check_every: 0,
    }),
  );
const atManifest = (
  fault: Parameters<World['registry']['fault']>[2],
): Pick<Story, 'before' | 'breaks' | 'mend'> => ({
  before: signOther,
  breaks: (place) => {
    place.world.registry.fault(place.name, `manifests/${other.digest}`, fault);
    return otherTag(place);
  },
  mend: behave,
});
const atNotary = (
  fault: Parameters<World['notary']['fault']>[2],
  role: string,
): Pick<Story, 'breaks' | 'mend'> => ({
  breaks: ({ world, name }) => {
    world.notary.fault(name, role, fault);
  },
  mend: behave,
});

const stories: Record<Reason, Story> = {
  NO_RULE: {
    breaks: ({ world }) =>
      reconfigure(world.proxy, (tree) => withRule(tree, { match: 'reg.test/elsewhere/**' })),
    mend: usualRule,
    mode: 'none',
    rule: null,
    gun: null,
  },
  RULE_DENY: {
    breaks: ({ world }) =>
      reconfigure(world.proxy, (tree) => ({ ...tree, rules: [{ match: 'reg.test/**', mode: 'deny' }] })),
    mend: usualRule,
    mode: 'deny',
    gun: null,
  },
  REPOSITORY_NOT_SIGNED: {
    breaks: ({ world, name }) => {
      world.notary.server.remove(`reg.test/${name}`);
    },
    before: ({ world, name }) => world.notary.server.remove(`reg.test/${name}`),
    mend: ({ world, name }) =>
      world.notary.server.serve(`reg.test/${name}`, world.notary.repository(name).files),
  },
  TAG_NOT_SIGNED: { breaks: otherTag, mend: signOther },
  DIGEST_NOT_SIGNED: {
    breaks: (place) => {
      place.world.registry.put(place.name, other, place.tag);
      return otherDigest(place);
    },
    mend: signOther,
  },
  SIGNER_MISSING: {
    options: { rule: { signers: ['targets/alice'] } },
    before: ({ world, name, tag }) => {
      const repository = world.notary.repository(name);
      repository.addSigner('alice');
      repository.sign(nextTag(tag), good, 'targets/alice');
      repository.publish();
    },
    breaks: () => {},
    mend: ({ world, name, tag }) => world.notary.sign(name, tag, good, 'targets/alice'),
  },
  EXPIRED: {
    breaks: ({ world }) => {
      world.clock.advance(15 * 24 * 3600_000);
    },
    mend: publish,
  },
  ROLLBACK: {
    breaks: ({ world, name }) => {
      const repository = world.notary.repository(name);
      repository.setVersion('timestamp', repository.version('timestamp') - 1);
      repository.publish();
    },
    before: publish,
    mend: ({ world, name }) => {
      const repository = world.notary.repository(name);
      repository.setVersion('timestamp', repository.version('timestamp') + 2);
      repository.publish();
    },
  },
  EQUIVOCATION: {
    breaks: ({ world, name }) => {
      const repository = world.notary.repository(name);
      repository.setVersion('timestamp', repository.version('timestamp'));
      repository.setExpires('timestamp', new Date(world.clock.now() + 3600_000));
      repository.publish();
    },
    mend: publish,
  },
  BAD_SIGNATURE: {
    breaks: ({ world, name }) => {
      const repository = world.notary.repository(name);
      repository.forge('timestamp', { keys: [SigningKey.plain(generatePrivateKey('ed25519'))] });
      repository.publish();
    },
    mend: publish,
  },
  BAD_HASH: {
    breaks: (place) => {
      signOther(place);
      place.world.notary.fault(
        place.name,
        'targets',
        changeBody((body) => body.fill(' ', 0, 1)),
      );
      return otherTag(place);
    },
    mend: behave,
  },
  ROOT_NOT_PINNED: {
    breaks: ({ world }) =>
      reconfigure(world.proxy, (tree) => withRule(tree, { root: { keys: ['0'.repeat(64)] } })),
    mend: usualRule,
  },
  MALFORMED: atNotary(loginPage, 'timestamp'),
  CONTENT_MISMATCH: atManifest(changeBody((body) => body.fill(' ', 0, 1))),
  NOTARY_UNAVAILABLE: atNotary(answer(503), 'timestamp'),
  NOTARY_UNAUTHORIZED: atNotary(answer(403), 'timestamp'),
  UPSTREAM_UNAVAILABLE: atManifest(answer(500)),
  STATE_UNAVAILABLE: {
    breaks: ({ world }) =>
      alterState(world.directory, "UPDATE file SET version = 1000 WHERE role = 'timestamp'"),
    mend: ({ world, name }) => {
      const version = world.notary.repository(name).version('timestamp');
      alterState(world.directory, `UPDATE file SET version = ${version} WHERE role = 'timestamp'`);
    },
  },
  CONTENT_MISSING: atManifest(answer(404)),
};

const answers = [
  { reasons: denyReasons, status: 403, code: 'DENIED', verdict: 'deny' },
  { reasons: unavailableReasons, status: 503, code: 'UNAVAILABLE', verdict: 'unavailable' },
  { reasons: notFoundReasons, status: 404, code: 'MANIFEST_UNKNOWN', verdict: 'allow' },
] as const;

test('every reason of the contract has its story, and no other', () => {
  assert.deepEqual(Object.keys(stories).toSorted(), [...reasons].toSorted());
  assert.deepEqual(answers.flatMap((group) => group.reasons).toSorted(), [...reasons].toSorted());
});

/** The row of the decision table that a story tells. */
function foundBy(wanted: Reason): string {
  return decisionTable.find(({ reason }) => reason === wanted)?.found ?? '';
}

const longName = `team/${'n'.repeat(250)}`;
const longTag = 't'.repeat(128);

for (const { reasons: group, status, code, verdict } of answers) {
  for (const reason of group) {
    for (const [name, tag] of [
      ['team/app', '1.0'],
      [longName, longTag],
    ] as const) {
      const size = name === longName ? ' with the longest names there are' : '';
      test(`${foundBy(reason)}: ${status} ${reason}${size}`, async (t) => {
        const story = stories[reason];
        const world = await startWorld(t, story.options);
        const place = { world, name, tag };
        const { proxy, notary, registry, directory } = world;
        registry.put(name, good, tag);
        notary.sign(name, tag, good);
        await story.before?.(place);
        await proxy.pull(`${name}:${tag}`, { headers: { 'user-agent': 'control' } });

        const image = (await story.breaks(place)) ?? `${name}:${tag}`;
        const rows = storedRows(directory);
        let refused: PullAnswer | undefined;
        const counted = await rise(proxy, 'tufgate_pulls_total', async () => {
          refused = await proxy.pull(image);
        });
        assert.ok(refused !== undefined);
        assertRefusal(refused, { reason, status, code, image, name, story });
        assert.deepEqual(counted, { [pullLabels(story.mode ?? 'enforce', verdict, reason)]: 1 });
        assert.deepEqual(storedRows(directory), rows);

        await story.mend(place);
        const mended = await proxy.pull(image);
        assert.deepEqual([mended.status, mended.reason], [200, undefined]);
      });
    }
  }
}

interface Expected {
  readonly reason: Reason;
  readonly status: number;
  readonly code: string;
  readonly image: string;
  readonly name: string;
  readonly story: Story;
}

function assertRefusal(refused: PullAnswer, { reason, status, code, image, name, story }: Expected): void {
  assert.deepEqual([refused.status, refused.reason], [status, reason]);
  assert.equal(decisionTable.find((row) => row.reason === reason)?.status, String(status));
  assert.equal(refused.headers['content-type'], 'application/json');
  assert.equal(refused.headers['content-length'], String(refused.body.length));
  assert.equal(refused.headers['docker-distribution-api-version'], 'registry/2.0');
  assert.equal(refused.headers['tufgate-trust'], undefined);
  if (status === 503) assert.match(refused.headers['retry-after'] ?? '', /^[1-9][0-9]*$/);
  else assert.equal(refused.headers['retry-after'], undefined);

  const message = String(at(refused.json, 'errors', 0, 'message'));
  const reference = image.slice(name.length + 1);
  assert.deepEqual(refused.json, {
    errors: [
      {
        code,
        message,
        detail: {
          reason,
          registry: 'reg.test',
          repository: name,
          reference,
          gun: story.gun === undefined ? `reg.test/${name}` : null,
          rule: story.rule === undefined ? 'reg.test/**' : story.rule,
          explain: `tufgate explain reg.test/${image}`,
        },
      },
    ],
  });
  assert.equal(refused.statusMessage, message);
  assert.match(message, /^content trust: [\x20-\x7e]+$/);
  assert.ok(message.length <= 300, `${message.length} characters`);
  assert.ok(message.includes(`: ${reason}: `), message);
  const named = `reg.test/${image}`;
  assert.ok(message.includes(named.length <= 110 ? named : named.slice(0, 40)), message);
}
