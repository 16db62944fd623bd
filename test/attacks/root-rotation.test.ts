import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import { SigningRepository } from '../../src/demo/signing-repository.ts';
import { generatePrivateKey, SigningKey } from '../../src/demo/signing/key.ts';
import type { TrustFiles } from '../../src/demo/signing/trust-files.ts';
import type { RootPin } from '../../src/trust/root-pin.ts';
import { readRoot } from '../../src/tuf/metadata.ts';
import { day, gun, hour, target, TrustWorld } from '../trust/trust-world.ts';
import { chainRotations } from './root-chain-table.ts';
import type { Recovery } from './root-recovery-table.ts';
import { recoveries } from './root-recovery-table.ts';
import type { End, RootLine, Rotation } from './root-rotation-table.ts';
import { signingRotations } from './root-rotation-table.ts';

const now = Date.now();

for (const [title, rows] of [...signingRotations, ...chainRotations]) {
  describe(`root rotation, ${title}`, () => {
    for (const row of rows) {
      if (row.cold !== undefined) {
        test(`${row.sentence}: ${told(row.cold)}, where nothing was trusted before`, (t) =>
          rotate(t, row, false));
      }
      if (row.warm !== undefined) {
        test(`${row.sentence}: ${told(row.warm)}, where the first root was trusted`, (t) =>
          rotate(t, row, true));
      }
    }
  });
}

describe('an honest version after a fast-forward', () => {
  for (const row of recoveries) {
    const change =
      row.before === row.after ? row.sentence : `${row.sentence} (${row.before} to ${row.after})`;
    test(`of ${row.role}, while ${change}, is ${row.end[0]}`, (t) => recover(t, row));
  }
});

async function rotate(t: TestContext, row: Rotation, isWarm: boolean): Promise<void> {
  const { world, repository } = await begin(t, new SigningRepository(gun, { now: () => now, keys: {} }));
  const [first = '', ...later] = row.roots;
  write(repository, first);
  if (isWarm)
    assert.equal(
      await world.ask({ pin: pinOf(first.slice(0, first.indexOf('/')), repository.files) }),
      'signed',
    );
  for (const line of later) write(repository, line);
  const honest = repository.files.copy();
  for (const [asked, given] of Object.entries(row.served ?? {})) {
    const file = given === 'missing' ? undefined : honest.version('root', given);
    if (file === undefined) repository.files.dropVersion('root', Number(asked));
    else repository.files.put('root', Number(asked), file);
  }
  repository.files.setCurrent('root', honest.current('root'));

  const [result, stored] = (isWarm ? row.warm : row.cold) ?? [];
  const before = (await world.stored())?.files;
  const found = await world.ask({ pin: pinOf(row.pin, honest) });
  assert.deepEqual([found, await newestStored(world)], [result, stored]);
  if (found !== 'signed') assert.deepEqual((await world.stored())?.files.size ?? 0, before?.size ?? 0);
}

async function recover(t: TestContext, row: Recovery): Promise<void> {
  const { world, repository } = await begin(t, new SigningRepository(gun, { now: () => now }));
  const pin: RootPin = { kind: 'first-use' };
  repository.addDelegation('targets/releases');
  repository.sign('2.0', target('2'), 'targets/releases');
  repository.rotate(row.role, { keys: keysOf(row.before) });
  repository.setVersion(row.role, 2 ** 31 - 1);
  repository.publish();
  assert.equal(await world.ask({ pin }), 'signed');

  const changed = row.changed ?? row.role;
  const after = changed === 'root' ? [repository.rootKey()] : keysOf(row.after);
  repository.rotate(changed, { keys: after, threshold: row.threshold ?? 1 });
  repository.setVersion(row.role, 9);
  repository.publish();
  assert.equal(await world.ask({ pin }), row.end[0]);
  assert.equal(await newestStored(world), row.end[1]);
  assert.equal((await world.stored())?.files.get(row.role)?.floor.version, row.floor);
}

/** A world whose notary serves this repository in place of its own, with `1.0` signed and nothing published. */
async function begin(
  t: TestContext,
  repository: SigningRepository,
): Promise<{ world: TrustWorld; repository: SigningRepository }> {
  const world = await TrustWorld.start(t);
  world.notary.server.serve(gun, repository.files);
  repository.sign('1.0', target('1'));
  return { world, repository };
}

/** Publishes the next root as the line says. */
function write(repository: SigningRepository, line: RootLine): void {
  const [, listed = '', threshold = '', by = '', expired] =
    /^([A-Z']+)\/([0-9]) by ([A-Z']+)( expired)?$/.exec(line) ?? [];
  repository.rotate('root', { keys: rootKeysOf(listed), threshold: Number(threshold) });
  repository.setExpires('root', expired === undefined ? undefined : new Date(now - hour));
  repository.forge('root', { keys: rootKeysOf(by) });
  repository.publish();
}

function pinOf(pin: Rotation['pin'], files: TrustFiles): RootPin {
  if (pin === 'first use') return { kind: 'first-use' };
  if (typeof pin === 'string') return { kind: 'keys', ids: rootKeysOf(pin).map(({ id }) => id) };
  return { kind: 'root', bytes: files.version('root', pin)?.bytes ?? Buffer.of() };
}

async function newestStored(world: TrustWorld): Promise<number> {
  const newest = (await world.stored())?.roots.at(-1);
  return newest === undefined ? 0 : readRoot(newest).version;
}

const privateKeys = new Map<string, SigningKey['privateKey']>();
const rootKeys = new Map<string, SigningKey>();

function privateKeyOf(letter: string): SigningKey['privateKey'] {
  const made = privateKeys.get(letter) ?? generatePrivateKey('p256');
  privateKeys.set(letter, made);
  return made;
}

/** Each letter, with or without a stroke, is always the same key under the same certificate. */
function rootKeysOf(letters: string): readonly SigningKey[] {
  return namesIn(letters).map((name) => {
    const made = rootKeys.get(name) ?? newRootKey(name);
    rootKeys.set(name, made);
    return made;
  });
}

function newRootKey(name: string): SigningKey {
  const letter = name.charAt(0);
  const key = privateKeyOf(letter);
  if (letter === 'P') return SigningKey.plain(key);
  const commonName = { X: 'reg.test/other', W: 'reg.test/*', V: 'reg.te*' }[letter] ?? gun;
  const begin = letter === 'Y' ? now + 2 * day : now - (name.endsWith("'") ? 2 : 1) * 30 * day;
  const end = letter === 'O' ? now - day : now + 365 * day;
  return SigningKey.certified(key, {
    commonNames: [commonName],
    notBefore: new Date(begin),
    notAfter: new Date(end),
  });
}

/** Plain keys, and with a stroke the same ones under a certificate. */
function keysOf(letters: string): readonly SigningKey[] {
  return namesIn(letters).map((name) =>
    name.endsWith("'")
      ? (rootKeysOf(name)[0] ?? SigningKey.plain(privateKeyOf(name)))
      : SigningKey.plain(privateKeyOf(name)),
  );
}

function namesIn(letters: string): readonly string[] {
  return letters.match(/[A-Z]'?/g) ?? [];
}

function told([result, stored]: End): string {
  return `${result}, and root ${stored === 0 ? 'none' : stored} is stored`;
}
