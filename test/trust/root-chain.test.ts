import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import { answer } from '../world/fault.ts';
import { day, target, TrustWorld } from './trust-world.ts';

// From the root that is trusted to the newest one (TUF §5.3, notary-v1 §5.4).

/** Publishes a root with a new key, signed by the last key too. */
function rotateRoot({ repository }: TrustWorld): void {
  repository.rotate('root', { keys: [repository.rootKey()] });
  repository.publish();
}

test('roots are walked one by one, each from the keys of the one before, and all of them are kept', async (t) => {
  const world = await TrustWorld.start(t);
  assert.equal(await world.ask(), 'signed');
  for (let version = 2; version <= 5; version += 1) rotateRoot(world);
  world.asked();
  assert.equal(await world.ask(), 'signed');
  const numbered = world.asked().filter((name) => name.endsWith('.root'));
  assert.deepEqual(numbered, ['2.root', '3.root', '4.root', '5.root', '6.root']);
  const expected = [1, 2, 3, 4, 5].map((version) => world.repository.files.version('root', version)?.bytes);
  assert.deepEqual(
    (await world.stored())?.roots.map((bytes) => Buffer.from(bytes)),
    expected,
  );
  await world.restart();
  assert.equal(await world.ask(), 'signed', 'the pin on the first key stays good');
});

test('a cold start walks from the pinned root on', async (t) => {
  const world = await TrustWorld.start(t);
  for (let version = 2; version <= 4; version += 1) rotateRoot(world);
  const [third] = world.repository.keys('root');
  rotateRoot(world);
  assert.ok(third);
  assert.equal(await world.ask({ pin: { kind: 'keys', ids: [third.id] } }), 'signed');
  const stored = await world.stored();
  assert.deepEqual(
    stored?.roots.map((bytes) => Buffer.from(bytes)),
    [4, 5].map((version) => world.repository.files.version('root', version)?.bytes),
    'what comes before the pin is not trusted',
  );
});

test('a root that only its own new keys, or only the old ones, have signed is refused', async (t) => {
  const world = await TrustWorld.start(t);
  assert.equal(await world.ask(), 'signed');
  const saved = world.repository.files.copy();
  const before = await world.stored();
  const old = world.repository.keys('root');
  const keys = [world.repository.rootKey()];
  for (const signers of [keys, old]) {
    world.repository.rotate('root', { keys });
    world.repository.forge('root', { keys: signers });
    world.repository.publish();
    assert.equal(await world.ask(), 'BAD_SIGNATURE');
    assert.deepEqual(await world.stored(), before);
    world.repository.files.restore(saved);
    assert.equal(await world.ask(), 'signed');
    world.repository.setVersion('root', 2);
  }
});

test('a gap below root.json is refused, and the chain is kept up to the gap', async (t) => {
  const world = await TrustWorld.start(t);
  assert.equal(await world.ask(), 'signed');
  for (let version = 2; version <= 4; version += 1) rotateRoot(world);
  const file = world.repository.files.version('root', 3);
  assert.ok(file);
  world.repository.files.dropVersion('root', 3);
  const refused = await world.answer();
  assert.ok(refused.kind === 'invalid');
  assert.deepEqual(
    [refused.error.code, refused.error.message],
    ['BAD_SIGNATURE', 'root.json is version 4, but 3.root.json, which has to lead to it, is missing'],
  );
  const stored = await world.stored();
  assert.equal(stored?.roots.length, 2);
  const takeOff = world.notary.fault(
    'app',
    'root',
    answer(200, { body: file.bytes }),
    ({ version }) => version === 3,
  );
  assert.equal(await world.ask(), 'signed');
  takeOff();
});

test('root.json that is older than, or another than, the newest numbered root is refused', async (t) => {
  const world = await TrustWorld.start(t);
  const { files } = world.repository;
  assert.equal(await world.ask(), 'signed');
  const first = files.current('root');
  rotateRoot(world);
  const second = files.current('root');
  assert.ok(second);
  files.setCurrent('root', first);
  assert.equal(await world.ask(), 'ROLLBACK');
  const stored = await world.stored();
  assert.equal(stored?.roots.length, 2, 'the numbered root was valid by itself');
  files.setCurrent('root', { ...second, bytes: Buffer.concat([second.bytes, Buffer.from('\n')]) });
  assert.equal(await world.ask(), 'EQUIVOCATION');
  files.setCurrent('root', second);
  assert.equal(await world.ask(), 'signed');
});

