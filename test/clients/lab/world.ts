import { CorruptingRelay } from './corrupting-relay.ts';
import { startEgress, type Egress } from './egress.ts';
import { Repository, type PushedManifest } from './images.ts';
import type { Lab } from './lab.ts';
import { NotaryClient, startNotaryServer, type NotaryServer } from './notary.ts';
import { makePki, type Pki } from './pki.ts';
import { startRegistry, type DockerRegistry } from './registry.ts';
import { Relay } from './relay.ts';
import { Tufgate } from './tufgate.ts';

/** The name under which the lab's registry is known to tufgate, and in the signed names. */
export const registryName = 'registry.example';

/** The repository every story plays in, and its GUN. */
export const repository = 'team/app';
export const gun = `${registryName}/${repository}`;

/** The tags of `team/app`: see `Origin`. */
export type SignedTag = 'good' | 'oci' | 'moved' | 'tampered' | 'multi';

/** What there is before tufgate comes: all of it real, on loopback. */
export interface Origin {
  readonly lab: Lab;
  readonly pki: Pki;
  readonly registry: DockerRegistry;
  readonly notary: NotaryServer;
  readonly signer: NotaryClient;
  readonly egress: Egress;
  /**
   * What was signed: `good` is where it was; so is `oci`, in the OCI format; `moved` was then moved to `evil`;
   * `tampered` is for a test that spoils the registry's answers; `multi` is an index.
   */
  readonly signed: Readonly<Record<SignedTag, PushedManifest>>;
  /** What the registry says for `moved` now, and an image nobody signed, under the tag `unsigned`. */
  readonly evil: PushedManifest;
  readonly unsigned: PushedManifest;
}

/** The origin with tufgate before it. */
export interface World extends Origin {
  /** The cable between tufgate and the registry. */
  readonly upstream: CorruptingRelay;
  /** The cable between tufgate and the notary. */
  readonly notaryCable: Relay;
  readonly tufgate: Tufgate;
}

/** Starts a registry, a notary and the clients' way out; pushes and signs the images. */
export async function startOrigin(lab: Lab): Promise<Origin> {
  const pki = await makePki(lab);
  const registry = await startRegistry(lab);
  const notary = await startNotaryServer(lab, pki, 'local');
  const egress = await startEgress(lab);

  const images = new Repository(registry.url, repository);
  const signed = {
    good: await images.image('good', 'good'),
    oci: await images.image('oci', 'oci', 'oci'),
    moved: await images.image('moved', 'signed'),
    tampered: await images.image('tampered', 'tampered'),
    multi: await images.index('multi', 'multi'),
  };
  const signer = await NotaryClient.open(lab, 'signer', notary, pki);
  await signer.init(gun);
  for (const [tag, manifest] of Object.entries(signed)) await signer.addHash(gun, tag, manifest);
  await signer.publish(gun);

  const evil = await images.image('moved', 'evil');
  const unsigned = await images.image('unsigned', 'unsigned');
  return { lab, pki, registry, notary, signer, egress, signed, evil, unsigned };
}

/** Starts an origin and tufgate, which pins the SPKI of the signer's root key or trusts what it sees first. */
export async function startWorld(lab: Lab, trust: 'pinned' | 'first use' = 'pinned'): Promise<World> {
  const origin = await startOrigin(lab);
  const upstream = await CorruptingRelay.start(lab, origin.registry.port);
  const notaryCable = await Relay.open(lab, origin.notary.port);
  const { keys } = await origin.signer.root(gun);
  const tufgate = await Tufgate.start(lab, {
    registry: registryName,
    upstream: upstream.url,
    notary: `https://127.0.0.1:${notaryCable.port}`,
    notaryCaFile: origin.pki.caFile,
    root: trust === 'pinned' ? { keys: keys.map((key) => key.spki) } : { first_use: true },
  });
  return { ...origin, upstream, notaryCable, tufgate };
}
