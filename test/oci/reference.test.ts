import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isRegistryName,
  looksLikeRegistry,
  parseDigest,
  parseIdentifier,
  parseImageReference,
  parseRepositoryName,
  isAttachmentTag,
  parseTag,
  printIdentifier,
  printReference,
  sha256Digest,
} from '../../src/oci/reference.ts';

const hex = '0123456789abcdef'.repeat(4);

/** Takes texts that hold no space, with spaces or line ends between them. */
function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** A text as it can stand in the name of a test, with its length where it is cut. */
function shown(text: string): string {
  return text.length > 40 ? `${JSON.stringify(text.slice(0, 24))}… (${text.length})` : JSON.stringify(text);
}

for (const name of [...words('a 0 library/alpine a.b a_b a__b a-b a---b a/b/c/d v2'), 'a'.repeat(255)]) {
  test(`a repository may be called ${shown(name)}`, () => {
    assert.equal(parseRepositoryName(name), name);
  });
}

for (const name of [
  words(`/ /a a/ a//b . .. a/.. a/../b ./a a/.b a/b. -a a- _a a_ a/-b a/b_/c a..b a___b a._b a.-b a_-b`),
  words(String.raw`A library/Alpine a\b a%2fb a%2Fb a%2eb a:b a@b a#b a?b a+b a~b a=b a,b a*b _catalog`),
  ['', 'a b', ' a', 'a ', 'a\n', 'a\r', 'a\0', 'a\tb', 'a\x7f', 'é', 'ａ', 'a／b', 'a\u2028', 'K'],
  ['a'.repeat(256), `a/${'b'.repeat(254)}`],
].flat()) {
  test(`no repository may be called ${shown(name)}`, () => {
    assert.equal(parseRepositoryName(name), undefined);
  });
}

for (const tag of [...words('v1 V1 _ 3.22 a-b_c.d latest 1'), 'x'.repeat(128), `sha256-${hex}.sig`]) {
  test(`${shown(tag)} is a tag, and itself only`, () => {
    assert.equal(parseTag(tag), tag);
    assert.deepEqual(parseIdentifier(tag), { kind: 'tag', tag });
  });
}

for (const tag of [
  words(String.raw`. .. .v1 -v1 v1/ a/b a\b v%31 v1# v1? v1@ v:1 v+1 v~1 v=1 vé ｖ1`),
  ['', 'v1 ', ' v1', 'v1\n', 'v1\r', 'v1\0', 'x'.repeat(129)],
].flat()) {
  test(`${shown(tag)} is no tag`, () => {
    assert.equal(parseTag(tag), undefined);
    assert.equal(parseIdentifier(tag), undefined);
  });
}

for (const digest of [`sha256:${hex}`, `sha512:${hex}${hex}`]) {
  test(`${digest.slice(0, 7)} and as many hex digits as its hash has is a digest, and no tag`, () => {
    assert.equal(parseDigest(digest), digest);
    assert.equal(parseTag(digest), undefined);
    assert.deepEqual(parseIdentifier(digest), { kind: 'digest', digest });
  });
}

for (const digest of [
  words(`: sha256: :${hex} ${hex} sha256:${hex.slice(1)} sha256:${hex}0 sha256:${hex.toUpperCase()}`),
  words(
    `SHA256:${hex} Sha256:${hex} sha256=${hex} sha256::${hex} sha256%3a${hex} sha256%3A${hex} sha256-${hex}`,
  ),
  words(`sha256:${hex.slice(1)}g sha256:..%2f..%2f sha256:../../${hex.slice(6)} sha256:${'０'.repeat(64)}`),
  words(`sha512:${hex} sha512:${hex}${hex.slice(1)} sha512:${hex}${hex}0 sha384:${hex}${hex.slice(32)}`),
  words(`md5:d41d8cd98f00b204e9800998ecf8427e sha1:${hex.slice(24)} sha256+b64u:${hex} blake3:${hex}`),
  ['', ` sha256:${hex}`, `sha256:${hex}\n`, `sha256:${hex} `, `sha256:${hex}\0`],
].flat()) {
  test(`${shown(digest)} is no digest`, () => {
    assert.equal(parseDigest(digest), undefined);
  });
}

test('the digest of a SHA-256 prints its 32 bytes, and no other length is taken', () => {
  assert.equal(sha256Digest(Buffer.from(hex, 'hex')), `sha256:${hex}`);
  for (const length of [0, 31, 33, 64]) {
    const error = new TypeError(`a SHA-256 has 32 bytes, not ${length}`);
    assert.throws(() => sha256Digest(new Uint8Array(length)), error);
  }
});

test('a tag and a digest print as they were read, after the mark of their kind', () => {
  const [tag, digest] = [parseIdentifier('v1'), parseIdentifier(`sha256:${hex}`)];
  assert.ok(tag !== undefined && digest !== undefined);
  assert.equal(printIdentifier(tag), 'v1');
  assert.equal(printIdentifier(digest), `sha256:${hex}`);
  assert.equal(printIdentifier(tag, ':', '@'), ':v1');
  assert.equal(printIdentifier(digest, ':', '@'), `@sha256:${hex}`);
});

