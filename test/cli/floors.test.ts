import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import type { SigningRepository } from '../../src/demo/signing-repository.ts';
import { at } from '../world/http.ts';
import { startWorld } from '../world/world.ts';
import { ServeProcess, configure } from './process.ts';

const releases = 'targets/releases';
const image = buildImage('floors');
const rounds = 2;

/** What the notary serves after the kill in place of a role's newest file, each with all that vouches for it signed anew. */
interface Lie {
  readonly name: string;
  readonly role: string;
  /** What the publisher does before the pull that is answered with 200. */
  readonly publish?: (repository: SigningRepository, round: number) => void;
}

const lies: readonly Lie[] = [
  { name: 'timestamp', role: 'timestamp' },
  { name: 'snapshot', role: 'snapshot' },
  { name: 'targets', role: 'targets' },
  {
    name: 'targets/releases with fewer tags, its parents untouched',
    role: releases,
    publish: (repository, round) => repository.sign(`extra-${round}`, image, releases),
  },
  {
    name: 'targets/releases with more tags, its parents untouched',
    role: releases,
    publish: (repository, round) => repository.remove(`extra-${round}`, releases),
  },
  { name: 'root', role: 'root' },
];

/** Pulls, and kills the process the moment the head of the answer is here. Gives the answer's status. */
function pullAndKill(serve: ServeProcess): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(`${serve.url}/v2/team/app/manifests/1.0`, { agent: false }, (incoming) => {
      serve.kill('SIGKILL');
      incoming.on('error', () => undefined).resume(); // It may be cut in the middle of its body.
      resolve(incoming.statusCode);
    });
    sent.once('error', reject).end();
  });
}

function currentBytes(repository: SigningRepository, role: string): Buffer {
  const file = repository.files.current(role);
  assert.ok(file !== undefined, role);
  return file.bytes;
}

function versionOf(bytes: Buffer): unknown {
  return at(JSON.parse(bytes.toString()), 'signed', 'version');
}

/** Serves an old file as the newest; snapshot and timestamp are new and fit it, where they are not the old file. */
function tell(repository: SigningRepository, role: string, old: Buffer): void {
  if (role === 'timestamp' || role === 'root') {
    repository.files.setCurrent(role, { bytes: old, written: Date.now() });
    return;
  }
  repository.forge(role, { bytes: () => old });
  repository.publish();
}

test('what was trusted for a pull that was answered stays trusted after kill -9', async (t) => {
  const world = await startWorld(t);
  const { notary, registry } = world;
  registry.put('team/app', image, '1.0');
  const repository = notary.repository('team/app');
  repository.addSigner('alice');
  notary.sign('team/app', '1.0', image, releases);
  const path = await configure(world);
  let serve = await ServeProcess.start(t, path);

  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, role, publish } of lies) {
      await t.test(`an older ${name} is a rollback (round ${round})`, async () => {
        const old = currentBytes(repository, role);
        publish?.(repository, round);
        repository.touch();
        repository.publish();
        const trusted = versionOf(currentBytes(repository, role));
        const targets = currentBytes(repository, 'targets');
        assert.equal(await pullAndKill(serve), 200);
        await serve.ended;

        tell(repository, role, old);
        if (role === releases) assert.deepEqual(currentBytes(repository, 'targets'), targets);
        serve = await ServeProcess.start(t, path);
        const refused = await serve.pull('team/app', '1.0');
        assert.deepEqual([refused.status, refused.reason], [403, 'ROLLBACK']);
        const finding = `${role} is version ${String(versionOf(old))}, but version ${String(trusted)} was already trusted`;
        assert.ok(
          String(at(refused.json, 'errors', 0, 'message')).includes(finding),
          refused.body.toString(),
        );
      });
      repository.touch();
      repository.publish();
    }
  }
});
