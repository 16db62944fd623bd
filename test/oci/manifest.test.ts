import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ManifestFacts } from '../../src/oci/manifest.ts';
import { readManifest } from '../../src/oci/manifest.ts';
import { manifestKind } from '../../src/oci/media-type.ts';

const ociIndex = 'application/vnd.oci.image.index.v1+json';
const ociImage = 'application/vnd.oci.image.manifest.v1+json';
const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json';
const dockerImage = 'application/vnd.docker.distribution.manifest.v2+json';

const [one, two] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`];
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: one, size: 2 };
const image = { schemaVersion: 2, mediaType: ociImage, config, layers: [] };
const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [] };
const plain = { isArtifact: false, subject: undefined };

function read(body: unknown): ManifestFacts | undefined {
  return readManifest(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
}

function known(facts: ManifestFacts | undefined): ManifestFacts {
  assert.ok(facts);
  return facts;
}

for (const mediaType of [ociImage, dockerImage]) {
  test(`an image of type ${mediaType} has that type, no children, and its config and layers in order`, () => {
    const layers = [
      { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: two, size: 0, urls: ['http://x/'] },
      { mediaType: ociImage, digest: one, size: 7, data: 'e30=' },
    ];
    assert.deepEqual(read({ ...image, mediaType, layers }), {
      mediaType,
      kind: 'image',
      children: [],
      blobs: [
        { digest: one, size: 2 },
        { digest: two, size: 0 },
        { digest: one, size: 7 },
      ],
      ...plain,
    });
  });
}

test('a descriptor of a blob that cannot be read leads nowhere, and one whose size cannot be has none', () => {
  for (const layer of [null, one, [], {}, { digest: 1 }, { digest: `${one}0` }, { digest: 'sha256:x' }])
    assert.deepEqual(read({ ...image, layers: [layer] })?.blobs, [{ digest: one, size: 2 }]);
  for (const size of [undefined, null, '5', -1, 1.5, 2 ** 53, [5]])
    assert.deepEqual(read({ ...image, layers: [{ digest: two, size }] })?.blobs[1], {
      digest: two,
      size: undefined,
    });
  for (const layers of [undefined, null, { digest: two }, 'x'])
    assert.deepEqual(read({ ...image, layers })?.blobs, [{ digest: one, size: 2 }]);
  for (const { blobs } of [read({ ...image, config: null }), read({ schemaVersion: 2, layers: [] })].map(
    known,
  ))
    assert.deepEqual(blobs, []);
});

for (const mediaType of [ociIndex, dockerList]) {
  test(`an index of type ${mediaType} has that type, and its children in order with the kind it gives them`, () => {
    const manifests = [
      { mediaType: ociImage, digest: two, size: 1, platform: { architecture: 'arm64', os: 'linux' } },
      { mediaType: dockerList, digest: one },
      { mediaType: 'application/vnd.example.signature', digest: two },
      { digest: one, urls: ['http://169.254.169.254/'] },
    ];
    const children = [
      { digest: two, size: 1, kind: 'image' },
      { digest: one, size: undefined, kind: 'index' },
      { digest: two, size: undefined, kind: undefined },
      { digest: one, size: undefined, kind: undefined },
    ];
    assert.deepEqual(read({ ...index, mediaType, manifests }), {
      mediaType,
      kind: 'index',
      children,
      blobs: [],
      ...plain,
    });
  });
}

test('without a media type the members show which of the two OCI types it is', () => {
  for (const mediaType of [undefined, null]) {
    assert.equal(read({ ...image, mediaType })?.mediaType, ociImage);
    assert.equal(read({ ...index, mediaType })?.mediaType, ociIndex);
  }
  assert.equal(read({ schemaVersion: 2, layers: [] })?.mediaType, ociImage);
});

test('white space, unknown members, foreign letters and a repeated key do not hide a manifest', () => {
  const text = `\n { "schemaVersion":2.0, "mediaType":"${ociImage}","annotations":{"é":"\u{1f98a}"}, "x":1,"x":2,\t"config":{},
    "layers" : [] }\n`;
  assert.deepEqual(read(text), { mediaType: ociImage, kind: 'image', children: [], blobs: [], ...plain });
});

// CVE-2021-41190: bytes that one reader takes for an index and another for an image.
for (const [name, body] of Object.entries<unknown>({
  'an image and an index': { ...image, ...index },
  'an index with layers': { ...index, layers: [] },
  'an index with a config': { ...index, config },
  'an index with the layers of schema 1': { ...index, fsLayers: [] },
  'an image with a null list of manifests': { ...image, manifests: null },
  'an image that is called an index': { ...image, mediaType: ociIndex },
  'an image that is called a Docker list': { ...image, mediaType: dockerList },
  'an index that is called an image': { ...index, mediaType: ociImage },
  'neither an image nor an index': { schemaVersion: 2, mediaType: ociImage },
  // Go's JSON reader, which most runtimes use, takes a key in any case for the member.
  'an image with Manifests': { ...image, Manifests: [{ digest: two }] },
  'an image with MANIFESTS': { ...image, MANIFESTS: [] },
  'an index with Layers': { ...index, Layers: [] },
  'an index with Config': { ...index, Config: config },
  'an index with fslayers': { ...index, fslayers: [] },
  'an image with a second MediaType': { ...image, MediaType: ociIndex },
  'an image with a second subject': { ...image, Subject: { digest: two } },
  'an image with a second artifact type': { ...image, ArtifactType: 'a/b' },
  'an image with a second schemaversion': { ...image, schemaversion: 1 },
  'an image with a manifests in which an s is the long one': { ...image, manifeſts: [{ digest: two }] },
})) {
  test(`what readers could take for two things is no manifest: ${name}`, () => {
    assert.equal(read(body), undefined);
  });
}

for (const [name, body] of Object.entries<unknown>({
  'schema version 1': { ...image, schemaVersion: 1 },
  'schema version as text': { ...image, schemaVersion: '2' },
  'no schema version': { mediaType: ociImage, config, layers: [] },
  'signed schema 1': { ...image, mediaType: 'application/vnd.docker.distribution.manifest.v1+prettyjws' },
  'a media type with a parameter': { ...image, mediaType: `${ociImage}; charset=utf-8` },
  'a media type in upper case': { ...image, mediaType: ociImage.toUpperCase() },
  'a media type of another thing': { ...image, mediaType: 'text/html' },
  'an inherited name as media type': { ...image, mediaType: 'constructor' },
  'a media type that is a list': { ...image, mediaType: [ociImage] },
  'an empty media type': { ...image, mediaType: '' },
  'manifests that are no list': { ...index, manifests: { digest: one } },
  'manifests that are null': { ...index, manifests: null },
  'a child that is a digest alone': { ...index, manifests: [one] },
  'a child that is null': { ...index, manifests: [null] },
  'a child without digest': { ...index, manifests: [{ mediaType: ociImage }] },
  'one bad digest among good ones': { ...index, manifests: [{ digest: one }, { digest: `${two}0` }] },
  'a digest in upper case': { ...index, manifests: [{ digest: `sha256:${'A'.repeat(64)}` }] },
  'an md5 digest': { ...index, manifests: [{ digest: `md5:${'1'.repeat(32)}` }] },
  'a digest that is a number': { ...index, manifests: [{ digest: 1 }] },
  'a list': [image],
  null: null,
  'a number': 2,
  'no text at all': '',
  'a cut text': JSON.stringify(image).slice(0, -1),
  'two documents': `${JSON.stringify(image)}${JSON.stringify(index)}`,
  'a byte order mark before it': `\u{feff}${JSON.stringify(image)}`,
  'a comment': `// x\n${JSON.stringify(image)}`,
  'a trailing comma': '{"schemaVersion":2,"layers":[],}',
  'deep nesting': `{"schemaVersion":2,"x":${'['.repeat(2_000_000)}`,
})) {
  test(`no manifest: ${name}`, () => {
    assert.equal(read(body), undefined);
  });
}

