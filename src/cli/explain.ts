import { loadConfig } from '../config/load.ts';
import type { Digest, ImageReference } from '../oci/reference.ts';
import { printIdentifier, printReference } from '../oci/reference.ts';
import type { Judgement } from '../policy/judge.ts';
import type { Refused, Verdict } from '../policy/verdict.ts';
import type { RegistryDoor } from '../proxy/upstream/registry-door.ts';
import { tagDigest } from '../proxy/upstream/tag-digest.ts';
import { createLog } from '../telemetry/log.ts';
import { DownloadError } from '../trust/download-error.ts';
import type { VerifiedRole } from '../trust/trust.ts';
import { metricsFor, openCourt } from './gate.ts';
import { imageIn, notAnImage } from './image.ts';
import { exit, printable } from './output.ts';

export interface ExplainOptions {
  readonly json: boolean;
  readonly write: (text: string) => void;
}

/** What the registry holds beside the judgement; it does not change it. */
interface UpstreamView {
  readonly digest: Digest | null;
  readonly drift: boolean;
  /** Set where the registry did not answer. */
  readonly error: string | null;
}

/**
 * Takes an image and a configuration; takes the very decision of a pull, through the same code and state, and prints it.
 * Gives the exit status. Throws ConfigError and StateError.
 */
export async function explain(
  text: string,
  configPath: string,
  { json, write }: ExplainOptions,
): Promise<number> {
  const config = loadConfig(configPath, process.env);
  const image = imageIn(config, text);
  if (image === undefined) {
    process.stderr.write(`tufgate: ${notAnImage(config, text)}\n`);
    return exit.usage;
  }
  const court = openCourt(config, metricsFor(config), { log: createLog(process.stderr) });
  try {
    const door = court.doors.get(image.registry);
    if (door === undefined) throw new TypeError(`no door to ${image.registry}`);
    const judgement = await court.judge.judge(image, door.evidence.for({}, 'manifest'));
    const { downloadTimeout } = config.limits;
    const upstream = await lookUpstream(door, image, judgement, downloadTimeout);
    if (json) write(`${JSON.stringify(asJson(judgement, upstream))}\n`);
    else write(asText(judgement, upstream, await hasLostSigned(door, image, judgement, downloadTimeout)));
    return statusOf(judgement);
  } finally {
    await court.close();
  }
}

async function lookUpstream(
  door: RegistryDoor,
  image: ImageReference,
  { verdict }: Judgement,
  timeout: number,
): Promise<UpstreamView> {
  const found = await askUpstream(door, image, timeout);
  if (!(found instanceof DownloadError)) {
    return { digest: found, drift: verdict.kind === 'allow' && found !== verdict.digest, error: null };
  }
  return { digest: null, drift: false, error: found.failure === 'missing' ? null : found.message };
}

/** A tag may be there and its signed manifest gone: then a pull is allowed and answered with 404. */
async function hasLostSigned(
  door: RegistryDoor,
  image: ImageReference,
  { verdict }: Judgement,
  timeout: number,
): Promise<boolean> {
  if (verdict.kind !== 'allow') return false;
  const signed = { ...image, identifier: { kind: 'digest', digest: verdict.digest } } as const;
  const found = await askUpstream(door, signed, timeout);
  return found instanceof DownloadError && found.failure === 'missing';
}

async function askUpstream(
  door: RegistryDoor,
  image: ImageReference,
  timeout: number,
): Promise<Digest | DownloadError> {
  const authorization = await door.authorizationFor(undefined, image.repository, 'pull');
  return authorization instanceof DownloadError
    ? authorization
    : tagDigest(door.registry, image, authorization, timeout);
}

function asJson({ image, gun, rule, verdict, answer }: Judgement, upstream: UpstreamView) {
  const refused = refusedOf(verdict);
  return {
    image: printReference(image),
    registry: image.registry,
    repository: image.repository,
    reference: printIdentifier(image.identifier),
    gun: gun ?? null,
    mode: rule?.mode ?? null,
    verdict: refused === undefined ? 'allow' : refused.kind === 'unavailable' ? 'unavailable' : 'deny',
    reason: refused?.reason ?? null,
    message: refused?.message ?? allowedText(verdict),
    digest: verdict.kind === 'allow' ? verdict.digest : null,
    roles: rolesOf(answer).map(({ role, version, expires, keys, threshold }) => ({
      role,
      version,
      expires: expires.toISOString(),
      keys,
      threshold,
    })),
    upstream,
  };
}

