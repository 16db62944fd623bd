import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { connect } from 'node:tls';
import type { Certificate } from '../../src/config/config.ts';
import type { CertificateOptions } from '../../src/demo/certificate.ts';
import { issueCertificate } from '../../src/demo/certificate.ts';
import { ClientAccess } from '../../src/proxy/auth/client-access.ts';
import { get, open } from './door.ts';

const day = 86_400_000;

interface Authority {
  readonly commonNames: readonly string[];
  readonly key: KeyObject;
  readonly cert: string;
}

function issue(name: string, key: KeyObject, options: Partial<CertificateOptions>): string {
  const [notBefore, notAfter] = [new Date(Date.now() - 2 * day), new Date(Date.now() + day)];
  return issueCertificate({ commonNames: [name], key, notBefore, notAfter, ...options });
}

function authority(name: string): Authority {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  return { commonNames: [name], key, cert: issue(name, key, { isCa: true, usages: [] }) };
}

function certify(name: string, options: Partial<CertificateOptions>): Certificate {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  return { cert: issue(name, key, options), key: key.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

const servers = ['gate.example', 'hub.example'].map((host) =>
  certify(host, { hosts: [host], usages: ['serverAuth'] }),
);
const [ours, other, stranger] = [authority('ours'), authority('other'), authority('ours')];
const clientCa = ours.cert + other.cert;
const client = certify('client', { issuer: ours, usages: ['clientAuth'] });

/** A listener that answers with what a client is admitted as; gives its port. */
async function openGate(t: TestContext, isAsking = true): Promise<number> {
  const access = new ClientAccess({ kind: 'certificates', ca: clientCa });
  const { port } = await open(t, {
    tls: servers,
    clientCa: isAsking ? clientCa : undefined,
    handler: async (request, response) => {
      response.end(await access.admit(request, undefined));
    },
  });
  return port;
}

/** Asks once; gives the answer whole and its body, whether the session was an earlier one's, and the session. */
async function ask(
  port: number,
  options: ConnectionOptions = {},
): Promise<{ answer: string; admission: string; isReused: boolean; session: Buffer | undefined }> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  let session: Buffer | undefined;
  let answer = '';
  socket.on('session', (given: Buffer) => (session = given));
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  await once(socket, 'secureConnect');
  const isReused = socket.isSessionReused();
  socket.write(get('Host: gate.example\r\nConnection: close\r\n'));
  await once(socket, 'close');
  const [, admission = ''] = answer.split('\r\n\r\n');
  return { answer, admission, isReused, session };
}

const names = ['gate.example', 'hub.example', 'elsewhere.example', undefined];
const versions = ['TLSv1.2', 'TLSv1.3'] as const;

for (const version of versions) {
  for (const servername of names) {
    test(`over ${version} to ${servername} a client of either authority comes in, and no other`, async (t) => {
      const port = await openGate(t);
      const shown = async (certificate?: Certificate): Promise<string> => {
        const name = servername === undefined ? {} : { servername };
        return (await ask(port, { maxVersion: version, ...name, ...certificate })).admission;
      };
      const late = { notAfter: new Date(Date.now() - day) };
      assert.equal(await shown(client), 'admitted');
      assert.equal(await shown(certify('client', { issuer: other, usages: ['clientAuth'] })), 'admitted');
      assert.equal(await shown(), 'no-certificate');
      for (const [what, options] of [
        ['itself', { usages: ['clientAuth'] }],
        ['a day ago', { issuer: ours, usages: ['clientAuth'], ...late }],
        ['servers only', { issuer: ours, usages: ['serverAuth'] }],
      ] as const) {
        assert.equal(await shown(certify('client', options)), 'no-certificate', what);
      }
    });
  }

  test(`over ${version} each connection shows its certificate anew`, async (t) => {
    const port = await openGate(t);
    for (const [before, after, admission] of [
      [client, client, 'admitted'],
      [client, {}, 'no-certificate'],
      [{}, client, 'admitted'],
      [{}, {}, 'no-certificate'],
    ] as const) {
      const { session } = await ask(port, { maxVersion: version, ...before });
      const again = await ask(port, { maxVersion: version, ...after, ...(session && { session }) });
      assert.deepEqual([again.admission, again.isReused], [admission, false]);
    }
  });
}

test('a certificate counts for nothing where clients are not asked for one', async (t) => {
  const port = await openGate(t, false);
  assert.equal((await ask(port, client)).admission, 'no-certificate');
});

for (const version of versions) {
  test(`over ${version} a certificate by another authority of our name is refused in so many words`, async (t) => {
    const port = await openGate(t);
    const forged = certify('client', { issuer: stranger, usages: ['clientAuth'] });
    const { answer } = await ask(port, { maxVersion: version, ...forged });
    assert.match(answer, /\r\n\r\n(?:no-certificate$|.*"DENIED".*this certificate is not that of a client)/);
  });
}
