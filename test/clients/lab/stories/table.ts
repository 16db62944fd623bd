import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

/**
 * How a pull ended. `refused` and `undecided` are tufgate's words about content trust; `unauthorized` is the registry's
 * no to this client; `bypassed` is an image that nobody signed; `failed` is anything else.
 */
export type Outcome = 'ok' | 'refused' | 'undecided' | 'unauthorized' | 'bypassed' | 'failed';

const line = z.union([
  z.object({
    client: z.string(),
    by: z.string(),
    story: z.string(),
    outcome: z.string(),
    requests: z.number(),
    seconds: z.number(),
  }),
  z.object({ attempts: z.number() }),
]);
export type Line = z.infer<typeof line>;
export type Cell = Exclude<Line, { attempts: number }>;

/** The environment variable with the file that all test files of a run write their lines to. */
export const tableVariable = 'TUFGATE_CLIENTS_TABLE';

/** Keeps a cell of the table, or a number of attempts to leave, for the end of the run. */
export function record(it: Line): void {
  const file = process.env[tableVariable];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(it)}\n`);
}

/** Takes the file of a run; gives the table as text: for each client, its ways in by the stories. */
export function printedTable(file: string): string {
  if (!existsSync(file)) return '';
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  const told = lines.map((text) => line.parse(JSON.parse(text)));
  const cells = told.flatMap((it) => ('attempts' in it ? [] : [it]));
  const attempts = told.reduce((sum, it) => ('attempts' in it ? sum + it.attempts : sum), 0);
  const blocks = [...Map.groupBy(cells, ({ client }) => client)].flatMap(([client, its]) =>
    blocksOf(client, its),
  );
  const note = 'In brackets: the requests that tufgate saw, and the seconds the client took.';
  return [...blocks, note, `${attempts} attempts to leave`, ''].join('\n\n');
}

/** So many ways of one client stand beside each other. */
const columns = 3;

function blocksOf(client: string, cells: readonly Cell[]): string[] {
  const told = Map.groupBy(cells, ({ by }) => by);
  // The ways with the most stories first, so that like stands beside like.
  const ways = [...told.keys()].toSorted((a, b) => (told.get(b)?.length ?? 0) - (told.get(a)?.length ?? 0));
  const chunks = Array.from({ length: Math.ceil(ways.length / columns) }, (_, at) =>
    ways.slice(at * columns, (at + 1) * columns),
  );
  return chunks.map((chunk) =>
    block(
      client,
      chunk,
      cells.filter(({ by }) => chunk.includes(by)),
    ),
  );
}

function block(client: string, ways: readonly string[], cells: readonly Cell[]): string {
  const stories = [
    ...new Set(ways.flatMap((way) => cells.filter(({ by }) => by === way)).map(({ story }) => story)),
  ];
  const rows = stories.map((story) => [
    story,
    ...ways.map((by) => printedCell(cells.findLast((cell) => cell.by === by && cell.story === story))),
  ]);
  const all = [[client, ...ways], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  const [head = '', ...rest] = all.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [head, widths.map((width) => '-'.repeat(width)).join('  '), ...rest].join('\n');
}

function printedCell(cell: Cell | undefined): string {
  return cell === undefined ? '-' : `${cell.outcome} (${cell.requests}, ${cell.seconds.toFixed(1)} s)`;
}
