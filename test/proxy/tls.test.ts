import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { connect } from 'node:tls';
import { issueCertificate } from '../../src/demo/certificate.ts';
import { buildImage } from '../../src/demo/image.ts';
import { at, send } from '../world/http.ts';
import { startWorld } from '../world/world.ts';
import type { World } from '../world/world.ts';
import { readUntil } from './door.ts';
import { withRegistry } from './evidence.ts';

const good = buildImage('good');

interface TlsWorld extends World {
  /** The certificates by the host they are for: each is its own authority. */
  readonly certificates: Readonly<Record<'gate.test' | 'hub.test', string>>;
}

async function startTls(t: TestContext): Promise<TlsWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'tufgate-tls-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const pairs = await Promise.all(
    (['gate.test', 'hub.test'] as const).map(async (host) => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const cert = issueCertificate({
        commonNames: [host],
        hosts: [host, '127.0.0.1'],
        key: privateKey,
        usages: ['serverAuth'],
        notBefore: new Date(Date.now() - 86_400_000),
        notAfter: new Date(Date.now() + 86_400_000),
      });
      const files = { cert_file: join(directory, `${host}.crt`), key_file: join(directory, `${host}.key`) };
      await writeFile(files.cert_file, cert);
      await writeFile(files.key_file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
      return { host, cert, files };
    }),
  );
  const world = await startWorld(t, {
    config: ({ default_registry: _default, ...tree }) => ({
      ...withRegistry(tree, { hosts: ['hub.test'] }),
      tls: pairs.map(({ files }) => files),
    }),
  });
  world.registry.put('team/app', good, '1.0');
  world.notary.sign('team/app', '1.0', good);
  const certificates = Object.fromEntries(pairs.map(({ host, cert }) => [host, cert]));
  return { ...world, certificates: certificates as TlsWorld['certificates'] };
}

/** Asks under a name of the proxy, as a client does that found it in the DNS. */
async function ask(
  world: TlsWorld,
  servername: string,
  ca: string,
): Promise<{ socket: TLSSocket; text: string }> {
  const socket = connect({ port: Number(new URL(world.proxy.url).port), host: '127.0.0.1', servername, ca });
  await once(socket, 'secureConnect');
  socket.write(`GET /v2/team/app/manifests/1.0 HTTP/1.1\r\nHost: ${servername}\r\nConnection: close\r\n\r\n`);
  return { socket, text: await readUntil(socket, '}') };
}

test('a pull over TLS, under the certificate of the name that was asked for', async (t) => {
  const world = await startTls(t);
  const { socket, text } = await ask(world, 'hub.test', world.certificates['hub.test']);
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.ok(text.endsWith(good.bytes.toString()));
  assert.equal(socket.getPeerCertificate().subject.CN, 'hub.test');
  assert.equal(socket.alpnProtocol, false);
  socket.destroy();
});

test('a name that no certificate is for gets the first, which its client refuses', async (t) => {
  const world = await startTls(t);
  await assert.rejects(ask(world, 'evil.test', world.certificates['gate.test']), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
});

test('a refusal over TLS keeps its reason phrase, which containerd shows', async (t) => {
  const { proxy, certificates } = await startTls(t);
  // The Host header is the name that Node asks for in TLS, too.
  const options = { ca: certificates['hub.test'], headers: { host: 'hub.test' } };
  const refused = await send(proxy.url, '/v2/team/app/manifests/2.0', options);
  assert.deepEqual(
    [refused.status, at(refused.json, 'errors', 0, 'detail', 'reason')],
    [403, 'TAG_NOT_SIGNED'],
  );
  assert.match(refused.statusMessage, /^content trust: reg\.test\/team\/app:2\.0 denied: TAG_NOT_SIGNED/);
});
