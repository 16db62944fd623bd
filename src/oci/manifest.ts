import type { ManifestKind, ManifestMediaType } from './media-type.ts';
import { manifestKind } from './media-type.ts';
import type { Digest } from './reference.ts';
import { parseDigest } from './reference.ts';

/** What a runtime would make of a manifest: its one media type, and for an index the manifests below it. */
export interface ManifestFacts {
  readonly mediaType: ManifestMediaType;
  readonly kind: ManifestKind;
  readonly children: readonly ManifestChild[];
}

/** `kind` is what the index says of the child; undefined for a media type that is no runtime's. */
export interface ManifestChild {
  readonly digest: Digest;
  readonly kind: ManifestKind | undefined;
}

/**
 * Takes a manifest's bytes; gives its facts, or undefined if it is not one manifest that every reader reads alike.
 * The media type comes from the signed bytes, never from a header (CVE-2021-41190: one digest, two meanings): the
 * `mediaType` field if there is one, else the OCI type that the members show (image-spec makes the field optional).
 */
export function readManifest(bytes: Uint8Array): ManifestFacts | undefined {
  const body = parseObject(bytes);
  if (body === undefined || !isReadAlike(body) || body['schemaVersion'] !== 2) return undefined;
  const kind = shapeOf(body);
  const mediaType = body['mediaType'] ?? (kind && `application/vnd.oci.image.${ociName[kind]}.v1+json`);
  if (typeof mediaType !== 'string' || kind === undefined || manifestKind(mediaType) !== kind)
    return undefined;
  const children = kind === 'index' ? readChildren(body['manifests']) : [];
  return children && { mediaType: mediaType as ManifestMediaType, kind, children };
}

const ociName: Record<ManifestKind, string> = { index: 'index', image: 'manifest' };

/** The members that decide what a runtime makes of a manifest, by their names in upper case. */
const deciding = new Map(
  ['schemaVersion', 'mediaType', 'manifests', 'config', 'layers', 'fsLayers'].map((name) => [
    name.toUpperCase(),
    name,
  ]),
);

/** Go's JSON reader takes a key in any case for a member: with `Manifests` it would see an index where we do not. */
function isReadAlike(body: Record<string, unknown>): boolean {
  return Object.keys(body).every((key) => (deciding.get(key.toUpperCase()) ?? key) === key);
}

function shapeOf(body: Record<string, unknown>): ManifestKind | undefined {
  const isIndex = 'manifests' in body;
  const isImage = 'config' in body || 'layers' in body || 'fsLayers' in body;
  if (isIndex === isImage) return undefined;
  return isIndex ? 'index' : 'image';
}

function readChildren(value: unknown): ManifestChild[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const children: ManifestChild[] = [];
  for (const descriptor of value as readonly unknown[]) {
    const { digest: text, mediaType } = isObject(descriptor) ? descriptor : {};
    const digest = typeof text === 'string' ? parseDigest(text) : undefined;
    if (digest === undefined) return undefined;
    children.push({ digest, kind: typeof mediaType === 'string' ? manifestKind(mediaType) : undefined });
  }
  return children;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    // A byte order mark stays, and is no JSON: Go's reader refuses it too.
    const value: unknown = JSON.parse(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    );
    return isObject(value) ? value : undefined;
  } catch (error) {
    // SyntaxError: not JSON; TypeError: not UTF-8. Either way, not a manifest.
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
