import { Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import { startGate } from '../../src/cli/gate.ts';
import type { Address } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/telemetry/log.ts';

/** A proxy whose log is kept as it was written, byte for byte. */
export interface Overheard {
  readonly url: string;
  readonly port: number;
  readonly adminUrl: string;
  readonly log: () => string;
}

/** Starts the proxy with a configuration file and these environment variables; it ends with the test. */
export async function overhear(
  t: TestContext,
  configPath: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Overheard> {
  const written: string[] = [];
  const log = createLog(
    new Writable({
      decodeStrings: false,
      write: (chunk: string, _encoding, done) => {
        written.push(chunk);
        done();
      },
    }),
  );
  const gate = await startGate(loadConfig(configPath, environment), { log, drainGrace: 0 });
  t.after(() => gate.close());
  const at = ({ host, port }: Address): string => `http://${host}:${port}`;
  return {
    url: at(gate.address),
    port: gate.address.port,
    adminUrl: at(gate.admin),
    log: () => written.join(''),
  };
}
