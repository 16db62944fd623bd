import type { Registry } from '../config/config.ts';
import { hostsFiles } from './containerd.ts';
import type { Reach } from './reach.ts';
import { prefixOf, withoutSegment } from './reach.ts';
import type { ClientFile, Part, Recipe } from './recipe.ts';
import { egressRule, quoted, shellWord } from './recipe.ts';

const mirrorsSentence =
  'Never registry-mirrors: dockerd goes to Docker Hub itself on every answer of a mirror but a good one, so each refusal ' +
  'becomes a pull of the unsigned image; and other registries than Docker Hub have no mirrors at all.';

/** Takes how the gate is reached; gives what makes Docker Engine pull through it alone, with either image store. */
export function docker(reach: Reach): Recipe {
  const named = reach.registries.filter((registry) => isReachedByHost(reach, registry));
  const unnamed = reach.registries.filter((registry) => !named.includes(registry));
  return {
    title: 'Docker Engine',
    parts: [
      {
        heading: 'Which of these',
        prose: [
          'docker info --format {{.DriverStatus}} shows io.containerd.snapshotter.v1 with the containerd image store, ' +
            'which Docker 29 has on a fresh machine; anything else is a graph driver, which has no setting for this at all.',
          mirrorsSentence,
        ],
        files: [],
      },
      ...(named.length > 0 ? [byHost(reach, named)] : []),
      ...(unnamed.length > 0 ? [byName(reach, unnamed)] : []),
      {
        heading: 'Containerd image store, Docker 28.0 and newer',
        prose: [
          'The same files as those of containerd, in another folder; no restart is needed. They are for docker pull and ' +
            'docker build, and leave out registry-mirrors. Remove other folders with a hosts.toml: one that is left over ' +
            'goes before _default, and is a way round. A graph driver does not read them.',
        ],
        files: hostsFiles(reach, '/etc/docker/certs.d', '/etc/docker/tufgate-ca.crt'),
      },
    ],
    login: [
      'By Host name: docker login as ever, for the registry.',
      `By the gate's name: docker login ${reach.host}.`,
      'Containerd image store with the files above: dockerd shows an account to its own server only, so none reaches the ' +
        "gate under the registry's name. Give the gate an account of its own (auth:), or pull by the gate's name.",
    ],
    outside: [
      'The docker command asks registries itself for docker manifest, docker trust and docker buildx imagetools, whatever ' +
        'the daemon is set to: Host names hold for it, the files of the daemon do not.',
      'A registry that is not configured at the gate is asked directly by a graph driver.',
      egressRule,
    ],
    problems: withoutSegment(unnamed),
  };
}

/** The host that dockerd dials for a registry: without a port it is 443. */
function dialled({ name }: Registry): string {
  return name === 'docker.io' ? 'registry-1.docker.io' : name;
}

/** dockerd dials https, at the registry's port, and tells the gate that host: all three must be the gate's. */
function isReachedByHost({ isTls, port }: Reach, registry: Registry): boolean {
  const host = dialled(registry);
  const [hostname = '', written = '443'] = host.split(':');
  return isTls && Number(written) === port && registry.hosts.some((own) => own === host || own === hostname);
}

function byHost(reach: Reach, registries: readonly Registry[]): Part {
  const { hostname } = new URL(reach.url);
  const names = [
    ...new Set(registries.flatMap(({ hosts }) => hosts.map((host) => host.replace(/:[0-9]{1,5}$/, '')))),
  ];
  const [first = ''] = names;
  return {
    heading: `Any image store, by Host name: ${registries.map(({ name }) => name).join(', ')}`,
    prose: [
      `These names are to lead to the gate, by DNS or by /etc/hosts: ${names.join(', ')}. Images keep their names. Not on ` +
        'the machine of the gate, which has to find the registries themselves.',
      "The gate's certificate must be for each of them, from an authority in the system's store: dockerd does not look into " +
        '/etc/docker/certs.d for Docker Hub.',
    ],
    files: [
      {
        path: 'as root, on the node',
        language: 'sh',
        text: [
          'cp tufgate-ca.crt /usr/local/share/ca-certificates/ && update-ca-certificates',
          `getent hosts ${shellWord(hostname.replace(/^\[|\]$/g, ''))} | awk '{ print $1, "${names.join(' ')}"; exit }' >> /etc/hosts`,
          'systemctl restart docker',
          `getent hosts ${shellWord(first)} # must show the address of the gate`,
          '',
        ].join('\n'),
        why: 'Nothing here falls back: dockerd asks the registry itself, and the gate is what its name leads to.',
      },
    ],
  };
}

function byName(reach: Reach, registries: readonly Registry[]): Part {
  const names = registries.flatMap((registry) => {
    const prefix = prefixOf(reach, registry);
    return prefix === undefined ? [] : [`${registry.name}/NAME is ${prefix}/NAME`];
  });
  const insecure: ClientFile = {
    path: '/etc/docker/daemon.json',
    language: 'json',
    text: `${JSON.stringify({ 'insecure-registries': [reach.host] }, null, 2)}\n`,
    why: 'Nothing here falls back: it lets dockerd speak plain http to the gate, and has no registry-mirrors.',
  };
  return {
    heading: `Any image store, by the gate's name: ${registries.map(({ name }) => name).join(', ')}`,
    prose: [
      `In every image's name: ${names.join('; ')}. Nothing falls back: the gate is the registry that is named.`,
      `To go by Host name instead, the gate needs https, the port that dockerd dials (443, or that in the registry's name), ` +
        'and the name under hosts.',
      ...(reach.isTls
        ? [
            "If a private authority signed the gate's certificate: put it in " +
              `${quoted(`/etc/docker/certs.d/${reach.host}/ca.crt`)}.`,
          ]
        : []),
    ],
    files: reach.isTls ? [] : [insecure],
  };
}
