import type { Registry } from '../config/config.ts';
import type { Endpoint } from '../oci/endpoint.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { TrustEndpoint } from '../oci/request-target.ts';
import { looksLikeRegistry, officialName, parseRepositoryName } from '../oci/reference.ts';

/** Which registry a request is for, and what it asks of it under the registry's own names. */
export type Route =
  | {
      readonly kind: 'registry';
      readonly registry: Registry;
      readonly endpoint: Endpoint;
      /** The first path segment by which the client named the registry, or none. */
      readonly prefix: string | undefined;
      /** The `ns` by which the client named it, or none. */
      readonly namespace: string | undefined;
      /** The segment before `/v2/` by which the client named it, or none. */
      readonly before: string | undefined;
      /** Whether a Host name of its own chose it, and its repositories have their own names: the client talks as if to
       * the registry itself. */
      readonly isDirect: boolean;
    }
  /** `/v2/` where nothing says which registry is meant. */
  | { readonly kind: 'base' }
  | { readonly kind: 'contradiction'; readonly message: string }
  | { readonly kind: 'unknown'; readonly message: string };

export type Routed = Extract<Route, { kind: 'registry' }>;

/** What is asked, and the selectors beside it: each `ns`, and the path segment before `/v2/`. */
export interface Asked<Kind = Endpoint> {
  readonly endpoint: Kind;
  readonly namespaces: readonly string[];
  readonly before?: string | undefined;
}

/** Finds the registry of a request (contract §4): Host name → `ns=` → path (before or after `/v2/`) → default. */
export class Router {
  readonly #byName = new Map<string, Registry>();
  readonly #byHost = new Map<string, Registry>();
  readonly #bySegment = new Map<string, Registry>();
  readonly #default: Registry | undefined;

  constructor(registries: ReadonlyMap<string, Registry>, defaultRegistry: string | undefined) {
    for (const registry of registries.values()) {
      this.#byName.set(registry.name, registry);
      for (const host of registry.hosts) this.#byHost.set(host, registry);
      for (const segment of [registry.name, ...registry.aliases]) this.#bySegment.set(segment, registry);
    }
    this.#default = defaultRegistry === undefined ? undefined : registries.get(defaultRegistry);
  }

  /** Takes what a target says and the Host header; gives the route. A selector only ever chooses a configured registry. */
  route({ endpoint, namespaces, before }: Asked, host: string): Route {
    const namespace = namespaces[0];
    if (namespaces.some((other) => other !== namespace)) {
      return { kind: 'contradiction', message: 'ns names more than one registry' };
    }
    const byNamespace = namespace === undefined ? undefined : this.#byName.get(namespace);
    if (namespace !== undefined && byNamespace === undefined) {
      return { kind: 'unknown', message: 'ns names a registry that is not configured' };
    }
    const byBefore = before === undefined ? undefined : this.#bySegment.get(before);
    if (before !== undefined && byBefore === undefined) {
      return { kind: 'unknown', message: 'the path begins with a registry that is not configured' };
    }
    const byHost = this.#hostNamed(host);
    const prefix = this.#prefixOf(endpoint, byHost ?? byNamespace ?? byBefore);
    const byPrefix = prefix === undefined ? undefined : this.#bySegment.get(prefix);
    if (prefix !== undefined && byPrefix === undefined) {
      return { kind: 'unknown', message: 'the path begins with a registry that is not configured' };
    }
    const named = [byHost, byNamespace, byBefore, byPrefix].filter((registry) => registry !== undefined);
    if (new Set(named).size > 1) {
      const names = named.map(({ name }) => name).join(', ');
      return { kind: 'contradiction', message: `Host, ns and path name different registries: ${names}` };
    }
    const registry = named[0] ?? this.#default;
    if (registry === undefined) {
      if (endpoint.kind === 'base') return { kind: 'base' };
      return { kind: 'unknown', message: 'the request names no registry, and there is no default' };
    }
    const own = ownName(endpoint, registry, prefix);
    if (own === undefined)
      return { kind: 'unknown', message: 'the path names a registry, but no repository' };
    const isDirect = byHost !== undefined && prefix === undefined && before === undefined;
    return { kind: 'registry', registry, endpoint: own, prefix, namespace, before, isDirect };
  }

