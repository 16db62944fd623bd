import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import { asked } from '../proxy/evidence.ts';
import type { Fault } from '../world/fault.ts';
import { Flood, answer, changeHeaders } from '../world/fault.ts';
import type { Attack, Scene } from './attack.ts';
import { attacks, evil, good } from './attack.ts';
import { refused, served } from './expected.ts';
import { forge, newKey } from './lies.ts';

// Endless data (TUF §1.5.2): files, bodies, chains and lists without end. What bounds them is known before they are
// read: the limit of the role, or the length that its parent signed.

const mebibyte = 1024 ** 2;
const roles = ['root', 'timestamp', 'snapshot', 'targets', 'targets/releases'] as const;
type Role = (typeof roles)[number];
const isNamedByHash = (role: Role): boolean => role !== 'root' && role !== 'timestamp';
/** Fifty mebibytes that come as fifty kibibytes. */
const bomb = gzipSync(Buffer.alloc(50 * mebibyte));
const floods = new WeakMap<Scene, Flood>();
const contentMismatch = { warm: refused('CONTENT_MISMATCH'), cold: refused('CONTENT_MISMATCH') };
const upstreamUnavailable = { warm: refused('UPSTREAM_UNAVAILABLE'), cold: refused('UPSTREAM_UNAVAILABLE') };
/** Another tag, whose manifest nobody has in memory. */
const secondTag: Pick<Attack, 'prepare'> = {
  prepare: ({ repository }) => repository.sign('2.0', evil, 'targets/releases'),
};

attacks('endless data', [
  ...roles.flatMap((role) => [
    flooded(role, 'a body without end', {}),
    flooded(role, 'a body of a length that nobody signed', { 'content-length': 100 * mebibyte }, 'U-27'),
  ]),
  ...roles.map((role): Attack => ({
    id: 'U-09',
    title: `a few bytes that unpack to fifty mebibytes, in place of ${role}, are refused as they are`,
    ...whereFileIsBad(role, 1),
    lie: (scene) =>
      lieAbout(scene, role, answer(200, { headers: { 'content-encoding': 'gzip' }, body: bomb })),
  })),
  {
    id: 'U-23',
    title: 'a manifest without end is refused',
    ...contentMismatch,
    ...secondTag,
    lie: (scene) => {
      const flood = new Flood();
      floods.set(scene, flood);
      scene.world.registry.fault(scene.name, `manifests/${evil.digest}`, flood.fault);
      return ':2.0';
    },
    also: assertLittleRead,
  },
  {
    id: 'U-09',
    title: 'a manifest of a few bytes that unpack to fifty mebibytes is not unpacked',
    ...upstreamUnavailable,
    ...secondTag,
    lie: ({ world, name }) => {
      const fault = answer(200, { headers: { 'content-encoding': 'gzip' }, body: bomb });
      world.registry.fault(name, `manifests/${evil.digest}`, fault);
      return ':2.0';
    },
  },
  {
    id: 'U-08',
    title: 'a manifest in a coding that nobody asked for is not taken',
    ...upstreamUnavailable,
    ...secondTag,
    lie: ({ world, name }) => {
      world.registry.fault(name, `manifests/${evil.digest}`, changeHeaders({ 'content-encoding': 'gzip' }));
      return ':2.0';
    },
  },
  {
    id: 'U-24',
    title: 'a timestamp of one byte more than the limit is refused, though it is validly signed',
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) => padTo(scene, 'timestamp', 64 * 1024 + 1),
  },
  {
    id: 'U-24',
    title: 'a timestamp of exactly the limit is served',
    warm: served(good),
    cold: served(good),
    lie: (scene) => padTo(scene, 'timestamp', 64 * 1024),
  },
  ...(['snapshot', 'targets', 'targets/releases'] as const).map((role): Attack => ({
    id: 'U-24',
    title: `a ${role} that is signed as longer than the limit is not even asked for`,
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    world: { config: { limits: { snapshot_bytes: '16KiB', targets_bytes: '16KiB' } } },
    lie: (scene) => padTo(scene, role, 16 * 1024 + 1),
    also: ({ world, gun, repository }) => {
      const bytes = repository.files.current(role)?.bytes ?? Buffer.alloc(0);
      const hash = createHash('sha256').update(bytes).digest('hex');
      for (const line of asked(world.notary.requests))
        assert.ok(!line.includes(`${gun}/_trust/tuf/${role}.${hash}`), line);
    },
  })),
  {
    id: 'T-13',
    title: 'ten thousand delegations cost no more requests than one',
    warm: served(good),
    cold: served(good),
    world: {},
    lie: ({ repository }) => {
      const keys = [newKey()];
      for (let number = 0; number < 10_000; number += 1)
        repository.addDelegation(`targets/d${number}`, { keys });
      repository.publish();
    },
    also: ({ world, name }) => {
      const lines = asked(world.notary.requests).filter((line) => line.includes(`/${name}/`));
      assert.ok(lines.length <= 16, `${lines.length} requests`);
      assert.ok(!lines.some((line) => line.includes('targets/d')));
    },
  },
  {
    id: 'T-49',
    title: 'a chain of roots is walked so far at once, what was walked is kept, and the next pull goes on',
    warm: refused('MALFORMED', { roots: 11 }),
    cold: refused('MALFORMED', { roots: 11 }),
    world: { config: { limits: { root_rotations: 5 } } },
    lie: ({ repository }) => {
      for (let version = 2; version <= 12; version += 1) {
        repository.touch('root');
        repository.publish();
      }
    },
    mend: () => {},
  },
  {
    id: 'T-57',
    title: 'ten thousand signatures of nobody beside the good one are refused',
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) =>
      forge(scene, 'targets/releases', {
        signatures: (honest) => [
          ...Array.from({ length: 10_000 }, (_, at) => ({
            keyid: at.toString(16).padStart(64, '0'),
            method: 'ecdsa',
            sig: honest[0]?.sig ?? '',
          })),
          ...honest,
        ],
      }),
  },
]);

