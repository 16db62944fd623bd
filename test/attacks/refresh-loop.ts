// Refreshes the trust of one GUN (state: argument 1, notary: 2, root pin: 3) for ever, and prints the versions of its
// roles each time it would answer a client with them, until it is killed.
import { writeSync } from 'node:fs';
import { NotaryClient } from '../../src/trust/notary-client.ts';
import { NotaryTrust } from '../../src/trust/notary-trust.ts';
import { SqliteSignedLedger } from '../../src/trust/state/sqlite-signed-ledger.ts';
import { SqliteTrustStore } from '../../src/trust/sqlite-trust-store.ts';
import { SignatureVerifier } from '../../src/tuf/key/signature.ts';
import { gun, tagOf, trustLimits } from '../trust/trust-world.ts';

const [statePath = '', url = '', rootPin = ''] = process.argv.slice(2);
const trust = new NotaryTrust({
  notaries: new Map([
    [
      'main',
      new NotaryClient(
        { name: 'main', url, auth: 'anonymous', tokenRealm: undefined, ca: undefined },
        10_000,
      ),
    ],
  ]),
  store: new SqliteTrustStore(statePath),
  ledger: new SqliteSignedLedger(statePath),
  verifier: new SignatureVerifier(),
  limits: trustLimits,
  now: Date.now,
});
const pin = { kind: 'keys', ids: [rootPin] } as const;
const anchor = { notary: 'main', gun, pin, signers: [], checkEvery: 0, outageGrace: 0 };
for (;;) {
  const answered = await trust.resolveTag(anchor, tagOf('1.0'));
  const roles =
    answered.kind === 'signed' ? answered.roles.map(({ role, version }) => [role, version]) : answered;
  writeSync(1, `${JSON.stringify(roles)}\n`);
}