  /**
   * Takes where trust data is asked for; gives each way to understand the name of its image: as this client would pull
   * it, and by the registry's own name.
   */
  routesOfTrust({ endpoint, namespaces, before }: Asked<TrustEndpoint>, host: string): readonly Routed[] {
    const asPulled = this.route({ endpoint: tagsOf(endpoint.repository), namespaces, before }, host);
    const registry = this.#byName.get(endpoint.host);
    const own = registry && ownName(tagsOf(endpoint.repository), registry, undefined);
    const named = own && {
      kind: 'registry' as const,
      registry,
      endpoint: own,
      prefix: undefined,
      namespace: undefined,
      before: undefined,
      isDirect: false,
    };
    return [...(asPulled.kind === 'registry' ? [asPulled] : []), ...(named === undefined ? [] : [named])];
  }

  /** With its port if the configuration names one, else without. */
  #hostNamed(host: string): Registry | undefined {
    const name = host.toLowerCase();
    return this.#byHost.get(name) ?? this.#byHost.get(name.replace(/:[0-9]{1,5}$/, ''));
  }

  /**
   * The first segment, if it can only be meant as a registry's name, or is configured as one and nothing else has named
   * the registry: once Host or `ns` has, `hub/app` is a repository, whatever alias `hub` may be.
   */
  #prefixOf(endpoint: Endpoint, named: Registry | undefined): string | undefined {
    if (endpoint.kind === 'base') return undefined;
    const [first = '', ...rest] = endpoint.repository.split('/');
    if (named === undefined) {
      return this.#bySegment.has(first) || (rest.length > 0 && looksLikeRegistry(first)) ? first : undefined;
    }
    return looksLikeRegistry(first) && this.#bySegment.has(first) ? first : undefined;
  }
}

function tagsOf(repository: RepositoryName): Endpoint {
  return { kind: 'tags', repository, query: [] };
}

/** The endpoint under the registry's own repository name, or undefined if none is left after the prefix. */
function ownName(endpoint: Endpoint, registry: Registry, prefix: string | undefined): Endpoint | undefined {
  if (endpoint.kind === 'base') return endpoint;
  const path = prefix === undefined ? endpoint.repository : endpoint.repository.slice(prefix.length + 1);
  const repository: RepositoryName | undefined = parseRepositoryName(officialName(registry.name, path));
  return repository === undefined ? undefined : { ...endpoint, repository };
}

type Uploads = Extract<Endpoint, { kind: 'uploads' }>;

/**
 * Takes a request to begin an upload; gives it with the repository that a blob is to be mounted from (distribution-spec
 * end-11) under the registry's own name. Where none is named, or none of this registry's, or nothing of it is served, the
 * mount is left out, and the registry begins an ordinary upload.
 */
export function mountFrom(
  endpoint: Uploads,
  { registry, prefix }: Pick<Routed, 'registry' | 'prefix'>,
  isServed: (repository: RepositoryName) => boolean,
): Uploads {
  const from = endpoint.query.find(([name]) => name === 'from')?.[1];
  const rest = endpoint.query.filter(([name]) => name !== 'from' && name !== 'mount');
  // A registry may look for the blob wherever it likes, and so where nothing is served.
  if (from === undefined) return { ...endpoint, query: rest };
  const path =
    prefix === undefined ? from : from.startsWith(`${prefix}/`) ? from.slice(prefix.length + 1) : '';
  const source = parseRepositoryName(officialName(registry.name, path));
  if (source === undefined || !isServed(source)) return { ...endpoint, query: rest };
  const mount = endpoint.query.filter(([name]) => name === 'mount');
  return { ...endpoint, query: [...rest, ...mount, ['from', source]] };
}
