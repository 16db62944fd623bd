import type { Digest } from '../../src/oci/reference.ts';
import type { Seeded } from './seeded.ts';

// Honest requests for what two registries have, and the name of what nobody honest asks for.

/** What may be asked of one registry, and by which names it is called. */
export interface Place {
  readonly name: string;
  readonly alias: string;
  readonly host: string;
  readonly repositories: readonly string[];
}

export interface Gates {
  readonly places: readonly Place[];
  /** Of manifests, signed or not. */
  readonly digests: readonly Digest[];
  readonly blobs: readonly Digest[];
}

/** Takes a source of chance and what may honestly be asked; gives bytes, one character each. */
export type Shape = (random: Seeded, gates: Gates) => string;

export interface PlainTarget {
  readonly method: string;
  readonly target: string;
  readonly host: string;
}

export function printHead(method: string, target: string, headers: readonly string[]): string {
  return `${method} ${target} HTTP/1.1\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** An endpoint of the vault: a repository that both registries have, signed, and that is in no honest request. */
export function vaultTarget(random: Seeded): string {
  return `/v2/vault/secret/${random.pick([
    'manifests/1.0',
    `manifests/sha256:${'a'.repeat(64)}`,
    `blobs/sha256:${'b'.repeat(64)}`,
    'tags/list',
    `referrers/sha256:${'c'.repeat(64)}`,
  ])}`;
}

/** A pull, with the registry named in any of the ways there are. */
export function plainTarget(random: Seeded, { places, digests, blobs }: Gates): PlainTarget {
  const place = random.pick(places);
  const repository = random.pick(place.repositories);
  const what = random.pick([
    `manifests/${random.pick(['1.0', '1.0', 'evil', 'absent', 'constructor'])}`,
    `manifests/${random.pick(digests)}`,
    `blobs/${random.pick(blobs)}`,
    `tags/list`,
    `referrers/${random.pick(digests)}`,
  ]);
  const query = /^(?:tags|referrers)/.test(what) ? random.pick(['', 'n=2', 'n=1&last=1.0', 'tag=evil']) : '';
  const named = random.pick(['host', 'ns', 'prefix', 'alias', 'all']);
  const prefix =
    named === 'prefix' || named === 'all' ? `${place.name}/` : named === 'alias' ? `${place.alias}/` : '';
  const ns = named === 'ns' || named === 'all' ? `ns=${place.name}` : '';
  const parameters = [query, ns].filter((text) => text !== '').join('&');
  return {
    method: random.pick(['GET', 'GET', 'HEAD']),
    target: `/v2/${prefix}${repository}/${what}${parameters === '' ? '' : `?${parameters}`}`,
    host: named === 'host' || named === 'all' ? place.host : 'gate.example',
  };
}

export function plainRequest(random: Seeded, gates: Gates): string {
  const { method, target, host } = plainTarget(random, gates);
  return printHead(method, target, [`Host: ${host}`, 'Accept: */*', 'User-Agent: hostile']);
}
