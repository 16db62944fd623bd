import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Tag } from '../oci/reference.ts';
import { RepositoryError } from '../tuf/error.ts';
import type { SignatureVerifier } from '../tuf/key/signature.ts';
import type { VerifiedRepository } from '../tuf/verified-repository.ts';
import { DownloadError } from './download-error.ts';
import type { NotaryClient } from './notary-client.ts';
import type { SignedLedger } from './state/signed-ledger.ts';
import type { SignedTargets, TrustAnchor, TrustAnswer, TrustFailure, TrustSource } from './trust.ts';
import type { Verification } from './trust-answer.ts';
import { allSigned, answerTag } from './trust-answer.ts';
import type { StoredRecord, TrustRecord, TrustStore } from './trust-store.ts';
import { StateConflict, StateError } from './trust-store.ts';
import type { UpdateLimits } from './updater.ts';
import { update, verifyStored } from './updater.ts';

export interface NotaryTrustOptions {
  readonly notaries: ReadonlyMap<string, NotaryClient>;
  readonly store: TrustStore;
  readonly ledger: SignedLedger;
  readonly verifier: SignatureVerifier;
  readonly limits: UpdateLimits & { readonly retryAfter: number };
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told of every refresh: how it ended and how long it took, in seconds. */
  readonly onRefresh?: (notary: string, result: RefreshResult, seconds: number) => void;
}

export type RefreshResult = 'ok' | 'unsigned' | 'invalid' | 'unavailable';

/** What one refresh found; `at` is when it was asked for. */
interface Known {
  readonly at: number;
  readonly outcome: Outcome;
}
type Outcome = Verification | TrustFailure;

/** What may be kept of verified repositories, in bytes of their files; the parsed form is a few times as large. */
const rememberedBytes = 128 * 1024 * 1024;
const failureBytes = 1024;
const rememberedScopes = 10_000;
const conflictTries = 10;

/** Trust from Notary servers: fresh within `checkEvery`, on disk before it is given, one refresh at a time for a GUN. */
export class NotaryTrust implements TrustSource {
  readonly #options: NotaryTrustOptions;
  readonly #known = new LRUCache<string, Known>({ maxSize: rememberedBytes, sizeCalculation: sizeOf });
  readonly #underWay = new Map<string, Promise<Outcome>>();
  readonly #listings = new WeakMap<VerifiedRepository, SignedTargets>();
  /** What the ledger was told last, by scope. */
  readonly #observed = new LRUCache<string, string>({ max: rememberedScopes });

  constructor(options: NotaryTrustOptions) {
    this.#options = options;
  }

  async resolveTag(anchor: TrustAnchor, tag: Tag): Promise<TrustAnswer> {
    const outcome = await this.#current(anchor);
    return outcome.kind === 'verified' ? answerTag(outcome, anchor.signers, tag) : outcome;
  }

  async signedTargets(anchor: TrustAnchor): Promise<SignedTargets | TrustFailure> {
    const outcome = await this.#current(anchor);
    return outcome.kind === 'verified' ? this.#listed(anchor, outcome) : outcome;
  }

