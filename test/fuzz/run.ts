// Tries every fuzz target for its share of the time: `npm run fuzz`, or `… 600` for as many seconds, or `… 600 1234` with
// the seed of a run that failed. A counterexample ends it with status 1, and fast-check prints how to see it again.
import { fuzzTargets } from './targets.ts';

const [seconds = 60, seed = Date.now() & 0x7fff_ffff] = process.argv.slice(2).map(Number);
if (!(seconds > 0) || !Number.isInteger(seed))
  throw new Error('usage: node test/fuzz/run.ts [SECONDS [SEED]]');
console.log(`seed ${seed}, ${seconds} seconds`);
for (const { name, run } of fuzzTargets) {
  console.log(`${name}: ${run({ seed, milliseconds: (1000 * seconds) / fuzzTargets.length })} tries`);
}
