import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { buildImage, buildIndex } from '../../src/demo/image.ts';
import { answer, changeBody, changeHeaders } from '../world/fault.ts';
import { at } from '../world/http.ts';
import { startWorld } from '../world/world.ts';
import { attacks, evil, good } from './attack.ts';
import { refused, served, turnedAway } from './expected.ts';
import {
  asking,
  descriptorOf,
  manifestOf,
  manifestOfSize,
  onTheWay,
  resign,
  signedAs2,
  types,
  unsigned,
  withdraw,
} from './signed-content.ts';

// Content confusion: bytes, media types and digests that one reader takes for something else than another.

const mismatched = refused('CONTENT_MISMATCH');
const notSigned = refused('TAG_NOT_SIGNED');
const config = descriptorOf(good.config, types.config);
const odd = manifestOf(
  ` {"schemaVersion": 2,\t"annotations": {"a": "\u00e9\u2028", "a": "twice"},\r\n "config": ${JSON.stringify(config)}, "layers": []}\n\n`,
);
const unfit = manifestOf({
  schemaVersion: 1,
  name: 'team/app',
  tag: '1.0',
  fsLayers: [],
  history: [],
  signatures: [],
});
const subject = manifestOf({
  schemaVersion: 2,
  mediaType: types.image,
  config,
  layers: [],
  subject: { mediaType: types.image, digest: good.digest, size: good.length },
});
const nested = [1, 2, 3, 4].reduce((index) => buildIndex([index]), buildIndex([evil]));
const hex = good.digest.slice('sha256:'.length);
const mib = 1024 * 1024;

const negotiated = [
  '',
  '*/*',
  types.index,
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  `${types.image};q=0, */*;q=0.1`,
  Array.from({ length: 100 }, (_, n) => `a/x${n}`).join(', '),
];

