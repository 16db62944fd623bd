import { gzipSync } from 'node:zlib';
import type { Digest } from '../oci/reference.ts';
import { digestOf } from './registry/content.ts';
import type { StoredRepository } from './registry/content.ts';

// Tiny images that every runtime can unpack, the same bytes on every run: no times, no compression (whose output may
// change with zlib), no random.

export interface ManifestBytes {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: Digest;
  /** In bytes. */
  readonly length: number;
}

export interface Image extends ManifestBytes {
  readonly architecture: string;
  readonly config: Buffer;
  readonly layers: readonly Buffer[];
}

export interface Index extends ManifestBytes {
  readonly children: readonly (Image | Index)[];
}

export interface ImageOptions {
  readonly format?: 'docker' | 'oci';
  readonly architecture?: string;
  /** Bytes of filler in the layer, for what must not fit into one packet. */
  readonly padding?: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

const formats = {
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
  },
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
    index: 'application/vnd.oci.image.index.v1+json',
  },
} as const;
const creation = '2026-01-01T00:00:00Z';

/** Takes a text; gives an image of one layer with one file, `hello`, that contains it. */
export function buildImage(text: string, options: ImageOptions = {}): Image {
  const { architecture = 'amd64', padding = 0, annotations } = options;
  const types = formats[options.format ?? 'oci'];
  const tar = tarFile('hello', Buffer.concat([Buffer.from(`${text}\n`), Buffer.alloc(padding, text || '.')]));
  const layer = gzipSync(tar, { level: 0 });
  const config = Buffer.from(
    JSON.stringify({
      created: creation,
      architecture,
      os: 'linux',
      config: { Cmd: ['/hello'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
      history: [{ created: creation, created_by: 'tufgate demo' }],
    }),
  );
  const manifest = manifestBytes(types.manifest, {
    config: descriptor(types.config, config),
    layers: [descriptor(types.layer, layer)],
    ...(annotations && { annotations }),
  });
  return { ...manifest, architecture, config, layers: [layer] };
}

/** Takes images (or indexes); gives the index over them, with a platform each. */
export function buildIndex(children: readonly (Image | Index)[], format: 'docker' | 'oci' = 'oci'): Index {
  const manifests = children.map((child) => ({
    mediaType: child.mediaType,
    digest: child.digest,
    size: child.length,
    ...('architecture' in child && { platform: { architecture: child.architecture, os: 'linux' } }),
  }));
  return { ...manifestBytes(formats[format].index, { manifests }), children };
}

/** Takes an artifact type, a payload and what it is about; gives an OCI artifact manifest, which no runtime can run. */
export function buildArtifact(artifactType: string, payload: string, subject: ManifestBytes): Image {
  const config = Buffer.from('{}');
  const layer = Buffer.from(payload);
  const { mediaType, digest, length } = subject;
  const manifest = manifestBytes(formats.oci.manifest, {
    artifactType,
    config: descriptor('application/vnd.oci.empty.v1+json', config),
    layers: [descriptor('application/octet-stream', layer)],
    subject: { mediaType, digest, size: length },
  });
  return { ...manifest, architecture: 'unknown', config, layers: [layer] };
}

/** Puts an image, or an index with all below it, into a repository, under a tag if one is given. Gives it back. */
export function putImage<Kind extends Image | Index>(
  repository: StoredRepository,
  image: Kind,
  tag?: string,
): Kind {
  if ('children' in image) for (const child of image.children) putImage(repository, child);
  else for (const blob of [image.config, ...image.layers]) repository.putBlob(blob);
  repository.putManifest(image.bytes, image.mediaType, tag);
  return image;
}

function manifestBytes(mediaType: string, members: object): ManifestBytes {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...members }, undefined, 2));
  return { bytes, mediaType, digest: digestOf(bytes), length: bytes.length };
}

function descriptor(mediaType: string, bytes: Buffer): object {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** A tar archive (POSIX ustar) of one file. */
function tarFile(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000755\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148); // The checksum is taken with its own field blank.
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return Buffer.concat([header, content, padding, Buffer.alloc(1024)]);
}
