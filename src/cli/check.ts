import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { acceptManifests } from '../oci/media-type.ts';
import { DownloadError } from '../trust/download-error.ts';
import { NotaryClient } from '../trust/notary-client.ts';
import { wireError } from '../trust/token-client.ts';
import { Agent } from 'undici';
import { exit } from './exit.ts';

export interface CheckOptions {
  readonly online: boolean;
  readonly write: (text: string) => void;
}

/** Validates a configuration; with `online` also asks every registry and notary. Gives the exit status; throws ConfigError. */
export async function check(configPath: string, { online, write }: CheckOptions): Promise<number> {
  const config = loadConfig(configPath, process.env);
  write(`${configPath}: ok: ${summary(config)}\n`);
  if (!online) return exit.ok;
  const answers = await Promise.all([
    ...[...config.registries.values()].map(async (registry) => ({
      what: `registry ${registry.name} at ${registry.upstream}`,
      answer: await askRegistry(registry.upstream, registry.ca, config.limits.downloadTimeout),
    })),
    ...[...config.notaries.values()].map(async (notary) => {
      const client = new NotaryClient(notary, config.limits.downloadTimeout);
      const answer = await answered(() => client.ping());
      await client.close();
      return { what: `notary ${notary.name} at ${notary.url}`, answer };
    }),
  ]);
  for (const { what, answer } of answers) {
    write(
      answer instanceof DownloadError
        ? `${what}: FAILED: ${answer.message}\n`
        : `${what}: answers ${answer}\n`,
    );
  }
  return answers.some(({ answer }) => answer instanceof DownloadError) ? exit.undecided : exit.ok;
}

function summary({ registries, notaries, rules }: Config): string {
  const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
  return [
    counted(registries.size, 'registry').replace('registrys', 'registries'),
    counted(notaries.size, 'notary').replace('notarys', 'notaries'),
    counted(rules.length, 'rule'),
  ].join(', ');
}

async function askRegistry(
  upstream: string,
  ca: string | undefined,
  timeout: number,
): Promise<number | DownloadError> {
  const agent = new Agent({
    connect: { timeout, rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
  });
  const answer = await answered(async () => {
    const response = await agent.request({
      origin: upstream,
      path: '/v2/',
      method: 'GET',
      headers: { accept: acceptManifests, 'user-agent': 'tufgate' },
      signal: AbortSignal.timeout(timeout),
    });
    await response.body.dump();
    return response.statusCode;
  });
  await agent.destroy();
  // 401 is how a registry says that it is one (distribution-spec end-1).
  if (answer instanceof DownloadError || answer === 200 || answer === 401) return answer;
  return new DownloadError('protocol', `/v2/ answers ${answer}, so this is no registry`);
}

async function answered(ask: () => Promise<number>): Promise<number | DownloadError> {
  try {
    return await ask();
  } catch (error) {
    return wireError(error, 'it');
  }
}
