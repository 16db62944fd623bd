import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { at } from '../world/http.ts';
import {
  clients,
  file,
  filesIn,
  gates,
  hub,
  json,
  plainGate,
  route,
  routes,
  tlsGate,
  toml,
  withAlias,
  withoutAlias,
} from './printed-clients.ts';
import { tufgate } from './process.ts';

const inRepository = (path: string): URL => new URL(`../../${path}`, import.meta.url);

for (const gate of gates) {
  for (const [runtime, folder] of [
    ['containerd', '/etc/containerd/certs.d'],
    ['docker', '/etc/docker/certs.d'],
  ] as const) {
    test(`${runtime}: every hosts.toml names ${gate.url}, first and last, and no other server`, async (t) => {
      const run = await clients(t, runtime, gate.entrance);
      assert.deepEqual([run.status, run.stderr], [0, '']);
      assert.deepEqual(routes(run, folder), [
        ['_default', route(gate, 'pull', 'resolve')],
        ['docker.io', route(gate, 'pull', 'resolve')],
        ['registry.example:5000', route(gate, 'pull', 'resolve', 'push')],
      ]);
    });
  }

  test(`podman: every registry is blocked, and its one mirror is at ${gate.url}`, async (t) => {
    const run = await clients(t, 'podman', gate.entrance);
    assert.deepEqual([run.status, run.stderr], [0, '']);
    const mirror = (segment: string): unknown => [
      { location: `${gate.host}/${segment}`, ...(gate.url.startsWith('http:') && { insecure: true }) },
    ];
    assert.deepEqual(toml(file(run, '/etc/containers/registries.conf.d/99-tufgate.conf')), {
      registry: [
        { prefix: 'docker.io', location: 'docker.io', blocked: true, mirror: mirror('docker.io') },
        {
          prefix: 'registry.example:5000',
          location: 'registry.example:5000',
          blocked: true,
          mirror: mirror('example'),
        },
      ],
    });
    const accepted = [{ type: 'insecureAcceptAnything' }];
    assert.deepEqual(json(run, '/etc/containers/policy.json'), {
      default: accepted,
      transports: {
        docker: {
          '': [{ type: 'reject' }],
          'docker.io': accepted,
          'registry.example:5000': accepted,
          [gate.host]: accepted,
        },
      },
    });
  });

  test(`buildkit: every image is converted to ${gate.url}, and any other is denied`, async (t) => {
    const run = await clients(t, 'buildkit', gate.entrance);
    assert.deepEqual([run.status, run.stderr], [0, '']);
    const rule = (action: string, identifier: string, to?: string): unknown => ({
      action,
      selector: { identifier },
      ...(to !== undefined && { updates: { identifier: to } }),
    });
    assert.deepEqual(json(run, '/etc/buildkit/tufgate-policy.json'), {
      rules: [
        rule('DENY', 'docker-image://*'),
        rule('DENY', 'docker-image+blob://*'),
        rule('ALLOW', `docker-image://${gate.host}/*`),
        rule('CONVERT', 'docker-image://docker.io/*', `docker-image://${gate.host}/docker.io/\${1}`),
        rule(
          'CONVERT',
          'docker-image://registry.example:5000/*',
          `docker-image://${gate.host}/example/\${1}`,
        ),
      ],
    });
    assert.deepEqual(toml(file(run, '/etc/buildkit/buildkitd.toml')), {
      registry: { [gate.host]: gate.url.startsWith('http:') ? { http: true } : {} },
    });
  });

  test(`kaniko: every registry is mapped to ${gate.url}, and the fallback is off`, async (t) => {
    const run = await clients(t, 'kaniko', gate.entrance);
    assert.deepEqual([run.status, run.stderr], [0, '']);
    const quote = gate.host.startsWith('[') ? "'" : '';
    assert.deepEqual(
      file(run, 'arguments of /kaniko/executor').replaceAll(/#.*$/gm, '').trim().split(' \\\n'),
      [
        `${quote}--registry-map=index.docker.io=${gate.host}/docker.io${quote}`,
        `${quote}--registry-map=registry.example:5000=${gate.host}/example${quote}`,
        '--skip-default-registry-fallback',
        ...(gate.url.startsWith('http:') ? [`${quote}--insecure-registry=${gate.host}${quote}`] : []),
      ],
    );
  });

  for (const distribution of ['k3s', 'rke2']) {
    test(`${distribution}: every registry has the one endpoint ${gate.url}, and no default`, async (t) => {
      const run = await clients(t, distribution, gate.entrance);
      assert.deepEqual([run.status, run.stderr], [0, '']);
      const folder = `/etc/rancher/${distribution}`;
      const one = { endpoint: [gate.url] };
      // No `configs` for a registry: it would bring the default endpoint back.
      assert.deepEqual(parseYaml(file(run, `${folder}/registries.yaml`)), {
        mirrors: { '*': one, 'docker.io': one, 'registry.example:5000': one },
      });
      assert.deepEqual(parseYaml(file(run, `${folder}/config.yaml.d/tufgate.yaml`)), {
        'disable-default-registry-endpoint': true,
      });
    });
  }
}

test('containerd: config.toml names the folder, in the table of its version', async (t) => {
  const run = await clients(t, 'containerd', tlsGate.entrance);
  const folder = { config_path: '/etc/containerd/certs.d' };
  assert.deepEqual(
    toml(file(run, '/etc/containerd/config.toml (version 2: containerd 1.x, and 2.x reads it too)')),
    { version: 2, plugins: { 'io.containerd.grpc.v1.cri': { registry: folder } } },
  );
  assert.deepEqual(toml(file(run, '/etc/containerd/config.toml (version 3: containerd 2.x)')), {
    version: 3,
    plugins: {
      'io.containerd.cri.v1.images': { registry: folder },
      'io.containerd.transfer.v1.local': folder,
    },
  });
});

test('containerd: with the marks away, the authority is given for both servers', async (t) => {
  const { stdout } = await clients(t, 'containerd', tlsGate.entrance);
  const run = { status: 0, stderr: '', stdout: stdout.replaceAll('# ca = ', 'ca = ') };
  const found = toml(file(run, '/etc/containerd/certs.d/_default/hosts.toml'));
  const ca = '/etc/containerd/tufgate-ca.crt';
  assert.deepEqual([at(found, 'ca'), at(found, 'host', tlsGate.url, 'ca')], [ca, ca]);
});

test('containerd: no push is offered that an old one would send to another registry that takes pushes', async (t) => {
  const hubWithPush = hub.replace('}', ', push: allow }');
  const run = await clients(t, 'containerd', tlsGate.entrance, [hubWithPush, withAlias]);
  assert.deepEqual(routes(run, '/etc/containerd/certs.d').slice(1), [
    ['docker.io', route(tlsGate, 'pull', 'resolve', 'push')],
    ['registry.example:5000', route(tlsGate, 'pull', 'resolve')],
  ]);
});

test('docker: by Host name where the gate is what dockerd dials, else by the name of the gate', async (t) => {
  const byHost = await clients(t, 'docker', tlsGate.entrance);
  const commands = file(byHost, 'as root, on the node');
  assert.match(
    commands,
    /^getent hosts gate\.example \| awk '\{ print \$1, "registry-1\.docker\.io index\.docker\.io"; exit \}' >> \/etc\/hosts$/m,
  );
  assert.match(byHost.stdout, /by Host name: docker\.io ==$/m);
  assert.match(byHost.stdout, /by the gate's name: registry\.example:5000 ==$/m);
  assert.equal(filesIn(byHost).has('/etc/docker/daemon.json'), false);

  const byName = await clients(t, 'docker', plainGate.entrance);
  assert.match(byName.stdout, /by the gate's name: docker\.io, registry\.example:5000 ==$/m);
  assert.equal(filesIn(byName).has('as root, on the node'), false);
  assert.deepEqual(json(byName, '/etc/docker/daemon.json'), { 'insecure-registries': ['127.0.0.1:5000'] });

  const atAnotherPort = await clients(
    t,
    'docker',
    'listen: 0.0.0.0:1\npublic_url: https://gate.example:5000\n',
    [
      hub,
      'registry.example:5000: { upstream: "https://r.example", hosts: [registry.example], aliases: [example] }',
    ],
  );
  assert.match(atAnotherPort.stdout, /by Host name: registry\.example:5000 ==$/m);
  assert.match(atAnotherPort.stdout, /by the gate's name: docker\.io ==$/m);

  const withoutTls = await clients(t, 'docker', 'listen: 0.0.0.0:1\npublic_url: http://gate.example:443\n');
  assert.match(withoutTls.stdout, /by the gate's name: docker\.io, registry\.example:5000 ==$/m);
});

test('a registry that no path can name is refused by what is printed, and told, with exit status 78', async (t) => {
  const registries = [hub, withoutAlias];
  const told = /gate\.yaml:1:1: error: "registries": "bare\.example:5000" needs an alias: /;
  const [podman, buildkit, kaniko, docker] = await Promise.all(
    ['podman', 'buildkit', 'kaniko', 'docker'].map(async (runtime) => {
      const run = await clients(t, runtime, plainGate.entrance, registries);
      assert.equal(run.status, 78, runtime);
      assert.match(run.stderr, told);
      return run;
    }),
  );
  assert.ok(podman && buildkit && kaniko && docker);
  const conf = toml(file(podman, '/etc/containers/registries.conf.d/99-tufgate.conf'));
  assert.deepEqual(at(conf, 'registry', 1), {
    prefix: 'bare.example:5000',
    location: 'bare.example:5000',
    blocked: true,
  });
  assert.doesNotMatch(file(buildkit, '/etc/buildkit/tufgate-policy.json'), /bare/);
  assert.match(kaniko.stdout, /^--registry-map=bare\.example:5000=unrouted\.invalid \\$/m);
  for (const runtime of ['containerd', 'k3s']) {
    assert.equal((await clients(t, runtime, plainGate.entrance, registries)).status, 0, runtime);
  }
});

test('what reads the files of podman is answered with them', async (t) => {
  const { stdout } = await clients(t, 'podman', tlsGate.entrance);
  for (const other of ['crio', 'cri-o', 'buildah', 'skopeo']) {
    assert.equal((await clients(t, other, tlsGate.entrance)).stdout, stdout);
  }
});

test('without public_url, and with every address or a port to come, nobody knows how clients get here', async (t) => {
  for (const listen of ['0.0.0.0:5000', '[::]:5000', '[0:0::0]:5000', '127.0.0.1:0']) {
    const run = await clients(t, 'containerd', `listen: "${listen}"\n`);
    assert.deepEqual([run.status, run.stdout], [78, ''], listen);
    assert.match(run.stderr, /gate\.yaml:1:1: error: "public_url" is missing: /);
  }
});

test('the process ends with 78 for what its configuration lacks', async () => {
  const run = await tufgate('clients', 'containerd', '-c', 'config/tufgate.yaml');
  assert.deepEqual([run.status, run.stdout], [78, '']);
  assert.match(run.stderr, /^config\/tufgate\.yaml:1:1: error: "public_url" is missing: /);
});

test('a runtime that is not known is wrong usage, and the list is told', async () => {
  for (const [args, told] of [
    [['clients', 'rocket'], /Allowed choices are containerd, docker, podman, buildkit, kaniko, k3s, crio/],
    [['clients'], /^error: missing required argument 'runtime'/],
  ] as const) {
    const run = await tufgate(...args);
    assert.deepEqual([run.status, run.stdout], [2, '']);
    assert.match(run.stderr, told);
  }
});

test('docs/clients.md is what the example configuration gives', async () => {
  const run = await tufgate('clients', 'all', '-c', 'docs/clients.yaml');
  assert.deepEqual(run, {
    status: 0,
    stdout: await readFile(inRepository('docs/clients.md'), 'utf8'),
    stderr: '',
  });
});
