import assert from 'node:assert/strict';
import { test } from 'node:test';
import { issueCertificate } from '../../src/demo/certificate.ts';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import type { RoleKeys } from '../../src/demo/signing/role.ts';
import type { RootPin } from '../../src/trust/root-pin.ts';
import type { Certificate } from '../../src/tuf/key/certificate.ts';
import { readBundle } from '../../src/tuf/key/certificate.ts';
import { answer } from '../world/fault.ts';
import { day, gun, minute, target, TrustWorld } from './trust-world.ts';

// Where trust starts (decision 3): only at a root that pinned keys alone have signed.

const other = 'reg.test/other';

/** Publishes another GUN with these root keys; gives its root.json. */
function publishOther(world: TrustWorld, root: RoleKeys): Buffer {
  const repository = world.notary.repository('other', { keys: { root } });
  repository.sign('1.0', target('1'));
  const file = repository.publish().current('root');
  assert.ok(file);
  return file.bytes;
}

const pinned = (...ids: readonly string[]): { readonly pin: RootPin } => ({ pin: { kind: 'keys', ids } });

test('a root key is pinned by the id of its certificate, by its canonical id or by its SPKI', async (t) => {
  for (const algorithm of ['p256', 'p384', 'rsa2048'] as const) {
    const world = await TrustWorld.start(t);
    const privateKey = generatePrivateKey(algorithm);
    const key = SigningKey.forRoot(other, world.now(), privateKey);
    publishOther(world, { keys: [key] });
    for (const id of [key.id, SigningKey.plain(privateKey).id, key.spkiSha256]) {
      await world.store.forget('main', other);
      assert.equal(await world.ask({ gun: other, ...pinned('0'.repeat(64), id) }), 'signed', id);
    }
  }
});

test('a root by other keys than the pinned ones is refused, names those it found, and is not kept', async (t) => {
  const world = await TrustWorld.start(t);
  const refused = await world.answer(pinned('0'.repeat(64)));
  assert.ok(refused.kind === 'invalid');
  const [key] = world.repository.keys('root');
  assert.deepEqual(
    [refused.error.code, refused.error.message],
    ['ROOT_NOT_PINNED', `no root of ${gun} is signed by the pinned keys; its root keys are ${key?.id}`],
  );
  assert.equal(await world.stored(), undefined);
});

test('a root that lists the pinned key and is signed by another one beside it is refused', async (t) => {
  const world = await TrustWorld.start(t);
  const known = SigningKey.forRoot(other, world.now());
  const evil = SigningKey.forRoot(other, world.now());
  const repository = world.notary.repository('other', { keys: { root: { keys: [known, evil] } } });
  repository.sign('1.0', target('6'));
  repository.forge('root', { keys: [evil] });
  repository.publish();
  for (const id of [known.id, known.spkiSha256])
    assert.equal(await world.ask({ gun: other, ...pinned(id) }), 'ROOT_NOT_PINNED');
  assert.equal(await world.store.load('main', other), undefined);
});

test('with a threshold of two, one pinned key is not enough, and two are', async (t) => {
  const world = await TrustWorld.start(t);
  const keys = [SigningKey.forRoot(other, world.now()), SigningKey.forRoot(other, world.now())];
  publishOther(world, { keys, threshold: 2 });
  const [one = '', two = ''] = keys.map(({ id }) => id);
  assert.equal(await world.ask({ gun: other, ...pinned(one) }), 'ROOT_NOT_PINNED');
  assert.equal(await world.ask({ gun: other, ...pinned(one, two) }), 'signed');
});

test('two certificates of one pinned key are one key', async (t) => {
  const world = await TrustWorld.start(t);
  const privateKey = generatePrivateKey('p256');
  const keys = [world.now(), world.now() - day].map((from) => SigningKey.forRoot(other, from, privateKey));
  publishOther(world, { keys, threshold: 2 });
  const [key] = keys;
  assert.ok(key);
  assert.equal(await world.ask({ gun: other, ...pinned(key.spkiSha256) }), 'ROOT_NOT_PINNED');
});

test('a certificate for another GUN does not speak for this one, though its key is pinned', async (t) => {
  const world = await TrustWorld.start(t);
  const key = SigningKey.forRoot('reg.test/app', world.now());
  publishOther(world, { keys: [key] });
  assert.equal(await world.ask({ gun: other, ...pinned(key.id, key.spkiSha256) }), 'ROOT_NOT_PINNED');
  // The whole trust data of one GUN under the name of another.
  world.notary.server.serve('reg.test/copy', world.repository.files);
  assert.equal(await world.ask({ gun: 'reg.test/copy' }), 'ROOT_NOT_PINNED');
});

