import type { Dispatcher } from 'undici';
import { Agent, ProxyAgent, errors } from 'undici';
import { looksLikeRegistry, officialName } from '../oci/reference.ts';
import type { Registry } from '../config/config.ts';
import type { Report } from './finding.ts';
import { listed } from './finding.ts';
import type { Setting } from './units.ts';

/** Where a request of this node for a registry ends. */
export type Way =
  | { readonly kind: 'closed'; readonly cause: string }
  | { readonly kind: 'gate' }
  | { readonly kind: 'open'; readonly answer: string }
  | { readonly kind: 'unknown'; readonly cause: string };

/** A registry by one of its addresses; `byName` if a client that knows no gate would go there. */
export interface Address {
  readonly registry: string;
  readonly origin: string;
  readonly byName: boolean;
}

export interface TriedWay extends Address {
  readonly way: Way;
  readonly proxy: Setting | undefined;
}

/** What the gate begins every refusal with, and nobody else says. */
export const gateWords = 'content trust:';

const timeLimit = 3000;
const longestAnswer = 64 * 1024;
/** No answer came, and none of TLS either: whoever listens there, if anybody, said nothing. */
const silences = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_NODATA',
  'EAI_NONAME',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPERM',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_SOCKET',
]);

/** Gives every address at which a client could reach these registries without the gate. */
export function addressesOf(registries: Iterable<Registry>): readonly Address[] {
  const addresses = new Map<string, Address>();
  for (const { name: registry, upstream, hosts } of registries) {
    const own = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    const names = [...(looksLikeRegistry(registry) ? [own] : []), ...hosts];
    for (const name of names) {
      const origin = new URL(`https://${name}`).origin;
      addresses.set(`${registry} ${origin}`, { registry, origin, byName: name === own });
    }
    const { origin } = new URL(upstream);
    const known = addresses.get(`${registry} ${origin}`);
    if (known === undefined) addresses.set(`${registry} ${origin}`, { registry, origin, byName: false });
  }
  return [...addresses.values()];
}

/** Tries each address, directly or through a proxy, all at once. Never rejects for what the network does. */
export function tryAll(
  addresses: readonly Address[],
  canaryTag: string,
  proxy?: Setting,
): Promise<readonly TriedWay[]> {
  return Promise.all(
    addresses.map(async (address) => {
      const path = `/v2/${officialName(address.registry, 'tufgate-canary')}/manifests/${canaryTag}`;
      return { ...address, proxy, way: await tryWay(address.origin, path, proxy?.value) };
    }),
  );
}

/** Reports which registries this node reaches without the gate, and gives them. */
export function reportWays(report: Report, tried: readonly TriedWay[]): readonly string[] {
  const byRegistry = Map.groupBy(tried, ({ registry }) => registry);
  return [...byRegistry].flatMap(([registry, ways]) => {
    const seen = ways.map((tryOf) => reportWay(report, tryOf));
    if (ways.some(({ way }) => way.kind === 'open')) return [registry];
    if (ways.some(({ way }) => way.kind === 'unknown')) return [];
    const proxy = ways[0]?.proxy;
    const how = proxy === undefined ? 'directly' : 'through this proxy';
    report.ok('registry', proxy?.place ?? null, `${registry} is not reached ${how}: ${listed(seen)}`);
    return [];
  });
}

/** Gives what was seen. */
function reportWay(report: Report, { registry, origin, way, proxy }: TriedWay): string {
  switch (way.kind) {
    case 'gate':
      return `${origin} is the gate`;
    case 'closed':
      return `${origin} ${way.cause}`;
    case 'unknown':
      report.unknown('proxy-undecided', proxy?.place ?? null, `${registry} at ${origin}: ${way.cause}`);
      return way.cause;
    case 'open':
      if (proxy === undefined) {
        report.open('registry-reachable', null, `${registry} is reached directly: ${origin} ${way.answer}`);
      } else {
        const finding = `through this proxy ${registry} is reached without the gate: ${origin} ${way.answer}`;
        report.open('proxy-leads-round', proxy.place, finding);
      }
      return way.answer;
  }
}

async function tryWay(origin: string, path: string, proxy: string | undefined): Promise<Way> {
  // Nothing secret is sent and nothing that comes is used, so whoever answers need not prove his name: a registry
  // whose certificate this node does not know is as open to those who do not look at it.
  const unproven = { rejectUnauthorized: false };
  // As Go reads it, whose programs use it.
  const uri = proxy === undefined || proxy.includes('://') ? proxy : `http://${proxy}`;
  if (uri !== undefined && !/^https?:/.test(uri)) {
    return { kind: 'unknown', cause: 'the proxy is none that the doctor can ask' };
  }
  let agent: Dispatcher | undefined;
  try {
    agent =
      uri === undefined
        ? new Agent({ connect: { ...unproven, timeout: timeLimit } })
        : new ProxyAgent({ uri, requestTls: unproven, proxyTls: unproven });
    const headers = { 'user-agent': 'tufgate-doctor', accept: '*/*' };
    const signal = AbortSignal.timeout(timeLimit);
    const answer = await agent.request({ origin, path, method: 'GET', headers, signal });
    const told = answer.statusText + (await beginningOf(answer.body));
    return told.includes(gateWords)
      ? { kind: 'gate' }
      : { kind: 'open', answer: `answers ${answer.statusCode}` };
  } catch (error) {
    return wayOf(error);
  } finally {
    await agent?.destroy();
  }
}

function wayOf(error: unknown): Way {
  if (!(error instanceof Error)) throw error;
  if (error.name === 'TimeoutError') return { kind: 'closed', cause: 'does not answer' };
  if (error instanceof AggregateError) return wayOf(error.errors[0]);
  // What a proxy's "no" to CONNECT becomes.
  if (error instanceof errors.RequestAbortedError)
    return { kind: 'closed', cause: 'is refused by the proxy' };
  if (!('code' in error)) throw error;
  const code = String(error.code);
  if (code === 'ERR_INVALID_URL') return { kind: 'unknown', cause: 'the proxy has no address' };
  if (silences.has(code)) return { kind: 'closed', cause: `fails with ${code}` };
  // A complaint of TLS or HTTP is about an answer.
  return { kind: 'open', answer: `answers, with ${code}` };
}

/** What came before the connection broke or the time was up is enough: there was an answer. */
async function beginningOf(body: Dispatcher.ResponseData['body']): Promise<string> {
  let text = '';
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      text += chunk.toString('latin1');
      if (text.length > longestAnswer) break;
    }
  } catch (error) {
    // undici and the time limit both end a body with an Error; the status has been seen.
    if (!(error instanceof Error)) throw error;
  }
  return text;
}
