import { test } from 'node:test';
import { fuzzTargets } from './targets.ts';

// A short run with one seed; `npm run fuzz` goes on from there for as long as one likes.
for (const { name, run } of fuzzTargets) {
  test(`whatever is written, it is read or refused: ${name}`, () => void run({ seed: 20261120, runs: 200 }));
}
