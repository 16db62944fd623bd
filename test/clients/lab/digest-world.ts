import { randomBytes } from 'node:crypto';
import { Repository, type PushedManifest } from './images.ts';
import type { Lab } from './lab.ts';
import { makePki } from './pki.ts';
import { publishOne } from './published.ts';
import { CorruptingRelay } from './servers/corrupting-relay.ts';
import { startEgress } from './servers/egress.ts';
import { NotaryClient, startNotaryServer } from './servers/notary.ts';
import { startRegistry, type DockerRegistry } from './servers/registry.ts';
import { Relay } from './servers/relay.ts';
import { Tufgate } from './servers/tufgate.ts';
import type { Stage } from './stories/way.ts';

/** Content that somebody else vouches for, or nobody. It lies in `team/app` as well, where nobody signed it. */
export interface Foreign {
  readonly whose: string;
  readonly manifest: PushedManifest;
}

/**
 * Where digests are asked for: one tufgate before two registries, `registry.example` and `other.example`. The first is
 * also `pushed.example`, which may be pushed to.
 */
export interface DigestWorld extends Stage {
  readonly lab: Lab;
  readonly registry: DockerRegistry;
  readonly cables: readonly CorruptingRelay[];
  readonly signer: NotaryClient;
  /** Signed in `registry.example/team/app`; its layer is of some MiB, that of `small` of some bytes. */
  readonly large: PushedManifest;
  readonly small: PushedManifest;
  readonly family: PushedManifest;
  /** In `registry.example/team/app`, under `unsigned`. */
  readonly unsigned: PushedManifest;
  readonly foreign: readonly Foreign[];
}

export const why = 'the signer is on leave, and this cannot wait';
/** In seconds. */
export const shortKeep = 8;

/** The repositories of `registry.example` whose `current` is signed, and signed again for another image later. */
export type MovingRepository = 'team/moving' | 'team/brief' | 'team/kept';

/** Starts all of it; `registry.example` has a rule for each keep, and exceptions in `team/glass`. */
export async function startDigestWorld(lab: Lab): Promise<DigestWorld> {
  const pki = await makePki(lab);
  const registry = await startRegistry(lab);
  const other = await startRegistry(lab);
  const notary = await startNotaryServer(lab, pki, 'local');
  const signer = await NotaryClient.open(lab, 'signer', notary, pki);
  const gun = 'registry.example/team/app';
  const images = new Repository(registry.url, 'team/app');
  const signed = {
    large: await images.image('large', randomBytes(4 << 20).toString('base64')),
    small: await images.image('small', 'small'),
    family: await images.index('family', 'family'),
  };
  await signer.init(gun);
  for (const [tag, manifest] of Object.entries(signed)) await signer.addHash(gun, tag, manifest);
  await signer.publish(gun);
  const unsigned = await images.image('unsigned', 'unsigned');
  const foreign = await publishForeign(images, registry, other, signer);
  await publishOne(registry.url, 'team/glass', signer, 'registry.example/team/glass');

  const cables = [
    await CorruptingRelay.start(lab, registry.port),
    await CorruptingRelay.start(lab, other.port),
  ] as const;
  const notaryCable = await Relay.open(lab, notary.port);
  const root = { keys: (await signer.root(gun)).keys.map((key) => key.spki) };
  const enforced = { mode: 'enforce', notary: 'main', root, check_every: 0 };
  const tufgate = await Tufgate.startWith(lab, () => ({
    registries: {
      'registry.example': { upstream: cables[0].url, auth: 'anonymous' },
      'pushed.example': { upstream: cables[0].url, auth: 'anonymous', push: 'allow' },
      'other.example': { upstream: cables[1].url, auth: 'anonymous' },
    },
    notaries: {
      main: { url: `https://127.0.0.1:${notaryCable.port}`, ca_file: pki.caFile, auth: 'anonymous' },
    },
    rules: [
      ...['registry.example/**', 'other.example/**', 'pushed.example/**'].map((match) => ({
        match,
        ...enforced,
      })),
      { match: 'registry.example/team/brief', ...enforced, keep: `${shortKeep}s` },
      { match: 'registry.example/team/kept', ...enforced, keep: '720h' },
      { match: 'registry.example/team/glass', ...enforced, exceptions },
    ],
  }));
  const egress = await startEgress(lab);
  return { lab, registry, cables, signer, ...signed, unsigned, foreign, notaryCable, egress, tufgate };
}

const exceptions = [
  { reference: 'hotfix', until: at(3_600_000), why },
  { reference: 'expired', until: at(-3_600_000), why: 'an old story' },
];

/** A moment so many milliseconds from now, in whole seconds. */
function at(later: number): string {
  return `${new Date(Date.now() + later).toISOString().slice(0, 19)}Z`;
}

async function publishForeign(
  here: Repository,
  registry: DockerRegistry,
  other: DockerRegistry,
  signer: NotaryClient,
): Promise<Foreign[]> {
  const neighbour = await publishOne(
    registry.url,
    'team/neighbour',
    signer,
    'registry.example/team/neighbour',
  );
  const nobodys = await new Repository(registry.url, 'team/nobody').image('v1', 'team/nobody');
  const abroad = await publishOne(other.url, 'team/abroad', signer, 'other.example/team/abroad');
  await here.image('from-neighbour', 'team/neighbour');
  await here.image('from-nobody', 'team/nobody');
  await here.image('from-abroad', 'team/abroad');
  return [
    { whose: 'of a repository that is signed', manifest: neighbour },
    { whose: 'of a repository that is not', manifest: nobodys },
    { whose: 'of another registry', manifest: abroad },
  ];
}
