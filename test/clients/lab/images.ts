import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

/** A manifest as it lies in the registry: what a signature names. */
export interface PushedManifest {
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
  readonly mediaType: string;
  /** The digest of the image config, which clients take for the image's id; of an index, this machine's child's. */
  readonly config: string;
  /** The digests of all it needs to be whole: configs, layers, and of an index the child manifests. */
  readonly parts: readonly string[];
}

/** The media types of the two image formats. */
const formats = {
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
} as const;
const indexType = 'application/vnd.oci.image.index.v1+json';

export type ImageFormat = keyof typeof formats;

interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly [member: string]: unknown;
}

/** `sha256:` and the hex of the bytes' hash. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The digest of `name@digest`; what has no name stays as it is. */
export function withoutName(reference: string): string {
  return reference.slice(reference.lastIndexOf('@') + 1);
}

/** A ustar archive with the one file /hello: every field that could vary is fixed. */
function tarOf(content: string): Buffer {
  const body = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write('hello');
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512), Buffer.alloc(1024)]);
}

/** An index's entry. */
function descriptor({ mediaType, digest, size }: PushedManifest, architecture: string): object {
  return { mediaType, digest, size, platform: { architecture, os: 'linux' } };
}

async function expectStatus(response: Response, status: number): Promise<void> {
  const text = await response.text();
  if (response.status !== status) throw new Error(`${response.url}: ${response.status} ${text}`);
}

/** Where images go: a registry's URL and a repository in it. */
export class Repository {
  readonly #base: string;

  constructor(registryUrl: string, name: string) {
    this.#base = `${registryUrl}/v2/${name}`;
  }

  /** Pushes a one-layer image, whose one file holds the payload, under the tag; the tag moves if it was there. */
  async image(tag: string, payload: string, format: ImageFormat = 'docker'): Promise<PushedManifest> {
    return await this.#image(tag, payload, format, 'amd64');
  }

  /** Pushes an OCI index of two images (linux/amd64, linux/arm64), each with the payload and its architecture. */
  async index(tag: string, payload: string): Promise<PushedManifest> {
    const amd64 = await this.#image(undefined, `${payload} amd64`, 'oci', 'amd64');
    const arm64 = await this.#image(undefined, `${payload} arm64`, 'oci', 'arm64');
    const manifests = [descriptor(amd64, 'amd64'), descriptor(arm64, 'arm64')];
    const { config } = process.arch === 'arm64' ? arm64 : amd64;
    const parts = [amd64, arm64].flatMap((child) => [child.digest, ...child.parts]);
    return {
      ...(await this.#manifest(tag, { schemaVersion: 2, mediaType: indexType, manifests })),
      config,
      parts,
    };
  }

  /** Pushes bytes as a blob, whatever they are. */
  async blob(bytes: Buffer<ArrayBuffer>): Promise<{ readonly digest: string; readonly size: number }> {
    const digest = digestOf(bytes);
    const begun = await fetch(`${this.#base}/blobs/uploads/`, { method: 'POST' });
    await expectStatus(begun, 202);
    const upload = new URL(begun.headers.get('location') ?? '', this.#base);
    upload.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream' };
    await expectStatus(await fetch(upload, { method: 'PUT', headers, body: bytes }), 201);
    return { digest, size: bytes.length };
  }

  /** The digest the registry has for the tag now. */
  async digest(tag: string): Promise<string> {
    const accept = [...Object.values(formats).map((format) => format.manifest), indexType].join(', ');
    const response = await fetch(`${this.#base}/manifests/${tag}`, { method: 'HEAD', headers: { accept } });
    await expectStatus(response, 200);
    return response.headers.get('docker-content-digest') ?? '';
  }

  async #image(
    tag: string | undefined,
    payload: string,
    format: ImageFormat,
    architecture: string,
  ): Promise<PushedManifest> {
    const types = formats[format];
    const tar = tarOf(`${payload}\n`);
    const config = {
      created: '2026-01-01T00:00:00Z',
      architecture,
      os: 'linux',
      config: { Cmd: ['/hello'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
      history: [{ created: '2026-01-01T00:00:00Z', created_by: payload.slice(0, 80) }],
    };
    const configBlob = await this.blob(Buffer.from(JSON.stringify(config)));
    const layerBlob = await this.blob(gzipSync(tar));
    const pushed = await this.#manifest(tag, {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: { mediaType: types.config, ...configBlob },
      layers: [{ mediaType: types.layer, ...layerBlob }],
    });
    return { ...pushed, config: configBlob.digest, parts: [configBlob.digest, layerBlob.digest] };
  }

  async #manifest(
    tag: string | undefined,
    manifest: Manifest,
  ): Promise<Omit<PushedManifest, 'config' | 'parts'>> {
    const body = Buffer.from(JSON.stringify(manifest, null, 1));
    const digest = digestOf(body);
    const headers = { 'content-type': manifest.mediaType };
    await expectStatus(
      await fetch(`${this.#base}/manifests/${tag ?? digest}`, { method: 'PUT', headers, body }),
      201,
    );
    return { digest, size: body.length, mediaType: manifest.mediaType };
  }
}
