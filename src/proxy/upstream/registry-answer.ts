import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Digest } from '../../oci/reference.ts';
import { DownloadError } from '../../trust/download-error.ts';
import { readBounded } from '../../trust/token-client.ts';
import type { HeaderFields } from './headers.ts';

// What a registry can be asked that is judged, and what it can say to that.

/** Bytes of an answer that is read for nothing but to be passed on, or to keep its connection. */
export const longestRefusal = 64 * 1024;

export interface BlobRequest {
  readonly method: 'GET' | 'HEAD';
  /** As `blobRequestHeaders` gives them. */
  readonly headers: HeaderFields;
  readonly authorization: string | undefined;
  /** Aborted, without a reason of its own, when the client has gone. */
  readonly signal?: AbortSignal;
}

/** The registry's own "no" to this client, to be passed on as it is. `headers` is without Content-Length. */
export interface Refusal {
  readonly kind: 'refused';
  readonly status: number;
  readonly headers: HeaderFields;
  readonly body: Uint8Array;
}
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly cause: DownloadError;
}
export type ManifestAnswer =
  | { readonly kind: 'found'; readonly bytes: Uint8Array }
  | { readonly kind: 'missing' }
  | Refusal
  | Unavailable;
/** `digest` is what the registry says of it, undefined where it says nothing that could be one. */
export type ManifestPresence =
  | { readonly kind: 'found'; readonly digest: Digest | undefined }
  | { readonly kind: 'missing' }
  | Refusal
  | Unavailable;
/** `answer` has status 200, 206, 404 or 416; whoever gets it reads or destroys its body. */
export type BlobAnswer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: HeaderFields;
      readonly body: Readable;
    }
  | { readonly kind: 'redirect'; readonly status: number; readonly location: string }
  | Refusal
  | Unavailable;
/** One page of a list. `url` is where it came from: there its `link`, the whole Link field, counts from. */
export interface ListPage {
  readonly kind: 'found';
  readonly url: URL;
  readonly link: string;
  readonly headers: HeaderFields;
  readonly bytes: Uint8Array;
}
/** The registry has no such list, or does not understand the question: any other status from 400 to 499. */
export type NoList = Omit<Refusal, 'kind'> & { readonly kind: 'none' };
export type ListAnswer = ListPage | NoList | Refusal | Unavailable;

/** Takes an answer from `url`; gives its body, of at most `limit` bytes. Throws DownloadError if it is longer, or coded.
 * `what` names it in the error. */
export async function readWhole(
  { host }: URL,
  { headers, body }: Dispatcher.ResponseData,
  what: string,
  limit: number,
): Promise<Uint8Array> {
  const coding = String(headers['content-encoding'] ?? 'identity');
  const stated = Number(headers['content-length'] ?? 0);
  if (coding === 'identity' && stated <= limit) return readBounded(body, limit, host);
  await body.dump({ limit: longestRefusal });
  throw stated > limit
    ? new DownloadError('too-large', `${host}: ${what} of ${stated} bytes, allowed are ${limit}`)
    : new DownloadError('protocol', `${host}: ${what} in the coding ${coding}, asked for none`);
}