  /** Made once for each repository that was verified: some have thousands of tags, and each blob asks. */
  #listed(anchor: TrustAnchor, verification: Verification): SignedTargets {
    const known = this.#listings.get(verification.repository);
    const scope = scopeOf(anchor);
    if (known?.scope === scope && verification.outage === undefined) return known;
    const listed = allSigned(verification, anchor.signers, scope);
    if (verification.outage === undefined) this.#listings.set(verification.repository, listed);
    return listed;
  }

  /** What is verified of a GUN now, from memory while that is fresh, else by a refresh that all who ask share. */
  async #current(anchor: TrustAnchor): Promise<Outcome> {
    const key = keyOf(anchor);
    const known = this.#known.get(key);
    if (known !== undefined && this.#isFresh(anchor, known)) return known.outcome;
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    const refresh = this.#refresh(anchor, known).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, refresh);
    return refresh;
  }

  #isFresh(anchor: TrustAnchor, { at, outcome }: Known): boolean {
    const age = this.#options.now() - at;
    // A clock that went back makes nothing fresh.
    if (age < 0) return false;
    const isProven = outcome.kind === 'verified' && outcome.outage === undefined;
    if (outcome.kind === 'verified' && this.#options.now() >= outcome.repository.expires.getTime())
      return false;
    // A failure is kept only so long that one docker pull, of three requests, asks once.
    return (
      age < (isProven ? anchor.checkEvery : Math.min(anchor.checkEvery, this.#options.limits.retryAfter))
    );
  }

  async #refresh(anchor: TrustAnchor, known: Known | undefined): Promise<Outcome> {
    const at = this.#options.now();
    const outcome = await this.#outcome(anchor, known, at);
    this.#known.set(keyOf(anchor), { at, outcome });
    this.#options.onRefresh?.(anchor.notary, resultOf(outcome), (this.#options.now() - at) / 1000);
    return outcome;
  }

  async #outcome(anchor: TrustAnchor, known: Known | undefined, at: number): Promise<Outcome> {
    try {
      const previous = known?.outcome.kind === 'verified' ? known.outcome.repository : undefined;
      const repository = await this.#updateTwice(anchor, previous, at);
      if (repository !== undefined) {
        const verification = { kind: 'verified', repository, outage: undefined } as const;
        await this.#observe(this.#listed(anchor, verification), at);
        return verification;
      }
      return { kind: 'unsigned', reason: 'REPOSITORY_NOT_SIGNED', roles: [] };
    } catch (error) {
      if (error instanceof RepositoryError) return { kind: 'invalid', error };
      if (error instanceof StateError) return { kind: 'unavailable', cause: error };
      if (!(error instanceof DownloadError)) throw error;
      return (await this.#bridged(anchor, error, at)) ?? { kind: 'unavailable', cause: error };
    }
  }

  /** From here on, until another refresh, this is what counts as signed: `keep` begins where it ends. Throws StateError. */
  async #observe({ scope, identity, byDigest }: SignedTargets, at: number): Promise<void> {
    if (this.#observed.get(scope) === identity) return;
    await this.#options.ledger.observe(scope, new Set(byDigest.keys()), at);
    this.#observed.set(scope, identity);
  }

  /**
   * A publish between two of our requests, or a cache in front of the notary, can show halves of two versions
   * (notary-v1 §1): what fails for its content is asked for once more, from the start.
   */
  async #updateTwice(
    anchor: TrustAnchor,
    previous: VerifiedRepository | undefined,
    at: number,
  ): Promise<VerifiedRepository | undefined> {
    try {
      return await this.#updateAndStore(anchor, previous, at);
    } catch (error) {
      if (!(error instanceof RepositoryError) || !halves.has(error.code)) throw error;
      return this.#updateAndStore(anchor, previous, at);
    }
  }

  async #updateAndStore(
    anchor: TrustAnchor,
    previous: VerifiedRepository | undefined,
    at: number,
  ): Promise<VerifiedRepository | undefined> {
    const { store, verifier, limits, notaries } = this.#options;
    const client = notaries.get(anchor.notary);
    if (client === undefined) throw new TypeError(`no notary ${anchor.notary}`);
    for (let tries = 1; ; tries += 1) {
      const { gun, notary, pin, signers } = anchor;
      const stored = await store.load(notary, gun);
      let revision = stored?.revision ?? 0;
      const commit = async (record: TrustRecord): Promise<void> => {
        await store.commit(notary, gun, revision, record);
        revision += 1;
      };
      const question = {
        gun,
        pin,
        signers,
        now: new Date(at),
        verifier,
        limits,
        stored,
        previous,
        keepRoots: commit,
      };
      try {
        const updated = await update(question, client.of(gun));
        if (updated === undefined) return undefined;
        if (hasChanged(anchor, stored, updated.record)) await commit(updated.record);
        return updated.repository;
      } catch (error) {
        // Another process (`explain`, a second refresh of the GUN under other terms) was faster: decide on what it left.
        if (!(error instanceof StateConflict)) throw error;
        if (tries === conflictTries) throw new StateError(error.message, { cause: error });
      }
    }
  }

  /** An outage, and only an outage, is bridged by what is stored, for as long as the rule allows and nothing expired. */
  async #bridged(anchor: TrustAnchor, outage: DownloadError, at: number): Promise<Outcome | undefined> {
    if (outage.failure !== 'outage' || anchor.outageGrace === 0) return undefined;
    try {
      const stored = await this.#options.store.load(anchor.notary, anchor.gun);
      if (stored === undefined) return undefined;
      const age = at - stored.confirmedAt;
      if (age < 0 || age > anchor.outageGrace) return undefined;
      const { gun, pin, signers } = anchor;
      const repository = verifyStored(
        { gun, pin, signers, now: new Date(at), verifier: this.#options.verifier },
        stored,
      );
      return repository && { kind: 'verified', repository, outage };
    } catch (error) {
      if (error instanceof StateError) return { kind: 'unavailable', cause: error };
      if (!(error instanceof RepositoryError)) throw error;
      // The pin in force wins over what is stored. For the rest (it expired; a newer root does not fit it) there is just
      // no bridge: what the notary would say now, nobody knows.
      return error.code === 'ROOT_NOT_PINNED' ? { kind: 'invalid', error } : undefined;
    }
  }
}

const halves: ReadonlySet<string> = new Set([
  'EXPIRED',
  'BAD_HASH',
  'BAD_SIGNATURE',
  'ROLLBACK',
  'EQUIVOCATION',
]);

/** Takes an anchor; gives the name under which it is remembered what was signed: by whom, and with which signers. */
export function scopeOf({ notary, gun, signers }: Pick<TrustAnchor, 'notary' | 'gun' | 'signers'>): string {
  return JSON.stringify([notary, gun, ...signers]);
}

/** Everything that a refresh depends on. Rules may ask for one GUN under different terms. */
function keyOf({ notary, gun, pin, signers, outageGrace }: TrustAnchor): string {
  const pinned =
    pin.kind === 'keys'
      ? pin.ids
      : pin.kind === 'ca'
        ? pin.authorities.map(({ x509 }) => x509.fingerprint256)
        : pin.kind === 'root'
          ? [createHash('sha256').update(pin.bytes).digest('hex')]
          : [];
  return JSON.stringify([notary, gun, outageGrace, pin.kind, ...pinned, ...signers]);
}

/** Floors that did not move need no write; the time of the confirmation does only where an outage may be bridged. */
function hasChanged(anchor: TrustAnchor, stored: StoredRecord | undefined, record: TrustRecord): boolean {
  if (stored === undefined || anchor.outageGrace > 0) return true;
  if (stored.confirmedAt === 0 || stored.files.size !== record.files.size) return true;
  return [...record.files].some(([role, { floor }]) => stored.files.get(role)?.floor.sha256 !== floor.sha256);
}

function sizeOf({ outcome }: Known): number {
  if (outcome.kind !== 'verified') return failureBytes;
  return outcome.repository.roles.reduce((sum, { file }) => sum + file.bytes.length, failureBytes);
}

function resultOf(outcome: Outcome): RefreshResult {
  switch (outcome.kind) {
    case 'verified':
      return outcome.outage === undefined ? 'ok' : 'unavailable';
    case 'unsigned':
      return 'unsigned';
    case 'invalid':
    case 'unavailable':
      return outcome.kind;
  }
}
