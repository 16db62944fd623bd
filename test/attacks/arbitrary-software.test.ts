import assert from 'node:assert/strict';
import { objectAt } from '../../src/demo/signing/signed-file.ts';
import type { JsonValue } from '../../src/demo/signing/signed-file.ts';
import { asked } from '../proxy/evidence.ts';
import { changeBody } from '../world/fault.ts';
import type { Attack, Scene } from './attack.ts';
import { attacks, evil, good, outdated } from './attack.ts';
import { refused, served } from './expected.ts';
import { forge, newKey } from './lies.ts';

// Arbitrary software (TUF §1.5.2): bytes that nobody who may signed. The registry is hostile, or the network is.

const illegalRoles = ['root', 'snapshot', 'targets', 'targets/a/b', 'other/a'];
const pathRoles = [
  'targets/../../etc/x',
  'targets//a',
  'targets/A',
  'targets/a%2fb',
  'targets/a\u0000',
  'targets/.',
  `targets/${'a'.repeat(256)}`,
];

attacks('arbitrary software', [
  {
    id: 'T-01',
    title: 'a signed tag is served (a proxy that refuses everything proves nothing)',
    warm: served(good),
    cold: served(good),
    lie: () => {},
  },
  {
    id: 'T-02',
    title: 'a tag that the registry moves is served as it was signed, and never fetched by its name',
    warm: served(good),
    cold: served(good),
    lie: ({ world, name }) => {
      world.registry.put(name, evil, '1.0');
    },
    also: ({ world, name }) => {
      const requests = asked(world.registry.requests).filter((line) => line.includes(`/v2/${name}/`));
      // HEAD of the tag, beside the pull and once a minute: whether it drifted, which nothing follows from.
      const looked = `HEAD /v2/${name}/manifests/1.0`;
      assert.deepEqual(requests, [`GET /v2/${name}/manifests/${good.digest}`, looked]);
    },
  },
  {
    id: 'T-03',
    title: 'a tag that nobody signed is refused',
    warm: refused('TAG_NOT_SIGNED'),
    cold: refused('TAG_NOT_SIGNED'),
    lie: () => ':9.9',
  },
  {
    id: 'T-04',
    title: 'a repository without trust data is refused, and begins no record',
    cold: refused('REPOSITORY_NOT_SIGNED', { roots: 0 }),
    lie: ({ world, gun }) => world.notary.server.remove(gun),
    mend: ({ world, gun, repository }) => world.notary.server.serve(gun, repository.files),
  },
  {
    id: 'T-06',
    title: 'a signature that is withdrawn counts no more',
    warm: refused('TAG_NOT_SIGNED'),
    cold: refused('TAG_NOT_SIGNED'),
    lie: ({ repository }) => {
      repository.remove('1.0');
      repository.remove('1.0', 'targets/releases');
      repository.publish();
    },
    mend: ({ repository }) => {
      repository.sign('1.0', good, 'targets/releases');
      repository.publish();
    },
  },
  {
    id: 'T-07',
    title: 'a delegation that signs outside its paths has signed nothing',
    warm: refused('TAG_NOT_SIGNED'),
    cold: refused('TAG_NOT_SIGNED'),
    lie: ({ repository }) => {
      const keys = repository.keys('targets/releases');
      repository.addDelegation('targets/releases', { keys, paths: ['ci-'] });
      repository.sign('9.9', evil, 'targets/releases');
      repository.publish();
      return ':9.9';
    },
    mend: 'never',
  },
  {
    id: 'T-07',
    title: 'a delegation that nobody asked to sign has signed nothing',
    warm: refused('TAG_NOT_SIGNED'),
    cold: refused('TAG_NOT_SIGNED'),
    lie: ({ repository }) => {
      repository.addDelegation('targets/ci');
      repository.sign('9.9', evil, 'targets/ci');
      repository.publish();
      return ':9.9';
    },
  },
  ...illegalRoles.map((role): Attack => ({
    id: 'T-10',
    title: `a delegation named ${role} is refused, and nothing of it is asked for`,
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) => declare(scene, role),
  })),
  ...pathRoles.map((role): Attack => ({
    id: 'T-11',
    title: `a delegation named ${JSON.stringify(role).slice(0, 40)} is refused, and becomes no path`,
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) => declare(scene, role),
    also: ({ world, name }) => {
      // Only the plain names of the roles that a refresh reads.
      const file = String.raw`(?:\d+\.root|root|timestamp|(?:snapshot|targets(?:/releases)?)\.[0-9a-f]{64})`;
      const honest = new RegExp(`^GET /v2/reg\\.test/${name}/_trust/tuf/${file}\\.json$`);
      for (const line of asked(world.notary.requests))
        if (line.includes(`/${name}/`)) assert.match(line, honest);
    },
  })),
  ...(['targets', 'targets/releases'] as const).map((role): Attack => ({
    id: 'T-17',
    title: `${role} signed by a stranger is refused, and nothing answers in its place`,
    warm: refused('BAD_SIGNATURE'),
    cold: refused('BAD_SIGNATURE'),
    lie: (scene) => {
      scene.repository.sign('1.0', evil, role);
      forge(scene, role, { keys: [newKey()] });
    },
    mend: ({ repository }) => {
      repository.sign('1.0', good, 'targets/releases');
      repository.publish();
    },
  })),
  {
    id: 'T-70',
    title: 'unknown members inside what is signed are covered by the signature, and the tag is served',
    warm: served(good),
    cold: served(good),
    lie: (scene) => {
      scene.repository.sign('1.0', { ...good, custom: { team: 'a', build: 7 } }, 'targets/releases');
      forge(scene, 'targets/releases', { signed: (signed) => void (signed['x-unknown'] = { a: [1, null] }) });
    },
  },
  {
    id: 'T-70',
    title: 'an unknown member that was added after signing is refused',
    warm: refused('BAD_SIGNATURE'),
    cold: refused('BAD_SIGNATURE'),
    lie: (scene) => alter(scene, (text) => text.replace('{"signed":{', '{"signed":{"x-unknown":1,')),
  },
  ...(['timestamp', 'targets/releases'] as const).map((role): Attack => ({
    id: 'T-71',
    title: `a member beside what is signed in ${role}, which no signature covers, is refused`,
    warm: refused('MALFORMED'),
    cold: refused('MALFORMED'),
    lie: (scene) => alter(scene, (text) => text.replace(/^\{/, '{"abc":"xyz",'), role),
  })),
  ...tampered([
    ['M-19', 'one byte flipped', (body) => body.fill('X', 10, 11)],
    ['M-20', 'its last byte missing', (body) => body.subarray(0, -1)],
    ['M-20', 'a newline behind it', (body) => Buffer.concat([body, Buffer.from('\n')])],
    ['M-20', 'nothing in it', () => Buffer.alloc(0)],
    ['M-19', 'another image in its place', () => outdated.bytes],
  ]),
]);

