import { after, describe } from 'node:test';
import { startHub, startHubGate } from './lab/hub.ts';
import { Lab } from './lab/lab.ts';
import { openDocker } from './lab/runtimes/pulling-client.ts';
import { tellOfMemory, tellOfPasswords, tellOfSecret } from './lab/stories/secret-stories.ts';
import { neverLeft, tellStories } from './lab/stories/stories.ts';

/** Under which server's name docker keeps the login for a registry. */
const dockerLogins = {
  'docker.io': 'https://index.docker.io/v1/',
  'basic.example': 'basic.example',
} as const;

describe('dockerd through tufgate before registries that ask who is there', async () => {
  const lab = await Lab.open();
  after(() => lab.close());
  const hub = await startHub(lab);
  const tufgate = await startHubGate(hub);
  const stage = { ...hub, tufgate };

  const byHost = { client: await openDocker(lab, hub.egress), by: 'by Host name' };
  tellStories(stage, { ...byHost, image: 'docker.io/library/app' }, hub.published);
  for (const secret of hub.secrets) {
    const { registry, repository } = secret;
    tellOfSecret(stage, { ...byHost, image: `${registry}/${repository}` }, secret, dockerLogins[registry]);
  }

  const byName = { client: await openDocker(lab, hub.egress), by: 'by name, with a prefix' };
  tellStories(stage, { ...byName, image: `${tufgate.host}/docker.io/library/app` }, hub.published);
  for (const secret of hub.secrets) {
    const image = `${tufgate.host}/${secret.registry}/${secret.repository}`;
    tellOfSecret(stage, { ...byName, image }, secret, tufgate.host);
  }

  tellOfPasswords(hub, stage);
  tellOfMemory(hub, stage);
  neverLeft(stage, Object.values(hub.cables));
});
