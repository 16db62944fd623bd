import { join } from 'node:path';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import { describeTrustStore } from './trust-store-conformance.ts';
import { temporaryDirectory } from './trust-records.ts';

describeTrustStore('SQLite', (t) => {
  const path = join(temporaryDirectory(t), 'not', 'there', 'yet', 'state.db');
  return () => new SqliteTrustStore(path);
});
