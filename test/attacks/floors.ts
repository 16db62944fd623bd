import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { readSigned } from '../../src/demo/signing/signed-file.ts';
import { stateFile } from '../proxy/evidence.ts';
import type { Scene } from './attack.ts';
import type { Expected } from './expected.ts';

/** What the state holds of one GUN; the bytes of files by their hashes. */
export interface StoredFloors {
  readonly record: readonly Record<string, unknown>[];
  readonly roots: readonly Uint8Array[];
  readonly files: readonly Record<string, unknown>[];
}

export function floorsOf({ world, gun }: Scene): StoredFloors {
  const database = new DatabaseSync(stateFile(world.directory), { readOnly: true });
  try {
    const rows = (table: string, order: string): Record<string, unknown>[] =>
      database.prepare(`SELECT * FROM ${table} WHERE gun = ? ORDER BY ${order}`).all(gun);
    return {
      record: rows('repository', 'gun'),
      roots: rows('root', 'position').map((row) => row['bytes'] as Uint8Array),
      files: rows('file', 'role').map((row) => ({ ...row, bytes: sha256(row['bytes'] as Uint8Array) })),
    };
  } finally {
    database.close();
  }
}

/** Asserts that no floor moved; or, where the trust data was good, that the floors are exactly what it says. */
export function assertFloors(scene: Scene, { floors, roots }: Expected, before: StoredFloors): void {
  const after = floorsOf(scene);
  const { files } = scene.repository;
  // What was kept of roots stays; what joins it has to be what is published under its number.
  const chain = after.roots.map(sha256);
  const published = after.roots.map((_root, position) => {
    const bytes = before.roots[position] ?? files.version('root', position + 1)?.bytes;
    return bytes && sha256(bytes);
  });
  assert.deepEqual(chain, published);
  if (floors === 'kept') {
    assert.deepEqual(after.files, before.files);
    assert.equal(after.roots.length, roots);
    if (roots === before.roots.length) assert.deepEqual(after.record, before.record);
    return;
  }
  const floorsStored = after.files.map(({ role, version, sha256 }) => [role, version, sha256]);
  const floorsPublished = after.files.map(({ role }) => {
    const bytes = files.current(String(role))?.bytes ?? Buffer.alloc(0);
    return [role, readSigned(bytes)['version'], sha256(bytes)];
  });
  assert.deepEqual(floorsStored, floorsPublished);
  for (const role of ['timestamp', 'snapshot', 'targets'])
    assert.ok(
      after.files.some((row) => row['role'] === role),
      `${role} has no floor`,
    );
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
