import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { readManifest } from '../../src/oci/manifest.ts';

// Which manifests are artifacts, of which no runtime makes anything; and what a manifest says it is about.

const ociIndex = 'application/vnd.oci.image.index.v1+json';
const ociImage = 'application/vnd.oci.image.manifest.v1+json';
const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json';
const dockerImage = 'application/vnd.docker.distribution.manifest.v2+json';
const ociConfig = 'application/vnd.oci.image.config.v1+json';
const dockerConfig = 'application/vnd.docker.container.image.v1+json';
const emptyType = 'application/vnd.oci.empty.v1+json';
const layer = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  digest: `sha256:${'1'.repeat(64)}`,
  size: 9,
};

const digestOf = (algorithm: string, text: string): string =>
  `${algorithm}:${createHash(algorithm).update(text).digest('hex')}`;
const empty = { mediaType: emptyType, digest: digestOf('sha256', '{}'), size: 2 };
const artifact = {
  schemaVersion: 2,
  mediaType: ociImage,
  artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
  config: empty,
  layers: [layer],
};
const descriptor = {
  mediaType: ociImage,
  artifactType: 'application/spdx+json',
  digest: layer.digest,
  size: 9,
};
const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [descriptor] };

function isArtifact(body: object): boolean {
  const facts = readManifest(Buffer.from(JSON.stringify(body)));
  assert.ok(facts !== undefined, JSON.stringify(body));
  return facts.isArtifact;
}

for (const [name, body] of Object.entries<object>({
  'a manifest with the empty config and a type of its own': artifact,
  'one whose empty config has the SHA-512': {
    ...artifact,
    config: { ...empty, digest: digestOf('sha512', '{}') },
  },
  'one that is typed by its empty config': {
    ...artifact,
    artifactType: undefined,
    config: { ...empty, mediaType: 'application/vnd.cncf.notary.signature' },
  },
  'one without a layer': { ...artifact, layers: [] },
  'an index of artifacts': { ...index, manifests: [descriptor, { ...descriptor, mediaType: 'text/spdx' }] },
  'an index of what is neither image nor index': {
    ...index,
    manifests: [{ ...descriptor, mediaType: 'application/vnd.in-toto+json', artifactType: undefined }],
  },
  'an empty index': { ...index, manifests: [] },
})) {
  test(`an artifact: ${name}`, () => assert.equal(isArtifact(body), true));
}

const configured = (change: object): object => ({ ...artifact, config: { ...empty, ...change } });
const listing = (change: object): object => ({
  ...index,
  manifests: [descriptor, { ...descriptor, ...change }],
});
for (const [name, body] of Object.entries<object>({
  // docker 20.10 and containerd 1.6 run it.
  'a config with content, whatever it is called': configured({
    digest: digestOf('sha256', '{"os":"linux"}'),
  }),
  // podman 4.3 unpacks its layers.
  "the empty config under the type of OCI's": configured({ mediaType: ociConfig }),
  "the empty config under the type of Docker's": configured({ mediaType: dockerConfig }),
  "a manifest of Docker's": { ...artifact, mediaType: dockerImage },
  'a manifest that does not say what it is': { ...artifact, mediaType: undefined },
  'the empty type, and no other type': { ...artifact, artifactType: undefined },
  'an empty artifact type': { ...artifact, artifactType: '' },
  'an artifact type that is no text': { ...artifact, artifactType: [descriptor.artifactType] },
  'the artifact type of an image': { ...artifact, artifactType: ociConfig },
  'the artifact type of a manifest': { ...artifact, artifactType: ociImage },
  'a config without media type': configured({ mediaType: undefined }),
  'a config of an empty media type': { ...configured({ mediaType: '' }), artifactType: undefined },
  'a config without digest': configured({ digest: undefined }),
  'a config with a second digest': configured({ Digest: layer.digest }),
  'a config with a second media type': configured({ MediaType: ociConfig }),
  'no config': { ...artifact, config: undefined },
  'a config that is null': { ...artifact, config: null },
  'an index with an image': listing({ artifactType: undefined }),
  'an index with an index': listing({ artifactType: undefined, mediaType: dockerList }),
  'an index with something for a platform': listing({ platform: { architecture: 'amd64', os: 'linux' } }),
  'an index with a platform that is null': listing({ platform: null }),
  'an index with a second platform': listing({ Platform: { architecture: 'amd64', os: 'linux' } }),
  'an index with the artifact type of an image': listing({ artifactType: ociConfig }),
  'an index with an artifact type that is no text': listing({ artifactType: 1, mediaType: 'text/spdx' }),
  'an index with something of no type': listing({ artifactType: undefined, mediaType: undefined }),
  "a list of Docker's": { ...index, mediaType: dockerList },
  'an index that does not say what it is': { ...index, mediaType: undefined },
})) {
  test(`no artifact: ${name}`, () => assert.equal(isArtifact(body), false));
}

test('the subject is the digest that a manifest or an index says it is about, or none', () => {
  const subjectIn = (body: object): unknown => readManifest(Buffer.from(JSON.stringify(body)))?.subject;
  for (const body of [artifact, index]) {
    assert.equal(subjectIn({ ...body, subject: layer }), layer.digest);
    for (const subject of [undefined, null, layer.digest, [layer], {}, { digest: 1 }, { digest: 'sha256:1' }])
      assert.equal(subjectIn({ ...body, subject }), undefined);
  }
});
