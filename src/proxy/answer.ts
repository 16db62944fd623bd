import type { ServerResponse } from 'node:http';
import type { ErrorCode, ErrorDetail } from '../oci/error-body.ts';
import { errorBody } from '../oci/error-body.ts';
import type { Digest } from '../oci/reference.ts';
import { printIdentifier, printReference } from '../oci/reference.ts';
import type { Judgement } from '../policy/judge.ts';
import type { Refused } from '../policy/verdict.ts';
import type { SignedTarget } from '../trust/trust.ts';
import type { ClientView } from './upstream/location.ts';
import type { Refusal } from './upstream/upstream.ts';
import type { VerifiedManifest } from './upstream/verified-manifests.ts';

// The answers that are ours (contract §4). Node leaves the body out of an answer to HEAD and keeps its headers.

const apiVersion = { 'Docker-Distribution-Api-Version': 'registry/2.0' };

/** Answers with the OCI error body, and nothing that could be cached. */
export function answerError(
  response: ServerResponse,
  status: number,
  error: { readonly code: ErrorCode; readonly message: string; readonly detail?: ErrorDetail },
  headers: Readonly<Record<string, string>> = {},
  phrase?: string,
): void {
  const body = errorBody(error.code, error.message, error.detail);
  const all = {
    ...apiVersion,
    'Cache-Control': 'no-store',
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  };
  if (phrase === undefined) response.writeHead(status, all);
  else response.writeHead(status, phrase, all);
  response.end(body);
}

/**
 * Answers a refused pull. The message stands in the reason phrase too: of a refused HEAD, containerd before 2.3 shows
 * nothing but the status line, and docker and podman show nothing else of a 503.
 */
export function answerRefusal(
  response: ServerResponse,
  judgement: Pick<Judgement, 'image' | 'gun' | 'rule'>,
  refused: Refused,
  retryAfter: number,
): void {
  const { image, gun, rule } = judgement;
  const detail = {
    reason: refused.reason,
    registry: image.registry,
    repository: image.repository,
    reference: printIdentifier(image.identifier),
    gun: gun ?? null,
    rule: rule?.match ?? null,
    explain: `tufgate explain ${printReference(image)}`,
  };
  const answer = (status: number, code: ErrorCode, headers = {}): void =>
    answerError(response, status, { code, message: refused.message, detail }, headers, refused.message);
  switch (refused.kind) {
    case 'deny':
      return answer(403, 'DENIED');
    case 'unavailable':
      return answer(503, 'UNAVAILABLE', { 'Retry-After': retryAfterSeconds(retryAfter) });
    case 'not-found':
      return answer(404, 'MANIFEST_UNKNOWN');
  }
}

/** Takes milliseconds; gives them as Retry-After says them: whole seconds, and never "at once". */
export function retryAfterSeconds(milliseconds: number): string {
  return String(Math.max(1, Math.ceil(milliseconds / 1000)));
}

/** Answers what names no tag or digest to judge, in a repository from which nothing is served. */
export function answerUncovered(response: ServerResponse, refused: Refused): void {
  const detail = { reason: refused.reason };
  answerError(response, 403, { code: 'DENIED', message: refused.message, detail }, {}, refused.message);
}

/** Answers with a verified manifest; `target` is the signed one that it is, or that it stands below. */
export function answerManifest(
  response: ServerResponse,
  digest: Digest,
  { bytes, facts }: VerifiedManifest,
  signed: { readonly gun: string; readonly target: SignedTarget } | undefined,
): void {
  response.writeHead(200, {
    ...apiVersion,
    'Content-Type': facts.mediaType,
    'Content-Length': bytes.length,
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
    ...(signed && { 'Tufgate-Trust': trustHeader(signed.gun, signed.target) }),
  });
  response.end(bytes);
}

/** Answers with the registry's own "no" to this client, as it came; a challenge, as the client can follow it. */
export function answerAsUpstream(
  response: ServerResponse,
  { status, headers: upstream, body }: Pick<Refusal, 'status' | 'headers' | 'body'>,
  { challenge }: Pick<ClientView, 'challenge'>,
): void {
  const { 'www-authenticate': asked, ...headers } = upstream;
  const told = asked === undefined || challenge === undefined ? asked : challenge([asked].flat());
  response.writeHead(status, {
    ...headers,
    ...(told !== undefined && { 'WWW-Authenticate': told }),
    'Content-Length': body.length,
  });
  response.end(body);
}

/** Answers 200 with a body that is ours to say the length of. */
export function answerBody(
  response: ServerResponse,
  headers: Readonly<Record<string, string | string[]>>,
  body: Uint8Array,
): void {
  // One by one, so that each field is sent once, in whatever case the registry wrote it: its version, our length.
  const all = { ...apiVersion, ...headers, 'Content-Length': body.length };
  for (const [name, value] of Object.entries(all)) response.setHeader(name, value);
  response.writeHead(200).end(body);
}

/** `/v2/` where no registry has to be asked: we speak the protocol (distribution-spec end-1). */
export function answerBase(response: ServerResponse): void {
  response.writeHead(200, { ...apiVersion, 'Content-Type': 'application/json', 'Content-Length': 2 });
  response.end('{}');
}

/** The `Warning` of audit mode (RFC 7234 §5.5; containers/image shows exactly this form). */
export function auditWarning(refused: Refused): string {
  return `299 - "${refused.message.replaceAll(/["\\]/g, "'")}"`;
}

function trustHeader(gun: string, { role, roles }: SignedTarget): string {
  const signing = roles.find((verified) => verified.role === role);
  if (signing === undefined) throw new TypeError(`${role} signs, but was not verified`);
  return `signed; gun="${gun}"; role="${role}"; version=${signing.version}; expires="${signing.expires.toISOString()}"`;
}
