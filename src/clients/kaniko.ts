import type { Reach } from './reach.ts';
import { prefixOf, withoutSegment } from './reach.ts';
import type { Recipe } from './recipe.ts';
import { egressRule, shellWord } from './recipe.ts';

/** Takes how the gate is reached; gives what makes kaniko pull base images through it alone. */
export function kaniko(reach: Reach): Recipe {
  const authority = new URL(reach.url).host;
  const flags = [
    ...reach.registries.map((registry) => {
      // kaniko calls Docker Hub by the name that its library gives it. `unrouted.invalid` (RFC 6761) is nobody.
      const name = registry.name === 'docker.io' ? 'index.docker.io' : registry.name;
      return `--registry-map=${name}=${prefixOf(reach, registry) ?? 'unrouted.invalid'}`;
    }),
    '--skip-default-registry-fallback',
    ...(reach.isTls ? [] : [`--insecure-registry=${reach.host}`]),
  ];
  return {
    title: 'kaniko',
    parts: [
      {
        heading: 'The arguments of the executor',
        prose: [
          'A kaniko that does not know --registry-map stops at it.',
          ...(reach.isTls
            ? [
                "If a private authority signed the gate's certificate: mount it, and add " +
                  `--registry-certificate=${authority}=/kaniko/tufgate-ca.crt.`,
              ]
            : []),
        ],
        files: [
          {
            path: 'arguments of /kaniko/executor',
            language: 'sh',
            text: `${flags.map((flag) => shellWord(flag)).join(' \\\n')}\n`,
            why:
              'Nothing here falls back: --skip-default-registry-fallback ends the build when the gate refuses; without ' +
              'it the registry itself is asked.',
          },
        ],
      },
    ],
    login: [`/kaniko/.docker/config.json, under "auths", for "${reach.host}".`],
    outside: ['A registry without a --registry-map is asked directly.', egressRule],
    problems: withoutSegment(reach.registries),
  };
}
