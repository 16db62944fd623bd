import { startContainerd } from './containerd.ts';
import type { CriImages } from './cri.ts';
import { Dockerd } from './dockerd.ts';
import { Podman } from './podman.ts';
import { Skopeo } from './skopeo.ts';
import { gun, registryName, repository, type Origin } from './world.ts';

/** How a pull ended, and the text its user is shown. */
export interface Pull {
  readonly pulled: boolean;
  readonly text: string;
}

/** A client that pulls tags of `team/app`: what the four have in common. */
export interface PullingClient {
  readonly pull: (tag: string) => Promise<Pull>;
  /** The digests the client recorded for the tag: of manifests and of the image config. Empty if it has none. */
  readonly records: (tag: string) => Promise<readonly string[]>;
}

/** dockerd, which pulls `host/team/app` by that name. */
export async function openDocker(
  origin: Origin,
  host: string,
): Promise<PullingClient & { readonly dockerd: Dockerd }> {
  const dockerd = await Dockerd.start(origin.lab, origin.egress);
  const name = (tag: string): string => `${host}/${repository}:${tag}`;
  return {
    dockerd,
    pull: async (tag) => {
      const { status, output } = await dockerd.docker('pull', name(tag));
      return { pulled: status === 0, text: output };
    },
    records: (tag) => dockerd.records(name(tag)),
  };
}

/** containerd, whose hosts.toml leads `registry.example` to `host`. */
export async function openContainerd(
  origin: Origin,
  host: string,
): Promise<PullingClient & { readonly images: CriImages }> {
  const { images, route } = await startContainerd(origin.lab, origin.egress);
  await route(registryName, host);
  return {
    images,
    pull: async (tag) => {
      const pull = await images.pull(`${gun}:${tag}`);
      return 'ref' in pull ? { pulled: true, text: pull.ref } : { pulled: false, text: pull.text };
    },
    records: (tag) => images.records(`${gun}:${tag}`),
  };
}

/** podman, whose registries.conf leads `registry.example` to `mirror` alone. */
export async function openPodman(
  origin: Origin,
  mirror: string,
): Promise<PullingClient & { readonly podman: Podman }> {
  const podman = await Podman.open(origin.lab, origin.egress, registryName, mirror);
  return {
    podman,
    pull: async (tag) => {
      const { status, output } = await podman.pull(`${gun}:${tag}`);
      return { pulled: status === 0, text: output };
    },
    records: (tag) => podman.records(`${gun}:${tag}`),
  };
}

/** skopeo, whose registries.conf leads `registry.example` to `mirror` alone; it copies all platforms. */
export async function openSkopeo(
  origin: Origin,
  mirror: string,
): Promise<PullingClient & { readonly skopeo: Skopeo }> {
  const skopeo = await Skopeo.open(origin.lab, origin.egress, registryName, mirror);
  return {
    skopeo,
    pull: async (tag) => {
      const { status, output } = await skopeo.copy(`${gun}:${tag}`, tag, '--all');
      return { pulled: status === 0, text: output };
    },
    records: (tag) => skopeo.records(tag),
  };
}
