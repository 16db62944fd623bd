import type { ManifestKind, ManifestMediaType } from './media-type.ts';
import { manifestKind } from './media-type.ts';
import type { Digest } from './reference.ts';
import { parseDigest } from './reference.ts';

/** What a runtime would make of a manifest: its one media type, and for an index the manifests below it. */
export interface ManifestFacts {
  readonly mediaType: ManifestMediaType;
  readonly kind: ManifestKind;
  readonly children: readonly ManifestChild[];
  /** Config and layers; none of an index. */
  readonly blobs: readonly Descriptor[];
  /** Whether it is for tools alone, and no runtime can run it. Of an index: whether it says so of all below it. */
  readonly isArtifact: boolean;
  /** What it says it is about (image-spec, "subject"): a signature says so of what it signs. */
  readonly subject: Digest | undefined;
}

/** What a manifest says of what stands below it (image-spec, "Descriptor"). `size` is in bytes; undefined if it says none
 * that can be. */
export interface Descriptor {
  readonly digest: Digest;
  readonly size: number | undefined;
}
/** `kind` is what the index says of the child; undefined for a media type that is no runtime's. */
export interface ManifestChild extends Descriptor {
  readonly kind: ManifestKind | undefined;
}

/**
 * Takes a manifest's bytes; gives its facts, or undefined if it is not one manifest that every reader reads alike.
 * The media type comes from the signed bytes, never from a header (CVE-2021-41190: one digest, two meanings): the
 * `mediaType` field if there is one, else the OCI type that the members show (image-spec makes the field optional).
 */
export function readManifest(bytes: Uint8Array): ManifestFacts | undefined {
  const body = parseObject(bytes);
  if (body === undefined || !isReadAlike(body, deciding) || body['schemaVersion'] !== 2) return undefined;
  const kind = shapeOf(body);
  const mediaType = body['mediaType'] ?? (kind && `application/vnd.oci.image.${ociName[kind]}.v1+json`);
  if (typeof mediaType !== 'string' || kind === undefined || manifestKind(mediaType) !== kind)
    return undefined;
  const children = kind === 'index' ? readChildren(body['manifests']) : [];
  if (children === undefined) return undefined;
  const isArtifact = kind === 'index' ? isArtifactIndex(body) : isArtifactManifest(body);
  const subject = digestIn(body['subject']);
  const blobs = kind === 'index' ? [] : readBlobs(body);
  return { mediaType: mediaType as ManifestMediaType, kind, children, blobs, isArtifact, subject };
}

const ociName: Record<ManifestKind, string> = { index: 'index', image: 'manifest' };

type MemberNames = ReadonlyMap<string, string>;

/** The members that decide what a reader makes of an object, by their names in upper case. */
function members(...names: string[]): MemberNames {
  return new Map(names.map((name) => [name.toUpperCase(), name]));
}
const deciding = members(
  'schemaVersion',
  'mediaType',
  'manifests',
  'config',
  'layers',
  'fsLayers',
  'artifactType',
  'subject',
);
const decidingOfDescriptor = members('mediaType', 'digest', 'artifactType', 'platform');

/** Go's JSON reader takes a key in any case for a member: with `Manifests` it would see an index where we do not. */
function isReadAlike(body: Record<string, unknown>, names: MemberNames): boolean {
  return Object.keys(body).every((key) => (names.get(key.toUpperCase()) ?? key) === key);
}

function shapeOf(body: Record<string, unknown>): ManifestKind | undefined {
  const isIndex = 'manifests' in body;
  const isImage = 'config' in body || 'layers' in body || 'fsLayers' in body;
  if (isIndex === isImage) return undefined;
  return isIndex ? 'index' : 'image';
}

const ociManifest: ManifestMediaType = 'application/vnd.oci.image.manifest.v1+json';
const ociIndex: ManifestMediaType = 'application/vnd.oci.image.index.v1+json';
const emptyConfigType = 'application/vnd.oci.empty.v1+json';
const imageConfigTypes: readonly string[] = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];
/** `{}`, which says of no layer that it is part of a file system (image-spec, "Guidance for an Empty Descriptor"). */
const emptyConfigs: readonly string[] = [
  'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
  'sha512:27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd',
];

/**
 * A media type is only a claim: docker 20.10 and containerd 1.6 run an image whose config is called something else, so
 * the config has to be the empty one. podman 4.3 then takes the layers as they come, unless the manifest is OCI's and
 * the config is not called an image's: so both have to be said too. The layers count for nothing then.
 */
function isArtifactManifest(body: Record<string, unknown>): boolean {
  const { mediaType, artifactType, config } = body;
  if (mediaType !== ociManifest || !isObject(config) || !isReadAlike(config, decidingOfDescriptor))
    return false;
  const { mediaType: configType, digest } = config;
  if (typeof configType !== 'string' || imageConfigTypes.includes(configType)) return false;
  // image-spec: with the empty type for its config, a manifest has to say what it is itself.
  const type = artifactType ?? (configType === emptyConfigType ? undefined : configType);
  return isArtifactType(type) && typeof digest === 'string' && emptyConfigs.includes(digest);
}

/** What it says of those below it is enough: each is judged by itself when it is asked for. */
function isArtifactIndex({ mediaType, manifests }: Record<string, unknown>): boolean {
  return mediaType === ociIndex && Array.isArray(manifests) && manifests.every(isArtifactDescriptor);
}

function isArtifactDescriptor(descriptor: unknown): boolean {
  if (!isObject(descriptor) || !isReadAlike(descriptor, decidingOfDescriptor)) return false;
  // Only what runs runs somewhere.
  if ('platform' in descriptor) return false;
  const { mediaType, artifactType } = descriptor;
  return isArtifactType(artifactType) || (artifactType === undefined && isArtifactType(mediaType));
}

/** Says whether a media type names something other than an image, or a part of one. */
function isArtifactType(type: unknown): boolean {
  if (typeof type !== 'string' || type === '') return false;
  return manifestKind(type) === undefined && !imageConfigTypes.includes(type);
}

function digestIn(descriptor: unknown): Digest | undefined {
  const { digest } = isObject(descriptor) ? descriptor : {};
  return typeof digest === 'string' ? parseDigest(digest) : undefined;
}

/** A descriptor that cannot be read leads nowhere: what it means may not be pulled. */
function readBlobs({ config, layers }: Record<string, unknown>): Descriptor[] {
  const listed: readonly unknown[] = [
    config,
    ...(Array.isArray(layers) ? (layers as readonly unknown[]) : []),
  ];
  return listed.flatMap((descriptor) => {
    const digest = digestIn(descriptor);
    return digest === undefined ? [] : [{ digest, size: sizeIn(descriptor) }];
  });
}

function sizeIn(descriptor: unknown): number | undefined {
  const { size } = isObject(descriptor) ? descriptor : {};
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined;
}

function readChildren(value: unknown): ManifestChild[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const children: ManifestChild[] = [];
  for (const descriptor of value as readonly unknown[]) {
    const { mediaType } = isObject(descriptor) ? descriptor : {};
    const digest = digestIn(descriptor);
    if (digest === undefined) return undefined;
    const kind = typeof mediaType === 'string' ? manifestKind(mediaType) : undefined;
    children.push({ digest, size: sizeIn(descriptor), kind });
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