attacks('content confusion', [
  signedAs2(nested, refused('DIGEST_NOT_SIGNED'), {
    id: 'M-06',
    title: 'what stands more than three indexes deep is not looked for',
    lie: ({ world, name }) => {
      world.registry.put(name, nested);
      return `@${evil.digest}`;
    },
  }),
  unsigned(
    'M-09',
    'a denial is never a 404, after which containerd would ask for a blob of the same digest',
    ':9.9',
    () => {},
  ),
  unsigned(
    'M-09',
    'a denial of a digest is never a 404 either',
    `@${evil.digest}`,
    () => {},
    refused('DIGEST_NOT_SIGNED'),
  ),
  signedAs2(
    manifestOf({ schemaVersion: 2, mediaType: types.index, config, layers: [], manifests: [] }),
    mismatched,
    {
      id: 'M-12',
      title: 'a signed manifest that is image and index at once is neither',
    },
  ),
  signedAs2(manifestOf({ schemaVersion: 2, mediaType: types.index, config, layers: [] }), mismatched, {
    id: 'M-12',
    title: 'a signed image that calls itself an index is neither',
  }),
  signedAs2(
    manifestOf({ schemaVersion: 2, mediaType: types.image, config, layers: [], Manifests: [] }),
    mismatched,
    {
      id: 'M-12',
      title: 'a signed image with members of an index in other letters is neither',
    },
  ),
  onTheWay(
    'M-13',
    'the type of a manifest is its own, whatever the registry calls it',
    changeHeaders({ 'content-type': types.index }),
  ),
  onTheWay(
    'M-15',
    'a type with parameters comes without',
    changeHeaders({ 'content-type': `${types.image}; charset=utf-8` }),
  ),
  onTheWay(
    'M-15',
    'a type of a web page does not make it one',
    changeHeaders({ 'content-type': 'text/html' }),
  ),
  onTheWay(
    'M-15',
    'a manifest that the registry gives no type has its own',
    changeHeaders({ 'content-type': undefined }),
  ),
  onTheWay(
    'M-16',
    'a schema 1 that the registry makes of it is not what was signed',
    answer(200, {
      body: unfit.bytes,
      headers: { 'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' },
    }),
    mismatched,
  ),
  signedAs2(unfit, mismatched, { id: 'M-16', title: 'a schema 1 is refused, though it is signed' }),
  {
    id: 'M-17',
    title: 'what a client accepts changes nothing of what it gets',
    warm: served(good),
    cold: served(good),
    lie: () => {},
    ask: asking(...negotiated.map((accept) => ({ accept }))),
  },
  onTheWay(
    'M-19',
    'one flipped bit is refused, and no byte of it passed on',
    changeBody((body) => body.fill(body.readUInt8(9) ^ 1, 9, 10)),
    mismatched,
  ),
  onTheWay(
    'M-20',
    'a manifest without its last byte is refused',
    changeBody((body) => body.subarray(0, -1)),
    mismatched,
  ),
  onTheWay(
    'M-20',
    'a manifest with one byte more is refused',
    changeBody((body) => Buffer.concat([body, Buffer.from('\n')])),
    mismatched,
  ),
  onTheWay(
    'M-21',
    'a digest that the registry claims is not repeated',
    changeHeaders({ 'docker-content-digest': evil.digest, etag: `"${evil.digest}"` }),
  ),
  onTheWay(
    'M-22',
    'a digest that the registry does not tell is told',
    changeHeaders({ 'docker-content-digest': undefined }),
  ),
  signedAs2(odd, served({ ...odd, mediaType: types.image }), {
    id: 'M-24',
    title: 'white space, letters and a key that comes twice are passed on to the byte',
  }),
  unsigned(
    'M-26',
    'the SHA-512 of what is signed by its SHA-256 is another digest',
    `@sha512:${createHash('sha512').update(good.bytes).digest('hex')}`,
    ({ world, name }) => {
      world.registry
        .repository(name)
        .putManifest(
          good.bytes,
          good.mediaType,
          undefined,
          `sha512:${createHash('sha512').update(good.bytes).digest('hex')}`,
        );
    },
    refused('DIGEST_NOT_SIGNED'),
  ),
  ...['', '.sig', '.att', '.sbom'].map((suffix) =>
    unsigned(
      suffix === '' ? 'M-29' : 'M-30',
      `an image under a tag sha256-<hex>${suffix} that nobody signed is not there`,
      `:sha256-${hex}${suffix}`,
      ({ world, name }) => {
        world.registry.put(name, suffix === '' ? buildIndex([evil]) : evil, `sha256-${hex}${suffix}`);
      },
      turnedAway(404, 'MANIFEST_UNKNOWN', { floors: 'published', roots: 1 }),
    ),
  ),
  unsigned(
    'M-31',
    'an image that names a signed one as its subject is not signed by that',
    `@${subject.digest}`,
    ({ world, name }) => {
      world.registry.repository(name).putManifest(subject.bytes, subject.mediaType);
    },
    refused('DIGEST_NOT_SIGNED'),
  ),
  {
    id: 'M-37',
    title: 'a condition of the client makes no 304 of a signed tag',
    warm: served(good),
    cold: served(good),
    lie: () => {},
    ask: asking(
      ...['*', `"${good.digest}"`, `W/"${good.digest}"`].map((etag) => ({ 'if-none-match': etag })),
      { 'if-modified-since': 'Fri, 31 Dec 2100 23:59:59 GMT' },
    ),
  },
  {
    id: 'M-37',
    title: 'a condition of the client makes no 304 of a tag whose signature was withdrawn',
    warm: notSigned,
    cold: notSigned,
    lie: withdraw,
    ask: asking({ 'if-none-match': `"${good.digest}"` }, { 'if-none-match': '*' }),
    mend: resign,
  },
  ...[0, 1].map((more) => {
    const manifest = manifestOfSize(4 * mib + more);
    return signedAs2(manifest, more === 0 ? served(manifest) : mismatched, {
      id: 'M-39',
      title:
        more === 0
          ? 'a manifest of 4 MiB is served'
          : 'a manifest of one byte more is refused, though it is signed',
    });
  }),
  {
    id: 'A-08',
    title: 'a tag that was refused is served as soon as it is signed',
    warm: served(evil),
    lie: async ({ world, name, repository }) => {
      assert.equal((await world.proxy.pull(`${name}:9.9`)).reason, 'TAG_NOT_SIGNED');
      repository.sign('9.9', evil, 'targets/releases');
      repository.publish();
      return ':9.9';
    },
  },
  {
    id: 'A-12',
    title: 'a cached manifest whose tag is no longer signed is served to nobody, neither by tag',
    warm: notSigned,
    lie: withdraw,
    mend: resign,
  },
  {
    id: 'A-12',
    title: 'nor by digest',
    warm: refused('DIGEST_NOT_SIGNED'),
    lie: (scene) => {
      withdraw(scene);
      return `@${good.digest}`;
    },
    mend: resign,
  },
]);

test('M-33 cold: an address in a signed manifest, of a layer elsewhere, is never asked', async (t) => {
  const { registry, notary, proxy } = await startWorld(t);
  const urls = [`${registry.url}/foreign`, 'http://169.254.169.254/latest/meta-data/'];
  const manifest = manifestOf({
    schemaVersion: 2,
    mediaType: types.image,
    config,
    layers: [{ ...descriptorOf(good.config, types.config), urls }],
  });
  registry.repository('team/app').putManifest(manifest.bytes, manifest.mediaType);
  notary.sign('team/app', '1.0', manifest);
  const { status, body } = await proxy.pull('team/app:1.0');
  assert.deepEqual([status, body], [200, manifest.bytes]);
  await proxy.request(`/v2/team/app/blobs/${String(at(config, 'digest'))}`);
  assert.deepEqual(
    registry.requests.filter(({ url }) => url.includes('foreign')),
    [],
  );
});

test('M-35 warm: a tag in a list is no proof that it is signed, and there is no catalog', async (t) => {
  const { registry, notary, proxy } = await startWorld(t);
  registry.put('team/app', good, '1.0');
  registry.put('team/app', buildImage('unsigned'), '9.9');
  notary.sign('team/app', '1.0', good);
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
  const tags = at((await proxy.request('/v2/team/app/tags/list')).json, 'tags');
  for (const tag of tags as readonly string[]) {
    assert.equal((await proxy.pull(`team/app:${tag}`)).reason, tag === '1.0' ? undefined : 'TAG_NOT_SIGNED');
  }
  assert.equal((await proxy.request('/v2/_catalog')).status, 404);
});
