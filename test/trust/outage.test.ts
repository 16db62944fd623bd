import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { TrustAnchor } from '../../src/trust/trust.ts';
import type { Fault } from '../world/fault.ts';
import { answer, hang, loginPage, raw, redirect, reset, truncated } from '../world/fault.ts';
import { day, hour, minute, target, TrustWorld } from './trust-world.ts';

// `outage_grace` (contract §3): what bridges an outage, what counts as one, and when it ends.

const grace = { outageGrace: hour } as const;

/** A world that was verified once, under a grace of an hour, and whose notary then answers everything with `fault`. */
async function afterwards(t: TestContext, fault?: Fault): Promise<TrustWorld> {
  const world = await TrustWorld.start(t, fault === hang ? { timeout: 1500 } : {});
  assert.equal(await world.ask(grace), 'signed');
  if (fault !== undefined) world.notary.intercept(() => fault);
  return world;
}

const outages: Readonly<Record<string, Fault>> = {
  'a reset connection': reset,
  'no answer in time': hang,
  'a body that breaks off': truncated(10),
  '500': answer(500),
  '502': answer(502),
  '503': answer(503),
  '504': answer(504),
};

for (const [what, fault] of Object.entries(outages)) {
  test(`${what} is bridged with grace, and not without`, async (t) => {
    const world = await afterwards(t, fault);
    const bridged = await world.answer(grace);
    assert.ok(bridged.kind === 'signed');
    assert.deepEqual([bridged.digest, bridged.outage?.failure], [target('1').digest, 'outage']);
    assert.equal(await world.ask(), 'outage');
  });
}

test('a refused connection is bridged', async (t) => {
  const world = await afterwards(t);
  await world.notary.close();
  assert.equal(await world.ask(grace), 'bridged');
});

const noOutages: Readonly<Record<string, readonly [Fault, string]>> = {
  '401': [answer(401), 'unauthorized'],
  '403': [answer(403), 'unauthorized'],
  '404': [answer(404), 'ROLLBACK'],
  '429': [answer(429), 'protocol'],
  'a redirect': [redirect('/login', 302), 'protocol'],
  'a login page': [loginPage, 'MALFORMED'],
  'what is no HTTP': [raw('ERROR\r\n\r\n'), 'protocol'],
  'an empty file': [answer(200), 'MALFORMED'],
};

for (const [what, [fault, word]] of Object.entries(noOutages)) {
  test(`${what} is not bridged: ${word}`, async (t) => {
    const world = await afterwards(t, fault);
    assert.equal(await world.ask(grace), word);
  });
}

test('an outage in the middle of an update is bridged by what was confirmed before it', async (t) => {
  for (const role of ['timestamp', 'snapshot', 'targets']) {
    const world = await afterwards(t);
    world.repository.sign('1.0', target('2'));
    world.repository.publish();
    world.notary.fault('app', role, answer(503));
    const bridged = await world.answer(grace);
    assert.ok(bridged.kind === 'signed', role);
    assert.equal(bridged.digest, target('1').digest, role);
  }
});

test('grace counts from the last confirmation, ends with the hour, and begins again with the next', async (t) => {
  const world = await afterwards(t);
  world.advance(50 * minute);
  assert.equal(await world.ask(grace), 'signed', 'nothing new, but confirmed');
  const takeOff = world.notary.intercept(() => answer(503));
  world.advance(hour);
  assert.equal(await world.ask(grace), 'bridged');
  world.advance(1);
  assert.equal(await world.ask(grace), 'outage');
  takeOff();
  assert.equal(await world.ask(grace), 'signed');
});

test('grace does not outlast the expiry of what is stored', async (t) => {
  const world = await TrustWorld.start(t);
  const long = { outageGrace: 30 * day };
  await world.ask(long);
  world.notary.intercept(() => answer(503));
  world.advance(14 * day - 1);
  assert.equal(await world.ask(long), 'bridged');
  world.advance(1);
  assert.equal(await world.ask(long), 'outage');
});

