// The names of OCI distribution-spec 1.1: repository, tag, digest, and an image reference built from them.
// A value of these types has been read by the functions here; nothing else makes one.

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type RepositoryName = Branded<'RepositoryName'>;
export type Tag = Branded<'Tag'>;
export type Digest = Branded<'Digest'>;
export type Identifier =
  { readonly kind: 'tag'; readonly tag: Tag } | { readonly kind: 'digest'; readonly digest: Digest };

/** A repository with its registry named: `docker.io/library/alpine`. */
export interface RepositoryReference {
  readonly registry: string;
  readonly repository: RepositoryName;
}
/** An image as people write it: `docker.io/library/alpine:3.22`. */
export interface ImageReference extends RepositoryReference {
  readonly identifier: Identifier;
}

/** distribution's limit for a whole name; the specification asks clients to stay within it. */
const longestName = 255;
const repositoryName = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tag = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const attachmentTag = /^(?:sha256-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?|sha512-[0-9a-f]{64})$/;
const digest = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
const registryName = /^[a-z0-9]+(?:-+[a-z0-9]+)*(?:\.[a-z0-9]+(?:-+[a-z0-9]+)*)*(?::[0-9]{1,5})?$/;

/** Takes text; gives a repository name (distribution-spec, "Pulling manifests": `<name>`), else undefined. */
export function parseRepositoryName(text: string): RepositoryName | undefined {
  return text.length <= longestName && repositoryName.test(text) ? (text as RepositoryName) : undefined;
}

/** Takes text; gives a tag (distribution-spec: `<reference>` as a tag, at most 128 characters), else undefined. */
export function parseTag(text: string): Tag | undefined {
  return tag.test(text) ? (text as Tag) : undefined;
}

/**
 * Says whether a tag is one under which tools look for what is attached to a manifest: the referrers tag schema
 * (distribution-spec, "Referrers Tag Schema": the hash is cut to 64 characters), or cosign's `.sig`, `.att` and `.sbom`.
 */
export function isAttachmentTag(text: Tag): boolean {
  return attachmentTag.test(text);
}

/** Takes text; gives a digest of a registered algorithm (image-spec, "Digests"), else undefined. */
export function parseDigest(text: string): Digest | undefined {
  return digest.test(text) ? (text as Digest) : undefined;
}

/** Takes the bytes of a SHA-256; gives the digest that names content with it. Throws TypeError on another length. */
export function sha256Digest(hash: Uint8Array): Digest {
  if (hash.length !== 32) throw new TypeError(`a SHA-256 has 32 bytes, not ${hash.length}`);
  return `sha256:${Buffer.from(hash).toString('hex')}` as Digest;
}

/** Takes the last part of a manifest path; gives the tag or digest it names, else undefined. */
export function parseIdentifier(text: string): Identifier | undefined {
  const asDigest = parseDigest(text);
  if (asDigest !== undefined) return { kind: 'digest', digest: asDigest };
  const asTag = parseTag(text);
  return asTag === undefined ? undefined : { kind: 'tag', tag: asTag };
}

/** Takes a registry's name, `host` or `host:port` in lower case; says whether it could stand in an image reference. */
export function isRegistryName(text: string): boolean {
  return text.length <= longestName && registryName.test(text);
}

/** Which registry the first segment of an image names, if it names one, and which is meant where none is named. */
export interface RegistryNaming {
  readonly named: (segment: string) => string | undefined;
  readonly otherwise: string;
}

/** As Docker reads images: `alpine` is Docker Hub's. */
export const dockerNaming: RegistryNaming = {
  named: (segment) => (looksLikeRegistry(segment) ? segment : undefined),
  otherwise: 'docker.io',
};

/**
 * Takes an image as people write it (`alpine`, `docker.io/library/alpine:3.22`, `reg.example:5000/a/b@sha256:…`);
 * gives the reference with the defaults filled in, else undefined. With both tag and digest the digest counts, as it
 * does for every client.
 */
export function parseImageReference(text: string, naming = dockerNaming): ImageReference | undefined {
  const at = text.indexOf('@');
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const path = colon < 0 ? named : named.slice(0, colon);
  const tagged = parseTag(colon < 0 ? 'latest' : named.slice(colon + 1));
  if (tagged === undefined) return undefined;

  const slash = path.indexOf('/');
  const byPath = slash < 0 ? undefined : naming.named(path.slice(0, slash));
  const registry = byPath ?? naming.otherwise;
  const rest = byPath === undefined ? path : path.slice(slash + 1);
  const repository = parseRepositoryName(officialName(registry, rest));
  if (repository === undefined || !isRegistryName(registry)) return undefined;

  if (at < 0) return { registry, repository, identifier: { kind: 'tag', tag: tagged } };
  const digested = parseDigest(text.slice(at + 1));
  return digested && { registry, repository, identifier: { kind: 'digest', digest: digested } };
}

/** Docker Hub's official images live under `library/`: `docker.io/alpine` means `docker.io/library/alpine`. */
export function officialName(registry: string, path: string): string {
  return registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
}

/** Says whether a first path segment reads as a registry host by Docker's rule: a dot, a port, or `localhost`. */
export function looksLikeRegistry(segment: string): boolean {
  return segment.includes('.') || segment.includes(':') || segment === 'localhost';
}

/** Takes a reference; gives its text: `registry/repository`, with `:tag` or `@digest` if it names an image. */
export function printReference(reference: RepositoryReference | ImageReference): string {
  const { registry, repository } = reference;
  const identifier = 'identifier' in reference ? printIdentifier(reference.identifier, ':', '@') : '';
  return `${registry}/${repository}${identifier}`;
}

/** Takes a tag or digest; gives its text as it stands in a path, or after the given marks. */
export function printIdentifier(identifier: Identifier, beforeTag = '', beforeDigest = ''): string {
  return identifier.kind === 'tag' ? beforeTag + identifier.tag : beforeDigest + identifier.digest;
}
