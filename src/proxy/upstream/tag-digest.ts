import { Agent } from 'undici';
import type { Registry } from '../../config/config.ts';
import { printEndpoint } from '../../oci/endpoint.ts';
import type { Digest, ImageReference } from '../../oci/reference.ts';
import { parseDigest } from '../../oci/reference.ts';
import { DownloadError } from '../../trust/download-error.ts';
import { wireError } from '../../trust/token-client.ts';
import { manifestRequestHeaders, withOurs } from './headers.ts';

/**
 * Asks a registry what it says of an image today, to show it beside a verdict; nothing is decided by it. `timeout` is in
 * milliseconds. Gives the digest, or what failed.
 */
export async function tagDigest(
  registry: Registry,
  { repository, identifier }: ImageReference,
  authorization: string | undefined,
  timeout: number,
): Promise<Digest | DownloadError> {
  const { host, origin } = new URL(registry.upstream);
  const agent = new Agent({
    connect: { timeout, rejectUnauthorized: true, ...(registry.ca !== undefined && { ca: registry.ca }) },
  });
  try {
    const {
      statusCode: status,
      headers,
      body,
    } = await agent.request({
      origin,
      path: printEndpoint({ kind: 'manifest', repository, identifier }),
      method: 'HEAD',
      headers: withOurs(manifestRequestHeaders({}), authorization),
      signal: AbortSignal.timeout(timeout),
    });
    await body.dump();
    if (status !== 200)
      return new DownloadError(status === 404 ? 'missing' : 'protocol', `${host} answers ${status}`, {
        status,
      });
    const digest = parseDigest(String(headers['docker-content-digest'] ?? ''));
    return digest ?? new DownloadError('protocol', `${host} does not tell its digest`);
  } catch (error) {
    return wireError(error, host);
  } finally {
    await agent.destroy();
  }
}
