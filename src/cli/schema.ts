import { jsonSchema } from '../config/schema.ts';
import { exit } from './output.ts';

/** Prints the JSON Schema of the configuration; gives the exit status. */
export async function schema(write: (text: string) => void): Promise<number> {
  write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
  return exit.ok;
}
