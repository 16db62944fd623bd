import { Repository, type PushedManifest } from './images.ts';
import type { NotaryClient } from './servers/notary.ts';

/** The tags that were signed: see `Published`. */
export type SignedTag = 'good' | 'oci' | 'moved' | 'tampered' | 'multi' | 'pinned' | 'both' | 'family';

/** The images of one repository that the stories are about. */
export interface Published {
  /**
   * What was signed: `good` is where it was; so is `oci`, in the OCI format; `moved` was then moved to `evil`;
   * `tampered` is for a test that spoils the registry's answers; `multi` is an index. `pinned`, `both` and, of the index
   * `family`, a child are pulled by digest: no other story brings them, so the client has nothing of them.
   */
  readonly signed: Readonly<Record<SignedTag, PushedManifest>>;
  /** What the registry says for `moved` now; and two images nobody signed, under the tags `unsigned` and `stray`. */
  readonly evil: PushedManifest;
  readonly unsigned: PushedManifest;
  readonly stray: PushedManifest;
}

/** Pushes the images of a repository, and signs those that are. */
export async function publish(
  registryUrl: string,
  repository: string,
  signer: NotaryClient,
  gun: string,
): Promise<Published> {
  const images = new Repository(registryUrl, repository);
  const signed = {
    good: await images.image('good', 'good'),
    oci: await images.image('oci', 'oci', 'oci'),
    moved: await images.image('moved', 'signed'),
    tampered: await images.image('tampered', 'tampered'),
    multi: await images.index('multi', 'multi'),
    pinned: await images.image('pinned', 'pinned'),
    both: await images.image('both', 'both'),
    family: await images.index('family', 'family'),
  };
  await signer.init(gun);
  for (const [tag, manifest] of Object.entries(signed)) await signer.addHash(gun, tag, manifest);
  await signer.publish(gun);

  const evil = await images.image('moved', 'evil');
  const unsigned = await images.image('unsigned', 'unsigned');
  const stray = await images.image('stray', 'stray');
  return { signed, evil, unsigned, stray };
}

/** Pushes one image that is signed, under `v1`. */
export async function publishOne(
  registryUrl: string,
  repository: string,
  signer: NotaryClient,
  gun: string,
): Promise<PushedManifest> {
  const manifest = await new Repository(registryUrl, repository).image('v1', repository);
  await signer.init(gun);
  await signer.sign(gun, 'v1', manifest);
  return manifest;
}
