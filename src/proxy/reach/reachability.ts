import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { ManifestFacts } from '../../oci/manifest.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { Reach, Roots } from '../../policy/standing.ts';
import type { Content, ContentGraph } from '../../trust/state/content-graph.ts';
import type { As } from './ascent.ts';
import { Ascent, deepest } from './ascent.ts';
import { contentOf } from './content.ts';
import { Frontier } from './frontier.ts';
import type { Caller } from '../upstream/headers.ts';
import type { Refusal } from '../upstream/registry-answer.ts';
import type { VerifiedManifests } from '../upstream/verified-manifests.ts';

const readAtOnce = 8;
const rememberedRepositories = 1_000;
/** How long what a registry has lost is not asked for again, in milliseconds. */
const frontierLifetime = 60_000;

export interface Question {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly as: As;
  readonly roots: Roots;
  readonly caller: Caller;
}

/** What was found, and the registry's own "no" to this client if that is what stood in the way. */
export interface Search {
  readonly reach: Reach;
  readonly refusal: Refusal | undefined;
}

/** Why a manifest that had to be read was not. */
interface Obstacle {
  readonly kind: 'obstacle';
  readonly finding: string;
  readonly refusal: Refusal | undefined;
}
/** What came of reading a manifest. `nothing`: it is lost, or none that anybody could read, and leads nowhere. */
type Read =
  | { readonly kind: 'read'; readonly content: Content; readonly unreadBelow: ReadonlySet<Digest> }
  | { readonly kind: 'nothing' }
  | Obstacle;

export interface ReachabilityLimits {
  /** How many manifests one question may have read. */
  readonly expandManifests: number;
  /** How long one question may wait for that, in milliseconds. */
  readonly downloadTimeout: number;
}

/**
 * Finds out whether content may be pulled by its digest: whether it is, or stands below, or is an artifact about what a
 * repository's trust data signs now. What stands below what is a fact about content, recorded once for all
 * repositories; on which roots it stands is asked anew each time. What a bound or a failure cuts short is "unknown",
 * never a yes.
 */
