import { getSystemErrorMessage } from 'node:util';
import type { Address } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { expiredExceptions } from './check.ts';
import { createLog } from '../telemetry/log.ts';
import { exit } from './output.ts';
import { startGate } from './gate.ts';
import { version } from './version.ts';

/**
 * Runs the proxy until SIGTERM or SIGINT, then lets pulls in flight finish; a second signal ends it at once. Gives the
 * exit status. Throws ConfigError, and StateError if the state cannot be opened.
 */
export async function serve(configPath: string): Promise<number> {
  const config = loadConfig(configPath, process.env);
  const log = createLog(process.stdout);
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    let isSecond = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (isSecond) process.exit(exit.refused);
        isSecond = true;
        resolve(signal);
      });
    }
  });
  let gate;
  try {
    gate = await startGate(config, { log });
  } catch (error) {
    if (!isListenError(error)) throw error;
    process.stderr.write(`tufgate: ${listenProblem(error)}\n`);
    return exit.refused;
  }
  const urlOf = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;
  log.info(
    {
      version,
      config: configPath,
      listen: urlOf(gate.address),
      tls: config.tls.length > 0,
      admin: urlOf(gate.admin),
      state: config.statePath,
      registries: [...config.registries.keys()],
      rules: config.rules.map(({ match, mode }) => `${match} ${mode}`),
    },
    'serving',
  );
  for (const { rule, exception } of expiredExceptions(config, Date.now()))
    log.warn({ rule, exception }, 'an exception has expired, and allows nothing any more');
  // Its default is to end the process, which is not what whoever sends it to a proxy means.
  process.on('SIGHUP', () =>
    log.warn({}, 'the configuration is read at the start only: restart to apply a change'),
  );
  const signal = await stopped;
  log.info({ signal }, 'stopping');
  await gate.drain();
  log.info({}, 'stopped');
  return exit.ok;
}

interface SystemError extends Error {
  readonly syscall: string;
  readonly errno: number;
  readonly hostname?: string;
  readonly address?: string;
  readonly port?: number;
}

function isListenError(error: unknown): error is SystemError {
  return (
    error instanceof Error && 'syscall' in error && ['listen', 'getaddrinfo'].includes(String(error.syscall))
  );
}

function listenProblem({ errno, hostname, address, port }: SystemError): string {
  const where = hostname ?? `${address}:${port}`;
  return `cannot listen on ${where}: ${getSystemErrorMessage(errno)}`;
}