test('an answer that was bridged is asked for again after retry_after, not after check_every', async (t) => {
  const world = await afterwards(t);
  const changes = { ...grace, checkEvery: 30 * minute };
  world.advance(30 * minute);
  const takeOff = world.notary.intercept(() => answer(503));
  assert.equal(await world.ask(changes), 'bridged');
  takeOff();
  world.advance(4999);
  assert.equal(await world.ask(changes), 'bridged');
  world.advance(1);
  assert.equal(await world.ask(changes), 'signed');
});

test('grace holds across a restart, from the stored time on', async (t) => {
  const world = await afterwards(t, answer(503));
  world.advance(30 * minute);
  await world.restart();
  assert.equal(await world.ask(grace), 'bridged');
  world.advance(31 * minute);
  await world.restart();
  assert.equal(await world.ask(grace), 'outage');
});

test('a clock that went back below the confirmation ends the grace', async (t) => {
  const world = await afterwards(t, answer(503));
  world.advance(-1);
  assert.equal(await world.ask(grace), 'outage');
});

test('nothing is bridged that was never confirmed', async (t) => {
  const world = await TrustWorld.start(t);
  world.notary.fault('app', 'snapshot', answer(503));
  assert.equal(await world.ask(grace), 'outage');
  assert.ok(await world.stored(), 'a root alone is stored');
  assert.equal(await world.ask(grace), 'outage');
});

test('grace never bridges a pin that the stored root does not satisfy', async (t) => {
  const world = await afterwards(t, answer(503));
  const pin: TrustAnchor['pin'] = { kind: 'keys', ids: ['0'.repeat(64)] };
  assert.equal(await world.ask({ ...grace, pin }), 'ROOT_NOT_PINNED');
  await world.restart();
  assert.equal(await world.ask({ ...grace, pin }), 'ROOT_NOT_PINNED');
});

test('a signer whose file is not stored is not bridged around', async (t) => {
  const world = await TrustWorld.start(t);
  world.repository.addSigner('alice');
  world.repository.sign('1.0', target('1'), 'targets/alice');
  world.repository.publish();
  await world.ask(grace);
  world.notary.intercept(() => answer(503));
  assert.equal(await world.ask({ ...grace, signers: ['targets/alice'] }), 'outage');
});

test('a new root that came just before the outage leaves it an outage: nothing that was served was bad', async (t) => {
  for (const role of ['root', 'timestamp', 'snapshot']) {
    const world = await afterwards(t);
    const { repository } = world;
    if (role === 'root') repository.rotate('root', { keys: [repository.rootKey()] });
    else repository.rotate(role, { keys: [...repository.keys(role), ...repository.keys('targets')] });
    repository.publish();
    const takeOff = world.notary.fault('app', 'snapshot', answer(503));
    assert.equal(await world.ask(grace), 'outage', role);
    const stored = await world.stored();
    assert.equal(stored?.roots.length, 2, 'the root is stored');
    takeOff();
    assert.equal(await world.ask(grace), 'signed', role);
  }
});

test('a signer whose stored file is older than the snapshot leaves it an outage', async (t) => {
  const world = await TrustWorld.start(t);
  const signers = ['targets/alice'];
  world.repository.addSigner('alice');
  world.repository.sign('1.0', target('1'), 'targets/alice');
  world.repository.sign('1.0', target('1'), 'targets/releases');
  world.repository.publish();
  assert.equal(await world.ask({ ...grace, signers }), 'signed');
  world.repository.sign('2.0', target('2'), 'targets/alice');
  world.repository.publish();
  assert.equal(await world.ask(grace), 'signed', 'a rule without signers does not read it');
  world.notary.intercept(() => answer(503));
  assert.equal(await world.ask({ ...grace, signers }), 'outage');
});

test('a rule without grace is not given what another rule bridged', async (t) => {
  const world = await afterwards(t, answer(503));
  const checkEvery = minute;
  world.advance(minute);
  assert.equal(await world.ask({ ...grace, checkEvery }), 'bridged');
  assert.equal(await world.ask({ checkEvery }), 'outage');
  const both = await Promise.all([world.ask(grace), world.ask()]);
  assert.deepEqual(both, ['bridged', 'outage']);
});