type Tampering = readonly [id: string, what: string, change: (body: Buffer) => Uint8Array];

/** The manifest is served with something done to it, by digest, where nobody has it in memory. */
function tampered(stories: readonly Tampering[]): Attack[] {
  return stories.map(([id, what, change]) => ({
    id,
    title: `a signed manifest with ${what} is refused, and none of it reaches the client`,
    warm: refused('CONTENT_MISMATCH'),
    cold: refused('CONTENT_MISMATCH'),
    prepare: ({ repository }) => repository.sign('2.0', evil, 'targets/releases'),
    lie: ({ world, name }) => {
      world.registry.fault(name, `manifests/${evil.digest}`, changeBody(change));
      return ':2.0';
    },
  }));
}

/** The holder of the targets key declares a role of this name, and lists a file of it. */
function declare(scene: Scene, role: string): void {
  const { repository } = scene;
  repository.forge('targets', {
    signed: (signed) => {
      const delegations = objectAt(signed, 'delegations');
      const roles = delegations['roles'] as JsonValue[];
      roles.push({
        keyids: repository.keys('targets/releases').map(({ id }) => id),
        name: role,
        paths: [''],
        threshold: 1,
      });
    },
  });
  forge(scene, 'snapshot', {
    signed: (signed) => {
      const meta = objectAt(signed, 'meta');
      meta[role] ??= meta['targets/releases'] ?? null;
    },
  });
}

/** Changes the text of a finished file; its parents are signed over the changed one. */
function alter(scene: Scene, change: (text: string) => string, role = 'targets/releases'): void {
  forge(scene, role, { bytes: (bytes) => Buffer.from(change(bytes.toString())) });
}
