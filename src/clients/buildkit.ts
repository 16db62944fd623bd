import type { Reach } from './reach.ts';
import { prefixOf, withoutSegment } from './reach.ts';
import type { Recipe } from './recipe.ts';
import { egressRule, quoted } from './recipe.ts';

/** Takes how the gate is reached; gives what makes BuildKit pull base images through it alone. */
export function buildkit(reach: Reach): Recipe {
  const policyPath = '/etc/buildkit/tufgate-policy.json';
  return {
    title: 'BuildKit (buildkitd, docker buildx)',
    parts: [
      {
        heading: 'A source policy, given with every build',
        prose: [
          'mirrors in buildkitd.toml always fall back to the registry itself, so there is none here. Either clients reach ' +
            'the gate by Host name (`tufgate clients docker`; buildkitd reads the system store of authorities), or each ' +
            'build is given this policy:',
          `EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=${policyPath} docker buildx build …, or ` +
            `buildctl build --source-policy-file ${policyPath} … (BuildKit 0.11 and newer).`,
        ],
        files: [
          {
            path: policyPath,
            language: 'json',
            text: sourcePolicy(reach),
            why:
              'Nothing here falls back: a name is converted before it is looked up, and every image that is not under ' +
              'the gate then is denied.',
          },
        ],
      },
      {
        heading: 'How buildkitd reaches the gate',
        prose: ['Merge it with what is there; restart buildkitd.'],
        files: [
          {
            path: '/etc/buildkit/buildkitd.toml',
            language: 'toml',
            text: [
              `[registry.${quoted(reach.host)}]`,
              reach.isTls
                ? '# If a private authority signed its certificate:\n# ca = ["/etc/buildkit/tufgate-ca.crt"]'
                : 'http = true',
              '',
            ].join('\n'),
            why: 'Nothing here falls back: the gate is a registry of its own name, and the mirror of none.',
          },
        ],
      },
    ],
    login: [
      `docker login ${reach.host}: the client's credentials for the gate are used, as that is what is pulled from.`,
    ],
    outside: [
      'The policy is the word of whoever builds: a build that is not given it pulls from the registry itself.',
      'Caches that are imported from a registry (--cache-from), git and http sources are not images, and not judged.',
      egressRule,
    ],
    problems: withoutSegment(reach.registries),
  };
}

/** Of DENY and ALLOW the last that matches decides; a CONVERT ends the round, and the new name is judged in the next. */
function sourcePolicy(reach: Reach): string {
  const image = 'docker-image://';
  const rules = [
    { action: 'DENY', selector: { identifier: `${image}*` } },
    { action: 'DENY', selector: { identifier: 'docker-image+blob://*' } },
    { action: 'ALLOW', selector: { identifier: `${image}${reach.host}/*` } },
    ...reach.registries.flatMap((registry) => {
      const prefix = prefixOf(reach, registry);
      if (prefix === undefined) return [];
      const selector = { identifier: `${image}${registry.name}/*` };
      return [{ action: 'CONVERT', selector, updates: { identifier: `${image}${prefix}/\${1}` } }];
    }),
  ];
  return `${JSON.stringify({ rules }, null, 2)}\n`;
}
