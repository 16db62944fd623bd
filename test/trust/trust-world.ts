import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Notary } from '../../src/config/config.ts';
import type { SigningRepository } from '../../src/demo/signing-repository.ts';
import type { Tag } from '../../src/oci/reference.ts';
import { parseTag } from '../../src/oci/reference.ts';
import { NotaryClient } from '../../src/trust/notary-client.ts';
import type { NotaryTrustOptions, RefreshResult } from '../../src/trust/notary-trust.ts';
import { NotaryTrust } from '../../src/trust/notary-trust.ts';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import type { TrustAnchor, TrustAnswer } from '../../src/trust/trust.ts';
import type { StoredRecord } from '../../src/trust/trust-store.ts';
import { SignatureVerifier } from '../../src/tuf/key/signature.ts';
import type { LyingNotaryOptions } from '../world/lying-notary.ts';
import { LyingNotary } from '../world/lying-notary.ts';
import { temporaryDirectory } from './trust-records.ts';
import { MemorySignedLedger } from './memory-signed-ledger.ts';

export const gun = 'reg.test/app';
export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

/** A target by its digit: nobody fetches the manifest here. */
export const target = (digit: string) => ({ digest: `sha256:${digit.repeat(64)}`, length: 500 });

export interface TrustWorldOptions {
  readonly notary?: LyingNotaryOptions;
  readonly client?: Partial<Notary>;
  readonly limits?: Partial<NotaryTrustOptions['limits']>;
  /** For one file, in milliseconds. */
  readonly timeout?: number;
}

export const trustLimits: NotaryTrustOptions['limits'] = {
  rootBytes: 1024 * 1024,
  timestampBytes: 64 * 1024,
  snapshotBytes: 16 * 1024 * 1024,
  targetsBytes: 32 * 1024 * 1024,
  rootRotations: 256,
  retryAfter: 5000,
};

/** Real trust in what a real notary signs, in a real state, for one GUN: `reg.test/app`, with `1.0` signed. */
export class TrustWorld {
  readonly notary: LyingNotary;
  readonly statePath: string;
  /** How each refresh ended. */
  readonly refreshes: RefreshResult[] = [];
  store: SqliteTrustStore;
  trust: NotaryTrust;
  readonly #options: TrustWorldOptions;
  readonly #client: NotaryClient;
  #time = Date.now();
  #read = 0;

  private constructor(
    notary: LyingNotary,
    statePath: string,
    client: NotaryClient,
    options: TrustWorldOptions,
    clock: { now: () => number },
  ) {
    this.notary = notary;
    this.statePath = statePath;
    this.#client = client;
    this.#options = options;
    clock.now = () => this.now();
    this.store = new SqliteTrustStore(statePath);
    this.trust = this.#newTrust();
  }

  static async start(t: TestContext, options: TrustWorldOptions = {}): Promise<TrustWorld> {
    const clock = { now: Date.now };
    const notary = await LyingNotary.start({
      gunPrefix: 'reg.test/',
      now: () => clock.now(),
      ...options.notary,
    });
    t.after(() => notary.close());
    const client = clientOf(t, { url: notary.url, ...options.client }, options.timeout);
    const world = new TrustWorld(notary, join(temporaryDirectory(t), 'state.db'), client, options, clock);
    t.after(() => world.store.close());
    world.repository.sign('1.0', target('1'));
    world.repository.publish();
    return world;
  }

  get repository(): SigningRepository {
    return this.notary.repository('app');
  }

  /** Stands still but for `advance`. */
  readonly now = (): number => this.#time;

  advance(milliseconds: number): void {
    this.#time += milliseconds;
  }

  /** Asked anew for every question, with the root key pinned, no signers and no grace, unless `changes` says else. */
  anchor(changes: Partial<TrustAnchor> = {}): TrustAnchor {
    const pin = { kind: 'keys', ids: [this.notary.rootPin] } as const;
    return { notary: 'main', gun, pin, signers: [], checkEvery: 0, outageGrace: 0, ...changes };
  }

  /** What becomes of a tag: `signed`, `bridged`, or the reason, code or failure in one word. */
  async ask(changes: Partial<TrustAnchor> = {}, tag = '1.0'): Promise<string> {
    return wordFor(await this.answer(changes, tag));
  }

  answer(changes: Partial<TrustAnchor> = {}, tag = '1.0'): Promise<TrustAnswer> {
    return this.trust.resolveTag(this.anchor(changes), tagOf(tag));
  }

  /** What the notary was asked since the last time, by file; `#` stands for a hash. */
  asked(): readonly string[] {
    const asked = this.notary.requests.slice(this.#read).map(({ url }) => nameIn(url));
    this.#read = this.notary.requests.length;
    return asked;
  }

  stored(): Promise<StoredRecord | undefined> {
    return this.store.load('main', gun);
  }

  /** The process ends and another begins with the same state. */
  async restart(): Promise<void> {
    await this.store.close();
    this.store = new SqliteTrustStore(this.statePath);
    this.trust = this.#newTrust();
  }

  /** Another process beside this one, with the same state and notary. */
  beside(t: TestContext): NotaryTrust {
    const store = new SqliteTrustStore(this.statePath);
    t.after(() => store.close());
    return this.#newTrust(store);
  }

  #newTrust(store = this.store): NotaryTrust {
    return new NotaryTrust({
      notaries: new Map([['main', this.#client]]),
      store,
      ledger: new MemorySignedLedger(),
      verifier: new SignatureVerifier(),
      limits: { ...trustLimits, ...this.#options.limits },
      now: this.now,
      onRefresh: (_notary, result) => this.refreshes.push(result),
    });
  }
}

export function tagOf(text: string): Tag {
  const tag = parseTag(text);
  if (tag === undefined) throw new TypeError(`${text} is no tag`);
  return tag;
}

export function wordFor(answer: TrustAnswer): string {
  switch (answer.kind) {
    case 'signed':
      return answer.outage === undefined ? 'signed' : 'bridged';
    case 'unsigned':
      return answer.reason;
    case 'invalid':
      return answer.error.code;
    case 'unavailable':
      return answer.cause.name === 'StateError' ? 'StateError' : answer.cause.failure;
  }
}

/** Takes a request target; gives the name of the file it asks for. */
export function nameIn(url: string): string {
  const name = url.slice(url.indexOf('/_trust/tuf/') + '/_trust/tuf/'.length, -'.json'.length);
  return name.replace(/\.[0-9a-f]{64}$/, '.#');
}

export function clientOf(
  t: TestContext,
  notary: Partial<Notary> & { readonly url: string },
  timeout = 10_000,
): NotaryClient {
  const client = new NotaryClient(
    { name: 'main', auth: 'anonymous', tokenRealm: undefined, ca: undefined, ...notary },
    timeout,
  );
  t.after(() => client.close());
  return client;
}
