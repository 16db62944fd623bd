import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The files podman and skopeo read through their common library, containers/image. */
export interface ImageSettings {
  readonly registriesConf: string;
  readonly policy: string;
}

/**
 * Writes them: `registry` is blocked and has one mirror, which is the no-bypass recipe; the policy asks for no
 * signatures of containers/image's own kind.
 */
export async function writeImageSettings(
  dir: string,
  registry: string,
  mirror: string,
): Promise<ImageSettings> {
  const registriesConf = join(dir, 'registries.conf');
  const policy = join(dir, 'policy.json');
  const lines = [
    `[[registry]]\nlocation = "${registry}"\nblocked = true`,
    `[[registry.mirror]]\nlocation = "${mirror}"\ninsecure = true`,
  ];
  await writeFile(registriesConf, lines.join('\n'));
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  return { registriesConf, policy };
}