test('bytes that are not UTF-8 are no manifest', () => {
  const bytes = Buffer.from(JSON.stringify({ ...image, annotations: { x: 'y?' } }));
  bytes[bytes.indexOf('?')] = 0xff;
  assert.equal(readManifest(bytes), undefined);
  assert.equal(readManifest(Buffer.from(JSON.stringify(image), 'utf16le')), undefined);
});

test('members of the prototype are not members of a manifest', () => {
  const text = `{"schemaVersion":2,"__proto__":{"manifests":[],"mediaType":"${ociIndex}"},"constructor":{"layers":[]}}`;
  assert.equal(read(text), undefined);
  assert.deepEqual(read({ ...image, toString: 1, hasOwnProperty: 2 })?.kind, 'image');
});

test('no bytes throw, and the kind that is read is the kind of the media type that is read', () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>(2, null, ociIndex, ociImage, dockerList, dockerImage, [], [{ digest: one }], {}),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const key = fc.constantFrom(
    'schemaVersion',
    'mediaType',
    'manifests',
    'config',
    'layers',
    'Layers',
    '__proto__',
    'x',
  );
  const bodies = fc.dictionary(key, value).map((members) => JSON.stringify({ schemaVersion: 2, ...members }));
  const texts = fc.oneof(bodies, fc.json(), fc.string({ unit: 'binary' })).map((text) => Buffer.from(text));
  let found = 0;
  fc.assert(
    fc.property(fc.oneof(texts, fc.uint8Array()), (bytes) => {
      const facts = readManifest(bytes);
      if (facts === undefined) return;
      found += 1;
      assert.equal(manifestKind(facts.mediaType), facts.kind);
      assert.deepEqual(facts.kind === 'image' ? facts.children : facts.blobs, []);
    }),
    { numRuns: 3000 },
  );
  assert.ok(found > 10, `only ${found} of the generated texts were manifests`);
});
