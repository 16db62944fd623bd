// Commits record after record to a SQLite state (argument 1) and prints the number of each one once it is committed,
// until it is killed or a commit fails; that error's class is printed too. Argument 2: how many at most.
import { writeSync } from 'node:fs';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import { recordNumber } from './trust-records.ts';

const [path = '', most = 'Infinity'] = process.argv.slice(2);
try {
  const store = new SqliteTrustStore(path);
  const stored = await store.load('main', 'reg.test/app');
  let revision = stored?.revision ?? 0;
  for (let count = 0; count < Number(most); count += 1) {
    await store.commit('main', 'reg.test/app', revision, recordNumber(revision + 1));
    revision += 1;
    writeSync(1, `${revision}\n`);
  }
} catch (error) {
  // Whatever it was, the parent judges it by its class.
  writeSync(1, `${error instanceof Error ? error.name : String(error)}\n`);
}
