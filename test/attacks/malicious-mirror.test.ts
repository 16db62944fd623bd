import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { issueCertificate } from '../../src/demo/certificate.ts';
import { generatePrivateKey } from '../../src/demo/signing/key.ts';
import { answer } from '../world/fault.ts';
import type { ConfigurationTree } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { attacks, begin } from './attack.ts';
import type { Attack, Scene } from './attack.ts';
import { refused } from './expected.ts';
import { floorsOf } from './floors.ts';
import { day } from './lies.ts';
import { graceAttacks, notaryAttacks, tokenAttacks } from './malicious-mirror-notary.ts';
import { registryAttacks } from './malicious-mirror-registry.ts';

// Malicious mirrors (TUF §1.5.2): a notary or registry, or whoever stands in front of it, that forgets, answers in
// another's place, breaks the protocol, or sends us elsewhere.

const forgotten: readonly (readonly [what: string, lie: (scene: Scene) => void])[] = [
  ['everything of a repository', ({ world, gun }) => world.notary.server.remove(gun)],
  ['its root.json', ({ repository }) => repository.files.setCurrent('root', undefined)],
  ['its timestamp', ({ repository }) => repository.files.setCurrent('timestamp', undefined)],
];

attacks(
  'malicious mirror: trust that is taken away',
  forgotten.map(([what, lie]): Attack => ({
    id: 'T-73',
    title: `a notary that has forgotten ${what} is not believed, whatever the grace for outages`,
    warm: refused('ROLLBACK'),
    lie,
    mend: ({ world, gun, repository }) => {
      world.notary.server.serve(gun, repository.files);
      repository.touch('root');
      repository.publish();
    },
  })),
  { rule: { outage_grace: '1h' } },
);

attacks(
  'malicious mirror: a file that a signed file names is missing',
  (['snapshot', 'targets', 'targets/releases'] as const).map((role): Attack => ({
    id: 'T-73',
    title: `a notary that says 404 for the ${role} that is signed does not thereby say "not signed"`,
    warm: refused('NOTARY_UNAVAILABLE'),
    cold: refused('NOTARY_UNAVAILABLE'),
    lie: ({ world, name, repository }) => {
      repository.touch('targets', 'targets/releases');
      repository.publish();
      world.notary.fault(name, role, answer(404));
    },
  })),
);
attacks('malicious mirror: what a notary answers', notaryAttacks);
attacks('malicious mirror: what a notary answers, where outages have a grace', graceAttacks, {
  rule: { outage_grace: '1h' },
});
attacks('malicious mirror: what a token server answers', tokenAttacks, {
  notary: { access: { kind: 'bearer', users: [], anonymous: [{ repository: '*', actions: ['pull'] }] } },
});
attacks('malicious mirror: what a registry answers', registryAttacks);

/** A certificate for 127.0.0.1 that nobody but itself vouches for. */
function selfSigned(): { readonly cert: string; readonly key: string } {
  const key = generatePrivateKey('p256');
  const dates = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) };
  const cert = issueCertificate({
    commonNames: ['n'],
    key,
    ...dates,
    hosts: ['127.0.0.1'],
    usages: ['serverAuth'],
  });
  return { cert, key: key.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** Pulls from a notary under `tls`, where the configuration knows the authority `ca`. */
async function pullOverTls(
  t: TestContext,
  tls: ReturnType<typeof selfSigned>,
  ca: string | undefined,
): Promise<readonly unknown[]> {
  const world = await startWorld(t, {
    notary: { tls },
    config: (tree) => {
      const file = String(tree['state']).replace(/^sqlite:(.*)state\.db$/, '$1ca.pem');
      if (ca !== undefined) writeFileSync(file, ca);
      const notaries = tree['notaries'] as Record<string, ConfigurationTree>;
      return {
        ...tree,
        notaries: { main: { ...notaries['main'], ...(ca !== undefined && { ca_file: file }) } },
      };
    },
  });
  const scene = begin(world, 'team/tls', 'cold');
  scene.repository.publish();
  const before = floorsOf(scene);
  const { status, reason } = await world.proxy.pull('team/tls:1.0');
  if (status !== 200) {
    assert.deepEqual(floorsOf(scene), before);
    assert.deepEqual(world.notary.requests, [], 'nothing was asked of it');
  }
  return [status, reason];
}

test('U-28 cold: a notary that the configured authority does not vouch for is asked nothing', async (t) => {
  const tls = selfSigned();
  assert.deepEqual(await pullOverTls(t, tls, tls.cert), [200, undefined]);
  for (const ca of [selfSigned().cert, undefined])
    assert.deepEqual(await pullOverTls(t, tls, ca), [503, 'NOTARY_UNAVAILABLE']);
});

test('U-29 cold: no environment variable switches that off', async (t) => {
  const name = 'NODE_TLS_REJECT_UNAUTHORIZED';
  process.env[name] = '0';
  t.after(() => {
    delete process.env[name];
  });
  const tls = selfSigned();
  for (const ca of [selfSigned().cert, undefined])
    assert.deepEqual(await pullOverTls(t, tls, ca), [503, 'NOTARY_UNAVAILABLE']);
});
