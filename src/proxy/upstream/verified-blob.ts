import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Digest } from '../../oci/reference.ts';
import { DownloadError } from '../../trust/download-error.ts';
import { wireError } from '../../trust/token-client.ts';
import type { HeaderFields } from './headers.ts';
import type { BlobAnswer, BlobRequest, Unavailable } from './registry-answer.ts';

// A blob may be larger than memory, so that it leaves before it is known. What is kept back is its end: no client ever
// holds the whole of a blob that is not what its digest says.

/** What a blob has to be; without a digest it is passed on as it comes. `size`, in bytes, is that of a verified descriptor; undefined where none is known. */
export interface ExpectedBlob {
  readonly digest: Digest | undefined;
  readonly size: number | undefined;
}

/** The registry's bytes are not those of the blob. `found` and `expected` are two digests, or two numbers of bytes. */
export class BlobMismatch extends Error {
  override readonly name = 'BlobMismatch';
  readonly found: string | number;
  readonly expected: string | number;

  constructor(found: string | number, expected: string | number) {
    super(
      typeof found === 'number'
        ? `the registry sends ${found} bytes, expected are ${expected}`
        : `the registry's bytes hash to ${found}, not to ${expected}`,
    );
    this.found = found;
    this.expected = expected;
  }
}

/**
 * What has left in the end: the whole blob, `verified`; a part of it, or that there is no such part, `unverified` (206,
 * 416); or nothing of it, `bodiless` (HEAD, 404).
 */
type Sent = 'verified' | 'unverified' | 'bodiless';
/**
 * How sending a blob ended. After `mismatch`, the client has been cut off, or has got nothing yet: `headersSent` of the
 * response says which. After `unavailable` it has got nothing. `cut`: one side left in the middle, and took the other
 * with it; the client, where there is no `cause`.
 */
export type BlobEnd =
  | { readonly kind: Sent }
  | { readonly kind: 'mismatch'; readonly mismatch: BlobMismatch }
  | { readonly kind: 'cut'; readonly cause: DownloadError | undefined }
  | Unavailable;

type Answer = Extract<BlobAnswer, { kind: 'answer' }>;
/** What a body has to be; undefined: nothing is known. `length` is in bytes. */
interface ExpectedBody {
  readonly length: number | undefined;
  readonly digest: Digest | undefined;
}
interface CheckedHead extends ExpectedBody {
  readonly kind: 'checked';
  readonly sent: Sent;
  readonly headers: HeaderFields;
}

/**
 * Sends the registry's answer to `asked` to the client, or tells why nothing was sent. The head leaves with the first
 * byte that may, so that a blob of one piece is refused and a longer one is cut off. Nothing of the body outlives the response.
 */
export async function sendBlob(
  response: ServerResponse,
  asked: Pick<BlobRequest, 'method' | 'headers'>,
  answer: Answer,
  expected: ExpectedBlob,
): Promise<BlobEnd> {
  const { status, body } = answer;
  body.on('error', () => undefined); // undici's bodies emit one when they are destroyed, also if nobody reads them
  if (response.destroyed) body.destroy();
  response.once('close', () => body.destroy());
  let fault: unknown;
  try {
    const head = checkHead(answer, asked, expected, response.useChunkedEncodingByDefault);
    if (head.kind !== 'checked') return head;
    const bytes = verifiedBody(body, head);
    const first = await bytes.next();
    response.writeHead(status, head.headers);
    const released = async function* (): AsyncGenerator<Uint8Array> {
      try {
        if (first.done !== true) yield first.value;
        yield* bytes;
      } catch (error) {
        // Of any class, and thrown on. What pipeline rejects with would not say which side was the first to leave.
        if (!response.destroyed) fault = error;
        throw error;
      }
    };
    await pipeline(released, response);
    return { kind: head.sent };
  } catch (error) {
    // Pipeline has cut the client off. Where the registry did not fail, it is the client that has left.
    const isHeld = !response.destroyed;
    const cause = isHeld ? error : fault;
    if (cause === undefined) return { kind: 'cut', cause };
    if (cause instanceof BlobMismatch) return { kind: 'mismatch', mismatch: cause };
    const wire = wireError(cause, 'the registry'); // throws what is not the wire's
    return { kind: isHeld ? 'unavailable' : 'cut', cause: wire };
  }
}

/**
 * Takes a body and what it has to be; gives its bytes, always but the newest piece, and that only when the whole has the
 * length and the digest. Throws BlobMismatch, at the first byte too many; and what the body throws.
 */
