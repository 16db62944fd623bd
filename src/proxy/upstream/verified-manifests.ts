import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Registry } from '../../config/config.ts';
import type { ManifestFacts } from '../../oci/manifest.ts';
import { readManifest } from '../../oci/manifest.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { Admissions } from '../auth/admissions.ts';
import type { Caller } from './headers.ts';
import type { ManifestAnswer, ManifestPresence, Refusal, Unavailable, Upstream } from './upstream.ts';

/** A manifest whose bytes hash to the digest they were asked by. */
export interface VerifiedManifest {
  readonly kind: 'found';
  readonly bytes: Uint8Array;
  readonly facts: ManifestFacts;
}
export interface Mismatch {
  readonly kind: 'mismatch';
  readonly finding: string;
  /** Whether the bytes hash to the digest: then it is what they are, and not the registry's fault. */
  readonly isGenuine: boolean;
}
export type VerifiedAnswer =
  VerifiedManifest | { readonly kind: 'missing' } | Mismatch | Refusal | Unavailable;

/** What was signed for a manifest, beside its digest. `length` is in bytes. */
export interface SignedSize {
  readonly length: number;
  readonly sha512: Uint8Array | undefined;
}

/** Verified manifests of all registries, by registry, repository and digest: what one repository has, another may not. */
export type ManifestCache = LRUCache<string, VerifiedManifest>;

/** Takes a size in bytes; gives an empty cache that holds as much. */
export function createManifestCache(bytes: number): ManifestCache {
  return new LRUCache({ maxSize: bytes, sizeCalculation: (manifest) => manifest.bytes.length + 512 });
}

/**
 * Manifests of one registry, verified before anyone sees a byte. Where the registry's `auth` is `forward`, what is
 * cached is given only after the registry has let this very client in, within the last minute.
 */
export class VerifiedManifests {
  readonly #registry: Registry;
  readonly #upstream: Upstream;
  readonly #cache: ManifestCache;
  readonly #admissions: Admissions;
  readonly #onCache: (result: 'hit' | 'miss') => void;
  readonly #underWay = new Map<string, Promise<ManifestAnswer>>();

  constructor(
    registry: Registry,
    upstream: Upstream,
    cache: ManifestCache,
    admissions: Admissions,
    onCache: (result: 'hit' | 'miss') => void,
  ) {
    this.#registry = registry;
    this.#upstream = upstream;
    this.#cache = cache;
    this.#admissions = admissions;
    this.#onCache = onCache;
  }

  /** Takes a digest and who asks for it; gives the manifest, or why it is not given. */
  async get(
    repository: RepositoryName,
    digest: Digest,
    caller: Caller,
    signed?: SignedSize,
  ): Promise<VerifiedAnswer> {
    const key = `${this.#registry.name} ${repository} ${digest}`;
    const cached = this.#cache.get(key);
    this.#onCache(cached === undefined ? 'miss' : 'hit');
    const presence = cached && (await this.#presence(repository, digest, caller));
    if (cached !== undefined && presence?.kind === 'found') return checkSigned(cached, signed);
    if (presence?.kind === 'missing') return { kind: 'missing' };
    if (presence?.kind === 'unavailable') return presence;
    // Not cached; or refused, to HEAD and so without a body: what the registry says to GET tells nobody what is cached.
    const answer = await this.#fetch(key, repository, digest, caller);
    if (answer.kind !== 'found') {
      // More bytes than any manifest may have are not the signed ones.
      return answer.kind === 'unavailable' && answer.cause.failure === 'too-large'
        ? { kind: 'mismatch', finding: answer.cause.message, isGenuine: false }
        : answer;
    }
    this.#admissions.remember(this.#registry.name, repository, caller.authorization);
    const verified = verify(answer.bytes, digest);
    if (verified.kind === 'mismatch') return verified;
    this.#cache.set(key, verified);
    return checkSigned(verified, signed);
  }

  /** Says whether this very client may have what is cached. */
  async #presence(repository: RepositoryName, digest: Digest, caller: Caller): Promise<ManifestPresence> {
    const { name, auth } = this.#registry;
    if (auth !== 'forward' || this.#admissions.knows(name, repository, caller.authorization)) {
      return { kind: 'found', digest };
    }
    const presence = await this.#upstream.headManifest(repository, { kind: 'digest', digest }, caller);
    if (presence.kind === 'found') this.#admissions.remember(name, repository, caller.authorization);
    return presence;
  }

  /** Concurrent questions share one download, unless each comes with credentials of its own. */
  #fetch(key: string, repository: RepositoryName, digest: Digest, caller: Caller): Promise<ManifestAnswer> {
    if (this.#registry.auth === 'forward') return this.#upstream.manifest(repository, digest, caller);
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    const download = this.#upstream
      .manifest(repository, digest, { via: caller.via })
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, download);
    return download;
  }
}

function verify(bytes: Uint8Array, digest: Digest): VerifiedManifest | Mismatch {
  const algorithm = digest.slice(0, digest.indexOf(':'));
  const found = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  if (found !== digest) {
    const finding = `the registry's bytes hash to ${found}, not to ${digest}`;
    return { kind: 'mismatch', finding, isGenuine: false };
  }
  const facts = readManifest(bytes);
  return facts === undefined
    ? {
        kind: 'mismatch',
        finding: `${digest} is not one manifest that every client reads alike`,
        isGenuine: true,
      }
    : { kind: 'found', bytes, facts };
}

function checkSigned(
  manifest: VerifiedManifest,
  signed: SignedSize | undefined,
): VerifiedManifest | Mismatch {
  if (signed === undefined) return manifest;
  const { length } = manifest.bytes;
  if (length !== signed.length) {
    return {
      kind: 'mismatch',
      finding: `the registry's manifest has ${length} bytes, but ${signed.length} are signed`,
      isGenuine: true,
    };
  }
  if (signed.sha512 === undefined) return manifest;
  const sha512 = createHash('sha512').update(manifest.bytes).digest();
  if (sha512.equals(signed.sha512)) return manifest;
  const [found, wanted] = [sha512.toString('hex'), Buffer.from(signed.sha512).toString('hex')].map((hex) =>
    hex.slice(0, 16),
  );
  return {
    kind: 'mismatch',
    finding: `the registry's manifest has SHA-512 ${found}..., but ${wanted}... is signed`,
    isGenuine: true,
  };
}
