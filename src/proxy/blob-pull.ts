import { LRUCache } from 'lru-cache';
import type { Endpoint } from '../oci/endpoint.ts';
import { printReference } from '../oci/reference.ts';
import type { Judge, Judgement } from '../policy/judge.ts';
import type { Refused } from '../policy/verdict.ts';
import { contentMismatch, upstreamUnavailable } from '../policy/verdict.ts';
import { answerAsUpstream, answerRefusal } from './answer.ts';
import type { PullRequest } from './manifest-pull.ts';
import { keptOut } from './manifest-pull.ts';
import type { PullRecord } from './pull-record.ts';
import { blobRequestHeaders } from './upstream/headers.ts';
import type { BlobAnswer } from './upstream/registry-answer.ts';
import { sendBlob } from './upstream/verified-blob.ts';

type BlobEndpoint = Extract<Endpoint, { kind: 'blob' }>;

/** `started` is of `performance.now()`. */
interface Timed extends PullRequest {
  readonly started: number;
}

/** Configs and layers: judged by what they stand on, and sent so that no client ever holds a whole wrong one. */
export class BlobPull {
  readonly #judge: Judge;
  readonly #record: PullRecord;
  readonly #retryAfter: number;
  /** What a registry sent wrong bytes of, for a minute: containerd asks at once for the end that was held back. */
  readonly #spoiled = new LRUCache<string, true>({ max: 1000, ttl: 60_000 });

  constructor(judge: Judge, record: PullRecord, retryAfter: number) {
    this.#judge = judge;
    this.#record = record;
    this.#retryAfter = retryAfter;
  }

  /** Takes a GET or HEAD of a blob; judges and answers it. A pull is counted by its manifest, a refusal here too. */
  async answer(asked: PullRequest, { repository, digest }: BlobEndpoint): Promise<void> {
    const pull = { ...asked, started: performance.now() };
    const { request, door, caller } = pull;
    const image = {
      registry: door.registry.name,
      repository,
      identifier: { kind: 'digest', digest },
    } as const;
    const coverage = this.#judge.coverage(image);
    // Before and after each layer docker asks whether what it pushes is there. HEAD gives nothing of it away.
    if (request.method === 'HEAD' && door.registry.push === 'allow' && coverage.kind === 'unjudged') {
      const unasked = { image, rule: undefined, gun: undefined, answer: undefined, verdict: coverage };
      return this.#send(pull, unasked);
    }
    const evidence = door.evidence.for(caller, 'blob');
    const judgement = await this.#judge.judge(image, evidence);
    const { verdict, rule } = judgement;
    const refusal = evidence.refusal();
    switch (verdict.kind) {
      case 'allow':
      case 'unjudged':
        return this.#send(pull, judgement);
      case 'deny':
      case 'unavailable':
      case 'not-found':
        if (rule?.mode === 'audit') return this.#send(pull, judgement);
        if (refusal !== undefined) return answerAsUpstream(pull.response, refusal, pull.view);
        return this.#tellRefusal(pull, judgement, verdict);
    }
  }

  async #tellRefusal(pull: Timed, judgement: Judgement, refused: Refused): Promise<void> {
    const kept = await keptOut(judgement, refused, pull);
    if (kept === undefined) return this.#refuse(pull, judgement, refused);
    if (kept.kind === 'refused') return answerAsUpstream(pull.response, kept, pull.view);
    return this.#refuse(pull, judgement, upstreamUnavailable(judgement.image, kept.cause.message));
  }

  async #send(pull: Timed, judgement: Judgement): Promise<void> {
    const { request, response, door, caller, view } = pull;
    const { identifier, repository } = judgement.image;
    if (identifier.kind !== 'digest') throw new TypeError('a blob is asked for by its digest');
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const asked = {
      method: request.method === 'HEAD' ? ('HEAD' as const) : ('GET' as const),
      // A part cannot be verified; without a range it is the whole again, which can.
      headers: this.#spoiled.has(keyOf(judgement)) ? {} : blobRequestHeaders(request.headers),
      authorization: caller.authorization,
      signal: gone.signal,
    };
    const answer = await door.upstream.blob(repository, identifier.digest, asked);
    switch (answer.kind) {
      case 'refused':
        return answerAsUpstream(response, answer, view);
      case 'unavailable':
        return this.#refuse(pull, judgement, upstreamUnavailable(judgement.image, answer.cause.message));
      case 'redirect':
        response.writeHead(answer.status, { Location: answer.location, 'Content-Length': 0 }).end();
        return;
      case 'answer':
        return this.#stream(pull, judgement, asked, answer);
    }
  }

  async #stream(
    pull: Timed,
    judgement: Judgement,
    asked: Parameters<typeof sendBlob>[1],
    answer: Extract<BlobAnswer, { kind: 'answer' }>,
  ): Promise<void> {
    const { image, rule, size } = judgement;
    if (image.identifier.kind !== 'digest') return;
    // Only a rule that enforces changes what a client gets.
    const digest = rule?.mode === 'enforce' ? image.identifier.digest : undefined;
    const end = await sendBlob(pull.response, asked, digest === undefined ? answer : asBytes(answer), {
      digest,
      size: digest === undefined ? undefined : size,
    });
    switch (end.kind) {
      case 'verified':
      case 'bodiless':
      case 'cut':
        return;
      case 'unverified':
        return this.#record.unverified(pull.request, image);
      case 'unavailable':
        return this.#refuse(pull, judgement, upstreamUnavailable(image, end.cause.message));
      case 'mismatch': {
        this.#spoiled.set(keyOf(judgement), true);
        const refused = contentMismatch(image, end.mismatch.message);
        if (!pull.response.headersSent) return this.#refuse(pull, judgement, refused);
        this.#write(pull, judgement, refused);
      }
    }
  }

  #refuse(pull: Timed, judgement: Judgement, refused: Refused): void {
    answerRefusal(pull.response, judgement, refused, this.#retryAfter);
    this.#write(pull, judgement, refused);
  }

  #write({ request, response, started }: Timed, judgement: Judgement, refused: Refused): void {
    const end = { judgement, refused, served: undefined, status: response.statusCode };
    this.#record.write(request, end, (performance.now() - started) / 1000);
  }
}

function keyOf({ image }: Judgement): string {
  return printReference(image);
}

/** containerd, which looks for manifests here too, takes what a registry calls a blob for what it has to be run as. */
function asBytes<Answer extends Extract<BlobAnswer, { kind: 'answer' }>>(answer: Answer): Answer {
  const { status, headers } = answer;
  const type = String(headers['content-type'] ?? '').toLowerCase();
  if (status >= 400 || type.startsWith('multipart/byteranges')) return answer;
  return { ...answer, headers: { ...headers, 'content-type': 'application/octet-stream' } };
}
