// Runs the test file of its argument in this process, and ends with status 1 at the first test that fails.
import { run } from 'node:test';

const stream = run({ files: process.argv.slice(2), isolation: 'none' });
stream.on('test:fail', () => process.exit(1));
// Without a reader the stream stands still.
stream.resume();
