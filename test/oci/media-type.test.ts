import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptManifests, manifestKind } from '../../src/oci/media-type.ts';

const kinds = {
  'application/vnd.oci.image.index.v1+json': 'index',
  'application/vnd.docker.distribution.manifest.list.v2+json': 'index',
  'application/vnd.oci.image.manifest.v1+json': 'image',
  'application/vnd.docker.distribution.manifest.v2+json': 'image',
};

test('four media types name a manifest that a runtime reads', () => {
  for (const [mediaType, kind] of Object.entries(kinds)) assert.equal(manifestKind(mediaType), kind);
});

test('our Accept header asks for exactly those four', () => {
  assert.deepEqual(acceptManifests.split(', ').toSorted(), Object.keys(kinds).toSorted());
});

test('no other media type names a manifest, and schema 1 neither', () => {
  const [image = ''] = Object.keys(kinds).slice(2);
  for (const mediaType of [
    '',
    '*/*',
    'text/html',
    'application/json',
    'application/octet-stream',
    'application/vnd.oci.image.config.v1+json',
    'application/vnd.oci.artifact.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
    `${image}; charset=utf-8`,
    ` ${image}`,
    `${image}\n`,
    image.toUpperCase(),
    acceptManifests,
    'constructor',
    '__proto__',
  ]) {
    assert.equal(manifestKind(mediaType), undefined, mediaType);
  }
});
