import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import { debianPath, run } from '../process.ts';

/** What curl says of a download: `exit` 0 if it is whole by HTTP's rules, 18 if it was cut off. */
export interface Fetched {
  readonly exit: number;
  readonly status: number;
  /** What it has written to its file. */
  readonly body: Buffer;
}

/** Downloads to a file with curl, on one connection and without another try; `flags` come before the address. */
export async function curl(lab: Lab, url: string, ...flags: string[]): Promise<Fetched> {
  const cwd = await lab.newFolder('curl');
  const file = join(cwd, 'body');
  const args = ['--silent', '--max-time', '60', '--output', file, '--write-out', '%{http_code}'];
  const { status: exit, stdout } = await run('curl', [...args, ...flags, url], {
    env: { PATH: debianPath, HOME: cwd },
    cwd,
  });
  const body = existsSync(file) ? await readFile(file) : Buffer.alloc(0);
  return { exit, status: Number(stdout), body };
}
