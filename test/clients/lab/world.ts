import { CorruptingRelay } from './servers/corrupting-relay.ts';
import { startEgress, type Egress } from './servers/egress.ts';
import type { Lab } from './lab.ts';
import { NotaryClient, startNotaryServer, type NotaryServer } from './servers/notary.ts';
import { makePki, type Pki } from './pki.ts';
import { publish, type Published } from './published.ts';
import { startRegistry, type DockerRegistry } from './servers/registry.ts';
import { Relay } from './servers/relay.ts';
import { Tufgate } from './servers/tufgate.ts';

/** The name under which the lab's registry is known to tufgate, and in the signed names. */
export const registryName = 'registry.example';

/** The repository every story plays in, and its GUN. */
export const repository = 'team/app';
export const gun = `${registryName}/${repository}`;

/** What there is before tufgate comes: all of it real, on loopback. */
export interface Origin extends Published {
  readonly lab: Lab;
  readonly pki: Pki;
  readonly registry: DockerRegistry;
  readonly notary: NotaryServer;
  readonly signer: NotaryClient;
  readonly egress: Egress;
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
  const signer = await NotaryClient.open(lab, 'signer', notary, pki);
  const published = await publish(registry.url, repository, signer, gun);
  return { lab, pki, registry, notary, signer, egress, ...published };
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
