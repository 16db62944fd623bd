import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Endpoint } from '../oci/endpoint.ts';
import type { Digest } from '../oci/reference.ts';
import type { Judge, Judgement } from '../policy/judge.ts';
import type { Refused } from '../policy/verdict.ts';
import { contentMismatch, contentMissing, upstreamUnavailable } from '../policy/verdict.ts';
import { answerAsUpstream, answerManifest, answerRefusal, auditWarning } from './answer.ts';
import type { Caller } from './upstream/headers.ts';
import type { PullEnd, PullRecord } from './pull-record.ts';
import type { RegistryDoor } from './upstream/registry-door.ts';
import type { Refusal } from './upstream/upstream.ts';

type ManifestEndpoint = Extract<Endpoint, { kind: 'manifest' }>;
/** Forwards the request as it is, with these headers added to the answer. */
type Forward = (extraHeaders: Readonly<Record<string, string>>) => Promise<void>;

/** How a pull was answered, before it is recorded. */
type Answered = Pick<PullEnd, 'refused' | 'served'>;

/** The one story that tufgate is for: judge, then serve the manifest of the signed digest, or refuse. */
export class ManifestPull {
  readonly #judge: Judge;
  readonly #record: PullRecord;
  readonly #retryAfter: number;

  constructor(judge: Judge, record: PullRecord, retryAfter: number) {
    this.#judge = judge;
    this.#record = record;
    this.#retryAfter = retryAfter;
  }

  /** Takes a GET or HEAD of a manifest; judges, answers and records it. */
  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    door: RegistryDoor,
    { repository, identifier }: ManifestEndpoint,
    forward: Forward,
  ): Promise<void> {
    const started = performance.now();
    const caller = request.headers;
    const image = { registry: door.registry.name, repository, identifier };
    let refusal: Refusal | undefined;
    const judgement = await this.#judge.judge(image, async (_image, digest, signed) => {
      const search = await door.children.find(repository, digest, signed, caller);
      refusal = search.refusal;
      return search.reach;
    });
    const answered = await this.#act(judgement, refusal, response, door, caller, forward);
    const end = { judgement, status: response.statusCode, ...answered };
    this.#record.write(request, end, (performance.now() - started) / 1000);
  }

  async #act(
    judgement: Judgement,
    refusal: Refusal | undefined,
    response: ServerResponse,
    door: RegistryDoor,
    caller: Caller,
    forward: Forward,
  ): Promise<Answered> {
    const { verdict, rule, image } = judgement;
    if (rule?.mode === 'audit') {
      const refused = verdict.kind === 'allow' || verdict.kind === 'unjudged' ? undefined : verdict;
      await forward(refused === undefined ? {} : { warning: auditWarning(refused) });
      return { refused, served: undefined };
    }
    switch (verdict.kind) {
      case 'allow':
        return this.#serve(judgement, verdict.digest, response, door, caller);
      case 'unjudged':
        // Under `digests: any` no tag vouches for it, but its bytes still have to be what it is called by.
        if (rule?.mode === 'enforce' && image.identifier.kind === 'digest') {
          return this.#serve(judgement, image.identifier.digest, response, door, caller);
        }
        await forward({});
        return { refused: undefined, served: undefined };
      case 'deny':
      case 'unavailable':
      case 'not-found':
        if (refusal !== undefined) {
          // The registry asked this client for credentials before it let us look for the digest.
          answerAsUpstream(response, refusal);
          return { refused: undefined, served: undefined };
        }
        return this.#refuse(judgement, verdict, response);
    }
  }

  async #serve(
    judgement: Judgement,
    digest: Digest,
    response: ServerResponse,
    door: RegistryDoor,
    caller: Caller,
  ): Promise<Answered> {
    const { image, gun, verdict } = judgement;
    const target = verdict.kind === 'allow' ? verdict.target : undefined;
    // Size and SHA-512 are signed for the tag's own manifest, not for those below it.
    const signed = target?.digest === digest ? target : undefined;
    const answer = await door.manifests.get(image.repository, digest, caller, signed);
    switch (answer.kind) {
      case 'found': {
        answerManifest(response, digest, answer, target && gun !== undefined ? { gun, target } : undefined);
        return {
          refused: undefined,
          served: { digest, children: answer.facts.children.map((child) => child.digest) },
        };
      }
      case 'refused':
        answerAsUpstream(response, answer);
        return { refused: undefined, served: undefined };
      case 'missing':
        return this.#refuse(judgement, contentMissing(image, digest), response);
      case 'mismatch':
        return this.#refuse(judgement, contentMismatch(image, answer.finding), response);
      case 'unavailable':
        return this.#refuse(judgement, upstreamUnavailable(image, answer.cause.message), response);
    }
  }

  #refuse(judgement: Judgement, refused: Refused, response: ServerResponse): Answered {
    answerRefusal(response, judgement, refused, this.#retryAfter);
    return { refused, served: undefined };
  }
}
