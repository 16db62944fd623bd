// Runs every test of the project's own world: `npm test`. Arguments narrow the run to the files whose path contains one.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';

const wanted = process.argv.slice(2);
const files = globSync('test/**/*.test.ts', { exclude: ['test/clients/**'] })
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .toSorted();
if (files.length === 0) throw new Error(`no test file matches ${wanted.join(' ')}`);
const coverage =
  wanted.length > 0
    ? []
    : [
        '--experimental-test-coverage',
        '--test-coverage-include=src/**',
        '--test-coverage-lines=90',
        '--test-coverage-branches=85',
      ];
const run = spawnSync(process.execPath, ['--test', ...coverage, ...files], { stdio: 'inherit' });
process.exitCode = run.status ?? 1;
