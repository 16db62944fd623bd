import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { authFile } from './lab/runtimes/containers-image.ts';
import { startHub, writeHtpasswd, type Hub } from './lab/hub.ts';
import { Lab } from './lab/lab.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import { issue } from './lab/pki.ts';
import { openContainerd, openDocker, openPodman, openSkopeo } from './lab/runtimes/pulling-client.ts';
import { tellOfPasswords, tellOfSecret } from './lab/stories/secret-stories.ts';
import { neverLeft } from './lab/stories/stories.ts';
import { Tufgate } from './lab/servers/tufgate.ts';
import { tell, type Stage } from './lab/stories/way.ts';

/** Starts tufgate on TLS with accounts of its own at both registries: in a password file, and in a config.json. */
async function startHolder(hub: Hub, clients: object | undefined): Promise<Tufgate> {
  const { lab, pki, settings, secrets, cables } = hub;
  const auth: Record<string, object> = {};
  for (const { scheme, registry, login } of secrets) {
    const file = join(lab.dir, `${scheme}-account`);
    if (scheme === 'Bearer') {
      await writeFile(file, login.password);
      auth[registry] = { username: login.username, password_file: file };
    } else {
      await writeFile(file, authFile({ ...login, server: new URL(cables.Basic.url).host }));
      auth[registry] = { docker_config_file: file };
    }
  }
  const registries = Object.fromEntries(
    Object.entries(settings.registries).map(([name, registry]) => [name, { ...registry, auth: auth[name] }]),
  );
  const tls = { cert_file: pki.certFile, key_file: pki.keyFile };
  return await Tufgate.startWith(
    lab,
    () => ({ ...settings, registries, tls, ...(clients && { clients }) }),
    pki.caFile,
  );
}

describe('clients of a tufgate that holds the accounts at the registries', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const hub = await startHub(lab);
  const client = { username: 'carol', password: 'client-password' };

  describe('which serves whoever has a password of its own', async () => {
    const by = 'our account, htpasswd';
    const htpasswd = await writeHtpasswd(lab, 'clients.htpasswd', client);
    const tufgate = await startHolder(hub, { htpasswd_file: htpasswd });
    const stage: Stage = { ...hub, tufgate };
    const node = await NodeRoot.open(lab, 'node-htpasswd');
    await node.install(tufgate, 'containerd');
    await node.install(tufgate, 'podman');
    const certs = node.path('/etc/containerd/certs.d');
    const pulling = [
      [await openDocker(lab, hub.egress), `${tufgate.host}/`],
      [await openContainerd(lab, hub.egress, certs), ''],
      [await openPodman(lab, hub.egress, node.imageSettings), ''],
      [await openSkopeo(lab, hub.egress, node.imageSettings), ''],
    ] as const;

    for (const [program, before] of pulling) {
      describe(program.name, () => {
        for (const secret of hub.secrets) {
          const image = `${before}${secret.registry}/${secret.repository}`;
          tellOfSecret(stage, { client: program, by, image }, { ...secret, login: client }, tufgate.host);
        }
      });
    }

    test('the password of a client reached no registry and no token server', () => {
      const seen = JSON.stringify([hub.tokens.requests, hub.cables.Basic.passed, hub.cables.Bearer.passed]);
      assert.equal(seen.includes(client.password), false);
      const basic = Buffer.from(`${client.username}:${client.password}`).toString('base64');
      assert.equal(seen.includes(basic), false);
    });
  });

  describe('which serves whoever has a certificate', async () => {
    const by = 'our account, certificates';
    const tufgate = await startHolder(hub, { ca_file: hub.pki.caFile });
    const stage: Stage = { ...hub, tufgate };
    const { certFile, keyFile } = await issue(hub.pki, 'client');
    const certDir = join(lab.dir, 'client-certificates');
    await mkdir(certDir);
    await copyFile(hub.pki.caFile, join(certDir, 'ca.crt'));
    await copyFile(certFile, join(certDir, 'client.cert'));
    await copyFile(keyFile, join(certDir, 'client.key'));
    const node = await NodeRoot.open(lab, 'node-certificates');
    await node.install(tufgate, 'containerd');
    await node.install(tufgate, 'podman');
    const { imageSettings } = node;
    const certs = node.path('/etc/containerd/certs.d');
    const containerd = await openContainerd(lab, hub.egress, certs);
    const bare = [
      containerd,
      await openPodman(lab, hub.egress, imageSettings),
      await openSkopeo(lab, hub.egress, imageSettings),
    ];
    const proven = [
      containerd,
      await openPodman(lab, hub.egress, imageSettings, '--cert-dir', certDir),
      await openSkopeo(lab, hub.egress, imageSettings, '--src-cert-dir', certDir),
    ];

    for (const { scheme, registry, repository, digests } of hub.secrets) {
      const image = `${registry}/${repository}`;
      for (const [at, program] of proven.entries()) {
        test(`${program.name} pulls from a ${scheme} registry with one, and not without`, async () => {
          const without = bare[at];
          assert.ok(without);
          const story = `private (${scheme})`;
          await node.install(tufgate, 'containerd');
          const refused = { story: `${story}, no certificate`, outcome: 'unauthorized' } as const;
          await tell(stage, { client: without, by, image }, ':v1', refused);
          await node.showCertificate(`/etc/containerd/certs.d/${registry}/hosts.toml`, certFile, keyFile);
          const served = {
            story: `${story}, certificate`,
            outcome: 'ok',
            digests: digests.slice(0, 2),
          } as const;
          await tell(stage, { client: program, by, image }, ':v1', served);
        });
      }
    }
  });

  describe('which serves anyone', async () => {
    const tufgate = await startHolder(hub, undefined);
    const stage: Stage = { ...hub, tufgate };
    const node = await NodeRoot.open(lab, 'node-anyone');
    await node.install(tufgate, 'podman');
    const skopeo = await openSkopeo(lab, hub.egress, node.imageSettings);
    const way = { client: skopeo, by: 'our account, anyone' };
    for (const { scheme, registry, repository, digests } of hub.secrets) {
      test(`needs no credentials for a ${scheme} registry`, async () => {
        const expected = { outcome: 'ok', digests: digests.slice(0, 2) } as const;
        const image = `${registry}/${repository}`;
        await tell(stage, { ...way, image }, ':v1', {
          story: `private (${scheme}), no credentials`,
          ...expected,
        });
      });
    }
    tellOfPasswords(hub, stage, ['acme/secret']);
  });

  neverLeft(hub, Object.values(hub.cables));
});
