import type { Reach } from './reach.ts';
import { prefixOf, withoutSegment } from './reach.ts';
import type { Recipe } from './recipe.ts';
import { egressRule, quoted } from './recipe.ts';

/** Takes how the gate is reached; gives what makes podman, CRI-O, buildah and skopeo pull through it alone. */
export function podman(reach: Reach): Recipe {
  return {
    title: 'podman, CRI-O, buildah, skopeo',
    parts: [
      {
        heading: 'The routes',
        prose: [
          'The registry is selected by the first segment of the path. A file that does not parse is an error here, not a ' +
            'way round. A later file of the folder replaces an entry of the same prefix, hence the 99. CRI-O reads it ' +
            'again on SIGHUP.',
          ...(reach.isTls
            ? [
                "If a private authority signed the gate's certificate: put it in " +
                  `/etc/containers/certs.d/${new URL(reach.url).host}/ca.crt.`,
              ]
            : []),
        ],
        files: [
          {
            path: '/etc/containers/registries.conf.d/99-tufgate.conf',
            language: 'toml',
            text: registriesConf(reach),
            why:
              'Nothing here falls back: the registry itself, which is asked when its mirrors have failed, is blocked; ' +
              'so are pushes to it, which never use a mirror.',
          },
        ],
      },
      {
        heading: 'And no other registry',
        prose: [
          'registries.conf has no entry for "all others"; the policy has. Merge it with what is there: of the docker ' +
            'transport it accepts the registries above and the gate. Any other is asked for a manifest, and then rejected.',
        ],
        files: [
          {
            path: '/etc/containers/policy.json',
            language: 'json',
            text: policy(reach),
            why: 'Nothing here lets a registry in that is not routed above: the scope "" of the docker transport, which is for all others, rejects.',
          },
        ],
      },
    ],
    login: [
      `podman login ${reach.host}, or in auth.json (CRI-O: global_auth_file, or imagePullSecrets) an entry ` +
        `"${reach.host}", or a longer one for one registry alone: ${reach.registries
          .flatMap((registry) => prefixOf(reach, registry) ?? [])
          .map(quoted)
          .join(', ')}. Those for the registry's own name are not sent to the gate.`,
    ],
    outside: [
      'skopeo list-tags asks the registry itself, which is blocked; name the gate instead. skopeo 1.9 reads another ' +
        'registries.conf by --registries-conf only.',
      '~/.config/containers, CONTAINERS_REGISTRIES_CONF, --registries-conf and --signature-policy replace these files.',
      egressRule,
    ],
    problems: withoutSegment(reach.registries),
  };
}

function registriesConf(reach: Reach): string {
  return reach.registries
    .map((registry) => {
      const prefix = prefixOf(reach, registry);
      const entry = [
        '[[registry]]',
        `prefix = ${quoted(registry.name)}`,
        `location = ${quoted(registry.name)}`,
        'blocked = true',
      ];
      const mirror =
        prefix === undefined
          ? ['# No mirror: it needs an alias in the configuration of tufgate. Until then it is refused.']
          : ['', '[[registry.mirror]]', `location = ${quoted(prefix)}`];
      const insecure = prefix === undefined || reach.isTls ? [] : ['insecure = true'];
      return `${[...entry, ...mirror, ...insecure].join('\n')}\n`;
    })
    .join('\n');
}

function policy({ host, registries }: Reach): string {
  const accept = [{ type: 'insecureAcceptAnything' }];
  const scopes = [...registries.map(({ name }) => name), host].map((scope) => [scope, accept]);
  const docker: unknown = Object.fromEntries([['', [{ type: 'reject' }]], ...scopes]);
  return `${JSON.stringify({ default: accept, transports: { docker } }, null, 2)}\n`;
}
