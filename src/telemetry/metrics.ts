import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { RequestTarget } from '../oci/request-target.ts';
import type { Reason } from '../policy/reason.ts';
import { denyReasons, unavailableReasons } from '../policy/reason.ts';
import type { Mode } from '../policy/rule.ts';

// What a client chooses (tags, digests, methods, hosts, unmatched repositories) never becomes a label: each label value
// is of a closed union or a configured name, so that no client can grow the number of series.

/** `none`: no rule matched. */
export type PullMode = Mode | 'none';
export type PullVerdict = 'allow' | 'deny' | 'would_deny' | 'unavailable' | 'unjudged';
export type Route = RequestTarget['endpoint']['kind'] | 'unknown';
export type RefreshResult = 'ok' | 'unsigned' | 'invalid' | 'unavailable';
export type CacheName = 'trust' | 'manifest' | 'graph' | 'token';
export type CacheResult = 'hit' | 'miss';

/** One judged pull, as contract counts it. Without a reason the label is empty, which Prometheus reads as absent. */
export interface CountedPull {
  readonly registry: string;
  readonly mode: PullMode;
  readonly verdict: PullVerdict;
  readonly reason: Reason | undefined;
}

export interface MetricsOptions {
  readonly version: string;
  /** The configured names; any other is counted under `other`. */
  readonly registries: Iterable<string>;
  readonly notaries: Iterable<string>;
}

const knownMethods = new Set(['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS']);
const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class Metrics {
  readonly #registry = new Registry();
  readonly #registries: ReadonlySet<string>;
  readonly #notaries: ReadonlySet<string>;

  readonly #pulls = this.#counter('pulls_total', 'Pulls by what was decided, and why.', [
    'registry',
    'mode',
    'verdict',
    'reason',
  ]);
  readonly #requests = this.#counter('requests_total', 'Requests answered on the registry listener.', [
    'route',
    'method',
    'code',
  ]);
  readonly #pullDuration = this.#histogram('pull_duration_seconds', 'From request to verdict and answer.', [
    'verdict',
  ]);
  readonly #refreshes = this.#counter('trust_refresh_total', 'Refreshes of trust data from a notary.', [
    'notary',
    'result',
  ]);
  readonly #refreshDuration = this.#histogram(
    'trust_refresh_duration_seconds',
    'How long a refresh of trust data took.',
    ['notary'],
  );
  readonly #upstream = this.#counter(
    'upstream_requests_total',
    'Requests to registries; code error: no answer.',
    ['registry', 'code'],
  );
  readonly #upstreamDuration = this.#histogram(
    'upstream_request_duration_seconds',
    'From request to the head of the registry answer.',
    ['registry'],
  );
  readonly #cache = this.#counter('cache_requests_total', 'Questions to the caches.', ['cache', 'result']);
  readonly #drift = this.#counter(
    'tag_drift_total',
    'Times that a registry meant something else by a signed tag than what is signed.',
    ['registry'],
  );
  readonly #exceptions = this.#counter(
    'exceptions_used_total',
    'Pulls that an exception of a rule allowed.',
    ['rule'],
  );
  readonly #disagreements = this.#counter(
    'signature_disagreements_total',
    'Signatures that two independent implementations judged differently. Any is an alarm.',
    [],
  );

  /** Takes the program's version and the configured names. */
  constructor(options: MetricsOptions) {
    this.#registries = new Set(options.registries);
    this.#notaries = new Set(options.notaries);
    new Gauge({
      name: 'tufgate_build_info',
      help: 'The running program; always 1.',
      labelNames: ['version', 'node'],
      registers: [this.#registry],
    }).set({ version: options.version, node: process.versions.node }, 1);
    // A rate over a series that first appears with its first refusal misses that refusal: start these at 0.
    for (const registry of this.#registries) {
      this.#presetPulls(registry);
      this.#drift.inc({ registry }, 0);
    }
  }

  /** Counts one pull: HEAD and GET of one reference are one, see `PullCount`. */
  pull(pull: CountedPull): void {
    const registry = known(this.#registries, pull.registry);
    this.#pulls.inc({ registry, mode: pull.mode, verdict: pull.verdict, reason: pull.reason ?? '' });
  }

  /** Takes how long a judged request took, in seconds. */
  pullDuration(verdict: PullVerdict, seconds: number): void {
    this.#pullDuration.observe({ verdict }, seconds);
  }

  /** Counts one answered request; `method` as the client sent it, `code` the status that left. */
  request(route: Route, method: string, code: number): void {
    this.#requests.inc({
      route,
      method: knownMethods.has(method) ? method : 'other',
      code: statusLabel(code),
    });
  }

  /** Counts one refresh of trust data and how long it took, in seconds. */
  trustRefresh(notaryName: string, result: RefreshResult, seconds: number): void {
    const notary = known(this.#notaries, notaryName);
    this.#refreshes.inc({ notary, result });
    this.#refreshDuration.observe({ notary }, seconds);
  }

  /** Counts one tag that a registry means something else by than what is signed. */
  tagDrift(registryName: string): void {
    this.#drift.inc({ registry: known(this.#registries, registryName) });
  }

  /** Counts one pull that an exception allowed; `rule` is the rule's `match`. */
  exceptionUsed(rule: string): void {
    this.#exceptions.inc({ rule });
  }

  /** Counts one request to a registry: its status, or `error` where none came; how long it took, in seconds. */
  upstreamRequest(registryName: string, code: number | 'error', seconds: number): void {
    const registry = known(this.#registries, registryName);
    this.#upstream.inc({ registry, code: code === 'error' ? code : statusLabel(code) });
    this.#upstreamDuration.observe({ registry }, seconds);
  }

  /** Counts one question to a cache. */
  cacheRequest(cache: CacheName, result: CacheResult): void {
    this.#cache.inc({ cache, result });
  }

  /** Counts one signature that the two implementations judged differently. */
  signatureDisagreement(): void {
    this.#disagreements.inc();
  }

  /** The media type of `text`: Prometheus text format 0.0.4. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Gives all metrics in Prometheus text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #presetPulls(registry: string): void {
    const preset = (mode: PullMode, verdict: PullVerdict, reason = ''): void => {
      this.#pulls.inc({ registry, mode, verdict, reason }, 0);
    };
    preset('none', 'deny', 'NO_RULE');
    preset('deny', 'deny', 'RULE_DENY');
    for (const mode of ['enforce', 'audit'] as const) {
      preset(mode, 'allow');
      for (const reason of denyReasons) {
        if (reason === 'NO_RULE' || reason === 'RULE_DENY') continue;
        preset(mode, mode === 'enforce' ? 'deny' : 'would_deny', reason);
      }
    }
    for (const reason of unavailableReasons) preset('enforce', 'unavailable', reason);
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name: `tufgate_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #histogram<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ): Histogram<Label> {
    return new Histogram({
      name: `tufgate_${name}`,
      help,
      labelNames,
      buckets: secondsBuckets,
      registers: [this.#registry],
    });
  }
}

function known(names: ReadonlySet<string>, name: string): string {
  return names.has(name) ? name : 'other';
}

// A registry may answer with any three digits: HTTP's classes only (RFC 9110 §15) become label values.
function statusLabel(code: number): string {
  return Number.isInteger(code) && code >= 100 && code <= 599 ? String(code) : 'other';
}
