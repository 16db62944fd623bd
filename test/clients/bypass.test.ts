import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { z } from 'zod';
import { writeImageSettings } from './lab/runtimes/containers-image.ts';
import { startEgress } from './lab/servers/egress.ts';
import { Lab } from './lab/lab.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import { NotaryClient, startNotaryServer } from './lab/servers/notary.ts';
import { issue, makePki } from './lab/pki.ts';
import { publish } from './lab/published.ts';
import {
  openContainerd,
  openDocker,
  openPodman,
  openSkopeo,
  type PullingClient,
} from './lab/runtimes/pulling-client.ts';
import { startRegistry } from './lab/servers/registry.ts';
import { Relay } from './lab/servers/relay.ts';
import { Tufgate } from './lab/servers/tufgate.ts';
import { tell } from './lab/stories/way.ts';

const found = z.object({
  findings: z.array(
    z.object({
      status: z.enum(['open', 'unknown', 'ok', 'skipped']),
      code: z.string(),
      file: z.string().nullable(),
    }),
  ),
});

// What is set here is what we warn of: the tests document that a refusal becomes a pull of the unsigned image, with
// exit status 0 and nothing said, and that `tufgate doctor` finds each of these settings.
describe('settings that go round tufgate', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const pki = await makePki(lab);
  const registry = await startRegistry(lab);
  const notary = await startNotaryServer(lab, pki, 'local');
  const signer = await NotaryClient.open(lab, 'signer', notary, pki);
  const registryName = 'registry.example';
  const repository = 'library/app';
  const gun = `${registryName}/${repository}`;
  const { signed, unsigned } = await publish(registry.url, repository, signer, gun);
  const notaryCable = await Relay.open(lab, notary.port);
  const tufgate = await Tufgate.start(lab, {
    registry: registryName,
    upstream: registry.url,
    notary: `https://127.0.0.1:${notaryCable.port}`,
    notaryCaFile: pki.caFile,
    root: { keys: (await signer.root(gun)).keys.map((key) => key.spki) },
  });

  // The registry itself, under the names by which clients find it without tufgate.
  const names = ['registry-1.docker.io', registryName];
  const itself = await startRegistry(lab, {
    storage: registry.storage,
    tls: await issue(pki, 'itself', names),
  });
  const egress = await startEgress(lab, pki.caFile);
  for (const name of names) egress.lead(`${name}:443`, itself.port);
  const stage = { tufgate, notaryCable, egress };
  const hostsToml = `/etc/containerd/certs.d/${registryName}/hosts.toml`;

  /** The unsigned image arrives though tufgate, which was asked, has refused it. */
  async function goesRound(client: PullingClient, by: string, image: string): Promise<number> {
    const led = egress.led.length;
    const expected = { story: 'unsigned', outcome: 'bypassed' } as const;
    const { requests } = await tell(stage, { client, by, image }, ':unsigned', expected);
    assert.ok((await client.records(`${image}:unsigned`)).includes(unsigned.digest));
    assert.ok(egress.led.length > led);
    await client.remove(`${image}:unsigned`);
    return requests;
  }

  /** The ways that are open on the node, but for those of the network, which this machine is open to. */
  async function diagnosed(
    node: NodeRoot,
  ): Promise<readonly (readonly [code: string, file: string | null])[]> {
    const { stdout, output } = await tufgate.tell('doctor', '--root', node.dir, '--json', '--no-canary');
    if (stdout === '') throw new Error(`tufgate doctor says: ${output}`);
    const { findings } = found.parse(JSON.parse(stdout));
    const network = ['registry-reachable', 'proxy-leads-round'];
    return findings
      .filter(({ status, code }) => (status === 'open' || status === 'unknown') && !network.includes(code))
      .map(({ code, file }) => [code, file]);
  }

  describe('docker with registry-mirrors', async () => {
    const node = await NodeRoot.open(lab, 'docker-node');
    const daemonJson = { 'registry-mirrors': [tufgate.origin] };
    await node.write('/etc/docker/daemon.json', JSON.stringify(daemonJson));
    const client = await openDocker(lab, egress, daemonJson);
    const way = { client, by: 'registry-mirrors (a hole)', image: 'docker.io/library/app' };

    test('takes what is signed from tufgate', async () => {
      const { digest, config } = signed.moved;
      await tell(stage, way, ':moved', { story: 'moved', outcome: 'ok', digests: [digest, config] });
    });

    test('goes to the registry itself on a refusal', async () => {
      // tufgate was asked, and what it said was not heard.
      assert.notEqual(await goesRound(client, way.by, way.image), 0);
    });

    test('and so it does when tufgate cannot decide', async () => {
      await notaryCable.cut();
      await tell(stage, way, ':moved', {
        story: 'notary down',
        outcome: 'bypassed',
        digests: [signed.moved.digest],
      });
      await notaryCable.reconnect();
    });

    test('is found by the doctor', async () => {
      assert.deepEqual(await diagnosed(node), [['docker-registry-mirrors', '/etc/docker/daemon.json']]);
    });
  });

  describe('containerd', async () => {
    const node = await NodeRoot.open(lab, 'containerd-node');
    await node.install(tufgate, 'containerd');
    const client = await openContainerd(lab, egress, node.path('/etc/containerd/certs.d'));
    const host = `[host."${tufgate.origin}"]\n  capabilities = ["pull", "resolve"]\n`;
    const server = `server = "${tufgate.origin}"\n`;
    const holes = [
      ['a [host] without server', host, 'hosts-no-server'],
      // Of this containerd, 1.6; it is mended in 1.7.32 and 2.0.
      ['server alone', server, 'hosts-server-only'],
      ['a hosts.toml that does not parse', `${server}${host}]`, 'hosts-malformed'],
    ] as const;

    for (const [hole, text, code] of holes) {
      test(`with ${hole} goes to the registry itself, and the doctor finds it`, async () => {
        await node.write(hostsToml, text);
        await goesRound(client, `${hole} (a hole)`, gun);
        assert.deepEqual(await diagnosed(node), [[code, hostsToml]]);
      });
    }

    test('with what tufgate prints is closed, and the doctor has nothing to say of it', async () => {
      await node.install(tufgate, 'containerd');
      const led = egress.led.length;
      const way = { client, by: 'printed, after the holes', image: gun };
      await tell(stage, way, ':unsigned', { story: 'unsigned', outcome: 'refused' });
      assert.equal(egress.led.length, led);
      assert.deepEqual(await diagnosed(node), []);
    });
  });

  describe('podman and skopeo', async () => {
    const node = await NodeRoot.open(lab, 'podman-node');
    await node.install(tufgate, 'podman');
    const printed = node.imageSettings;
    const open = await writeImageSettings(
      await lab.folder('not-blocked'),
      registryName,
      `${tufgate.host}/${registryName}`,
      'open',
    );

    for (const openClient of [openPodman, openSkopeo]) {
      const client = await openClient(lab, egress, open);
      test(`${client.name} with a mirror that is not blocked goes to the registry itself`, async () => {
        await goesRound(client, 'mirror, not blocked (a hole)', gun);
      });
    }

    test('the doctor finds it, and has nothing to say of what tufgate prints', async () => {
      assert.deepEqual(await diagnosed(node), []);
      const name = '/etc/containers/registries.conf.d/99-tufgate.conf';
      await node.write(name, await readFile(open.registriesConf, 'utf8'));
      assert.deepEqual(await diagnosed(node), [['podman-mirror-falls-back', name]]);
      assert.equal(node.path(name), printed.registriesConf);
    });
  });

  test('through all these holes the clients reached the registry itself, and nothing else', () => {
    assert.deepEqual(new Set(egress.led), new Set(names.map((name) => `${name}:443`)));
    assert.deepEqual(egress.attempts, []);
  });
});
