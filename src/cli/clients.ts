import { page } from '../clients/page.ts';
import type { Reach } from '../clients/reach.ts';
import { reachOf } from '../clients/reach.ts';
import { printRecipe } from '../clients/recipe.ts';
import { recipeFor, runtimeNames } from '../clients/runtimes.ts';
import { ConfigError, loadConfig } from '../config/load.ts';
import { exit } from './output.ts';

/** What `clients` can be asked for; `all` is the page for readers. */
export const clientRuntimes: readonly string[] = [...runtimeNames, 'all'];

/**
 * Prints the no-bypass configuration of a runtime, one of `clientRuntimes`, made from the configuration; gives the exit
 * status. Throws ConfigError if that is bad, or does not say how clients reach the gate, or (after printing what refuses
 * meanwhile) lacks an alias that the runtime needs.
 */
export async function clients(
  runtime: string,
  configPath: string,
  write: (text: string) => void,
): Promise<number> {
  const reach = reachOf(loadConfig(configPath, process.env));
  if (reach === undefined) {
    throw lacking(configPath, [
      '"public_url" is missing: "listen" does not name one host, so how clients reach this proxy is not known',
    ]);
  }
  write(printed(runtime, reach));
  const { problems } = recipeFor(runtime, reach) ?? { problems: [] };
  if (problems.length > 0) throw lacking(configPath, problems);
  return exit.ok;
}

function printed(runtime: string, reach: Reach): string {
  const recipe = recipeFor(runtime, reach);
  return recipe === undefined ? page(reach) : printRecipe(recipe, reach.url);
}

function lacking(file: string, messages: readonly string[]): ConfigError {
  return new ConfigError(
    messages.map((message) => ({ file, line: 1, column: 1, message })),
    '',
  );
}
