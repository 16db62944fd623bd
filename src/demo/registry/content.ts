import { createHash } from 'node:crypto';
import type { Digest } from '../../oci/reference.ts';
import { parseDigest, sha256Digest } from '../../oci/reference.ts';

export interface StoredManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** Takes bytes; gives the SHA-256 digest that names them. */
export function digestOf(bytes: Uint8Array): Digest {
  return sha256Digest(createHash('sha256').update(bytes).digest());
}

/** Takes bytes and the digest they should have, of either registered algorithm; says whether they have it. */
export function hasDigest(bytes: Uint8Array, digest: string): boolean {
  const [algorithm = '', hex] = digest.split(':');
  return parseDigest(digest) !== undefined && createHash(algorithm).update(bytes).digest('hex') === hex;
}

/** One repository of an embedded registry, in memory. Change it from outside to move tags and lose content. */
export class StoredRepository {
  readonly manifests = new Map<string, StoredManifest>();
  readonly blobs = new Map<string, Buffer>();
  readonly tags = new Map<string, string>();

  putBlob(bytes: Uint8Array, digest: string = digestOf(bytes)): string {
    this.blobs.set(digest, Buffer.from(bytes));
    return digest;
  }

  /** Stores a manifest under its digest, and under a tag if one is given. */
  putManifest(bytes: Uint8Array, mediaType: string, tag?: string, digest: string = digestOf(bytes)): string {
    this.manifests.set(digest, { bytes: Buffer.from(bytes), mediaType });
    if (tag !== undefined) this.tags.set(tag, digest);
    return digest;
  }

  /** Takes a tag or digest; gives the manifest it leads to, with its digest. */
  find(reference: string): (StoredManifest & { readonly digest: string }) | undefined {
    const digest = this.tags.get(reference) ?? reference;
    const manifest = this.manifests.get(digest);
    return manifest && { ...manifest, digest };
  }

  /** As DELETE does: a tag alone, or a manifest with every tag that leads to it. Says whether there was one. */
  removeManifest(reference: string): boolean {
    if (this.tags.delete(reference)) return true;
    for (const [tag, digest] of this.tags) if (digest === reference) this.tags.delete(tag);
    return this.manifests.delete(reference);
  }

  /** Descriptors of the manifests whose `subject` is this digest (distribution-spec, "Listing Referrers"). */
  referrers(digest: string, artifactType: string | null): object[] {
    const found: object[] = [];
    for (const [own, { bytes, mediaType }] of this.manifests) {
      const body = readObject(bytes);
      if (member(body['subject'], 'digest') !== digest) continue;
      const type = body['artifactType'] ?? member(body['config'], 'mediaType');
      if (artifactType !== null && type !== artifactType) continue;
      found.push({
        mediaType,
        digest: own,
        size: bytes.length,
        artifactType: type,
        annotations: body['annotations'],
      });
    }
    return found;
  }
}

/** Takes a manifest's bytes; gives the digest of its `subject`, if it says one. */
export function subjectOf(bytes: Uint8Array): string | undefined {
  const digest = member(readObject(bytes)['subject'], 'digest');
  return typeof digest === 'string' ? digest : undefined;
}

/** Manifests are stored whatever they contain; only an object can name a subject. */
function readObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    return isObject(value) ? value : {};
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return {}; // Not JSON: refers to nothing.
  }
}

function member(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
