import type { Config, Notary, Registry } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { acceptManifests } from '../oci/media-type.ts';
import { DownloadError } from '../trust/download-error.ts';
import { NotaryClient } from '../trust/notary-client.ts';
import { wireError } from '../trust/token-client.ts';
import { Agent } from 'undici';
import { exit, printable } from './output.ts';

export interface CheckOptions {
  readonly online: boolean;
  readonly write: (text: string) => void;
}

/** Validates a configuration; with `online` also asks every registry and notary. Gives the exit status; throws ConfigError. */
export async function check(configPath: string, { online, write }: CheckOptions): Promise<number> {
  const config = loadConfig(configPath, process.env);
  write(`${configPath}: ok: ${summary(config)}\n`);
  for (const { rule, exception } of expiredExceptions(config, Date.now()))
    write(`${printable(`${rule}: expired, allows nothing any more: ${exception}`)}\n`);
  if (!online) return exit.ok;
  const { downloadTimeout } = config.limits;
  const answers = await Promise.all([
    ...[...config.registries.values()].map(async (registry) => ({
      what: `registry ${registry.name} at ${registry.upstream}`,
      answer: await answered(registry.upstream, () => askRegistry(registry, downloadTimeout)),
    })),
    ...[...config.notaries.values()].map(async (notary) => ({
      what: `notary ${notary.name} at ${notary.url}`,
      answer: await answered(notary.url, () => askNotary(notary, downloadTimeout)),
    })),
  ]);
  for (const { what, answer } of answers) {
    const found = answer instanceof DownloadError ? `FAILED: ${answer.message}` : `answers ${answer}`;
    write(`${printable(`${what}: ${found}`)}\n`);
  }
  return answers.some(({ answer }) => answer instanceof DownloadError) ? exit.undecided : exit.ok;
}

/** Takes a configuration and the time, in milliseconds since 1970; gives each exception that has ended, by its rule. */
export function expiredExceptions(
  { rules }: Pick<Config, 'rules'>,
  now: number,
): readonly { readonly rule: string; readonly exception: string }[] {
  return rules.flatMap((rule) =>
    ('exceptions' in rule ? rule.exceptions : [])
      .filter(({ until }) => until <= now)
      .map(({ reference, digest, until, why }) => ({
        rule: rule.match,
        exception: `${[reference, digest].filter(Boolean).join(' ')} until ${new Date(until).toISOString()}: ${why}`,
      })),
  );
}

function summary({ registries, notaries, rules }: Config): string {
  const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
  return [
    counted(registries.size, 'registry').replace('registrys', 'registries'),
    counted(notaries.size, 'notary').replace('notarys', 'notaries'),
    counted(rules.length, 'rule'),
  ].join(', ');
}

async function askRegistry({ upstream, ca }: Registry, timeout: number): Promise<number> {
  const agent = new Agent({
    connect: { timeout, rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
  });
  try {
    const response = await agent.request({
      origin: upstream,
      path: '/v2/',
      method: 'GET',
      headers: { accept: acceptManifests, 'user-agent': 'tufgate' },
      signal: AbortSignal.timeout(timeout),
    });
    await response.body.dump();
    return response.statusCode;
  } finally {
    await agent.destroy();
  }
}

async function askNotary(notary: Notary, timeout: number): Promise<number> {
  const client = new NotaryClient(notary, timeout);
  try {
    return await client.ping();
  } finally {
    await client.close();
  }
}

async function answered(url: string, ask: () => Promise<number>): Promise<number | DownloadError> {
  try {
    const status = await ask();
    // 401 is how registries and notaries say who they are (distribution-spec end-1, notary-v1 §1).
    if (status === 200 || status === 401) return status;
    return new DownloadError('protocol', `/v2/ answers ${status}, not 200 or 401`, { status });
  } catch (error) {
    return wireError(error, new URL(url).host);
  }
}
