import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { AdminListener } from '../admin/admin.ts';
import { startAdmin } from '../admin/admin.ts';
import type { Readiness } from '../admin/health.ts';
import type { Address, Config } from '../config/config.ts';
import { Judge } from '../policy/judge.ts';
import { Admissions } from '../proxy/auth/admissions.ts';
import { ClientAccess } from '../proxy/auth/client-access.ts';
import { Drift } from '../proxy/upstream/drift.ts';
import { Handler } from '../proxy/handler.ts';
import { PullCount } from '../proxy/pull-count.ts';
import { PullRecord } from '../proxy/pull-record.ts';
import { RegistryDoor } from '../proxy/upstream/registry-door.ts';
import type { Listener } from '../proxy/server.ts';
import { startServer } from '../proxy/server.ts';
import { createManifestCache } from '../proxy/upstream/verified-manifests.ts';
import type { Log } from '../telemetry/log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { NotaryClient } from '../trust/notary-client.ts';
import { NotaryTrust } from '../trust/notary-trust.ts';
import { SqliteTrustStore } from '../trust/sqlite-trust-store.ts';
import { SqliteContentGraph } from '../trust/state/sqlite-content-graph.ts';
import { SqliteSignedLedger } from '../trust/state/sqlite-signed-ledger.ts';
import type { SignedLedger } from '../trust/state/signed-ledger.ts';
import { StateError } from '../trust/trust-store.ts';
import type { TrustStore } from '../trust/trust-store.ts';
import { SignatureVerifier } from '../tuf/key/signature.ts';
import { version } from './version.ts';

/** For how long what a rule keeps no longer is remembered all the same, in milliseconds: its `keep` may grow. */
const pruneMargin = 30 * 24 * 3_600_000;

export interface GateOptions {
  readonly log: Log;
  /** Milliseconds since 1970; for what expires. */
  readonly now?: () => number;
  readonly store?: TrustStore;
  /** How long a stopping gate still accepts, in milliseconds. */
  readonly drainGrace?: number;
}

/** A running proxy with its admin listener. */
export interface Gate {
  readonly address: Address;
  readonly admin: Address;
  /** Resolves when nothing goes on beside the answers: what was looked at for their sake is counted and logged. */
  readonly settled: () => Promise<void>;
  /** Lets pulls in flight finish, then closes everything (contract §7). */
  readonly drain: () => Promise<void>;
  /** Closes everything now. */
  readonly close: () => Promise<void>;
}

/** What judges, and what it stands on: the same for `serve` and for `explain`. */
export interface Court {
  readonly judge: Judge;
  readonly trust: NotaryTrust;
  readonly doors: ReadonlyMap<string, RegistryDoor>;
  readonly notaries: ReadonlyMap<string, NotaryClient>;
  readonly store: TrustStore;
  readonly ledger: SignedLedger;
  /** As what it is named to every registry, so that a request that comes back is known. */
  readonly hop: string;
  readonly close: () => Promise<void>;
}