export class Reachability {
  readonly #manifests: VerifiedManifests;
  readonly #graph: ContentGraph;
  readonly #limits: ReachabilityLimits;
  readonly #frontiers = new LRUCache<string, Promise<Frontier>>({
    max: rememberedRepositories,
    ttl: frontierLifetime,
  });
  /** What is being read, by repository, digest and credential: those who wait for the same share it. */
  readonly #reading = new Map<string, Promise<Read>>();

  constructor(manifests: VerifiedManifests, graph: ContentGraph, limits: ReachabilityLimits) {
    this.#manifests = manifests;
    this.#graph = graph;
    this.#limits = limits;
  }

  /** Takes a question; gives what is recorded that the digest stands on. Throws StateError, as all here do. */
  recorded({ digest, as, roots }: Question): Promise<Reach> {
    return new Ascent(this.#graph, roots).from(digest, as);
  }

  /** Takes a question; gives what the digest stands on, and has read for that what it must. */
  async find(question: Question): Promise<Search> {
    const known = await this.recorded(question);
    if (known.kind === 'stands') return { reach: known, refusal: undefined };
    const { isCut, ...search } = await this.#expand(question);
    if (search.reach.kind === 'stands' || isCut || question.as === 'blob') return search;
    // What it is about may be known where not all that is signed could be read.
    const about = await this.#about(question);
    return about.reach.kind === 'stands' || search.reach.kind === 'nowhere' ? about : search;
  }

  /** Takes a manifest that may be pulled; records what stands below it, so that nobody has to read it again for that. */
  async record(digest: Digest, facts: ManifestFacts): Promise<void> {
    await this.#graph.record(contentOf(digest, facts));
  }

  /** Reads what is signed and was not read yet, until the digest is found below it, or nothing or no time is left. */
  async #expand(question: Question): Promise<Search & { readonly isCut: boolean }> {
    const frontier = await this.#frontierOf(question);
    const deadline = performance.now() + this.#limits.downloadTimeout;
    const tried = new Set<Digest>();
    let obstacle: Obstacle | undefined;
    for (;;) {
      // Only an index can have a manifest below it.
      const waiting = frontier.next(readAtOnce, tried, question.as === 'manifest');
      if (waiting.length === 0) break;
      const next = waiting.slice(0, this.#limits.expandManifests - tried.size);
      if (next.length === 0 || performance.now() > deadline) {
        const finding = `more than ${tried.size} signed manifests would have to be read to find it; ask again`;
        return { reach: { kind: 'unknown', finding }, refusal: undefined, isCut: true };
      }
      for (const digest of next) tried.add(digest);
      const outcomes = await Promise.all(next.map((digest) => this.#readOnce(question, digest)));
      for (const [at, digest] of next.entries()) {
        const outcome = outcomes[at];
        if (outcome?.kind === 'read') frontier.replace(outcome.content, outcome.unreadBelow);
        if (outcome?.kind === 'nothing') frontier.drop(digest);
        if (outcome?.kind === 'obstacle') obstacle ??= outcome;
      }
      const reach = await new Ascent(this.#graph, question.roots).below(question.digest, question.as);
      if (reach !== undefined) return { reach, refusal: undefined, isCut: false };
    }
    const reach = await this.recorded(question);
    if (obstacle === undefined || reach.kind === 'stands') return { reach, refusal: undefined, isCut: false };
    const { finding, refusal } = obstacle;
    return { reach: { kind: 'unknown', finding }, refusal, isCut: false };
  }

  /** One for each credential: some registries say "not found" of what a client may not see. */
  #frontierOf({ repository, roots, caller }: Question): Promise<Frontier> {
    const key = `${repository}\n${credentialOf(caller)}\n${roots.identity}`;
    const known = this.#frontiers.get(key);
    if (known !== undefined) return known;
    const begun = roots.digests().then((digests) => Frontier.begin(digests, this.#graph, deepest));
    this.#frontiers.set(key, begun);
    begun.catch(() => this.#frontiers.delete(key)); // who waits for it hears of it; the next one tries again
    return begun;
  }

  #readOnce({ repository, caller }: Question, digest: Digest): Promise<Read> {
    const key = `${repository} ${digest} ${credentialOf(caller)}`;
    const known = this.#reading.get(key);
    if (known !== undefined) return known;
    const reading = this.#read(repository, digest, caller).finally(() => this.#reading.delete(key));
    this.#reading.set(key, reading);
    return reading;
  }

  async #read(repository: RepositoryName, digest: Digest, caller: Caller): Promise<Read> {
    const answer = await this.#manifests.get(repository, digest, caller);
    switch (answer.kind) {
      case 'found': {
        const content = contentOf(digest, answer.facts);
        await this.#graph.record(content);
        return { kind: 'read', content, unreadBelow: await this.#unreadBelow(content) };
      }
      case 'missing':
        // The registry has lost it, and with it the way to what stands below it.
        return { kind: 'nothing' };
      case 'mismatch':
        // Some sign schema 1, or anything else: asking again would give the same bytes.
        if (answer.isGenuine) return { kind: 'nothing' };
        return { kind: 'obstacle', finding: `the signed ${digest} could not be read`, refusal: undefined };
      case 'refused':
      case 'unavailable':
        return {
          kind: 'obstacle',
          finding: `the signed ${digest} could not be read`,
          refusal: answer.kind === 'refused' ? answer : undefined,
        };
    }
  }

  async #unreadBelow({ edges }: Content): Promise<ReadonlySet<Digest>> {
    const manifests = edges.filter(({ kind }) => kind !== 'blob').map(({ child }) => child);
    return new Set(await this.#graph.unread(manifests));
  }

  /**
   * A signature, an SBOM or an attestation is no image, and says itself what it is about: its `subject` (image-spec),
   * which has to have a standing. Nobody vouches for the artifact; it only is of no use to a runtime.
   */
  async #about(question: Question): Promise<Search> {
    const { repository, digest, caller } = question;
    const nowhere: Search = { reach: { kind: 'nowhere' }, refusal: undefined };
    const answer = await this.#manifests.get(repository, digest, caller);
    switch (answer.kind) {
      case 'missing':
      case 'mismatch':
        return nowhere;
      case 'unavailable':
        return { reach: { kind: 'unknown', finding: answer.cause.message }, refusal: undefined };
      case 'refused':
        return {
          reach: { kind: 'unknown', finding: `the registry does not give ${digest}` },
          refusal: answer,
        };
      case 'found': {
        const { kind, isArtifact, subject } = answer.facts;
        if (kind !== 'image' || !isArtifact || subject === undefined) return nowhere;
        const about = await this.recorded({ ...question, digest: subject });
        // What is about nothing that counts is not worth a row of the state.
        if (about.kind === 'stands') await this.#graph.record(contentOf(digest, answer.facts));
        return { reach: about.kind === 'stands' ? { ...about, size: undefined } : about, refusal: undefined };
      }
    }
  }
}

function credentialOf({ authorization }: Caller): string {
  return createHash('sha256')
    .update(authorization ?? '')
    .digest('base64');
}