test('a numbered root that carries another version is refused', async (t) => {
  const world = await TrustWorld.start(t);
  assert.equal(await world.ask(), 'signed');
  rotateRoot(world);
  rotateRoot(world);
  const third = world.repository.files.current('root');
  assert.ok(third);
  world.notary.fault('app', 'root', answer(200, { body: third.bytes }), ({ version }) => version === 2);
  assert.equal(await world.ask(), 'BAD_SIGNATURE');
  assert.equal((await world.stored())?.roots.length, 1);
});

test('a chain longer than 256 roots is walked in several updates, each of which is kept', async (t) => {
  const world = await TrustWorld.start(t);
  assert.equal(await world.ask(), 'signed');
  for (let version = 2; version <= 260; version += 1) {
    world.repository.touch('root');
    world.repository.publish();
  }
  const floors = (await world.stored())?.files;
  const refused = await world.answer();
  assert.ok(refused.kind === 'invalid');
  assert.deepEqual(
    [refused.error.code, refused.error.message],
    ['MALFORMED', 'more than 256 root versions; the next update goes on'],
  );
  const stored = await world.stored();
  assert.deepEqual([stored?.roots.length, stored?.files], [257, floors]);
  await world.restart();
  assert.equal(await world.ask(), 'signed');
  assert.equal((await world.stored())?.roots.length, 260);
});

test('a root that expired on the way is walked through; one that expired at the end is kept and refused', async (t) => {
  const world = await TrustWorld.start(t);
  assert.equal(await world.ask(), 'signed');
  world.repository.setExpires('root', new Date(world.now() - day));
  world.repository.publish();
  const before = await world.stored();
  assert.equal(await world.ask(), 'EXPIRED');
  const expired = await world.stored();
  assert.deepEqual([expired?.roots.length, expired?.files], [2, before?.files]);
  world.repository.setExpires('root', undefined);
  world.repository.publish();
  assert.equal(await world.ask(), 'signed');
  assert.equal((await world.stored())?.roots.length, 3);
});

test('a new root is kept though all that follows it is refused, and the update goes on from there', async (t) => {
  const world = await TrustWorld.start(t);
  assert.equal(await world.ask(), 'signed');
  const before = await world.stored();
  rotateRoot(world);
  world.repository.forge('targets', { keys: [SigningKey.plain(generatePrivateKey('p256'))] });
  world.repository.publish();
  assert.equal(await world.ask(), 'BAD_SIGNATURE');
  const after = await world.stored();
  assert.deepEqual([after?.roots.length, after?.files], [2, before?.files]);
  world.repository.publish();
  assert.equal(await world.ask(), 'signed');
});

test('a timestamp by a key that a new root removed is refused', async (t) => {
  const world = await TrustWorld.start(t);
  const old = world.repository.keys('timestamp');
  assert.equal(await world.ask(), 'signed');
  world.repository.rotate('timestamp', { keys: [SigningKey.plain(generatePrivateKey('p256'))] });
  world.repository.forge('timestamp', { keys: old });
  world.repository.publish();
  assert.equal(await world.ask(), 'BAD_SIGNATURE');
  world.repository.publish();
  assert.equal(await world.ask(), 'signed');
});

const changes: Readonly<Record<string, (world: TrustWorld) => void>> = {
  'a plain publish': () => {},
  'a new root key': ({ repository }) => repository.rotate('root', { keys: [repository.rootKey()] }),
  'a new signer': ({ repository }) => {
    repository.addSigner('alice');
    repository.sign('1.0', target('2'), 'targets/releases');
  },
  ...Object.fromEntries(
    ['timestamp', 'snapshot', 'targets'].map((role) => [
      `a new ${role} key`,
      ({ repository }: TrustWorld) =>
        repository.rotate(role, { keys: [SigningKey.plain(generatePrivateKey('p256'))] }),
    ]),
  ),
};

for (const [what, change] of Object.entries(changes)) {
  test(`${what} between any two requests of an update gives the old or the new, and no refusal`, async (t) => {
    const seen = new Set<string>();
    for (const warm of [false, true]) {
      for (let place = 1; place <= 6; place += 1) {
        const world = await TrustWorld.start(t);
        if (warm) {
          assert.equal(await world.ask(), 'signed');
          world.repository.sign('other', target('3'));
          world.repository.publish();
        }
        let requests = 0;
        world.notary.intercept(() => {
          requests += 1;
          if (requests === place) {
            change(world);
            world.repository.sign('1.0', target('2'));
            world.repository.publish();
          }
          return undefined;
        });
        const answered = await world.answer();
        assert.ok(answered.kind === 'signed', `request ${place}: ${JSON.stringify(answered)}`);
        seen.add(answered.digest);
        const after = await world.answer();
        assert.ok(after.kind === 'signed');
        if (requests >= place) assert.equal(after.digest, target('2').digest);
      }
    }
    assert.deepEqual([...seen].toSorted(), [target('1').digest, target('2').digest]);
  });
}
