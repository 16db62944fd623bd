import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { connect } from 'node:tls';
import type { User } from '../../src/demo/access.ts';
import type { CertificateOptions } from '../../src/demo/certificate.ts';
import { issueCertificate } from '../../src/demo/certificate.ts';
import { buildImage } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { ConfigurationTree, World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { withRegistry } from './evidence.ts';

// A registry whose credentials are in a Docker config.json, from that file to the pull.

const image = buildImage('good');
const robot: User = {
  username: 'robot',
  password: 'canary-5f3a9',
  grants: [{ repository: '*', actions: ['pull'] }],
};
const entry = (password: string): { auth: string } => ({
  auth: Buffer.from(`${robot.username}:${password}`).toString('base64'),
});

type OfHost = (host: string) => unknown;

interface HeldWorld extends World {
  /** Writes the config.json anew, for the host of the registry. */
  readonly write: (of: OfHost) => void;
}

/** A world whose registry is open to `robot` only, and a folder with the config.json and what else a test puts there. */
async function worldWith(
  t: TestContext,
  kind: 'basic' | 'bearer',
  of: OfHost,
  config: (put: (name: string, content: string) => string) => ConfigurationTree = () => ({}),
): Promise<HeldWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'tufgate-held-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const put = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const file = put('config.json', '{}');
  const answer = `echo '{"Username":"${robot.username}","Secret":"${robot.password}"}'`;
  chmodSync(put('docker-credential-canary', `#!/bin/sh\n${answer}\n`), 0o755);
  const before = process.env['PATH'];
  process.env['PATH'] = `${folder}:${before}`;
  t.after(() => (process.env['PATH'] = before));
  const world = await startWorld(t, {
    registry: { access: { kind, users: [robot] } },
    config: (tree) => ({ ...withRegistry(tree, { auth: { docker_config_file: file } }), ...config(put) }),
  });
  world.registry.put('team/app', image, '1.0');
  world.notary.sign('team/app', '1.0', image);
  const write = (written: OfHost): void => {
    put('config.json', JSON.stringify(written(new URL(world.registry.url).host)));
  };
  write(of);
  return { ...world, write };
}

for (const kind of ['basic', 'bearer'] as const) {
  for (const [what, of] of [
    ['an entry', (host: string) => ({ auths: { [host]: entry(robot.password) } })],
    ['a credential helper', (host: string) => ({ credHelpers: { [host]: 'canary' } })],
  ] as const) {
    test(`${what} of a Docker config.json opens a registry that speaks ${kind}, for manifests, blobs and what is carried`, async (t) => {
      const { proxy } = await worldWith(t, kind, of);
      assert.equal((await proxy.pull('team/app:1.0')).status, 200);
      const blob = `/v2/team/app/blobs/${digestOf(image.config)}`;
      assert.equal((await proxy.request(blob)).status, 200);
      assert.equal((await proxy.request('/v2/team/app/tags/list')).status, 200);
    });
  }
}

test('a password that was renewed in the file is used without a restart', async (t) => {
  const { proxy, write } = await worldWith(t, 'basic', (host) => ({ auths: { [host]: entry('stale') } }));
  assert.equal((await proxy.pull('team/app:1.0')).reason, 'UPSTREAM_UNAVAILABLE');
  write((host) => ({ auths: { [host]: entry(robot.password) } }));
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
});

test('a file without credentials for the registry is no anonymous pull, and says what is missing', async (t) => {
  const { proxy, registry } = await worldWith(t, 'bearer', () => ({ auths: { a: entry(robot.password) } }));
  const before = registry.requests.length;
  const { status, reason, body } = await proxy.pull('team/app:1.0');
  assert.deepEqual([status, reason], [503, 'UPSTREAM_UNAVAILABLE']);
  assert.ok(registry.requests.slice(before).every(({ url }) => !url.startsWith('/token')));
  assert.match(body.toString(), /config\.json holds no credentials for 127\.0\.0\.1:\d+/);
  assert.doesNotMatch(body.toString(), /canary-5f3a9/);
});

/** Keys and certificates for one test: the gate's own, an authority of clients, and a client's. */
function certificates(): Record<
  'gate' | 'authority' | 'client',
  { readonly cert: string; readonly key: string }
> {
  const day = 86_400_000;
  const issue = (
    name: string,
    more: Partial<CertificateOptions>,
  ): { cert: string; key: string; own: KeyObject } => {
    const own = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const [notBefore, notAfter] = [new Date(Date.now() - day), new Date(Date.now() + day)];
    const cert = issueCertificate({ commonNames: [name], key: own, notBefore, notAfter, ...more });
    return { cert, key: own.export({ type: 'pkcs8', format: 'pem' }).toString(), own };
  };
  const authority = issue('clients', { isCa: true, usages: [] });
  const issuer = { commonNames: ['clients'], key: authority.own };
  return {
    gate: issue('gate', { hosts: ['127.0.0.1'], usages: ['serverAuth'] }),
    authority,
    client: issue('a client', { usages: ['clientAuth'], issuer }),
  };
}

test('what our credentials open is for clients with a certificate of the configured authority', async (t) => {
  const { gate, authority, client } = certificates();
  const { proxy } = await worldWith(
    t,
    'bearer',
    (host) => ({ auths: { [host]: entry(robot.password) } }),
    (put) => ({
      tls: { cert_file: put('gate.crt', gate.cert), key_file: put('gate.key', gate.key) },
      clients: { ca_file: put('clients.crt', authority.cert) },
    }),
  );
  const status = async (shown: ConnectionOptions): Promise<string | undefined> => {
    const port = Number(new URL(proxy.url).port);
    const socket = connect({ port, host: '127.0.0.1', ca: gate.cert, ...shown });
    await once(socket, 'secureConnect');
    const target = '/v2/team/app/manifests/1.0';
    socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    return /^HTTP\/1\.1 ([0-9]{3}) /.exec(await text(socket))?.[1];
  };
  assert.equal(await status(client), '200');
  assert.equal(await status({}), '403');
});
