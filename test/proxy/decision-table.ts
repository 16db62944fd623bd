import { readFileSync } from 'node:fs';

/** A row of the decision table in docs/request-handling.md. */
export interface DecisionRow {
  readonly found: string;
  readonly status: string;
  readonly reason: string;
}

/** The decision table of docs/request-handling.md, whose rows the tests here are named after. */
export const decisionTable: readonly DecisionRow[] = readFileSync(
  new URL('../../docs/request-handling.md', import.meta.url),
  'utf8',
)
  .split(/^## /m)
  .filter((section) => section.startsWith('A manifest'))
  .flatMap((section) => section.split('\n'))
  .map((line) => /^\| (?<found>[^|]+) \| (?<status>[^|]+) \| (?<reason>[^|]*)\|$/.exec(line)?.groups)
  .filter((row) => row !== undefined)
  .map((row) => ({
    found: (row['found'] ?? '').trim(),
    status: (row['status'] ?? '').trim(),
    reason: (row['reason'] ?? '').replaceAll('`', '').trim(),
  }))
  .filter(({ found }) => found !== 'what is found' && !/^-+$/.test(found));
