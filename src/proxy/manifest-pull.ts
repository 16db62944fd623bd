import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Endpoint } from '../oci/endpoint.ts';
import type { Digest, ImageReference } from '../oci/reference.ts';
import type { Judge, Judgement } from '../policy/judge.ts';
import type { Refused } from '../policy/verdict.ts';
import { contentMismatch, contentMissing, stateUnavailable, upstreamUnavailable } from '../policy/verdict.ts';
import { answerAsUpstream, answerManifest, answerRefusal, auditWarning } from './answer.ts';
import { answerAttachment, attachmentTag } from './attachment-pull.ts';
import type { Drift } from './upstream/drift.ts';
import type { Caller } from './upstream/headers.ts';
import type { ClientView } from './upstream/location.ts';
import type { PullEnd, PullRecord } from './pull-record.ts';
import type { RegistryDoor } from './upstream/registry-door.ts';
import type { Refusal, Unavailable } from './upstream/upstream.ts';

type ManifestEndpoint = Extract<Endpoint, { kind: 'manifest' }>;
/** Forwards the request as it is, with these headers added to the answer. */
type Forward = (extraHeaders: Readonly<Record<string, string>>) => Promise<void>;

/** Who asks, of which registry, and where the answer goes. */
export interface PullRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly door: RegistryDoor;
  readonly caller: Caller;
  readonly view: ClientView;
}

/**
 * What is signed in a repository, and so why a pull of it is refused, is only for those whom the registry lets in. Gives
 * the registry's own "no" to the others, or that it could not be asked; undefined: this client may be told.
 */
export async function keptOut(
  { image, answer }: Judgement,
  refused: Refused,
  { door, caller }: Pick<PullRequest, 'door' | 'caller'>,
): Promise<Refusal | Unavailable | undefined> {
  if (answer === undefined || refused.kind === 'unavailable') return undefined;
  const admission = await door.admits(image.repository, image.identifier, caller);
  return admission.kind === 'admitted' ? undefined : admission;
}

/** How a pull was answered, before it is recorded. */
type Answered = Pick<PullEnd, 'refused' | 'served'>;

/** The one story that tufgate is for: judge, then serve the manifest of the signed digest, or refuse. */
export class ManifestPull {
  readonly #judge: Judge;
  readonly #record: PullRecord;
  readonly #drift: Drift;
  readonly #retryAfter: number;

  constructor(judge: Judge, record: PullRecord, drift: Drift, retryAfter: number) {
    this.#judge = judge;
    this.#record = record;
    this.#drift = drift;
    this.#retryAfter = retryAfter;
  }

  /** Takes a GET or HEAD of a manifest; judges, answers and records it. */
  async answer(
    pull: PullRequest,
    { repository, identifier }: ManifestEndpoint,
    forward: Forward,
  ): Promise<void> {
    const started = performance.now();
    const { door, caller } = pull;
    const image = { registry: door.registry.name, repository, identifier };
    const evidence = door.evidence.for(caller, 'manifest');
    const judgement = await this.#judge.judge(image, evidence);
    const answered = await this.#act(judgement, evidence.refusal(), pull, forward);
    const end = { judgement, status: pull.response.statusCode, ...answered };
    this.#record.write(pull.request, end, (performance.now() - started) / 1000);
  }

