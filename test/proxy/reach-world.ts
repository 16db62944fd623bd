import assert from 'node:assert/strict';
import type { ManifestBytes } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { HttpAnswer, HttpOptions } from '../world/http.ts';
import { at } from '../world/http.ts';
import type { LyingRegistry } from '../world/lying-registry.ts';
import type { Proxy } from '../world/world.ts';

// What a client that knows a digest and nothing else gets for it.

export type Endpoint = 'manifests' | 'blobs';

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
export const ociIndex = 'application/vnd.oci.image.index.v1+json';
export const ociConfig = 'application/vnd.oci.image.config.v1+json';
export const ociLayer = 'application/vnd.oci.image.layer.v1.tar+gzip';

export interface Asked extends HttpAnswer {
  /** The reason of a refusal (contract §5), of which HEAD shows only the status line. */
  readonly reason: string | undefined;
}

/** Asks for a digest at one of the two endpoints that have one. */
export async function ask(
  proxy: Proxy,
  endpoint: Endpoint,
  digest: string,
  options: HttpOptions & { readonly repository?: string } = {},
): Promise<Asked> {
  const { repository = 'team/app', ...rest } = options;
  const answered = await proxy.request(`/v2/${repository}/${endpoint}/${digest}`, rest);
  const told = at(answered.json, 'errors', 0, 'detail', 'reason');
  const shown =
    answered.status < 400 ? undefined : /\b[A-Z]+(?:_[A-Z]+)+\b/.exec(answered.statusMessage)?.[0];
  return { ...answered, reason: typeof told === 'string' ? told : shown };
}

/** Asserts that a digest is given as it is, and described alike by HEAD. */
export async function assertServed(
  proxy: Proxy,
  endpoint: Endpoint,
  digest: string,
  bytes: Uint8Array,
): Promise<void> {
  const get = await ask(proxy, endpoint, digest);
  assert.deepEqual([get.status, get.reason], [200, undefined], `GET ${endpoint} ${digest}`);
  assert.ok(get.body.equals(bytes), `other bytes than those of ${digest}`);
  const head = await ask(proxy, endpoint, digest, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length']], [200, String(bytes.length)]);
}

/** Asserts that a digest is refused with 403 at these endpoints, to GET and HEAD alike. */
export async function assertRefused(
  proxy: Proxy,
  digest: string,
  options: { readonly repository?: string; readonly endpoints?: readonly Endpoint[] } = {},
): Promise<void> {
  const { repository = 'team/app', endpoints = ['manifests', 'blobs'] } = options;
  for (const endpoint of endpoints) {
    for (const method of ['GET', 'HEAD']) {
      const { status, reason } = await ask(proxy, endpoint, digest, { repository, method });
      assert.deepEqual([status, reason], [403, 'DIGEST_NOT_SIGNED'], `${method} ${endpoint} ${digest}`);
    }
  }
}

/** What a manifest says of content that stands below it. */
export function descriptor(mediaType: string, bytes: Uint8Array, more: object = {}): object {
  return { mediaType, digest: digestOf(bytes), size: bytes.length, ...more };
}

/** A manifest of any members, with the schema version that all have. */
export function manifestOf(mediaType: string | undefined, members: object): ManifestBytes {
  const body = { schemaVersion: 2, ...(mediaType !== undefined && { mediaType }), ...members };
  const bytes = Buffer.from(JSON.stringify(body));
  return { bytes, mediaType: mediaType ?? ociManifest, digest: digestOf(bytes), length: bytes.length };
}

/** Stores a manifest, and the blobs that belong to it. Gives the manifest back. */
export function store(
  registry: LyingRegistry,
  manifest: ManifestBytes,
  {
    blobs = [],
    tag,
    repository = 'team/app',
  }: { blobs?: readonly Uint8Array[]; tag?: string; repository?: string } = {},
): ManifestBytes {
  const stored = registry.repository(repository);
  for (const blob of blobs) stored.putBlob(blob);
  stored.putManifest(manifest.bytes, manifest.mediaType, tag);
  return manifest;
}
