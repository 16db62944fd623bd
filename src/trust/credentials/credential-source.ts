import type { Account, DockerConfig } from '../../config/config.ts';
import type { Credential } from '../../oci/docker-config.ts';
import { DockerConfigCredentials } from './docker-config-credentials.ts';

/** Where our credentials at one server come from. */
export interface CredentialSource {
  /**
   * Gives what proves who we are for a repository of the server. Asked again whenever a token is to be had, as what it
   * gives may have changed. Throws DownloadError `unauthorized` where it holds nothing for the repository.
   */
  credentials(repository: string): Promise<Credential>;
}

/** Takes the `auth` of a registry or notary, and its host; gives where its credentials are, undefined for none. */
export function credentialSource(
  auth: 'forward' | 'anonymous' | Account | DockerConfig,
  host: string,
): CredentialSource | undefined {
  if (typeof auth === 'string') return undefined;
  if ('dockerConfig' in auth) return new DockerConfigCredentials(auth.dockerConfig, host);
  return { credentials: () => Promise.resolve(auth) };
}
