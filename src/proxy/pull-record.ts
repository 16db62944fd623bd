import type { IncomingMessage } from 'node:http';
import type { Digest } from '../oci/reference.ts';
import type { ImageReference } from '../oci/reference.ts';
import { printIdentifier } from '../oci/reference.ts';
import type { Judgement } from '../policy/judge.ts';
import type { Refused } from '../policy/verdict.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics, PullVerdict } from '../telemetry/metrics.ts';
import type { PullCount } from './pull-count.ts';
import { clientOf } from './pull-count.ts';

/** How a pull ended: what was decided of it, or what the registry said where the decision was not ours. */
export interface PullEnd {
  readonly judgement: Judgement;
  /** What left, if it was a refusal. */
  readonly refused: Refused | undefined;
  /** The manifest that left, and those below it, if it was ours to serve. */
  readonly served: { readonly digest: Digest; readonly children: readonly Digest[] } | undefined;
  readonly status: number;
}

/** One metric and one log line a pull, from the value that left. */
export class PullRecord {
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #count: PullCount;

  constructor(metrics: Metrics, log: Log, count: PullCount) {
    this.#metrics = metrics;
    this.#log = log;
    this.#count = count;
  }

  /** Takes a judged request, how it ended and how long it took, in seconds. */
  write(request: IncomingMessage, end: PullEnd, seconds: number): void {
    const { image, rule, gun, answer } = end.judgement;
    const client = clientOf(request);
    const verdict = verdictOf(end);
    // The registry's own challenge to the client: what was asked for comes with the next request, if it comes.
    if (end.status === 401) return;
    const reference = printIdentifier(image.identifier);
    this.#metrics.pullDuration(verdict, seconds);

    // A pull that ended otherwise than the one just counted is another pull.
    const isFirst = this.#count.isFirst(client, image.registry, image.repository, `${reference} ${verdict}`);
    if (end.served !== undefined) {
      const digests = [end.served.digest, ...end.served.children].map((digest) => `${digest} ${verdict}`);
      this.#count.note(client, image.registry, image.repository, digests);
    }
    if (!isFirst) return;
    const reason = end.refused?.reason;
    const standing = end.judgement.verdict.kind === 'allow' ? end.judgement.verdict.standing : undefined;
    const exception = standing?.kind === 'excepted' ? standing.exception : undefined;
    if (exception !== undefined && rule !== undefined) this.#metrics.exceptionUsed(rule.match);
    this.#metrics.pull({ registry: image.registry, mode: rule?.mode ?? 'none', verdict, reason });
    const fields = {
      verdict,
      reason,
      registry: image.registry,
      repository: image.repository,
      reference,
      digest: end.served?.digest,
      gun,
      rule: rule?.match,
      mode: rule?.mode,
      role: answer?.kind === 'signed' ? answer.role : undefined,
      shadowed: answer?.kind === 'signed' ? answer.shadowed : undefined,
      keptUntil: standing?.kind === 'kept' ? new Date(standing.keptUntil).toISOString() : undefined,
      exception: exception?.why,
      exceptionUntil: exception === undefined ? undefined : new Date(exception.until).toISOString(),
      outage: answer?.kind === 'signed' ? answer.outage?.message : undefined,
      message: end.refused?.message,
      cause: causeOf(end.judgement),
      status: end.status,
      method: request.method,
      client: request.socket.remoteAddress,
      agent: request.headers['user-agent']?.slice(0, 200),
      seconds: Math.round(seconds * 1000) / 1000,
    };
    if (end.refused === undefined && exception === undefined) this.#log.info(fields, 'pull');
    else this.#log.warn(fields, 'pull');
  }

  /** A part of a blob left: a range, which has no digest to be compared with. */
  unverified(request: IncomingMessage, { registry, repository, identifier }: ImageReference): void {
    const client = request.socket.remoteAddress;
    const { range } = request.headers;
    const reference = printIdentifier(identifier);
    this.#log.info({ registry, repository, reference, range, verified: false, client }, 'part of a blob');
  }
}

function verdictOf({ judgement, refused, status }: PullEnd): PullVerdict {
  const isAudit = judgement.rule?.mode === 'audit';
  if (refused?.kind === 'deny') return isAudit ? 'would_deny' : 'deny';
  if (refused?.kind === 'unavailable') return 'unavailable';
  // An exception is no yes of trust.
  if (judgement.verdict.kind !== 'allow' || judgement.verdict.standing.kind === 'excepted') return 'unjudged';
  // Signed, but lost by the registry, or refused by it: trust said yes.
  return refused === undefined && status >= 400 ? 'unjudged' : 'allow';
}

/** What the short message may have left out. */
function causeOf({ answer }: Judgement): string | undefined {
  if (answer?.kind === 'invalid') return answer.error.message;
  return answer?.kind === 'unavailable' ? answer.cause.message : undefined;
}
