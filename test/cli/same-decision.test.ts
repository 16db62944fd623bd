import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import { answer, changeBody, loginPage } from '../world/fault.ts';
import { at } from '../world/http.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { tufgate } from './process.ts';

const good = buildImage('good');
const other = buildImage('other');
const index = buildIndex([good]);
const notPinned = '00'.repeat(32);

interface Case {
  /** The repository, each with trust data of its own; what its rule is, see below. */
  readonly repository: string;
  /** Default: the tag 1.0. */
  readonly reference?: string;
  /** After the first pull, which was of the signed tag 1.0. */
  readonly afterwards?: (world: World, repository: string) => void;
  readonly expected: readonly [verdict: string, reason: string | null, status: number, answered: number];
}

const denied = (reason: string): Case['expected'] => ['deny', reason, 1, 403];
const undecided = (reason: string): Case['expected'] => ['unavailable', reason, 3, 503];
const allowed: Case['expected'] = ['allow', null, 0, 200];

const cases: readonly Case[] = [
  { repository: 'judged/signed', expected: allowed },
  { repository: 'judged/digest', reference: index.digest, expected: allowed },
  { repository: 'judged/child', reference: good.digest, expected: allowed },
  { repository: 'open/anything', expected: allowed },
  { repository: 'elsewhere/app', expected: denied('NO_RULE') },
  { repository: 'closed/app', expected: denied('RULE_DENY') },
  { repository: 'judged/unsigned-tag', reference: '2.0', expected: denied('TAG_NOT_SIGNED') },
  { repository: 'judged/unsigned-digest', reference: other.digest, expected: denied('DIGEST_NOT_SIGNED') },
  { repository: 'signers/app', expected: denied('SIGNER_MISSING') },
  { repository: 'pinned/app', expected: denied('ROOT_NOT_PINNED') },
  {
    repository: 'judged/expired',
    afterwards: ({ notary }, name) => {
      notary.repository(name).setExpires('timestamp', new Date(Date.now() - 1000));
      notary.repository(name).publish();
    },
    expected: denied('EXPIRED'),
  },
  {
    repository: 'judged/rolled-back',
    afterwards: ({ notary }, name) => {
      notary.repository(name).setVersion('timestamp', 1);
      notary.sign(name, '1.0', index);
    },
    expected: denied('ROLLBACK'),
  },
  {
    repository: 'judged/two-tongues',
    afterwards: ({ notary }, name) => {
      notary.repository(name).setVersion('timestamp', notary.repository(name).version('timestamp'));
      notary.sign(name, '1.0', other);
    },
    expected: denied('EQUIVOCATION'),
  },
  {
    repository: 'judged/forged',
    afterwards: ({ notary }, name) => {
      notary.repository(name).forge('targets', { keys: [SigningKey.plain(generatePrivateKey('p256'))] });
      notary.repository(name).publish();
    },
    expected: denied('BAD_SIGNATURE'),
  },
  {
    repository: 'judged/altered',
    afterwards: ({ notary }, name) => {
      notary.sign(name, '1.0', other);
      notary.fault(
        name,
        'targets',
        changeBody((body) => body.fill(' ', 0, 1)),
      );
    },
    expected: denied('BAD_HASH'),
  },
  {
    repository: 'judged/portal',
    afterwards: ({ notary }, name) => notary.fault(name, 'root', loginPage),
    expected: denied('MALFORMED'),
  },
  {
    repository: 'judged/down',
    afterwards: ({ notary }, name) => notary.fault(name, 'timestamp', answer(503)),
    expected: undecided('NOTARY_UNAVAILABLE'),
  },
  {
    repository: 'judged/locked-out',
    afterwards: ({ notary }, name) => notary.fault(name, 'timestamp', answer(403)),
    expected: undecided('NOTARY_UNAUTHORIZED'),
  },
];

test('explain decides as the pull does', async (t) => {
  const judged = { mode: 'enforce', notary: 'main', check_every: 0 };
  const world = await startWorld(t, {
    config: (tree) => {
      const [rule] = tree['rules'] as { root: object }[];
      const root = (): unknown => structuredClone(rule?.root); // One object twice would be a YAML alias.
      return {
        ...tree,
        rules: [
          { match: 'reg.test/judged/**', root: root(), ...judged },
          { match: 'reg.test/signers/**', root: root(), ...judged, signers: ['targets/alice'] },
          { match: 'reg.test/pinned/**', root: { keys: [notPinned] }, ...judged },
          { match: 'reg.test/open/**', mode: 'allow' },
          { match: 'reg.test/closed/**', mode: 'deny' },
        ],
      };
    },
  });
  const { notary, registry, proxy } = world;
  for (const { repository, reference = '1.0', afterwards, expected } of cases) {
    await t.test(`${repository}: ${expected[1] ?? expected[0]}`, async () => {
      registry.put(repository, index, '1.0');
      registry.put(repository, other, '2.0');
      notary.sign(repository, '1.0', index);
      notary.repository(repository).publish(); // Now there is an older timestamp to roll back to.
      if (afterwards !== undefined) {
        assert.equal((await proxy.pull(`${repository}:1.0`)).status, 200);
        afterwards(world, repository);
      }
      const image = `${repository}${reference.includes(':') ? '@' : ':'}${reference}`;
      const explained = await tufgate('explain', image, '--json', '-c', proxy.configPath);
      const pulled = await proxy.pull(image);
      const json: unknown = JSON.parse(explained.stdout);
      assert.deepEqual(
        [at(json, 'verdict'), at(json, 'reason'), explained.status, pulled.status],
        expected,
        explained.stdout,
      );
      assert.equal(pulled.reason, expected[1] ?? undefined);
      if (pulled.reason !== undefined) {
        assert.equal(timeless(at(pulled.json, 'errors', 0, 'message')), timeless(at(json, 'message')));
      }
    });
  }
});

/** Two decisions are not made in the same millisecond. */
function timeless(message: unknown): string {
  return String(message).replace(/and it is [-0-9T:.]+Z/, 'and it is later');
}
