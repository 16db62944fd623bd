import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { ManifestBytes } from '../../src/demo/image.ts';
import { buildArtifact, buildImage, buildIndex } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { HttpAnswer } from '../world/http.ts';
import { at } from '../world/http.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';

// A signed index, and what is attached to it in the registry.

export const child = buildImage('child');
export const index = buildIndex([child]);
export const evil = buildImage('evil');
export const signature = buildArtifact('application/vnd.dev.sigstore.bundle.v0.3+json', 'signature', index);
export const ociIndex = 'application/vnd.oci.image.index.v1+json';
export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';

export const schemaTag = index.digest.replace(':', '-');
export const tags = [
  ...['', '.sig', '.att', '.sbom'].map((suffix) => schemaTag + suffix),
  `sha512-${createHash('sha512').update(index.bytes).digest('hex').slice(0, 64)}`,
];

export function manifestOf(mediaType: string, members: object): ManifestBytes {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...members }));
  return { bytes, mediaType, digest: digestOf(bytes), length: bytes.length };
}
export const artifactType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
/** What the referrers tag schema has under its tag. */
export const referrers = manifestOf(ociIndex, {
  manifests: [
    {
      mediaType: ociManifest,
      artifactType,
      digest: signature.digest,
      size: signature.length,
    },
  ],
});
const { config: _config, ...ofEvil } = JSON.parse(evil.bytes.toString()) as Record<string, object>;
/** As docker 20.10 and containerd 1.6 run it. */
export const disguised = manifestOf(ociManifest, {
  ...ofEvil,
  artifactType,
  config: {
    mediaType: artifactType,
    digest: digestOf(evil.config),
    size: evil.config.length,
  },
});

export async function attachedWorld(
  t: Parameters<typeof startWorld>[0],
  options: WorldOptions = {},
): Promise<World> {
  const world = await startWorld(t, options);
  world.registry.put('team/app', index, '1.0');
  world.registry.put('team/app', signature);
  world.notary.sign('team/app', '1.0', index);
  return world;
}

export function store({ registry }: World, manifest: ManifestBytes, tag?: string): void {
  registry.repository('team/app').putManifest(manifest.bytes, manifest.mediaType, tag);
}

export function assertNothing(answered: HttpAnswer, what: string): void {
  const { status, headers, json } = answered;
  assert.deepEqual([status, headers['docker-content-digest']], [404, undefined], what);
  assert.equal(headers['content-type'], 'application/json', what);
  assert.equal(at(json, 'errors', 0, 'code'), 'MANIFEST_UNKNOWN', what);
}