for (const name of words(
  'docker.io localhost localhost:5000 reg.example:443 127.0.0.1:5000 a-b.example a hub 0',
)) {
  test(`a registry may be called ${shown(name)}`, () => {
    assert.equal(isRegistryName(name), true);
  });
}

for (const name of [
  words('. a. .a a..b a.-b -a a- a-.b A.example a_b a/b a:b a: a:123456 :5000 a:1:2 a@b user@a a%2eb [::1]'),
  ['', 'a b', 'a\n', 'a:1\n', 'é.example', 'http://a', 'a'.repeat(256), `${'a.'.repeat(125)}b:50000`],
].flat()) {
  test(`no registry may be called ${shown(name)}`, () => {
    assert.equal(isRegistryName(name), false);
  });
}

test('a first segment with a dot, a port or the name localhost is a registry', () => {
  assert.deepEqual(words('a.b a:1 localhost').map(looksLikeRegistry), [true, true, true]);
  assert.deepEqual(words('library a-b localhost2').map(looksLikeRegistry), [false, false, false]);
});

for (const [written, read] of [
  ['alpine', 'docker.io/library/alpine:latest'],
  ['alpine:3.22', 'docker.io/library/alpine:3.22'],
  ['docker.io/alpine', 'docker.io/library/alpine:latest'],
  ['team/app', 'docker.io/team/app:latest'],
  ['localhost/app:1', 'localhost/app:1'],
  ['localhost:5000', 'docker.io/library/localhost:5000'],
  ['reg.example:5000/a/b/c:v1', 'reg.example:5000/a/b/c:v1'],
  [`reg.example/a@sha256:${hex}`, `reg.example/a@sha256:${hex}`],
  [`reg.example/a:v1@sha256:${hex}`, `reg.example/a@sha256:${hex}`],
  [`alpine@sha512:${hex}${hex}`, `docker.io/library/alpine@sha512:${hex}${hex}`],
] as const) {
  test(`${shown(written)} means ${read}`, () => {
    const image = parseImageReference(written);
    assert.equal(image && printReference(image), read);
    assert.deepEqual(parseImageReference(read), image);
  });
}

test('a reference without tag and digest prints the repository alone', () => {
  const repository = parseRepositoryName('library/alpine');
  assert.ok(repository !== undefined);
  assert.equal(printReference({ registry: 'docker.io', repository }), 'docker.io/library/alpine');
});

for (const written of [
  words(
    `: @ a: a@ :v1 /a a/ docker.io/ Alpine a:v1:v2 a:-v https://a.b/c a@v1 REG.example/a A/b a@sha256:${hex}:v1`,
  ),
  words(`a@sha256:${hex.slice(1)} a:@sha256:${hex} a@sha256:${hex}@sha256:${hex} a:x/y@sha256:${hex}`),
  words(
    String.raw`a..b/c -a.b/c a.b:/c a.b:x/c user@a.b/c a.b/../c a.b//c a.b/c?ns=x a.b/c#d a.b\c a.b/c%2fd`,
  ),
  ['', 'a b', 'a\n', ' a', 'a\0', `a.b/${'c'.repeat(256)}`, `${'a'.repeat(254)}.b/c`],
].flat()) {
  test(`${shown(written)} is no image reference`, () => {
    assert.equal(parseImageReference(written), undefined);
  });
}

test('what is read as an image reference prints to text that reads the same, and no text throws', () => {
  const known = words(`a b1 . .. / // : @ - _ 5000 localhost docker.io library reg.example sha256:${hex}`);
  const piece = fc.oneof(fc.constantFrom(...known), fc.string({ maxLength: 3, unit: 'binary' }));
  let read = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 7 }), (pieces) => {
      const image = parseImageReference(pieces.join(''));
      if (image === undefined) return;
      read += 1;
      assert.deepEqual(parseImageReference(printReference(image)), image);
    }),
    { numRuns: 3000 },
  );
  assert.ok(read > 100, `only ${read} of the generated texts were references`);
});

test('attachment tags are those of the referrers tag schema and of cosign, and no others', () => {
  const hex = '0123456789abcdef'.repeat(4);
  const isOne = (text: string): boolean => {
    const tag = parseTag(text);
    assert.ok(tag !== undefined, text);
    return isAttachmentTag(tag);
  };
  for (const end of ['', '.sig', '.att', '.sbom']) assert.equal(isOne(`sha256-${hex}${end}`), true, end);
  assert.equal(isOne(`sha512-${hex}`), true);
  const near = [
    'sha256',
    `sha256_${hex}`,
    `sha256-${hex}0`,
    `sha256-${hex.slice(1)}`,
    `sha256-${hex.toUpperCase()}`,
  ];
  const ends = ['.', '.SIG', '.sig.sig', '.sigs', '-sig', '.pub'].map((end) => `sha256-${hex}${end}`);
  for (const text of [...near, ...ends, `sha512-${hex}.sig`, `sha384-${hex}`, `xsha256-${hex}`, hex])
    assert.equal(isOne(text), false, text);
});
