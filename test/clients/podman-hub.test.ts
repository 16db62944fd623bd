import { after, describe } from 'node:test';
import { startHub, startHubGate } from './lab/hub.ts';
import { Lab } from './lab/lab.ts';
import { NodeRoot } from './lab/runtimes/node-root.ts';
import { openPodman } from './lab/runtimes/pulling-client.ts';
import { tellOfPasswords, tellOfSecret } from './lab/stories/secret-stories.ts';
import { neverLeft, tellStories } from './lab/stories/stories.ts';

describe('podman through tufgate before registries that ask who is there', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const hub = await startHub(lab);
  const tufgate = await startHubGate(hub);
  const stage = { ...hub, tufgate };
  const node = await NodeRoot.open(lab, 'node');
  await node.install(tufgate, 'podman');

  const printed = { client: await openPodman(lab, hub.egress, node.imageSettings), by: 'printed, TLS' };
  tellStories(stage, { ...printed, image: 'docker.io/library/app' }, hub.published);
  for (const secret of hub.secrets) {
    const { registry, repository } = secret;
    // The longer of the two entries that the recipe names.
    const server = `${tufgate.host}/${registry}`;
    tellOfSecret(stage, { ...printed, image: `${registry}/${repository}` }, secret, server);
  }

  const byName = {
    client: await openPodman(lab, hub.egress, node.imageSettings),
    by: 'by name, with a prefix',
  };
  tellStories(stage, { ...byName, image: `${tufgate.host}/docker.io/library/app` }, hub.published);
  for (const secret of hub.secrets) {
    const image = `${tufgate.host}/${secret.registry}/${secret.repository}`;
    tellOfSecret(stage, { ...byName, image }, secret, tufgate.host);
  }

  tellOfPasswords(hub, stage);
  neverLeft(stage, Object.values(hub.cables));
});
