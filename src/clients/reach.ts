import type { Address, Config, Registry } from '../config/config.ts';
import { looksLikeRegistry } from '../oci/reference.ts';

/** How clients reach this proxy, and as which registries: all that their configurations are made from. */
export interface Reach {
  /** An origin: `https://gate.example`. */
  readonly url: string;
  /** The gate as it stands before the first slash of an image's name. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  readonly registries: readonly Registry[];
  readonly defaultRegistry: Registry | undefined;
}

export type ReachSource = Pick<Config, 'listen' | 'tls' | 'publicUrl' | 'registries' | 'defaultRegistry'>;

/**
 * Takes a configuration; gives how clients reach it: by `public_url`, else by `listen` if that names one host. Undefined
 * if neither says it.
 */
export function reachOf({
  listen,
  tls,
  publicUrl,
  registries,
  defaultRegistry,
}: ReachSource): Reach | undefined {
  const address = publicUrl ?? (isOneHost(listen) ? origin(listen, tls.length > 0) : undefined);
  if (address === undefined) return undefined;
  const { origin: url, hostname, host, port, protocol } = new URL(address);
  const isTls = protocol === 'https:';
  const dialled = port === '' ? (isTls ? 443 : 80) : Number(port);
  return {
    url,
    // Docker reads `gate/docker.io/app` as docker.io/gate/docker.io/app: a name that shows neither dot nor port is a path.
    host: port === '' && !looksLikeRegistry(hostname) ? `${host}:${dialled}` : host,
    port: dialled,
    isTls,
    registries: [...registries.values()],
    defaultRegistry: defaultRegistry === undefined ? undefined : registries.get(defaultRegistry),
  };
}

/** Takes a registry; gives the path segment that selects it, or undefined: a port cannot stand in an image's path. */
export function segmentOf({ name, aliases }: Registry): string | undefined {
  return name.includes(':') ? aliases[0] : name;
}

/** Takes a registry; gives what stands before its repositories in a name that goes through the gate, else undefined. */
export function prefixOf({ host }: Reach, registry: Registry): string | undefined {
  const segment = segmentOf(registry);
  return segment === undefined ? undefined : `${host}/${segment}`;
}

/** Gives a problem for each registry that no image's name can select. */
export function withoutSegment(registries: readonly Registry[]): string[] {
  return registries
    .filter((registry) => segmentOf(registry) === undefined)
    .map(
      ({ name }) =>
        `"registries": "${name}" needs an alias: its port cannot stand in the path of an image's name ` +
        '(until it has one, what is printed refuses this registry)',
    );
}

function isOneHost({ host, port }: Address): boolean {
  // 0.0.0.0, and :: in all its spellings, are every address of the machine.
  return port !== 0 && host !== '0.0.0.0' && !/^[0:]+$/.test(host) && !/^::ffff:0\.0\.0\.0$/i.test(host);
}

function origin({ host, port }: Address, isTls: boolean): string {
  return `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
