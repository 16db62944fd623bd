import { copyFile } from 'node:fs/promises';
import { after, describe } from 'node:test';
import { startHub, startHubGate } from './lab/hub.ts';
import { Lab } from './lab/lab.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import { openContainerd } from './lab/runtimes/pulling-client.ts';
import { tellOfPasswords, tellOfSecret } from './lab/stories/secret-stories.ts';
import { neverLeft, tellStories } from './lab/stories/stories.ts';

describe('containerd through tufgate before registries that ask who is there', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const hub = await startHub(lab);
  const tufgate = await startHubGate(hub);
  const stage = { ...hub, tufgate };
  const node = await NodeRoot.open(lab, 'node');
  await node.install(tufgate, 'containerd', (name) => name.includes('/_default/'));
  // As the file says of a private authority: this containerd knows it from nowhere else.
  await copyFile(hub.pki.caFile, node.path('/etc/containerd/tufgate-ca.crt'));
  await node.takeAwayMarks('/etc/containerd/certs.d/_default/hosts.toml', '/etc/containerd/tufgate-ca.crt');
  const { SSL_CERT_FILE: _, ...env } = hub.egress.env;
  const certs = node.path('/etc/containerd/certs.d');
  const way = { client: await openContainerd(lab, { ...hub.egress, env }, certs), by: 'printed, _default' };

  tellStories(stage, { ...way, image: 'docker.io/library/app' }, hub.published);
  for (const secret of hub.secrets) {
    // An imagePullSecret without a server address is shown to whoever asks.
    tellOfSecret(stage, { ...way, image: `${secret.registry}/${secret.repository}` }, secret, '');
  }
  tellOfPasswords(hub, stage);
  neverLeft(stage, Object.values(hub.cables));
});