function asText(judgement: Judgement, upstream: UpstreamView, hasLost: boolean): string {
  const { image, rule, gun, verdict, answer } = judgement;
  const refused = refusedOf(verdict);
  const steps: [string, string][] = [['rule', rule === undefined ? 'none' : `${rule.match} (${rule.mode})`]];
  if (gun !== undefined) steps.push(['gun', gun]);
  for (const { role, version, expires, keys, threshold } of rolesOf(answer)) {
    const ids = keys.map((id) => id.slice(0, 12)).join(', ');
    steps.push([
      role,
      `version ${version}, expires ${expires.toISOString()}, ${threshold} of ${keys.length} keys (${ids})`,
    ]);
  }
  if (answer?.kind === 'signed' && answer.outage !== undefined) steps.push(['outage', answer.outage.message]);
  // The whole of it: the message has room for 300 characters only.
  if (answer?.kind === 'invalid') steps.push(['failed', `${answer.error.code}: ${answer.error.message}`]);
  if (answer?.kind === 'unavailable') steps.push(['failed', answer.cause.message]);
  steps.push(['verdict', `${outcomeOf(verdict)}: ${refused?.message ?? allowedText(verdict)}`]);
  if (rule?.mode === 'audit' && refused !== undefined)
    steps.push(['', 'under audit the pull is served all the same']);
  steps.push(['upstream', upstream.error ?? upstream.digest ?? 'nothing by that name']);
  if (upstream.drift) {
    const served =
      rule?.mode === 'audit' ? 'under audit it is served all the same' : 'the signed one is served';
    steps.push(['', hasLost ? 'drift: not the signed digest' : `drift: not the signed digest; ${served}`]);
  }
  if (hasLost) steps.push(['', 'the registry has lost the signed digest (CONTENT_MISSING): push it again']);
  const width = Math.max(...steps.map(([name]) => name.length));
  return [
    printReference(image),
    ...steps.map(([name, value]) => printable(`  ${name.padEnd(width)}  ${value}`)),
    '',
  ].join('\n');
}

function allowedText(verdict: Verdict): string {
  if (verdict.kind !== 'allow') return 'the rule does not judge this pull';
  const { digest, standing } = verdict;
  switch (standing.kind) {
    case 'signed':
      return standing.target.digest === digest
        ? `${digest} is signed by ${standing.target.role}`
        : `${digest} stands on ${standing.target.digest}, which is signed by ${standing.target.role}`;
    case 'kept': {
      const [ago, left] = [Date.now() - standing.until, standing.keptUntil - Date.now()].map(duration);
      const what = standing.root === digest ? digest : `${digest} stands on ${standing.root}, which`;
      return `${what} was signed until ${ago} ago, and is kept for ${left}`;
    }
    case 'excepted': {
      const { until, why } = standing.exception;
      return `${digest} is not signed; an exception allows it until ${new Date(until).toISOString()}: ${why}`;
    }
  }
}

/** Takes milliseconds; gives them in the largest unit that is not too coarse. */
function duration(milliseconds: number): string {
  const minutes = Math.round(milliseconds / 60_000);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

function outcomeOf({ kind }: Verdict): string {
  switch (kind) {
    case 'allow':
    case 'unjudged':
      return 'ALLOWED';
    case 'deny':
    case 'not-found':
      return 'REFUSED';
    case 'unavailable':
      return 'NOT DECIDED';
  }
}

function refusedOf(verdict: Verdict): Refused | undefined {
  return verdict.kind === 'allow' || verdict.kind === 'unjudged' ? undefined : verdict;
}

function rolesOf(answer: Judgement['answer']): readonly VerifiedRole[] {
  return answer !== undefined && 'roles' in answer ? answer.roles : [];
}

function statusOf({ verdict }: Judgement): number {
  switch (verdict.kind) {
    case 'allow':
    case 'unjudged':
      return exit.ok;
    case 'deny':
    case 'not-found':
      return exit.refused;
    case 'unavailable':
      return exit.undecided;
  }
}
