import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hash } from 'bcryptjs';
import { CorruptingRelay } from './servers/corrupting-relay.ts';
import { startEgress, type Egress } from './servers/egress.ts';
import type { Lab } from './lab.ts';
import { NotaryClient, startNotaryServer } from './servers/notary.ts';
import { issue, makePki, type Pki } from './pki.ts';
import { publish, publishOne, type Published } from './published.ts';
import { startRegistry } from './servers/registry.ts';
import { Relay } from './servers/relay.ts';
import { TokenServer, type Login } from './servers/token-server.ts';
import { Tufgate, type Settings } from './servers/tufgate.ts';

/** A repository that its registry shows one account only; `v1` is signed. */
export interface Secret {
  /** How the registry asks who is there. */
  readonly scheme: 'Bearer' | 'Basic';
  readonly registry: 'docker.io' | 'basic.example';
  readonly repository: string;
  readonly login: Login;
  /** The manifest's digest, its config's, and its layer's. */
  readonly digests: readonly string[];
}

/** Two registries that ask who is there, with a notary; tufgate is not started yet. */
export interface Hub {
  readonly lab: Lab;
  readonly pki: Pki;
  /** What `docker.io/library/app`, which everyone may pull, has. */
  readonly published: Published;
  /** `docker.io/acme/secret` and `basic.example/acme/vault`. */
  readonly secrets: readonly Secret[];
  readonly tokens: TokenServer;
  /** The cables to the registries, which see every request of tufgate. */
  readonly cables: Readonly<Record<Secret['scheme'], CorruptingRelay>>;
  readonly notaryCable: Relay;
  readonly egress: Egress;
  readonly settings: Settings;
}

const users = {
  Bearer: { username: 'alice', password: 'bearer-password' },
  Basic: { username: 'bob', password: 'basic-password' },
} as const;

/**
 * Starts docker.io, which asks for tokens as Docker Hub does, and basic.example, which asks for a password; both are
 * docker-registry, and hold the same. The settings have them under `auth: forward` and enforce everything.
 */
export async function startHub(lab: Lab): Promise<Hub> {
  const pki = await makePki(lab);
  const notary = await startNotaryServer(lab, pki, 'local');
  const signer = await NotaryClient.open(lab, 'signer', notary, pki);
  const { url, storage } = await startRegistry(lab);
  const gun = (repository: string): string => `signed.example/${repository}`;
  const published = await publish(url, 'library/app', signer, gun('library/app'));
  const named = [
    { scheme: 'Bearer', registry: 'docker.io', repository: 'acme/secret' },
    { scheme: 'Basic', registry: 'basic.example', repository: 'acme/vault' },
  ] as const;
  const secrets: Secret[] = [];
  for (const { scheme, registry, repository } of named) {
    const { digest, parts } = await publishOne(url, repository, signer, gun(repository));
    secrets.push({ scheme, registry, repository, login: users[scheme], digests: [digest, ...parts] });
  }

  const tokens = await TokenServer.start(lab, pki, users.Bearer);
  const bearer = await startRegistry(lab, { storage, auth: tokens.registryAuth });
  const htpasswd = { realm: 'basic-realm', path: await writeHtpasswd(lab, 'htpasswd', users.Basic) };
  const basic = await startRegistry(lab, { storage, auth: { htpasswd } });
  const cables = {
    Bearer: await CorruptingRelay.start(lab, bearer.port),
    Basic: await CorruptingRelay.start(lab, basic.port),
  };
  const notaryCable = await Relay.open(lab, notary.port);
  const root = { keys: (await signer.root(gun('library/app'))).keys.map((key) => key.spki) };
  const enforced = { mode: 'enforce', notary: 'main', gun: gun('{repository}'), root, check_every: 0 };
  const settings = {
    registries: {
      'docker.io': { upstream: cables.Bearer.url, token_realm: tokens.realm, auth: 'forward' },
      'basic.example': { upstream: cables.Basic.url, auth: 'forward' },
    },
    notaries: {
      main: { url: `https://127.0.0.1:${notaryCable.port}`, ca_file: pki.caFile, auth: 'anonymous' },
    },
    rules: Object.keys(users).map((scheme) => ({
      match: `${scheme === 'Bearer' ? 'docker.io' : 'basic.example'}/**`,
      ...enforced,
    })),
  };
  const egress = await startEgress(lab, pki.caFile);
  return { lab, pki, published, secrets, tokens, cables, notaryCable, egress, settings };
}

/** Writes a file as `htpasswd -B` does, and gives its path. */
export async function writeHtpasswd(lab: Lab, name: string, { username, password }: Login): Promise<string> {
  const file = join(lab.dir, name);
  await writeFile(file, `${username}:${await hash(password, 5)}\n`);
  return file;
}

/** The names under which clients that know no gate reach the registries. */
const hostNames = {
  'docker.io': ['registry-1.docker.io', 'index.docker.io'],
  'basic.example': ['basic.example'],
} as const;

/**
 * Starts tufgate on TLS before the hub, with a certificate for each registry's Host names. These lead to it, for every
 * client whose way out is the hub's egress, as if DNS said so.
 */
export async function startHubGate({ lab, pki, egress, settings }: Hub): Promise<Tufgate> {
  const registries: Record<string, object> = {};
  const tls: object[] = [];
  for (const [registry, hosts] of Object.entries(hostNames)) {
    const { certFile, keyFile } = await issue(pki, registry, hosts);
    tls.push({ cert_file: certFile, key_file: keyFile });
    registries[registry] = { ...settings.registries[registry], hosts };
  }
  const tufgate = await Tufgate.startWith(lab, () => ({ ...settings, registries, tls }), pki.caFile);
  for (const host of Object.values(hostNames).flat()) egress.lead(`${host}:443`, tufgate.port);
  return tufgate;
}
