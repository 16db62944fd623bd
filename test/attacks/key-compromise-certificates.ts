import type { KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CertificateOptions } from '../../src/demo/certificate.ts';
import { issueCertificate } from '../../src/demo/certificate.ts';
import { SigningKey, generatePrivateKey } from '../../src/demo/signing/key.ts';
import { withRule } from '../proxy/evidence.ts';
import { at } from '../world/http.ts';
import type { ConfigurationTree, World } from '../world/world.ts';
import type { Attack, Scene } from './attack.ts';
import { good } from './attack.ts';
import { refused, served } from './expected.ts';
import { certified, day, minute } from './lies.ts';

// The certificates that wrap root keys, and the pins that trust starts at.

const notPinned = { warm: refused('ROOT_NOT_PINNED'), cold: refused('ROOT_NOT_PINNED') };
const [authorityKey, namesakeKey] = [generatePrivateKey('p256'), generatePrivateKey('p256')];
const authority = { commonNames: ['authority'], key: authorityKey };

/** The names that a certificate may not have, made of the GUN. */
const nearMisses: readonly (readonly [why: string, name: (gun: string) => string])[] = [
  ['in capitals', (gun) => gun.toUpperCase()],
  ['with a dot behind it', (gun) => `${gun}.`],
  ['with a space behind it', (gun) => `${gun} `],
  ['with a NUL behind it', (gun) => `${gun}\0`],
  ['with a Cyrillic letter', (gun) => gun.replace('e', '\u0435')],
  ['in full-width letters', (gun) => gun.replace('r', '\uff52')],
];
/** Where notary knows prefixes of strings, only whole segments count here. */
const wildcards: readonly (readonly [name: string, fits: boolean])[] = [
  ['reg.test/*', true],
  ['reg.test/team/*', true],
  ['reg.test/team/k*', false],
  ['reg.test/team*', false],
  ['reg.test/team/**', false],
  ['reg.test/*/*', false],
  ['reg.test/other/*', false],
  ['*/team', false],
  ['/*', false],
  ['*', false],
];

