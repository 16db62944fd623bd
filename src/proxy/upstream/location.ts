import type { Endpoint } from '../../oci/endpoint.ts';
import { parseEndpoint, printEndpoint } from '../../oci/endpoint.ts';
import type { TrustEndpoint } from '../../oci/request-target.ts';
import { redirectTarget } from '../../oci/redirect.ts';
import type { RepositoryName } from '../../oci/reference.ts';
import { parseDigest } from '../../oci/reference.ts';
import { DownloadError } from '../../trust/download-error.ts';
import type { UploadSeal } from './sealed-upload.ts';
import { isSealed } from './sealed-upload.ts';

/** How a client reached the registry, and so how an address of the registry must read for it. */
export interface ClientView {
  /** Stands before `/v2/`; empty, or a path without a slash at its end. */
  readonly publicPrefix: string;
  /** Gives the name under which the client knows a repository of the registry. */
  readonly toClient: (repository: RepositoryName) => string;
  /** The `ns` that the client chose the registry with; its next request has to say it again. */
  readonly namespace?: string | undefined;
  /** Our own origin, where it is configured; else addresses are relative, and the client knows who we are. */
  readonly publicUrl?: string | undefined;
  /** Takes the registry's challenges, by line; gives what the client is told instead. Without it: as they came. */
  readonly challenge?: (upstream: readonly string[]) => string | undefined;
}

/**
 * Takes the address that was asked at the registry, and one that its answer names (relative or absolute); gives the
 * same endpoint as the client must ask for it, or undefined if it is none of this registry's, or says more than our
 * grammar keeps.
 */
export function clientAddress(asked: URL, named: string, view: ClientView): string | undefined {
  const url = atRegistry(asked, named);
  const endpoint = url && endpointAt(url);
  return endpoint && addressOf(endpoint, view);
}

/** An answer that names an address: what was asked at the registry, as which endpoint, and what came. */
export interface Answered {
  readonly asked: URL;
  readonly endpoint: Endpoint | TrustEndpoint;
  readonly method: string;
  readonly status: number;
  readonly view: ClientView;
  readonly seal: UploadSeal;
}

/** Takes the Location of an answer; gives the one for the client, undefined for none where a client can do without, or
 * why this answer cannot be passed on. */
export function answerLocation(named: string, answered: Answered): string | undefined | DownloadError {
  const { asked, endpoint, status, view } = answered;
  const isUpload = endpoint.kind === 'uploads' || endpoint.kind === 'upload';
  if (isUpload && status !== 201) {
    const address = uploadAddress(named, endpoint.repository, answered);
    // With its "no" alone a client can begin again.
    if (address !== undefined || status >= 400) return address;
    // Whoever follows it sends a layer there, and a password with it: to the registry, and to nobody of its choice.
    const message = `${asked.host} sends this upload to another host, or to an address too long to carry`;
    return new DownloadError('protocol', message);
  }
  const ours = clientAddress(asked, named, view) ?? followable(named, answered);
  if (ours !== undefined) return ours;
  if (status >= 300 && status <= 399) {
    return new DownloadError(
      'protocol',
      `${asked.host} sends this request to an address that is not carried`,
    );
  }
  const pushed = isUpload && status === 201 ? pushedBlob(endpoint) : undefined;
  return pushed && addressOf(pushed, view);
}

type UploadEndpoint = Extract<Endpoint, { kind: 'uploads' | 'upload' }>;

/** Where an upload goes on: any address of the registry's own will do, and what is none of our grammar is sealed. */
function uploadAddress(
  named: string,
  repository: RepositoryName,
  { asked, view, seal }: Answered,
): string | undefined {
  const url = atRegistry(asked, named);
  if (url === undefined) return undefined;
  const endpoint = endpointAt(url);
  // The registry may be another tufgate: what that has sealed would not open here, unless it is sealed again.
  if (endpoint?.kind === 'upload' && !isSealed(endpoint)) return addressOf(endpoint, view);
  const sealed = seal.close(repository, url.pathname + url.search);
  return sealed && addressOf(sealed, view);
}

/** The blob that a finished upload or a mount has brought (distribution-spec end-4b, 6, 11): it can be had where it was
 * sent, whatever storage the registry names. */
function pushedBlob({ repository, query }: UploadEndpoint): Endpoint | undefined {
  const named = query.find(([name]) => name === 'digest' || name === 'mount')?.[1];
  const digest = parseDigest(named ?? '');
  return digest && { kind: 'blob', repository, digest };
}

/** A redirect of a pull that is not judged may lead the client elsewhere, as the registry alone would lead it. */
function followable(named: string, { asked, endpoint, method, status }: Answered): string | undefined {
  const isPull =
    (endpoint.kind === 'blob' || endpoint.kind === 'manifest') && (method === 'GET' || method === 'HEAD');
  if (!isPull || status < 300 || status > 399) return undefined;
  const target = redirectTarget(asked, named);
  return target instanceof URL ? target.href : undefined;
}

function addressOf(endpoint: Endpoint, view: ClientView): string {
  const printed = printEndpoint(endpoint);
  const repository = 'repository' in endpoint ? endpoint.repository : undefined;
  const rest = printed.slice('/v2/'.length + (repository?.length ?? 0));
  const path = `${view.publicPrefix}/v2/${repository === undefined ? '' : view.toClient(repository)}${rest}`;
  return (view.publicUrl ?? '') + path + namespaceQuery(path, view.namespace);
}

function atRegistry(asked: URL, named: string): URL | undefined {
  const url = URL.parse(named, asked.href);
  // The scheme may differ: a registry behind TLS that is not told so calls itself http. Only path and query are used.
  if (url === null || !/^https?:$/.test(url.protocol) || url.host !== asked.host) return undefined;
  return url.username === '' && url.password === '' ? url : undefined;
}

function endpointAt(url: URL): Endpoint | undefined {
  const endpoint = parseEndpoint(url.pathname + url.search)?.endpoint;
  if (endpoint === undefined) return undefined;
  // A page's address without its parameter would name the first page for ever.
  const kept = 'query' in endpoint ? endpoint.query.length : 0;
  return kept === url.searchParams.size ? endpoint : undefined;
}

/** Takes a Link field (RFC 8288); gives the address it calls the next page, or undefined. */
export function nextLink(link: string): string | undefined {
  for (const part of link.split('<').slice(1)) {
    const end = part.indexOf('>');
    const parameters = part.slice(end + 1).split(/[;,]/);
    if (end >= 0 && parameters.some((parameter) => /^rel=(?:next|"next")$/i.test(parameter.trim()))) {
      return part.slice(0, end);
    }
  }
  return undefined;
}

function namespaceQuery(path: string, namespace: string | undefined): string {
  if (namespace === undefined) return '';
  return `${path.includes('?') ? '&' : '?'}ns=${encodeURIComponent(namespace)}`;
}