export async function* verifiedBody(
  body: Readable,
  { length, digest }: ExpectedBody,
): AsyncGenerator<Uint8Array, undefined> {
  const algorithm = digest?.slice(0, digest.indexOf(':')) ?? '';
  const hash = digest && createHash(algorithm);
  let received = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of body as AsyncIterable<unknown>) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a body consists of bytes');
    if (chunk.length === 0) continue; // to hold nothing back would be to let the last bytes go
    received += chunk.length;
    // Leaving the loop destroys the body and closes its connection.
    if (length !== undefined && received > length) throw new BlobMismatch(received, length);
    hash?.update(chunk);
    if (held !== undefined) yield held;
    held = chunk;
  }
  if (length !== undefined && received !== length) throw new BlobMismatch(received, length);
  const found = hash && `${algorithm}:${hash.digest('hex')}`;
  if (digest !== undefined && found !== undefined && found !== digest) throw new BlobMismatch(found, digest);
  if (held !== undefined) yield held;
}

/** Says what may leave and what the body has to be, or why not even the head may leave. `canChunk`: the client knows
 * chunks, and so can tell an end from a cut without being told the length. */
function checkHead(
  { status, headers }: Answer,
  { method, headers: request }: Pick<BlobRequest, 'method' | 'headers'>,
  { digest, size }: ExpectedBlob,
  canChunk: boolean,
): CheckedHead | Extract<BlobEnd, { kind: 'mismatch' }> | Unavailable {
  const isHead = method === 'HEAD';
  const checked = (sent: Sent, length: number | undefined): CheckedHead => {
    const { 'content-length': _, ...rest } = headers;
    const ours = length === undefined ? rest : { ...rest, 'content-length': String(length) };
    if (isHead) return { kind: 'checked', sent: 'bodiless', headers: ours, length: 0, digest: undefined };
    const hashed = sent === 'verified' ? digest : undefined;
    return { kind: 'checked', sent, headers: ours, length, digest: hashed };
  };
  const stated = numberOf(headers['content-length']);
  if (status >= 400) return checked(status === 416 ? 'unverified' : 'bodiless', stated);

  const part = status === 206 ? readPart(headers, request) : undefined;
  if (part instanceof DownloadError) return { kind: 'unavailable', cause: part };
  const total = part === undefined ? stated : part.total;
  const atLeast = Math.max(total ?? 0, part?.end ?? 0);
  if (size !== undefined && ((total ?? size) !== size || atLeast > size)) {
    return { kind: 'mismatch', mismatch: new BlobMismatch(atLeast, size) };
  }
  const whole = size ?? total;
  const isWhole = part === undefined || (part.first === 0 && part.end === whole);
  const length = part === undefined ? whole : (part.length ?? stated);
  if (length === undefined && !isHead && !canChunk) {
    const message = 'the registry gives no length, and without one this client takes a cut for the end';
    return { kind: 'unavailable', cause: new DownloadError('protocol', message) };
  }
  return checked(isWhole ? 'verified' : 'unverified', length);
}

/** A part of a blob, from byte `first` to before byte `end`, of `total`; all undefined where it is several parts. */
interface Part {
  readonly first: number | undefined;
  readonly end: number | undefined;
  readonly length: number | undefined;
  readonly total: number | undefined;
}

const contentRange = /^bytes (?<first>[0-9]{1,15})-(?<last>[0-9]{1,15})\/(?:(?<total>[0-9]{1,15})|\*)$/;

/** Reads which part a 206 is (RFC 9110 §15.3.7). A client that has asked for none would take it for the whole. */
function readPart(headers: HeaderFields, request: HeaderFields): Part | DownloadError {
  const bad = (why: string): DownloadError =>
    new DownloadError('protocol', `the registry answers 206 ${why}`);
  const { range } = request;
  if (range === undefined) return bad('to a request without a range');
  // Several parts come with a head each: who has asked for several takes them for no blob.
  const isMultipart = String(headers['content-type']).toLowerCase().startsWith('multipart/byteranges');
  if (isMultipart && String(range).includes(',')) {
    return { first: undefined, end: undefined, length: undefined, total: undefined };
  }
  const read = contentRange.exec(String(headers['content-range']))?.groups;
  const [first, last, total] = [read?.['first'], read?.['last'], read?.['total']].map(numberOf);
  if (first === undefined || last === undefined) return bad('without saying of which bytes');
  const [end, length] = [last + 1, last + 1 - first];
  if (length <= 0 || end > (total ?? end)) return bad('of bytes that cannot be');
  if ((numberOf(headers['content-length']) ?? length) !== length)
    return bad('of another length than it says');
  return { first, end, length, total };
}

/** Of digits alone: no parser on the way here has let anything else through. */
function numberOf(digits: string | string[] | undefined): number | undefined {
  return typeof digits === 'string' ? Number(digits) : undefined;
}
