// What the two rooms without hands have to be covered by, and by their own tests alone: `npm run coverage`. Nothing here
// starts or kills a process whose coverage could go missing.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';

const least = { tuf: { lines: 100, branches: 100 }, oci: { lines: 100, branches: 98 } };

for (const [room, { lines, branches }] of Object.entries(least)) {
  const options = [
    '--test',
    '--experimental-test-coverage',
    `--test-coverage-include=src/${room}/**`,
    `--test-coverage-lines=${lines}`,
    `--test-coverage-branches=${branches}`,
  ];
  const files = globSync(`test/${room}/*.test.ts`).toSorted();
  const run = spawnSync(process.execPath, [...options, ...files], { stdio: 'inherit' });
  process.exitCode ||= run.status ?? 1;
}
