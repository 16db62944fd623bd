import type { Reach } from './reach.ts';
import type { Recipe } from './recipe.ts';
import { egressRule, quoted } from './recipe.ts';

/** Takes how the gate is reached, and which of the two; gives what makes K3s or RKE2 pull through the gate alone. */
export function k3s(reach: Reach, distribution: 'k3s' | 'rke2' = 'k3s'): Recipe {
  const folder = `/etc/rancher/${distribution}`;
  const title = distribution === 'k3s' ? 'K3s (RKE2 under /etc/rancher/rke2)' : 'RKE2';
  return {
    title,
    parts: [
      {
        heading: 'Both files, on every server and agent',
        prose: [
          'Restart after a change. The flag is known from v1.26.13, v1.27.10, v1.28.6 and v1.29.1 on; an older one does ' +
            'not start with it. It holds for what has an entry under mirrors, hence "*". Its own images come through the ' +
            'gate too, and need a rule.',
          'Never give a registry that is under mirrors an entry under configs as well: it brings the default endpoint ' +
            "back, whatever the flag says. Only the gate's own host may stand there.",
        ],
        files: [
          {
            path: `${folder}/registries.yaml`,
            language: 'yaml',
            text: registriesYaml(reach, folder),
            why: 'Nothing here falls back as long as the flag below is set: without it the registry itself is asked last.',
          },
          {
            path: `${folder}/config.yaml.d/tufgate.yaml`,
            language: 'yaml',
            text: 'disable-default-registry-endpoint: true\n',
            why: 'This is --disable-default-registry-endpoint: only the endpoints that are written down are asked.',
          },
        ],
      },
    ],
    login: [
      `Under configs for ${quoted(new URL(reach.url).host)}, as shown, or imagePullSecrets under the registry's own name.`,
    ],
    outside: [
      '--embedded-registry takes images from other nodes, without asking the gate: leave it off.',
      '--container-runtime-endpoint brings a runtime of your own, which does not read these files.',
      egressRule,
    ],
    problems: [],
  };
}

function registriesYaml({ url, registries, isTls }: Reach, folder: string): string {
  const mirrors = ['*', ...registries.map(({ name }) => name)].map(
    (name) => `  ${quoted(name)}:\n    endpoint:\n      - ${quoted(url)}`,
  );
  const configs = [
    '#configs:',
    `#  ${quoted(new URL(url).host)}:`,
    '#    auth: { username: …, password: … }',
    ...(isTls
      ? [`#    tls: { ca_file: ${folder}/tufgate-ca.crt } # if a private authority signed its certificate`]
      : []),
  ];
  return `${['mirrors:', ...mirrors, ...configs].join('\n')}\n`;
}
