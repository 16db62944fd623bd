import type { TestEvent } from 'node:test/reporters';

/** A reporter that ends the run with status 1 as soon as one test fails: a mutant is dead after one. */
export default async function* firstFailure(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) if (event.type === 'test:fail') process.exit(1);
}
