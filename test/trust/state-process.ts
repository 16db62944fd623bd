// A process of its own on a state (argument 1), as the command line is beside `serve`. `once` (argument 2): records a
// manifest, revokes a digest, prints as JSON what it sees of both, and is killed. `on and on`: writes two hundred times.
import { writeSync } from 'node:fs';
import { SqliteContentGraph } from '../../src/trust/state/sqlite-content-graph.ts';
import { SqliteSignedLedger } from '../../src/trust/state/sqlite-signed-ledger.ts';
import { blobs, content, digestOf } from './state-facts.ts';

const [path = '', mode] = process.argv.slice(2);
const [graph, ledger] = [new SqliteContentGraph(path), new SqliteSignedLedger(path)];
if (mode === 'once') {
  const seen = await graph.above(digestOf('layer'), 10);
  await graph.record(content('from the other', blobs('layer')));
  const revoked = await ledger.revoke('app', digestOf('old'));
  writeSync(1, JSON.stringify({ seen, revoked, span: await ledger.until('app', digestOf('old')) }));
  process.kill(process.pid, 'SIGKILL');
}
for (let round = 0; round < 200; round += 1) {
  await ledger.observe('app', new Set([digestOf('now'), digestOf(`there ${round}`)]), 100 + round);
  await graph.record(content(`there ${round}`, blobs('layer')));
}
writeSync(1, 'done');