export const certificateAttacks: readonly Attack[] = [
  renewed('K-18', 'with the name of another GUN', () => ({ commonNames: ['reg.test/team/other'] })),
  renewed('K-18', 'with an empty name', () => ({ commonNames: [''] })),
  renewed('K-18', 'with no name', () => ({ commonNames: [] })),
  renewed('K-18', 'with the name of the GUN and another', (gun) => ({ commonNames: [gun, 'x'] })),
  renewed('K-20', 'with the name of the GUN in its organisation only', (gun) => ({
    commonNames: ['evil'],
    attributes: [['2.5.4.10', `x\nCN=${gun}`]],
  })),
  ...nearMisses.map(([why, name]) =>
    renewed('K-21', `with the name of the GUN ${why}`, (gun) => ({ commonNames: [name(gun)] })),
  ),
  ...wildcards.map(([name, fits]) =>
    renewed('K-22', `with the name ${name}`, () => ({ commonNames: [name] }), fits),
  ),
  renewed('K-31', 'that ends before it begins', (gun, now) => ({
    commonNames: [gun],
    notBefore: new Date(now + day / 2),
    notAfter: new Date(now + day / 4),
  })),
  renewed('K-31', 'that is signed with SHA-1', (gun) => ({ commonNames: [gun], hash: 'sha1' })),
  {
    id: 'K-29',
    title: 'a newest root whose certificate has expired is refused',
    warm: refused('EXPIRED', { roots: 2 }),
    cold: refused('EXPIRED', { roots: 2 }),
    lie: (scene) =>
      renew(scene, { commonNames: [scene.gun], notAfter: new Date(scene.world.clock.now() - minute) }),
    mend: (scene) => renew(scene, { commonNames: [scene.gun] }),
  },
  {
    id: 'K-29',
    title: 'a root on the way whose certificate has expired since is walked through',
    cold: served(good),
    lie: (scene) => {
      renew(scene, { commonNames: [scene.gun], notAfter: new Date(scene.world.clock.now() - minute) });
      renew(scene, { commonNames: [scene.gun] });
    },
  },
  {
    id: 'K-25',
    title: 'of several pins one that fits is enough',
    warm: served(good),
    cold: served(good),
    world: { config: pinAnotherFirst },
    lie: () => {},
  },
  {
    id: 'K-25',
    title: 'keys that no pin fits start no trust',
    cold: refused('ROOT_NOT_PINNED', { roots: 0 }),
    lie: (scene) => {
      const { world, name, gun, repository } = scene;
      const root = { keys: [SigningKey.forRoot(gun, world.clock.now())] };
      const other = world.notary.repository(`${name}-other`, { keys: { root } });
      other.sign('1.0', good);
      repository.files.restore(other.publish());
    },
    mend: 'restore',
  },
  {
    id: 'K-27',
    title: 'a rotation to a key that no pin knows is followed from the pinned root on',
    warm: served(good),
    cold: served(good),
    lie: ({ world, gun, repository }) => {
      repository.rotate('root', { keys: [SigningKey.forRoot(gun, world.clock.now())] });
      repository.publish();
    },
  },
  {
    id: 'K-32',
    title: 'a certificate of the pinned authority starts trust',
    warm: served(good),
    cold: served(good),
    world: { config: pinAuthority },
    keys: (gun, world) => ({ root: { keys: [issued(gun, world, authorityKey)] } }),
    lie: () => {},
  },
  {
    id: 'K-32',
    title: 'a certificate by a namesake of the pinned authority starts none',
    cold: refused('ROOT_NOT_PINNED', { roots: 0 }),
    world: { config: pinAuthority },
    keys: (gun, world) => ({ root: { keys: [issued(gun, world, authorityKey)] } }),
    lie: ({ world, name, gun, repository }) => {
      const root = { keys: [issued(gun, world, namesakeKey)] };
      const other = world.notary.repository(`${name}-other`, { keys: { root } });
      other.sign('1.0', good);
      repository.files.restore(other.publish());
    },
    mend: 'restore',
  },
  renewed(
    'K-35',
    'with two thousand attributes beside its name',
    (gun) => ({
      commonNames: [gun],
      attributes: Array.from({ length: 2000 }, () => ['2.5.4.10', '=#'] as const),
    }),
    true,
  ),
];

/** The pinned key goes on under another certificate. */
function renewed(
  id: string,
  what: string,
  options: (gun: string, now: number) => Partial<CertificateOptions>,
  fits = false,
): Attack {
  return {
    id,
    title: `a root certificate ${what} ${fits ? 'stands for the GUN' : 'is refused'}`,
    ...(fits ? { warm: served(good), cold: served(good) } : { ...notPinned, mend: 'restore' as const }),
    lie: (scene) => renew(scene, options(scene.gun, scene.world.clock.now())),
  };
}

function renew({ world, repository }: Scene, options: Partial<CertificateOptions>): void {
  repository.rotate('root', { keys: [certified(world, options)] });
  repository.publish();
}

function pinAnotherFirst(tree: ConfigurationTree): ConfigurationTree {
  const keys = at(tree, 'rules', 0, 'root', 'keys') as readonly string[];
  return withRule(tree, { root: { keys: ['0'.repeat(64), ...keys] } });
}

/** Pins the authority by a file beside the state. */
function pinAuthority(tree: ConfigurationTree): ConfigurationTree {
  const file = join(dirname(String(tree['state']).replace('sqlite:', '')), 'authority.pem');
  const dates = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 3650 * day) };
  writeFileSync(file, issueCertificate({ ...authority, ...dates, isCa: true }));
  return withRule(tree, { root: { ca_file: file } });
}

/** A root key under a certificate by the authority, or by a namesake with another key. */
function issued(gun: string, world: World, key: KeyObject): SigningKey {
  const issuer = { ...authority, key };
  return certified(world, { commonNames: [gun], issuer }, generatePrivateKey('p256'));
}
