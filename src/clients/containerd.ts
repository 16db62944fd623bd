import type { Registry } from '../config/config.ts';
import type { Reach } from './reach.ts';
import type { ClientFile, Recipe } from './recipe.ts';
import { egressRule, quoted } from './recipe.ts';

const folder = '/etc/containerd/certs.d';

/** Takes how the gate is reached; gives what makes containerd (kubelet, nerdctl) pull through it alone. */
export function containerd(reach: Reach): Recipe {
  return {
    title: 'containerd',
    parts: [
      {
        heading: 'The routes, for every version',
        prose: [
          `containerd says in ns= which registry it means. ${folder}/_default is for every registry that has no folder of ` +
            'its own there: the gate answers 404 for those that it does not know. A folder of its own goes before ' +
            '_default, so remove the others: one that is left over is a way round. No restart is needed.',
          'A hosts.toml that does not parse, or is empty, counts as none: containerd logs an error and asks the ' +
            'registry itself. Put these files in place whole, by a rename, and run `tufgate doctor` after.',
        ],
        files: hostsFiles(reach, folder, '/etc/containerd/tufgate-ca.crt'),
      },
      {
        heading: 'The setting that makes containerd read them',
        prose: [
          'One of the two, by the version that the file says; merge it with what is there, and restart containerd. ' +
            'registry.mirrors and registry.configs must go: mirrors always fall back, and containerd does not start ' +
            'its CRI plugin with both.',
        ],
        files: [
          {
            path: '/etc/containerd/config.toml',
            note: 'version 2: containerd 1.x, and 2.x reads it too',
            language: 'toml',
            text: `version = 2\n\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = ${quoted(folder)}\n`,
            why: configWhy,
          },
          {
            path: '/etc/containerd/config.toml',
            note: 'version 3: containerd 2.x',
            language: 'toml',
            text: [
              'version = 3\n',
              `[plugins."io.containerd.cri.v1.images".registry]\n  config_path = ${quoted(folder)}\n`,
              '# What `ctr` and nerdctl use.',
              `[plugins."io.containerd.transfer.v1.local"]\n  config_path = ${quoted(folder)}\n`,
            ].join('\n'),
            why: configWhy,
          },
        ],
      },
    ],
    login: [
      "imagePullSecrets stay as they are, under the registry's own name: kubelet chooses them by the image, and " +
        'containerd shows them to the gate. A secret that names a server address is shown to that server only: ' +
        `make it the gate's, ${reach.host}.`,
    ],
    outside: [
      '`ctr images pull` reads the folder only with --hosts-dir (and, from version 2.1 on, by the setting above).',
      'Layers with `urls` of their own are fetched from there first; what arrives is checked against the manifest.',
      egressRule,
    ],
    problems: [],
  };
}

const configWhy =
  'Nothing here falls back: the setting names one folder, and every file in it that is printed here names the gate alone.';

/** Gives a hosts.toml for every registry that has none of its own, and one for each that is configured. */
export function hostsFiles(reach: Reach, root: string, ca: string): ClientFile[] {
  return [undefined, ...reach.registries].map((registry) => ({
    path: `${root}/${registry?.name ?? '_default'}/hosts.toml`,
    language: 'toml',
    text: hostsToml(reach, registry, ca),
    why:
      'Nothing here falls back: server stands in place of the registry itself, which containerd would ask last, and the ' +
      'one host before it is the gate too. It is there because containerd up to 1.7.31 ignores a file without one.',
  }));
}

function hostsToml(reach: Reach, registry: Registry | undefined, ca: string): string {
  const push = registry?.push !== 'allow' ? 'denied' : pushOf(reach, registry);
  const capabilities = `capabilities = [${['pull', 'resolve', ...(push === 'denied' ? [] : ['push'])].map(quoted).join(', ')}]`;
  const authority = `# ca = ${quoted(ca)}`;
  return [
    ...(reach.isTls
      ? [
          "# If a private authority signed the gate's certificate: put the authority's own into the file that ca",
          '# names, and take the mark away in both places.',
        ]
      : []),
    ...(push === 'since 2.0'
      ? ['# Push with containerd 2.0 or newer: an older one does not say which registry it means.']
      : []),
    `server = ${quoted(reach.url)}`,
    // Stated at the top too: what is not said there is taken from the defaults, which include push.
    capabilities,
    ...(reach.isTls ? [authority] : []),
    '',
    `[host.${quoted(reach.url)}]`,
    `  ${capabilities}`,
    ...(reach.isTls ? [`  ${authority}`] : []),
    '',
  ].join('\n');
}

/**
 * containerd before 2.0 sends a push without ns=, and so to the default registry. Where that one takes pushes, another
 * registry's images would land there: then no push is offered.
 */
function pushOf({ defaultRegistry }: Reach, registry: Registry): 'always' | 'since 2.0' | 'denied' {
  if (defaultRegistry?.name === registry.name) return 'always';
  return defaultRegistry?.push === 'allow' ? 'denied' : 'since 2.0';
}
