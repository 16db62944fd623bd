import { startContainerd } from './containerd.ts';
import type { ImageSettings, LoginAt } from './containers-image.ts';
import type { CriImages } from './cri.ts';
import { Dockerd } from './dockerd.ts';
import type { Egress } from '../servers/egress.ts';
import type { Lab } from '../lab.ts';
import { Podman } from './podman.ts';
import { Skopeo } from './skopeo.ts';

/** How a pull ended, and the text its user is shown. */
export interface Pull {
  readonly pulled: boolean;
  readonly text: string;
}

/** A client that pulls images: what the four have in common. */
export interface PullingClient {
  readonly name: string;
  /** With the login, if any, where the client keeps it. */
  readonly pull: (image: string, login?: LoginAt) => Promise<Pull>;
  /** The digests the client recorded for the image: of manifests and of the image config. Empty if it has none. */
  readonly records: (image: string) => Promise<readonly string[]>;
  /** Forgets the image, also if there is none. */
  readonly remove: (image: string) => Promise<void>;
}

/** dockerd, with such a daemon.json. */
export async function openDocker(
  lab: Lab,
  egress: Egress,
  daemonJson: object = {},
): Promise<PullingClient & { readonly dockerd: Dockerd }> {
  const dockerd = await Dockerd.start(lab, egress, daemonJson);
  return {
    name: 'dockerd',
    dockerd,
    pull: async (image, login) => {
      const { status, output } = await dockerd.pull(image, login);
      return { pulled: status === 0, text: output };
    },
    records: (image) => dockerd.records(image),
    remove: async (image) => {
      await dockerd.docker('image', 'rm', '--force', image);
    },
  };
}

/** containerd, which reads its routes from the folder `certs`. */
export async function openContainerd(
  lab: Lab,
  egress: Egress,
  certs: string,
): Promise<PullingClient & { readonly images: CriImages }> {
  const images = await startContainerd(lab, egress, certs);
  return {
    name: 'containerd',
    images,
    pull: async (image, login) => {
      const pull = await images.pull(image, login);
      return 'ref' in pull ? { pulled: true, text: pull.ref } : { pulled: false, text: pull.text };
    },
    records: (image) => images.records(image),
    remove: (image) => images.remove(image),
  };
}

/** podman, with such settings and flags. */
export async function openPodman(
  lab: Lab,
  egress: Egress,
  settings: ImageSettings,
  ...flags: string[]
): Promise<PullingClient & { readonly podman: Podman }> {
  const podman = await Podman.open(lab, egress, settings);
  return {
    name: 'podman',
    podman,
    pull: async (image, login) => {
      const { status, output } = await podman.pull(image, login, ...flags);
      return { pulled: status === 0, text: output };
    },
    records: (image) => podman.records(image),
    remove: (image) => podman.remove(image),
  };
}

/** skopeo, with such settings and flags; it copies all platforms. */
export async function openSkopeo(
  lab: Lab,
  egress: Egress,
  settings: ImageSettings,
  ...flags: string[]
): Promise<PullingClient & { readonly skopeo: Skopeo }> {
  const skopeo = await Skopeo.open(lab, egress, settings);
  const folder = (image: string): string => image.replaceAll(/[^a-z0-9.]+/g, '-');
  return {
    name: 'skopeo',
    skopeo,
    pull: async (image, login) => {
      const { status, output } = await skopeo.copy(image, folder(image), login, '--all', ...flags);
      return { pulled: status === 0, text: output };
    },
    records: (image) => skopeo.records(folder(image)),
    remove: (image) => skopeo.remove(folder(image)),
  };
}
