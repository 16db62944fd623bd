import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { CorruptingRelay } from './lab/servers/corrupting-relay.ts';
import { startEgress } from './lab/servers/egress.ts';
import { Lab } from './lab/lab.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import { NotaryClient, startNotaryServer } from './lab/servers/notary.ts';
import { makePki } from './lab/pki.ts';
import { publish } from './lab/published.ts';
import { openContainerd, openDocker, openPodman, type PullingClient } from './lab/runtimes/pulling-client.ts';
import { startRegistry } from './lab/servers/registry.ts';
import { neverLeft } from './lab/stories/stories.ts';
import { Tufgate } from './lab/servers/tufgate.ts';

describe('which registry a real client means', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const pki = await makePki(lab);
  const { port, url } = await startRegistry(lab);
  const notary = await startNotaryServer(lab, pki, 'local');
  const signer = await NotaryClient.open(lab, 'signer', notary, pki);
  const { signed, evil } = await publish(url, 'library/app', signer, 'signed.example/library/app');
  const egress = await startEgress(lab);

  // Three registries with the same images, each on a cable of its own.
  const hub = await CorruptingRelay.start(lab, port);
  const withPort = await CorruptingRelay.start(lab, port);
  const audited = await CorruptingRelay.start(lab, port);
  const root = { keys: (await signer.root('signed.example/library/app')).keys.map((key) => key.spki) };
  const rule = { notary: 'main', gun: 'signed.example/{repository}', root, check_every: 0 };
  const tufgate = await Tufgate.startWith(lab, () => ({
    registries: {
      'docker.io': { upstream: hub.url, auth: 'anonymous', aliases: ['hub'] },
      'registry.example:5000': { upstream: withPort.url, auth: 'anonymous', aliases: ['example'] },
      'audited.example': { upstream: audited.url, auth: 'anonymous' },
    },
    notaries: { main: { url: notary.url, ca_file: pki.caFile, auth: 'anonymous' } },
    rules: [
      { match: 'docker.io/**', mode: 'enforce', ...rule },
      { match: 'registry.example:5000/**', mode: 'enforce', ...rule },
      { match: 'audited.example/**', mode: 'audit', ...rule },
    ],
  }));

  const node = await NodeRoot.open(lab, 'node');
  await node.install(tufgate, 'containerd');
  await node.install(tufgate, 'podman');
  const docker = await openDocker(lab, egress);
  const containerd = await openContainerd(lab, egress, node.path('/etc/containerd/certs.d'));
  const podman = await openPodman(lab, egress, node.imageSettings, '--tls-verify=false');

  /** Pulls, and says on which cables manifests were asked for, and that the image is the signed one. */
  async function reaches(client: PullingClient, image: string, cable: CorruptingRelay): Promise<void> {
    const cables = [hub, withPort, audited];
    for (const { passed } of cables) passed.length = 0;
    const { pulled, text } = await client.pull(image);
    assert.equal(pulled, true, text);
    assert.ok((await client.records(image)).includes(signed.moved.digest));
    const asked = cables.filter(({ passed }) => passed.some((it) => it.url.startsWith('/v2/library/app/')));
    assert.deepEqual(asked, [cable]);
    await client.remove(image);
  }

  /** Pulls in vain; nothing is asked of any registry. */
  async function isNowhere(client: PullingClient, image: string, words: RegExp): Promise<void> {
    const cables = [hub, withPort, audited];
    for (const { passed } of cables) passed.length = 0;
    const { pulled, text } = await client.pull(image);
    assert.equal(pulled, false);
    assert.match(text, words);
    assert.deepEqual(cables.flatMap(({ passed }) => passed), []); // prettier-ignore
  }

  test('docker and podman name it in the path, by its name or an alias; one word of Docker Hub is of library', async () => {
    await reaches(docker, `${tufgate.host}/docker.io/library/app:moved`, hub);
    await reaches(podman, `${tufgate.host}/docker.io/app:moved`, hub);
    await reaches(podman, `${tufgate.host}/hub/app:moved`, hub);
    await reaches(docker, `${tufgate.host}/example/library/app:moved`, withPort);
  });

  test('podman names it by an alias where the printed file leads a name with a port', async () => {
    await reaches(podman, 'registry.example:5000/library/app:moved', withPort);
  });

  test('containerd names it in ns=, with its port, as the printed files lead it', async () => {
    await reaches(containerd, 'docker.io/library/app:moved', hub);
    await reaches(containerd, 'registry.example:5000/library/app:moved', withPort);
  });

  test('a name that is not configured is not found, by any of them, and nobody is asked', async () => {
    await isNowhere(docker, `${tufgate.host}/strange.example/app:moved`, /not configured/);
    await isNowhere(podman, `${tufgate.host}/strange.example/app:moved`, /not configured/);
    await isNowhere(containerd, 'strange.example/library/app:moved', /not found/);
  });

  const hosts = (path: string, override: string): string => {
    const entry = `"${tufgate.origin}${path}"`;
    return `server = ${entry}\n${override}\n[host.${entry}]\n  capabilities = ["pull", "resolve"]\n  ${override}\n`;
  };
  const ownFolder = '/etc/containerd/certs.d/registry.example:5000/hosts.toml';

  test('containerd names it before /v2/, where its hosts have a path', async () => {
    await node.write(ownFolder, hosts('/example', ''));
    await reaches(containerd, 'registry.example:5000/library/app:moved', withPort);
  });

  test('containerd that names one registry in ns= and another in the path is refused as contradicting itself', async () => {
    await node.write(ownFolder, hosts('/v2/docker.io', 'override_path = true'));
    await isNowhere(containerd, 'registry.example:5000/library/app:moved', /400 Bad Request/);
  });

  test('under audit the client gets what the registry says, and is told what enforce would have done', async () => {
    const image = `${tufgate.host}/audited.example/library/app`;
    for (const client of [docker, podman]) {
      const { pulled, text } = await client.pull(`${image}:moved`);
      assert.equal(pulled, true, text);
      assert.ok((await client.records(`${image}:moved`)).includes(evil.digest));
      assert.equal((await client.pull(`${image}:unsigned`)).pulled, true);
    }
    const { status, headers } = await tufgate.get('audited.example/library/app/manifests/unsigned');
    assert.equal(status, 200);
    assert.match(headers.warning ?? '', /^299 - "content trust: [^"]*TAG_NOT_SIGNED[^"]*"$/);
  });

  neverLeft({ egress }, [hub, withPort, audited]);
});