/** New trust data, of which one file has no end. */
function flooded(role: Role, what: string, headers: Record<string, number>, id = 'U-23'): Attack {
  return {
    id,
    title: `${what} in place of ${role} is broken off`,
    ...whereFileIsBad(role, role === 'root' ? 0 : 1),
    lie: (scene) => {
      const flood = new Flood({ headers });
      floods.set(scene, flood);
      lieAbout(scene, role, flood.fault);
    },
    also: assertLittleRead,
  };
}

/** Garbage is MALFORMED, or BAD_HASH where a parent has signed what has to come. */
function whereFileIsBad(role: Role, roots: number): Pick<Attack, 'warm' | 'cold'> {
  const reason = isNamedByHash(role) ? 'BAD_HASH' : 'MALFORMED';
  return { warm: refused(reason), cold: refused(reason, { roots }) };
}

function lieAbout({ world, name, repository }: Scene, role: Role, fault: Fault): void {
  repository.touch('targets', 'targets/releases');
  repository.publish();
  world.notary.fault(name, role, fault, ({ version }) => version === undefined);
}

/** HEAD and GET try twice each, and the buffers of the system take some mebibytes a connection. */
function assertLittleRead(scene: Scene): void {
  const written = floods.get(scene)?.written ?? Infinity;
  assert.ok(written < 64 * mebibyte, `${written} bytes`);
}

/** Publishes a file of exactly so many bytes, by white space behind it, which every reader of JSON allows. */
function padTo(scene: Scene, role: string, length: number): void {
  forge(scene, role, { bytes: (bytes) => Buffer.concat([bytes, Buffer.alloc(length - bytes.length, ' ')]) });
  assert.equal(scene.repository.files.current(role)?.bytes.length, length);
}
