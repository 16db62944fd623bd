import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Image } from '../../src/demo/image.ts';
import { buildImage } from '../../src/demo/image.ts';
import type { SigningRepository, SigningRepositoryOptions } from '../../src/demo/signing-repository.ts';
import type { Reason } from '../../src/policy/reason.ts';
import { pullLabels, rise } from '../proxy/evidence.ts';
import type { PullAnswer, World, WorldOptions } from '../world/world.ts';
import { registryName, startWorld } from '../world/world.ts';
import type { Expected } from './expected.ts';
import { assertReceived } from './expected.ts';
import { assertFloors, floorsOf } from './floors.ts';

// One way to tell an attack of the catalogue and to run it down: control, lie, pull, four assertions, recovery.

/** `warm`: the tag was pulled, and its trust data stored, before the lie. `cold`: nobody ever asked for the repository. */
export type Situation = 'warm' | 'cold';

/** What `targets/releases` signs as 1.0; what `targets` signs under the same tag; what nobody signs, pushed as 9.9. */
export const good = buildImage('good');
export const outdated = buildImage('outdated');
export const evil = buildImage('evil');

/** Where a case plays: a repository of its own, in a world that it may share with other cases. */
export interface Scene {
  readonly world: World;
  /** Without the registry. */
  readonly name: string;
  readonly gun: string;
  readonly situation: Situation;
  readonly repository: SigningRepository;
}

export interface Attack {
  /** The catalogue's: `T-19`. Several cases may share one. */
  readonly id: string;
  /** What is refused or served, as a sentence. */
  readonly title: string;
  /** What the pull has to come to; a situation left out is not played. */
  readonly warm?: Expected;
  readonly cold?: Expected;
  /** A world of its own with these options: for clocks, and for other rules. */
  readonly world?: WorldOptions;
  /** Keys of the repository, where the usual ones do not do. */
  readonly keys?: (gun: string, world: World) => SigningRepositoryOptions['keys'];
  /** What is there before the control, beside the usual; published after it. */
  readonly prepare?: (scene: Scene) => unknown;
  /** The lie. Gives what is pulled if not `:1.0`: another `:tag`, or an `@digest`. */
  readonly lie: (scene: Scene) => Promise<string | void> | string | void;
  /** Asks otherwise than by a plain GET and HEAD: gives every answer, each of which has to be the expected one. */
  readonly ask?: (scene: Scene, image: string) => Promise<readonly Asked[]>;
  /** Anything else that has to be so after the pull. */
  readonly also?: (scene: Scene) => unknown;
  /** Takes the lie back, after which 1.0 has to be served; default: faults off, and every role but root signed anew, above
   * all versions shown. `restore`: the files of before the lie. `never`: nothing can. What is served needs none. */
  readonly mend?: 'never' | 'restore' | ((scene: Scene) => unknown);
}

export interface Asked {
  readonly method: string;
  readonly answer: PullAnswer;
}

/** Makes one test of each case and situation: `T-19 warm: …`. The cases share a world with these options. */
export function attacks(subject: string, cases: readonly Attack[], options: WorldOptions = {}): void {
  test(subject, async (t) => {
    const shared = await startWorld(t, options);
    for (const [at, attack] of cases.entries()) {
      for (const situation of ['warm', 'cold'] as const) {
        const expected = attack[situation];
        if (expected === undefined) continue;
        await t.test(`${attack.id} ${situation}: ${attack.title}`, async (own) => {
          const world = attack.world === undefined ? shared : await startWorld(own, attack.world);
          const name = `team/${attack.id.toLowerCase()}-${at}-${situation}`;
          await play(attack, expected, begin(world, name, situation, attack.keys));
        });
      }
    }
  });
}

/** GET and HEAD of the image, as a client that nobody saw before. */
export async function getAndHead({ world, name }: Scene, image: string): Promise<readonly Asked[]> {
  const answers: Asked[] = [];
  for (const method of ['HEAD', 'GET'])
    answers.push({ method, answer: await world.proxy.pull(`${name}${image}`, { method }) });
  return answers;
}

