import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** The Authorization of HTTP's Basic scheme. */
export function basic({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** Writes a file that ends with the test; gives its path. */
export async function temporaryFile(t: TestContext, name: string, text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tufgate-file-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, name);
  await writeFile(file, text);
  return file;
}

/** The configuration of an account whose password lies in a file, as it must. */
export async function account(
  t: TestContext,
  { username, password }: Login,
): Promise<{ username: string; password_file: string }> {
  return { username, password_file: await temporaryFile(t, 'password', `${password}\n`) };
}
