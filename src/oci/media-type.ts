// The media types of the manifests that runtimes read (image-spec, "Media Types"; Docker's schema 2).

const manifestTypes = {
  'application/vnd.oci.image.index.v1+json': 'index',
  'application/vnd.docker.distribution.manifest.list.v2+json': 'index',
  'application/vnd.oci.image.manifest.v1+json': 'image',
  'application/vnd.docker.distribution.manifest.v2+json': 'image',
} as const;

export type ManifestMediaType = keyof typeof manifestTypes;
export type ManifestKind = (typeof manifestTypes)[ManifestMediaType];

/** Our own Accept header for manifests: everything we can serve, whatever the client asked for. Registries rewrite or
 * hide what a client does not list, and the signed digest is one representation only. */
export const acceptManifests: string = Object.keys(manifestTypes).join(', ');

/** The same for lists: of tags, which are plain JSON, and of referrers, which are an index (distribution-spec end-8, 12). */
export const acceptLists = 'application/vnd.oci.image.index.v1+json, application/json';

/** Takes a media type without parameters; gives what kind of manifest it names, or undefined. */
export function manifestKind(mediaType: string): ManifestKind | undefined {
  return Object.hasOwn(manifestTypes, mediaType) ? manifestTypes[mediaType as ManifestMediaType] : undefined;
}