async function play(attack: Attack, expected: Expected, scene: Scene): Promise<void> {
  const { world, name, repository, situation } = scene;
  await attack.prepare?.(scene);
  repository.publish();
  // A proxy that refuses everything has to fail here: in the cold, at another repository.
  if (situation === 'warm') await assertServed(scene, good);
  else await assertServed(await control(scene, attack), good);

  const before = floorsOf(scene);
  const versions = new Map(signedRoles(repository).map((role) => [role, repository.version(role)]));
  const honest = repository.files.copy();
  const image = (await attack.lie(scene)) ?? ':1.0';
  let asked: readonly Asked[] = [];
  const counted = await rise(world.proxy, 'tufgate_pulls_total', async () => {
    asked = await (attack.ask ?? getAndHead)(scene, image);
  });
  assertReceived(asked, expected, { name, image });
  if (expected.reason !== undefined) {
    // HEAD and GET of one image by one client are one pull, counted under its reason and nothing else.
    const labels = pullLabels('enforce', expected.verdict, countedReason(expected.reason));
    assert.deepEqual(Object.keys(counted), [labels]);
  }
  assertFloors(scene, expected, before);
  await attack.also?.(scene);

  if (attack.mend === 'never' || (expected.manifest !== undefined && attack.mend === undefined)) return;
  if (attack.mend === undefined) publishHonestly(scene, versions);
  else if (attack.mend === 'restore') repository.files.restore(honest);
  else await attack.mend(scene);
  await assertServed(scene, good);
}

function countedReason(reason: Reason | 'none'): string {
  return reason === 'none' ? '' : reason;
}

/** A repository with the usual images and signatures; nothing is published yet. */
export function begin(world: World, name: string, situation: Situation, keys?: Attack['keys']): Scene {
  const gun = `${registryName}/${name}`;
  const own = keys?.(gun, world);
  const repository = world.notary.repository(name, own && { keys: own });
  for (const image of [good, outdated, evil]) world.registry.put(name, image);
  world.registry.put(name, good, '1.0');
  world.registry.put(name, evil, '9.9');
  repository.addDelegation('targets/releases');
  repository.sign('1.0', outdated);
  repository.sign('1.0', good, 'targets/releases');
  return { world, name, gun, situation, repository };
}

/** A repository like the scene's, beside it. */
async function control({ world, name }: Scene, attack: Attack): Promise<Scene> {
  const scene = begin(world, `${name}-control`, 'warm', attack.keys);
  await attack.prepare?.(scene);
  scene.repository.publish();
  return scene;
}

async function assertServed({ world, name }: Scene, image: Image): Promise<void> {
  // Another client than the one whose pull is counted.
  const served = await world.proxy.pull(`${name}:1.0`, { headers: { 'user-agent': 'control' } });
  assert.deepEqual([served.status, served.reason], [200, undefined], served.statusMessage);
  assert.deepEqual(served.body, image.bytes);
}

/** Ends every fault and signs every role anew, above all versions that were ever shown. */
export function publishHonestly(
  { world, repository }: Scene,
  versions: ReadonlyMap<string, number> = new Map(),
): void {
  world.notary.behave();
  world.registry.behave();
  for (const role of signedRoles(repository)) {
    repository.setExpires(role, undefined);
    const shown = versions.get(role) ?? 0;
    if (role !== 'root' && repository.version(role) < shown) repository.setVersion(role, shown + 1);
    else if (role !== 'root') repository.touch(role);
  }
  repository.publish();
}

/** The roles that the scenes' repositories have. */
function signedRoles(repository: SigningRepository): readonly string[] {
  const roles = ['timestamp', 'snapshot', 'targets', 'targets/releases'];
  return ['root', ...roles].filter((role) => repository.files.current(role) !== undefined);
}
