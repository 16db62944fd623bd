import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Login } from '../servers/token-server.ts';

/** The files podman and skopeo read through their common library, containers/image. */
export interface ImageSettings {
  readonly registriesConf: string;
  readonly policy: string;
}

/**
 * Writes them: `registry` has one mirror, and is asked itself when that fails unless it is `blocked`; the policy asks for
 * no signatures of containers/image's own kind.
 */
export async function writeImageSettings(
  dir: string,
  registry: string,
  mirror: string,
  blocked: 'blocked' | 'open',
): Promise<ImageSettings> {
  const registriesConf = join(dir, 'registries.conf');
  const policy = join(dir, 'policy.json');
  const lines = [
    `[[registry]]\nlocation = "${registry}"\nblocked = ${blocked === 'blocked'}`,
    `[[registry.mirror]]\nlocation = "${mirror}"\ninsecure = true`,
  ];
  await writeFile(registriesConf, lines.join('\n'));
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  return { registriesConf, policy };
}

/** An account, and the server (with its port, as in an image's name) that is shown it. */
export interface LoginAt extends Login {
  readonly server: string;
}

/** The file that `docker login`, `podman login` and `skopeo login` write alike; without a login it names nobody. */
export function authFile(login: LoginAt | undefined): string {
  if (login === undefined) return '{}';
  const auth = Buffer.from(`${login.username}:${login.password}`).toString('base64');
  return JSON.stringify({ auths: { [login.server]: { auth } } });
}
