// Runs every test of the project's own world: `npm test`. Coverage is measured apart (coverage.ts): tests here kill
// processes on purpose, and with them what those had covered. Arguments narrow the run to the files whose path contains one.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';

const wanted = process.argv.slice(2);
const files = globSync('test/**/*.test.ts', { exclude: ['test/clients/**'] })
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .toSorted();
if (files.length === 0) throw new Error(`no test file matches ${wanted.join(' ')}`);
const run = spawnSync(process.execPath, ['--test', ...files], { stdio: 'inherit' });
process.exitCode = run.status ?? 1;
