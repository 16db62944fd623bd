import { spawn } from 'node:child_process';
import type { Credential } from '../../oci/docker-config.ts';
import { readCredential } from '../../oci/docker-config.ts';

// Docker's protocol for programs that keep credentials (docker/docker-credential-helpers): `docker-credential-<name>
// get` with the address on standard input answers {"ServerURL", "Username", "Secret"} on standard output.

const longestAnswer = 64 * 1024;
const longestRun = 10_000;

/** What a program said; `problem` never holds what it printed, as that may be a secret. */
export type ProgramAnswer = { readonly credential: Credential } | { readonly problem: string };

/**
 * Takes the name of a program, without `docker-credential-`, and the address whose credentials it is to give; runs it
 * with our environment, for at most `limit` milliseconds, and gives what it says.
 */
export async function askProgram(name: string, address: string, limit = longestRun): Promise<ProgramAnswer> {
  const { promise, resolve } = Promise.withResolvers<ProgramAnswer>();
  // A group of its own, so that what it starts in turn dies with it.
  const child = spawn(`docker-credential-${name}`, ['get'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  const end = (problem: string): void => {
    if (child.pid !== undefined) kill(child.pid);
    child.stdout.destroy();
    resolve({ problem });
  };
  const timer = setTimeout(() => end(`gives no answer within ${limit} ms`), limit);
  const chunks: Buffer[] = [];
  let length = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > longestAnswer) end(`gives an answer of more than ${longestAnswer} bytes`);
    else chunks.push(chunk);
  });
  child.on('error', (error: NodeJS.ErrnoException) => end(`cannot be run (${error.code ?? error.name})`));
  child.on('close', (status, signal) => {
    if (status === 0) resolve(readAnswer(Buffer.concat(chunks).toString('utf8')));
    else resolve({ problem: `gives no credentials (${signal ?? `exit status ${status}`})` });
  });
  // A program that does not read what it is asked breaks the pipe; its answer says whether that matters.
  child.stdin.on('error', () => child.stdin.destroy());
  child.stdin.end(address);
  return promise.finally(() => {
    clearTimeout(timer);
  });
}

function kill(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
    // It has gone by itself, or runs as somebody else whom we cannot stop: either way we wait no longer.
  }
}

function readAnswer(text: string): ProgramAnswer {
  const problem = 'gives what are no credentials';
  try {
    const answer: unknown = JSON.parse(text);
    if (typeof answer !== 'object' || answer === null) return { problem };
    const { Username: username, Secret: secret } = answer as Record<string, unknown>;
    const credential = readCredential(username, secret);
    return credential === undefined ? { problem } : { credential };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { problem }; // The message of a SyntaxError would quote it.
  }
}
