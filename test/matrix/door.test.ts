import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { unavailableReasons } from '../../src/policy/reason.ts';
import { storedRows } from '../proxy/evidence.ts';
import type { PullAnswer } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import type { Outcome, Place, RoleName, Situation } from './corruption.ts';
import { roles } from './corruption.ts';
import { baseKeys, prepare, tag } from './fixture.ts';
import { cellsOf, chapters, publishHonestly } from './matrix.ts';

// Some cells of the matrix through the door that a client uses: the whole proxy, its state, and real manifests.

const spots: readonly (readonly [what: string, role: RoleName, situation: Situation, outcome: Outcome])[] = [
  ['empty', 'snapshot', 'cold', 'MALFORMED'],
  ['a login page', 'targets', 'warm', 'MALFORMED'],
  ['printed over several lines', 'targets/releases', 'cold', 'signed'],
  ['version twice, once by an escape', 'timestamp', 'warm', 'MALFORMED'],
  ['an array for the object meta', 'snapshot', 'cold', 'MALFORMED'],
  ['members named __proto__, constructor and toString', 'targets', 'warm', 'signed'],
  ['signed by a stranger', 'root', 'warm', 'BAD_SIGNATURE'],
  ['signed by a stranger', 'targets/releases', 'warm', 'BAD_SIGNATURE'],
  ['threshold 2, and one key', 'targets', 'cold', 'BAD_SIGNATURE'],
  ['one key under two ids, and threshold 2', 'timestamp', 'warm', 'BAD_SIGNATURE'],
  ['63 signatures of strangers before its own', 'snapshot', 'cold', 'signed'],
  ['version 1', 'targets', 'cold', 'signed'],
  ['version 1', 'targets', 'warm', 'ROLLBACK'],
  ['the trusted version, with other bytes', 'targets/releases', 'warm', 'EQUIVOCATION'],
  ['root.json of version 4, and no 3.root.json', 'root', 'warm', 'BAD_SIGNATURE'],
  ['expires 1970-01-01T00:00:00Z', 'targets/releases', 'warm', 'EXPIRED'],
  ['expires 9999-12-31T23:59:59.999999999Z', 'timestamp', 'warm', 'signed'],
  ['its length one too few', 'snapshot', 'cold', 'BAD_HASH'],
  ['a sha256 that no file has', 'targets', 'warm', 'NOTARY_UNAVAILABLE'],
  ['no statement of it at all', 'targets/releases', 'cold', 'fallback'],
  ['no statement of it at all', 'targets/releases', 'warm', 'ROLLBACK'],
  ['404', 'root', 'cold', 'REPOSITORY_NOT_SIGNED'],
  ['404', 'root', 'warm', 'ROLLBACK'],
  ['403', 'targets', 'warm', 'NOTARY_UNAUTHORIZED'],
  ['503', 'timestamp', 'cold', 'NOTARY_UNAVAILABLE'],
];

const released = buildImage('released');
const outdated = buildImage('outdated');
const cells = chapters.flatMap(([, rows]) => rows.flatMap(cellsOf));

for (const [what, role, situation, outcome] of spots) {
  test(`${what} (${role}, ${situation}) is ${outcome} to a client`, async (t) => {
    const cell = cells.find(
      (one) => one.corruption.what === what && one.role === role && one.situation === situation,
    );
    assert.equal(cell?.expected, outcome, 'the matrix has the cell');
    const { notary, registry, proxy, directory } = await startWorld(t);
    registry.put('app', outdated);
    registry.put('app', released);
    const repository = notary.repository('app', { keys: baseKeys });
    prepare(repository, { released, outdated });
    if (situation === 'warm') {
      repository.publish();
      repository.touch();
      repository.publish();
      assertServed(await proxy.pull(`app:${tag}`), 'signed');
      repository.touch();
    }
    const versions = new Map(roles.map((name) => [name, repository.version(name)]));
    const before = floors(directory);
    const fault: Place['fault'] = (name, made, which) => void notary.fault('app', name, made, which);
    cell.corruption.make({ repository, situation, fault }, role);
    repository.publish();

    const answer = await proxy.pull(`app:${tag}`);
    if (outcome === 'signed' || outcome === 'fallback') return assertServed(answer, outcome);
    assertRefused(answer, outcome);
    assert.deepEqual(floors(directory), before);
    notary.behave();
    if (!cell.corruption.onTheWire) publishHonestly(repository, versions, cell.corruption.rootStands(role));
    assertServed(await proxy.pull(`app:${tag}`), 'signed');
  });
}

/** What is stored of each role but root, byte for byte. */
function floors(directory: string): ReadonlyMap<string, unknown> {
  const [, , files] = storedRows(directory) as readonly { readonly role: string }[][];
  return new Map(files?.map((row) => [row.role, row]));
}

function assertServed(answer: PullAnswer, outcome: 'signed' | 'fallback'): void {
  assert.deepEqual([answer.status, answer.reason], [200, undefined]);
  assert.deepEqual(answer.body, (outcome === 'signed' ? released : outdated).bytes);
}

function assertRefused(answer: PullAnswer, reason: string): void {
  assert.equal(answer.reason, reason);
  const isUnavailable = unavailableReasons.some((word) => word === reason);
  assert.equal(answer.status, isUnavailable ? 503 : 403);
  for (const image of [released, outdated]) assert.ok(!answer.body.includes(image.bytes));
}
