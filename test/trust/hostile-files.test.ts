import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { Fault } from '../world/fault.ts';
import { answer, changeBody, Flood, loginPage, truncated } from '../world/fault.ts';
import { target, TrustWorld } from './trust-world.ts';

// Files that are none, or are without end: the right reason, nothing stored, and no more read than has to be.

const nested = Buffer.from(`{"signed":${'['.repeat(20_000)}${']'.repeat(20_000)},"signatures":[]}`);

/** What stands in place of a file, and the reason where its length and hash are not known before, and where they are. */
const files: Readonly<Record<string, readonly [Fault, string, string]>> = {
  'a login page': [loginPage, 'MALFORMED', 'BAD_HASH'],
  nothing: [answer(200), 'MALFORMED', 'BAD_HASH'],
  'half of it': [changeBody((body) => body.subarray(0, body.length / 2)), 'MALFORMED', 'BAD_HASH'],
  'brackets without number': [answer(200, { body: nested }), 'MALFORMED', 'BAD_HASH'],
  'what is not UTF-8': [changeBody((body) => body.fill(0xff, 12, 13)), 'MALFORMED', 'BAD_HASH'],
  'a byte order mark before it': [
    changeBody((body) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body])),
    'MALFORMED',
    'BAD_HASH',
  ],
  'another file after it': [changeBody((body) => Buffer.concat([body, body])), 'MALFORMED', 'BAD_HASH'],
  'the word null': [answer(200, { body: 'null' }), 'MALFORMED', 'BAD_HASH'],
  'a body that ends too soon': [truncated(100), 'outage', 'outage'],
};

async function startDelegated(t: TestContext): Promise<TrustWorld> {
  const world = await TrustWorld.start(t);
  world.repository.addSigner('alice');
  world.repository.sign('1.0', target('1'), 'targets/releases');
  world.repository.publish();
  return world;
}

const roles = ['root', 'timestamp', 'snapshot', 'targets', 'targets/releases'];
const isSigned = (role: string): boolean => role !== 'root' && role !== 'timestamp';

for (const [what, [fault, open, signed]] of Object.entries(files)) {
  test(`${what} in place of a file`, async (t) => {
    for (const role of roles) {
      const world = await startDelegated(t);
      const word = isSigned(role) ? signed : open;
      const place = (): (() => void) =>
        world.notary.fault('app', role, fault, ({ version }) => version === undefined);
      let takeOff = place();
      assert.equal(await world.ask(), word, `${role}, never trusted`);
      takeOff();
      assert.equal(await world.ask(), 'signed', `${role} again`);

      world.repository.touch('targets', 'targets/releases');
      world.repository.publish();
      const before = await world.stored();
      takeOff = place();
      assert.equal(await world.ask(), word, `${role}, trusted before`);
      assert.deepEqual(await world.stored(), before, `${role} stored nothing`);
      takeOff();
      assert.equal(await world.ask(), 'signed', `${role} at last`);
    }
  });
}

for (const role of roles) {
  for (const [how, headers] of [
    ['declared', { 'content-length': 100_000_000 }],
    ['undeclared', {}],
  ] as const) {
    test(`a ${role} of 100 MB, ${how}, is broken off`, async (t) => {
      const world = await startDelegated(t);
      const flood = new Flood({ size: 100_000_000, headers });
      world.notary.fault('app', role, flood.fault, ({ version }) => version === undefined);
      const memory = process.memoryUsage().arrayBuffers;
      assert.equal(await world.ask(), isSigned(role) ? 'BAD_HASH' : 'MALFORMED');
      await flood.ended;
      assert.ok(flood.written < 50_000_000, `wrote ${flood.written} bytes`);
      assert.ok(
        process.memoryUsage().arrayBuffers - memory < 50_000_000,
        'they are nowhere in memory either',
      );
    });
  }
}

test('a file that is signed as longer than the limit is not asked for', async (t) => {
  const world = await TrustWorld.start(t, { limits: { targetsBytes: 500, snapshotBytes: 10_000 } });
  assert.ok((world.repository.files.current('targets')?.bytes.length ?? 0) < 500);
  assert.equal(await world.ask(), 'signed');
  for (let number = 0; number < 10; number += 1) world.repository.sign(`t${number}`, target('2'));
  world.repository.publish();
  world.asked();
  assert.equal(await world.ask(), 'MALFORMED');
  assert.ok(!world.asked().includes('targets.#'));
});

test('a root on the way that is no root is refused, and the chain stays where it was', async (t) => {
  for (const fault of [loginPage, answer(200), answer(200, { body: nested })]) {
    const world = await TrustWorld.start(t);
    assert.equal(await world.ask(), 'signed');
    world.repository.rotate('root', { keys: [world.repository.rootKey()] });
    world.repository.publish();
    const before = await world.stored();
    world.notary.fault('app', 'root', fault, ({ version }) => version === 2);
    assert.equal(await world.ask(), 'MALFORMED');
    assert.deepEqual(await world.stored(), before);
  }
});

test('75,000 targets, as many as notary itself has to load, are no trouble', async (t) => {
  const world = await TrustWorld.start(t);
  for (let number = 0; number < 75_000; number += 1) world.repository.sign(`t${number}`, target('2'));
  world.repository.publish();
  assert.equal(await world.ask({}, 't74999'), 'signed');
  assert.equal(await world.ask({}, 't75000'), 'TAG_NOT_SIGNED');
});