/** Builds what judges, bottom up, from a configuration. Throws StateError if the state cannot be opened. */
export function openCourt(config: Config, metrics: Metrics, options: GateOptions): Court {
  const { limits } = config;
  const hop = `tufgate-${randomBytes(8).toString('hex')}`;
  const store = options.store ?? new SqliteTrustStore(config.statePath);
  const graph = new SqliteContentGraph(config.statePath);
  const ledger = new SqliteSignedLedger(config.statePath);
  const now = options.now ?? Date.now;
  const verifier = new SignatureVerifier({
    pkcs1v15: config.pkcs1v15,
    onDisagreement: (algorithm) => {
      metrics.signatureDisagreement();
      options.log.error({ algorithm }, 'two implementations disagree about a signature, which is refused');
    },
  });
  const notaries = new Map(
    [...config.notaries].map(([name, notary]) => [
      name,
      new NotaryClient(notary, limits.downloadTimeout, hop),
    ]),
  );
  const trust = new NotaryTrust({
    notaries,
    store,
    ledger,
    verifier,
    limits,
    now,
    onRefresh: (notary, result, seconds) => metrics.trustRefresh(notary, result, seconds),
  });
  const known = {
    manifests: createManifestCache(limits.manifestCacheBytes),
    graph,
    ledger,
    now,
    // What ends with time needs a clock that nobody sets; a test sets its own.
    admissions: new Admissions(options.now ?? (() => performance.now())),
  };
  const doors = new Map(
    [...config.registries].map(([name, registry]) => [
      name,
      new RegistryDoor(registry, limits, known, metrics, hop),
    ]),
  );
  return {
    judge: new Judge(config.rules, trust, now),
    trust,
    doors,
    notaries,
    store,
    ledger,
    hop,
    async close() {
      await Promise.all([...doors.values(), ...notaries.values()].map((part) => part.close()));
      await Promise.all([store, graph, ledger].map((part) => part.close()));
    },
  };
}

/** Gives the metrics of a configuration: its names are the only ones that become labels. */
export function metricsFor(config: Config): Metrics {
  return new Metrics({ version, registries: config.registries.keys(), notaries: config.notaries.keys() });
}

/** Starts the proxy. Rejects if an address cannot be had, a certificate is bad or the state cannot be opened. */
export async function startGate(config: Config, options: GateOptions): Promise<Gate> {
  const metrics = metricsFor(config);
  const court = openCourt(config, metrics, options);
  const onError = (error: Error): void => options.log.error({ error }, 'unexpected error');
  const longest = Math.max(0, ...config.rules.map((rule) => ('keep' in rule ? rule.keep : 0)));
  await court.ledger.prune(Math.max(0, (options.now ?? Date.now)() - longest - pruneMargin));
  const access = new ClientAccess(config.clients);
  const drift = new Drift({
    metrics,
    log: options.log,
    now: options.now ?? (() => performance.now()),
  });
  const handler = new Handler({
    config,
    doors: court.doors,
    notaries: court.notaries,
    access,
    judge: court.judge,
    metrics,
    hop: court.hop,
    record: new PullRecord(metrics, options.log, new PullCount(() => performance.now())),
    drift,
  });
  let draining = false;
  const readiness = async (): Promise<Readiness> => (draining ? 'draining' : stateReadiness(court.store));
  let admin: AdminListener | undefined;
  let closed: Promise<void> | undefined;
  const closeRest = (): Promise<void> => {
    // Once: a gate that was drained may still be closed.
    handler.close();
    closed ??= Promise.all([court.close(), access.close()])
      .then(() => drift.settled()) // cut off with the registries' doors
      .then(() => admin?.close());
    return closed;
  };
  let server: Listener;
  try {
    admin = await startAdmin(config.admin, { metrics, readiness, version, onError });
    server = await startServer({
      listen: config.listen,
      tls: config.tls,
      clientCa: config.clients.kind === 'certificates' ? config.clients.ca : undefined,
      handler: (request, response) => handler.handle(request, response),
      drainTimeout: config.limits.drainTimeout,
      ...(options.drainGrace !== undefined && { drainGrace: options.drainGrace }),
      onError,
    });
  } catch (error) {
    // Of any class: what is open would keep a process alive that serves nothing.
    await closeRest();
    throw error;
  }
  return {
    address: addressOf(server.address),
    admin: addressOf(admin.address),
    settled: () => drift.settled(),
    async drain() {
      draining = true;
      await server.drain();
      await closeRest();
    },
    async close() {
      await server.close();
      await closeRest();
    },
  };
}

function addressOf({ address, port }: AddressInfo): Address {
  return { host: address, port };
}

async function stateReadiness(store: TrustStore): Promise<Readiness> {
  try {
    await store.probe();
    return 'ready';
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    return 'STATE_UNAVAILABLE';
  }
}
