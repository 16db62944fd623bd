import { buildkit } from './buildkit.ts';
import { containerd } from './containerd.ts';
import { docker } from './docker.ts';
import { k3s } from './k3s.ts';
import { kaniko } from './kaniko.ts';
import { podman } from './podman.ts';
import type { Reach } from './reach.ts';
import type { Recipe } from './recipe.ts';

/** The recipes, in the order of the page. */
export const recipes = { containerd, docker, podman, buildkit, kaniko, k3s } as const;

/** Other names: of what reads the same files, and of RKE2, which reads K3s's from a folder of its own. */
export const otherNames = {
  crio: podman,
  'cri-o': podman,
  buildah: podman,
  skopeo: podman,
  rke2: (reach: Reach): Recipe => k3s(reach, 'rke2'),
} as const;

const byName: ReadonlyMap<string, (reach: Reach) => Recipe> = new Map(
  Object.entries({ ...recipes, ...otherNames }),
);

/** Every name that a recipe goes by. */
export const runtimeNames: readonly string[] = [...byName.keys()];

/** Takes the name of a runtime and how the gate is reached; gives its recipe, or undefined for a name that is none. */
export function recipeFor(runtime: string, reach: Reach): Recipe | undefined {
  return byName.get(runtime)?.(reach);
}
