import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import type { CertificateOptions } from '../../src/demo/certificate.ts';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import type { Forgery } from '../../src/demo/signing-repository.ts';
import { answer } from '../world/fault.ts';
import type { World } from '../world/world.ts';
import type { Scene } from './attack.ts';
import { good, outdated } from './attack.ts';

// Lies that several attacks tell.

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

/** Two publishes, of which the first released `outdated` as 1.0, and the second releases `good`: every role has both. */
export function twoPublishes({ repository }: Scene): void {
  repository.sign('1.0', outdated, 'targets/releases');
  repository.publish();
  repository.touch('targets', 'targets/releases', 'snapshot');
  repository.sign('1.0', good, 'targets/releases');
}

/** The bytes of a role's file `back` versions before the current one. */
export function earlier({ repository }: Scene, role: string, back = 1): Buffer {
  const file = repository.files.version(role, repository.version(role) - back);
  assert.ok(file, `${role} has no version ${repository.version(role) - back}`);
  return file.bytes;
}

/** Who holds the online keys signs snapshot and timestamp anew over the role's earlier file. */
export function signOverEarlier(scene: Scene, role: string): void {
  const bytes = earlier(scene, role);
  scene.repository.forge(role, { bytes: () => bytes });
  scene.repository.publish();
}

/** Publishes something new and honest, then serves these bytes in place of one file of it. */
export function serveInPlace({ world, name, repository }: Scene, role: string, bytes: Buffer): void {
  repository.touch('snapshot', 'targets', 'targets/releases');
  repository.publish();
  world.notary.fault(name, role, answer(200, { body: bytes }), ({ version }) => version === undefined);
}

/** Publishes one forged file under honest parents. */
export function forge({ repository }: Scene, role: string, ...forgeries: readonly Forgery[]): void {
  for (const forgery of forgeries) repository.forge(role, forgery);
  repository.publish();
}

export function newKey(algorithm: Parameters<typeof generatePrivateKey>[0] = 'p256'): SigningKey {
  return SigningKey.plain(generatePrivateKey(algorithm));
}

/** A root key whose private half every pin of the world fits, under a certificate of its own. */
export function certified(
  world: World,
  options: Partial<CertificateOptions>,
  privateKey = pinnedKey(world),
): SigningKey {
  const now = world.clock.now();
  const dates = { notBefore: new Date(now - hour), notAfter: new Date(now + 3650 * day) };
  return SigningKey.certified(privateKey, { commonNames: [], ...dates, ...options });
}

function pinnedKey({ notary }: World): KeyObject {
  const [key] = notary.repository('team/any').keys('root');
  assert.ok(key);
  return key.privateKey;
}
