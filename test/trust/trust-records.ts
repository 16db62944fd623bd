import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { TrustedFile, TrustRecord } from '../../src/trust/trust-store.ts';
import { sha256Hex } from '../../src/tuf/hashes.ts';

/** Every byte there is, so that a store that thinks in text shows it. */
const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);

/** Takes a number; gives a record that has it in each of its parts, as many roots as `roots`, and a delegation. */
export function recordNumber(number: number, roots = 2): TrustRecord {
  const bytes = (name: string): Uint8Array =>
    new Uint8Array(Buffer.concat([Buffer.from(`${name} ${number} `), everyByte]));
  const file = (role: string, keys: readonly string[]): [string, TrustedFile] => {
    const content = bytes(role);
    return [role, { floor: { version: number, sha256: sha256Hex(content), keys }, bytes: content }];
  };
  const later = Array.from({ length: roots - 1 }, (_, index) => bytes(`root ${index + 2}`));
  return {
    roots: [bytes('root 1'), ...later],
    files: new Map([
      file('snapshot', ['a'.repeat(64)]),
      file('targets', ['b'.repeat(64), 'c'.repeat(64)]),
      file('targets/releases', []),
      file('timestamp', ['d'.repeat(64)]),
    ]),
    confirmedAt: 1_800_000_000_000 + number,
  };
}

/** A directory that goes with the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'tufgate-trust-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
