import { Worker } from 'node:worker_threads';

export interface PasswordQuestion {
  readonly password: string;
  readonly hash: string;
}

type Waiting = PasswordQuestion & PromiseWithResolvers<boolean | 'busy'>;

/** How many questions wait for the one thread; at a cost of 10, some five seconds' worth. */
const mostWaiting = 64;

/** Compares passwords with bcrypt hashes, one after the other, in a thread of its own. */
export class PasswordCheck {
  /** The first is being answered. */
  readonly #waiting: Waiting[] = [];
  #worker: Worker | undefined;
  #isClosed = false;

  /** Gives whether the password is the hash's; `busy` if too many others wait already, or after `close`. */
  matches(password: string, hash: string): Promise<boolean | 'busy'> {
    if (this.#isClosed || this.#waiting.length >= mostWaiting) return Promise.resolve('busy');
    const waiting = { password, hash, ...Promise.withResolvers<boolean | 'busy'>() };
    this.#waiting.push(waiting);
    if (this.#waiting.length === 1) this.#ask(waiting);
    return waiting.promise;
  }

  /** Ends the thread; what still waits is `busy`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve('busy');
    await this.#worker?.terminate();
  }

  #ask({ password, hash }: PasswordQuestion): void {
    this.#worker ??= this.#start();
    this.#worker.postMessage({ password, hash } satisfies PasswordQuestion);
  }

  #start(): Worker {
    const worker = new Worker(new URL('bcrypt-worker.ts', import.meta.url), { env: {} });
    worker.on('message', (matches: boolean) => {
      this.#waiting.shift()?.resolve(matches);
      const [next] = this.#waiting;
      if (next !== undefined) this.#ask(next);
    });
    worker.on('error', (error) => {
      // The thread is gone, and who waited is told; the next question starts another.
      this.#worker = undefined;
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
    return worker;
  }
}

/** Takes bcrypt hashes; gives one of no password that is as slow to check as the slowest of them. */
export function decoyOf(hashes: Iterable<string>): string {
  const costs = [...hashes].map((hash) => hash.slice('$2y$'.length, '$2y$10'.length));
  return `$2y$${costs.toSorted().at(-1) ?? '10'}$${'.'.repeat(53)}`;
}
