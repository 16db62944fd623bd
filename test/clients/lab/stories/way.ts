import assert from 'node:assert/strict';
import type { LoginAt } from '../runtimes/containers-image.ts';
import type { Egress } from '../servers/egress.ts';
import type { Pull, PullingClient } from '../runtimes/pulling-client.ts';
import type { Relay } from '../servers/relay.ts';
import { record, type Outcome } from './table.ts';
import type { Tufgate } from '../servers/tufgate.ts';

/** Where stories are told: tufgate, the cable to its notary, and the clients' way out. */
export interface Stage {
  readonly tufgate: Tufgate;
  readonly notaryCable: Relay;
  readonly egress: Egress;
}

/** One way of one client to a repository behind tufgate. */
export interface Way {
  readonly client: PullingClient;
  /** The column of the table. */
  readonly by: string;
  /** The repository's name in this client's references: what stands before `:tag` or `@digest`. */
  readonly image: string;
}

/** A pull that should end in a certain way. */
export interface Expected {
  /** The row of the table. */
  readonly story: string;
  readonly outcome: Outcome;
  /** What was signed, which the client must have recorded if it pulled; undefined: nothing was. */
  readonly digests?: readonly string[];
  readonly login?: LoginAt | undefined;
}

/** A pull that was judged, with what it cost. */
export interface Told extends Pull {
  readonly requests: number;
  readonly seconds: number;
}

/** Pulls `:tag` or `@digest`, keeps the cell of the table, and throws unless it is the expected one. */
export async function tell(
  { tufgate }: Stage,
  { client, by, image }: Way,
  reference: string,
  { story, outcome: expected, digests, login }: Expected,
): Promise<Told> {
  const before = await tufgate.requests();
  const begun = performance.now();
  const pull = await client.pull(`${image}${reference}`, login);
  const seconds = (performance.now() - begun) / 1000;
  const requests = (await tufgate.requests()) - before;
  const recorded = await client.records(`${image}${recordedAs(reference)}`);
  const outcome = outcomeOf(pull, recorded, digests);
  record({ client: client.name, by, story, outcome, requests, seconds });
  assert.equal(outcome, expected, `${story}: ${pull.text}\nrecorded: ${recorded.join(' ')}`);
  // A pull that failed leaves nothing of the image.
  if (!pull.pulled) assert.deepEqual(recorded, []);
  // Generous, because machines are noisy; the table shows what it was.
  assert.ok(seconds < 30, `${story} took ${seconds} s`);
  return { ...pull, requests, seconds };
}

/** Clients keep `name:tag@digest` as `name@digest`. */
function recordedAs(reference: string): string {
  return reference.replace(/^:[^@]+@/, '@');
}

function outcomeOf(
  { pulled, text }: Pull,
  recorded: readonly string[],
  digests?: readonly string[],
): Outcome {
  if (pulled) return digests?.every((digest) => recorded.includes(digest)) === true ? 'ok' : 'bypassed';
  if (text.includes('content trust: ')) return /_UNAVAILABLE/.test(text) ? 'undecided' : 'refused';
  return /unauthorized|no basic auth|denied|authorization failed|a certificate of a client is required/i.test(
    text,
  )
    ? 'unauthorized'
    : 'failed';
}
