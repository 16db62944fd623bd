import { Argument, Command, CommanderError } from 'commander';
import { check } from './cli/check.ts';
import { clientRuntimes, clients } from './cli/clients.ts';
import { demo } from './cli/demo.ts';
import { doctor } from './cli/doctor.ts';
import { exit } from './cli/output.ts';
import { explain } from './cli/explain.ts';
import { schema } from './cli/schema.ts';
import { serve } from './cli/serve.ts';
import { trustPin, trustReset, trustRevoke, trustShow } from './cli/trust.ts';
import { version } from './cli/version.ts';
import { ConfigError } from './config/load.ts';
import { StateError } from './trust/trust-store.ts';

interface FileOption {
  readonly config: string;
}

interface DoctorFlags {
  readonly root: string;
  readonly json?: boolean;
  readonly canary: boolean;
}

const defaultConfig = 'config/tufgate.yaml';

/** The output of every verb but `serve`, whose log bears more. */
function write(text: string): void {
  if (process.stdout.listenerCount('error') === 0) {
    process.stdout.on('error', (error: Error & { code?: string }) => {
      // Whoever reads has seen enough (`| head`), and still gets the exit status.
      if (error.code !== 'EPIPE') throw error;
    });
  }
  process.stdout.write(text);
}

/** Arguments to one verb; gives the exit status. */
async function run(args: readonly string[]): Promise<number> {
  let status: number = exit.ok;
  const verb = (work: () => Promise<number>) => async (): Promise<void> => {
    status = await work();
  };
  const program = new Command('tufgate')
    .description('A registry proxy that serves the manifest Notary signed for a tag, or refuses.')
    .exitOverride()
    .showHelpAfterError('(tufgate --help tells what there is)');
  const withConfig = (command: Command): Command =>
    command.option('-c, --config <file>', 'the configuration', defaultConfig);

  withConfig(program.command('serve').description('run the proxy')).action((options: FileOption) =>
    verb(() => serve(options.config))(),
  );
  withConfig(program.command('check').description('validate the configuration'))
    .option('--online', 'also ask each registry and notary')
    .action((options: FileOption & { online?: boolean }) =>
      verb(() => check(options.config, { online: options.online === true, write }))(),
    );
  withConfig(
    program
      .command('explain')
      .argument('<image>')
      .description('the decision for one image, step by step, and the remedy'),
  )
    .option('--json', 'one JSON value with stable keys')
    .action((image: string, options: FileOption & { json?: boolean }) =>
      verb(() => explain(image, options.config, { json: options.json === true, write }))(),
    );

  const trust = program.command('trust').description('what is trusted of an image, and from where');
  withConfig(trust.command('show').argument('<image>').description('what is trusted now'))
    .option('--json', 'one JSON value with stable keys')
    .action((image: string, options: FileOption & { json?: boolean }) =>
      verb(() => trustShow(image, options.config, { json: options.json === true, write }))(),
    );
  withConfig(
    trust
      .command('pin')
      .argument('<image>')
      .description('a pin of the root that is served now, ready to paste'),
  ).action((image: string, options: FileOption) => verb(() => trustPin(image, options.config, write))());
  withConfig(trust.command('reset').argument('<image>').description('forget what is trusted; asks first'))
    .option('--yes', 'do not ask')
    .action((image: string, options: FileOption & { yes?: boolean }) =>
      verb(() => trustReset(image, options.config, { yes: options.yes === true, write }))(),
    );

  withConfig(
    program
      .command('clients')
      .addArgument(new Argument('<runtime>', 'which client').choices(clientRuntimes))
      .description('the client configuration that leaves no way round'),
  ).action((runtime: string, options: FileOption) => verb(() => clients(runtime, options.config, write))());

  withConfig(program.command('doctor').description('is a way around the proxy open on this node?'))
    .option('--root <dir>', "where the node's file system is mounted", '/')
    .option('--json', 'one JSON value with stable keys')
    .option('--no-canary', 'do not pull an unsigned image through each runtime')
    .action(({ config, root, json, canary }: FileOption & DoctorFlags) =>
      verb(() => doctor(config, { root, json: json === true, canary, write }))(),
    );

  withConfig(
    trust
      .command('revoke')
      .argument('<image@digest>')
      .description('keep a digest no longer that is not signed any more'),
  ).action((image: string, options: FileOption) => verb(() => trustRevoke(image, options.config, write))());

  program
    .command('schema')
    .description('the JSON Schema of the configuration')
    .action(() => verb(() => schema(write))());
  program
    .command('demo')
    .description('the whole story on embedded parts')
    .option('--once', 'end after the stories instead of staying up')
    .action((options: { once?: boolean }) => verb(() => demo({ once: options.once === true, write }))());
  program
    .command('version')
    .description('the version')
    .action(() => {
      write(`tufgate ${version} (node ${process.versions.node})\n`);
    });
  await program.parseAsync(args, { from: 'user' });
  return status;
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed what it has to say; help and version are no errors.
    process.exitCode = error.exitCode === 0 ? exit.ok : exit.usage;
  } else if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = exit.config;
  } else if (error instanceof StateError) {
    process.stderr.write(`tufgate: ${error.message}\n`);
    process.exitCode = exit.undecided;
  } else {
    // Ours, and nobody was refused by it: 1, which an uncaught error ends with, would say so.
    process.stderr.write(
      `tufgate: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = exit.undecided;
  }
}
