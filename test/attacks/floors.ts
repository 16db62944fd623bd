import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { readSigned } from '../../src/demo/signing/signed-file.ts';
import { stateFile } from '../proxy/evidence.ts';
import type { Scene } from './attack.ts';
import type { Expected } from './expected.ts';

/** What the state holds of one GUN, byte for byte. */
export interface StoredFloors {
  readonly record: readonly Record<string, unknown>[];
  readonly roots: readonly Uint8Array[];
  readonly files: readonly Record<string, unknown>[];
}

export function floorsOf({ world, gun }: Scene): StoredFloors {
  const database = new DatabaseSync(stateFile(world.directory), { readOnly: true });
  try {
    const rows = (table: string): Record<string, unknown>[] =>
      database.prepare(`SELECT * FROM ${table} WHERE gun = ?`).all(gun);
    return {
      record: rows('repository'),
      roots: rows('root').map((row) => row['bytes'] as Uint8Array),
      files: rows('file'),
    };
  } finally {
    database.close();
  }
}

/** Asserts that no floor moved; or, where the trust data was good, that the floors are exactly what it says. */
export function assertFloors(scene: Scene, { floors, roots }: Expected, before: StoredFloors): void {
  const after = floorsOf(scene);
  const { files } = scene.repository;
  // Whatever is kept of roots has to be the chain that was honestly published.
  after.roots.forEach((bytes, position) => {
    assert.deepEqual(Buffer.from(bytes), files.version('root', position + 1)?.bytes, `root ${position + 1}`);
  });
  if (floors === 'kept') {
    assert.deepEqual(after.files, before.files);
    assert.equal(after.roots.length, roots);
    if (roots === before.roots.length) assert.deepEqual(after.record, before.record);
    return;
  }
  const stored = after.files.map(({ role, version, sha256 }) => [role, version, sha256]);
  const published = after.files.map(({ role }) => {
    const bytes = files.current(String(role))?.bytes ?? Buffer.alloc(0);
    return [role, readSigned(bytes)['version'], createHash('sha256').update(bytes).digest('hex')];
  });
  assert.deepEqual(stored, published);
  for (const role of ['timestamp', 'snapshot', 'targets'])
    assert.ok(
      after.files.some((row) => row['role'] === role),
      `${role} has no floor`,
    );
}