  async #act(
    judgement: Judgement,
    refusal: Refusal | undefined,
    pull: PullRequest,
    forward: Forward,
  ): Promise<Answered> {
    const { verdict, rule, image } = judgement;
    const attachment = verdict.kind === 'deny' ? attachmentTag(image) : undefined;
    if (rule?.mode === 'audit') {
      const isServed = verdict.kind === 'allow' || verdict.kind === 'unjudged' || attachment !== undefined;
      const refused = isServed ? undefined : verdict;
      await forward(refused === undefined ? {} : { warning: auditWarning(refused) });
      if (pull.response.statusCode === 200) this.#look(judgement, pull);
      return { refused, served: undefined };
    }
    switch (verdict.kind) {
      case 'allow':
        return this.#serve(judgement, verdict.digest, pull);
      case 'unjudged':
        // Under `digests: any` no tag vouches for it, but its bytes still have to be what it is called by.
        if (rule?.mode === 'enforce' && image.identifier.kind === 'digest') {
          return this.#serve(judgement, image.identifier.digest, pull);
        }
        await forward({});
        return { refused: undefined, served: undefined };
      case 'deny':
      case 'unavailable':
      case 'not-found':
        if (attachment !== undefined) {
          const vouch = (digest: Digest): Promise<Judgement> => this.#judgeDigest(pull, image, digest);
          return answerAttachment(judgement, attachment, { ...pull, vouch }, this.#retryAfter);
        }
        // The registry asked this client for credentials before it let us look for the digest.
        if (refusal !== undefined) return this.#refusedByRegistry(refusal, pull);
        return this.#tellRefusal(judgement, verdict, pull);
    }
  }

  #judgeDigest({ door, caller }: PullRequest, image: ImageReference, digest: Digest): Promise<Judgement> {
    const byDigest = { ...image, identifier: { kind: 'digest', digest } } as const;
    return this.#judge.judge(byDigest, door.evidence.for(caller, 'manifest'));
  }

  async #tellRefusal(judgement: Judgement, refused: Refused, pull: PullRequest): Promise<Answered> {
    const kept = await keptOut(judgement, refused, pull);
    if (kept === undefined) return this.#refuse(judgement, refused, pull);
    if (kept.kind === 'refused') return this.#refusedByRegistry(kept, pull);
    return this.#refuse(judgement, upstreamUnavailable(judgement.image, kept.cause.message), pull);
  }

  #refusedByRegistry(refusal: Refusal, { response, view }: PullRequest): Answered {
    answerAsUpstream(response, refusal, view);
    return { refused: undefined, served: undefined };
  }

  async #serve(judgement: Judgement, digest: Digest, pull: PullRequest): Promise<Answered> {
    const { door, caller, response } = pull;
    const { image, gun, verdict } = judgement;
    const standing = verdict.kind === 'allow' ? verdict.standing : undefined;
    const target = standing?.kind === 'signed' ? standing.target : undefined;
    // Size and SHA-512 are signed for the tag's own manifest, not for those below it.
    const signed = target?.digest === digest ? target : undefined;
    const answer = await door.manifests.get(image.repository, digest, caller, signed);
    switch (answer.kind) {
      case 'found': {
        // What stands below it is asked for next, by its digest.
        const unrecorded = standing && (await door.record(digest, answer.facts));
        if (unrecorded !== undefined)
          return this.#refuse(judgement, stateUnavailable(image, unrecorded), pull);
        answerManifest(response, digest, answer, target && gun !== undefined ? { gun, target } : undefined);
        this.#look(judgement, pull);
        const children = answer.facts.children.map((child) => child.digest);
        return { refused: undefined, served: { digest, children } };
      }
      case 'refused':
        return this.#refusedByRegistry(answer, pull);
      case 'missing':
        return this.#refuse(judgement, contentMissing(image, digest), pull);
      case 'mismatch':
        return this.#refuse(judgement, contentMismatch(image, answer.finding), pull);
      case 'unavailable':
        return this.#refuse(judgement, upstreamUnavailable(image, answer.cause.message), pull);
    }
  }

  /** What the registry means by the tag changes nothing of the answer, which has left: under audit it was that. */
  #look({ image, verdict }: Judgement, { door, caller }: PullRequest): void {
    if (image.identifier.kind !== 'tag' || verdict.kind !== 'allow') return;
    if (verdict.standing.kind === 'signed') this.#drift.look(image, verdict.digest, door, caller);
  }

  #refuse(judgement: Judgement, refused: Refused, { response }: PullRequest): Answered {
    answerRefusal(response, judgement, refused, this.#retryAfter);
    return { refused, served: undefined };
  }
}
