import { parseEndpoint, printEndpoint } from '../../oci/endpoint.ts';
import type { RepositoryName } from '../../oci/reference.ts';

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
}

/**
 * Takes the address that was asked at the registry, and one that its answer names (relative or absolute); gives the
 * same endpoint as the client must ask for it, or undefined if it is none of this registry's, or says more than our
 * grammar keeps.
 */
export function clientAddress(asked: URL, named: string, view: ClientView): string | undefined {
  const url = URL.parse(named, asked.href);
  // The scheme may differ: a registry behind TLS that is not told so calls itself http. Only path and query are used.
  if (url === null || !/^https?:$/.test(url.protocol) || url.host !== asked.host) return undefined;
  if (url.username !== '' || url.password !== '') return undefined;
  const endpoint = parseEndpoint(url.pathname + url.search)?.endpoint;
  if (endpoint === undefined) return undefined;
  // A page's address without its parameter would name the first page for ever.
  const kept = 'query' in endpoint ? endpoint.query.length : 0;
  if (kept !== url.searchParams.size) return undefined;

  const printed = printEndpoint(endpoint);
  const repository = 'repository' in endpoint ? endpoint.repository : undefined;
  const rest = printed.slice('/v2/'.length + (repository?.length ?? 0));
  const path = `${view.publicPrefix}/v2/${repository === undefined ? '' : view.toClient(repository)}${rest}`;
  return (view.publicUrl ?? '') + path + namespaceQuery(path, view.namespace);
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
