import type { ServerResponse } from 'node:http';
import type { Endpoint } from '../oci/endpoint.ts';
import type { Tag } from '../oci/reference.ts';
import { parseTag } from '../oci/reference.ts';
import type { PullableTags } from '../policy/judge.ts';
import type { Distrusted } from '../policy/verdict.ts';
import { answerAsUpstream, answerBody, answerError, answerUncovered, retryAfterSeconds } from './answer.ts';
import type { Caller } from './upstream/headers.ts';
import type { ClientView } from './upstream/location.ts';
import { clientAddress, nextLink } from './upstream/location.ts';
import type { RegistryDoor } from './upstream/registry-door.ts';
import type { ListPage } from './upstream/upstream.ts';

// The two lists of a registry that are not carried as they are (distribution-spec, "Listing Tags", "Listing Referrers").

type TagsEndpoint = Extract<Endpoint, { kind: 'tags' }>;
type ReferrersEndpoint = Extract<Endpoint, { kind: 'referrers' }>;

export interface ListRequest {
  readonly response: ServerResponse;
  readonly door: RegistryDoor;
  readonly caller: Caller;
  readonly view: ClientView;
}

/**
 * Answers with the registry's own page of tags, and of them with those that could be pulled. Trust is asked only after
 * the registry has let this client see the list: which tags are signed is told to nobody else. `retryAfter` is in
 * milliseconds.
 */
export async function answerTags(
  asked: ListRequest,
  endpoint: TagsEndpoint,
  pullable: PullableTags,
  retryAfter: number,
): Promise<void> {
  const { response, door, view } = asked;
  const page = await pageOf(asked, endpoint, retryAfter);
  if (page === undefined) return;
  const tags = readTags(page.bytes);
  if (tags === undefined) return answerUnreadable(response, door, 'sends a list of tags that cannot be read');
  const signed = await pullable();
  if ('kind' in signed) return answerDistrusted(response, signed, retryAfter);
  const listed = tags.filter((tag) => signed.has(tag));
  // A page that lost all its tags still leads to the next one.
  const body = JSON.stringify({ name: view.toClient(endpoint.repository), tags: listed });
  answerBody(response, { 'Content-Type': 'application/json', ...page.link }, Buffer.from(body));
}

/**
 * Answers with the registry's own list of what refers to a digest: it allows nothing, and each is judged when it is asked
 * for. Where nothing of the repository is served, nothing refers to anything in it: 404 would only make clients ask once
 * more, for the tag of the same meaning, and 403 would fail their pulls of what they have got already.
 */
export async function answerReferrers(
  asked: ListRequest,
  endpoint: ReferrersEndpoint,
  isServed: boolean,
  retryAfter: number,
): Promise<void> {
  const { response } = asked;
  if (!isServed) {
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const body = JSON.stringify({ schemaVersion: 2, mediaType, manifests: [] });
    return answerBody(response, { 'Content-Type': mediaType }, Buffer.from(body));
  }
  const page = await pageOf(asked, endpoint, retryAfter);
  if (page !== undefined) answerBody(response, { ...page.headers, ...page.link }, page.bytes);
}

/** Asks the registry for a page; gives it, with the Link to the next as the client has to ask for that. Undefined after
 * answering why there is none. */
async function pageOf(
  { response, door, caller, view }: ListRequest,
  endpoint: TagsEndpoint | ReferrersEndpoint,
  retryAfter: number,
): Promise<(Pick<ListPage, 'headers' | 'bytes'> & { readonly link: { Link?: string } }) | undefined> {
  const page = await door.upstream.list(endpoint, caller);
  switch (page.kind) {
    case 'none':
    case 'refused':
      answerAsUpstream(response, page, view);
      return undefined;
    case 'unavailable': {
      const headers = { 'Retry-After': retryAfterSeconds(retryAfter) };
      answerError(response, 503, { code: 'UNAVAILABLE', message: page.cause.message }, headers);
      return undefined;
    }
    case 'found': {
      const { headers, bytes } = page;
      const next = nextLink(page.link);
      if (next === undefined) return { headers, bytes, link: {} };
      const ours = clientAddress(page.url, next, view);
      if (ours !== undefined) return { headers, bytes, link: { Link: `<${ours}>; rel="next"` } };
      // Without it, the client would take the first page for the whole list.
      answerUnreadable(response, door, 'names a next page that is not carried');
      return undefined;
    }
  }
}

/** Strict in its shape; a tag that is none, as the specification has them, cannot be pulled either. */
function readTags(bytes: Uint8Array): readonly Tag[] | undefined {
  const list = parse(bytes);
  if (typeof list !== 'object' || list === null || !('tags' in list)) return undefined;
  // Registries in Go say null for a list without tags.
  const tags: unknown = list.tags ?? [];
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string')) return undefined;
  return tags.map(parseTag).filter((tag) => tag !== undefined);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    // SyntaxError: not JSON; TypeError: not UTF-8.
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
    return undefined;
  }
}

function answerUnreadable(response: ServerResponse, door: RegistryDoor, what: string): void {
  const message = `${new URL(door.registry.upstream).host} ${what}`;
  answerError(response, 502, { code: 'UNAVAILABLE', message });
}

function answerDistrusted(response: ServerResponse, refused: Distrusted, retryAfter: number): void {
  if (refused.kind === 'deny') return answerUncovered(response, refused);
  const { message, reason } = refused;
  const headers = { 'Retry-After': retryAfterSeconds(retryAfter) };
  answerError(response, 503, { code: 'UNAVAILABLE', message, detail: { reason } }, headers, message);
}