/** An authority for root certificates, and what to pin it by. */
function makeAuthority(now: number) {
  const key = generatePrivateKey('p256');
  const names = { commonNames: ['authority'] };
  const [notBefore, notAfter] = [new Date(now - day), new Date(now + 30 * day)];
  const pem = issueCertificate({ ...names, key, notBefore, notAfter, isCa: true });
  const issuer = { ...names, key };
  const issue = (commonName: string): SigningKey =>
    SigningKey.certified(generatePrivateKey('p256'), {
      commonNames: [commonName],
      issuer,
      notBefore,
      notAfter,
    });
  const authorities: readonly Certificate[] = readBundle(Buffer.from(pem), 'test');
  return { issue, pin: { kind: 'ca', authorities } as const };
}

test('an authority is pinned: its root certificates stand, those of its namesake do not', async (t) => {
  const world = await TrustWorld.start(t);
  const authority = makeAuthority(world.now());
  const namesake = makeAuthority(world.now());
  publishOther(world, { keys: [authority.issue(other)] });
  assert.equal(await world.ask({ gun: other, pin: namesake.pin }), 'ROOT_NOT_PINNED');
  assert.equal(await world.ask({ gun: other, pin: authority.pin }), 'signed');
  assert.equal(
    await world.ask({ pin: authority.pin }),
    'ROOT_NOT_PINNED',
    'a certificate that signed itself',
  );
});

test('with a root file, that root itself is the start, and what follows it from there', async (t) => {
  const world = await TrustWorld.start(t);
  const file = world.repository.files.current('root');
  assert.ok(file);
  const pin = { kind: 'root', bytes: file.bytes } as const;
  world.repository.rotate('root', { keys: [world.repository.rootKey()] });
  world.repository.publish();
  world.asked();
  assert.equal(await world.ask({ pin }), 'signed');
  assert.ok(!world.asked().includes('1.root'), 'it is here already');
  assert.equal((await world.stored())?.roots.length, 2);
  const elsewhere = publishOther(world, { keys: [SigningKey.forRoot(gun, world.now())] });
  const strange = { kind: 'root', bytes: elsewhere } as const;
  assert.equal(await world.ask({ pin: strange }), 'ROOT_NOT_PINNED', 'the stored chain does not contain it');
  await world.store.forget('main', gun);
  assert.equal(await world.ask({ pin: strange }), 'BAD_SIGNATURE', 'nothing follows from it');
});

test('first use takes what it finds and keeps it: another root of the same GUN is refused for ever after', async (t) => {
  const world = await TrustWorld.start(t);
  const pin: RootPin = { kind: 'first-use' };
  publishOther(world, { keys: [SigningKey.forRoot(other, world.now())] });
  assert.equal(await world.ask({ gun: other, pin }), 'signed');
  const again = await TrustWorld.start(t);
  publishOther(again, { keys: [SigningKey.forRoot(other, world.now())] });
  world.notary.server.serve(other, again.notary.repository('other').files);
  const before = await world.store.load('main', other);
  assert.equal(await world.ask({ gun: other, pin }), 'EQUIVOCATION');
  await world.restart();
  assert.equal(await world.ask({ gun: other, pin }), 'EQUIVOCATION');
  assert.deepEqual(await world.store.load('main', other), before);
  await world.store.forget('main', other);
  assert.equal(await world.ask({ gun: other, pin }), 'signed', 'after an operator wanted it so');
});

test('a pin that changes is looked for in the stored chain at once, and again when it changes back', async (t) => {
  const world = await TrustWorld.start(t);
  const checkEvery = minute;
  const [first] = world.repository.keys('root');
  world.repository.rotate('root', { keys: [world.repository.rootKey()] });
  world.repository.publish();
  const [second] = world.repository.keys('root');
  assert.ok(first && second);
  assert.equal(await world.ask({ checkEvery }), 'signed');
  assert.equal(await world.ask({ checkEvery, ...pinned('f'.repeat(64)) }), 'ROOT_NOT_PINNED');
  const before = await world.stored();
  assert.equal(
    await world.ask({ checkEvery, ...pinned(second.id) }),
    'signed',
    'any root of the chain will do',
  );
  assert.equal(await world.ask({ checkEvery, ...pinned(first.id) }), 'signed');
  await world.restart();
  assert.equal(await world.ask({ checkEvery, ...pinned('f'.repeat(64)) }), 'ROOT_NOT_PINNED');
  assert.equal(await world.ask({ checkEvery, ...pinned(first.id) }), 'signed');
  assert.deepEqual(await world.stored(), before);
});

test('a notary without numbered roots is believed by root.json alone', async (t) => {
  const world = await TrustWorld.start(t);
  world.notary.fault('app', 'root', answer(404), ({ version }) => version !== undefined);
  assert.equal(await world.ask(), 'signed');
  assert.equal(await world.ask(pinned('0'.repeat(64))), 'ROOT_NOT_PINNED');
});
