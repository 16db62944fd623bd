import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import type { Fault } from '../world/fault.ts';
import {
  Flood,
  answer,
  changeBody,
  gzipped,
  hang,
  loginPage,
  raw,
  reset,
  slow,
  truncated,
} from '../world/fault.ts';
import { startWorld } from '../world/world.ts';
import { asked, storedRows } from './evidence.ts';

// Whatever a notary, or what stands in front of it, can send in place of a file: each has its reason, costs bounded time
// and memory, stores nothing, and harms no other pull.

const good = buildImage('good');
const newer = buildImage('newer');

const garbage: readonly (readonly [string, Fault])[] = [
  ['a login page', loginPage],
  ['nothing', answer(200)],
  ['a JSON text that is no object', answer(200, { body: '[]' })],
  ['an object of nothing', answer(200, { body: '{}' })],
  ['half of the file', changeBody((body) => body.subarray(0, body.length / 2))],
  ['the file with bytes behind it', changeBody((body) => Buffer.concat([body, Buffer.from('}')]))],
  ['bytes that are not UTF-8', changeBody((body) => body.fill(0xff, 20, 21))],
  ['a byte order mark', changeBody((body) => Buffer.concat([Buffer.from('\ufeff'), body]))],
  ['JSON nested fifty thousand deep', answer(200, { body: '['.repeat(50_000) + ']'.repeat(50_000) })],
  ['a number without end', answer(200, { body: `{"signed":${'9'.repeat(60_000)},"signatures":[]}` })],
];
const wire: readonly (readonly [string, Fault])[] = [
  ['a connection that ends early', truncated(10)],
  ['a connection that is reset', reset],
  ['what is not HTTP', raw('SSH-2.0-OpenSSH\r\n')],
  ['nothing at all', hang],
  ['one byte a second', slow(1000)],
  ['a file without end of its head', raw(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(200_000)}`)],
  ['a redirect', answer(302, { headers: { location: 'http://127.0.0.1/' } })],
  ['304', answer(304)],
];

type Role = 'root' | 'timestamp' | 'snapshot' | 'targets';
/** What is signed by hash is known to be wrong before anybody looks into it. */
const reasonAt: Record<Role, string> = {
  root: 'MALFORMED',
  timestamp: 'MALFORMED',
  snapshot: 'BAD_HASH',
  targets: 'BAD_HASH',
};

for (const role of ['root', 'timestamp', 'snapshot', 'targets'] as const) {
  test(`whatever comes in place of ${role} has its reason, stores nothing and harms no other pull`, async (t) => {
    const { notary, registry, proxy, directory } = await startWorld(t, {
      config: { limits: { download_timeout: '1s' } },
    });
    for (const name of ['team/app', 'team/control']) {
      registry.put(name, good);
      registry.put(name, newer);
      notary.sign(name, '1.0', good);
      assert.equal((await proxy.pull(`${name}:1.0`)).status, 200);
    }
    notary.sign('team/app', '2.0', newer);
    const rows = storedRows(directory);
    const stories = [
      ...garbage.map(([what, fault]) => [what, fault, 403, reasonAt[role]] as const),
      ...wire.map(([what, fault]) => [what, fault, 503, 'NOTARY_UNAVAILABLE'] as const),
      ['the file compressed', gzipped, 403, reasonAt[role]],
      ['a file of a hundred megabytes', new Flood({ size: 100 * 1024 ** 2 }).fault, 403, reasonAt[role]],
    ] as const;
    for (const [what, fault, status, reason] of stories) {
      // Only root.json: a 1.root.json that is garbage is another story, told by the attacks on roots.
      const takeOff = notary.fault('team/app', role, fault, ({ version }) => version === undefined);
      const refused = await proxy.pull('team/app:2.0');
      takeOff();
      assert.deepEqual(
        [refused.status, refused.reason],
        [status, reason],
        `${what}: ${refused.statusMessage}`,
      );
      assert.deepEqual(storedRows(directory), rows, what);
      assert.equal((await proxy.pull('team/control:1.0')).status, 200, what);
    }
    assert.equal((await proxy.pull('team/app:2.0')).status, 200);
  });
}

test('of a file that is longer than its limit, little more than the limit is read', async (t) => {
  const { notary, proxy } = await startWorld(t);
  notary.sign('team/app', '1.0', good);
  const flood = new Flood();
  notary.fault('team/app', 'timestamp', flood.fault);
  assert.equal((await proxy.pull('team/app:1.0')).reason, 'MALFORMED');
  await flood.ended;
  // The system's own buffers between the two ends may have taken some megabytes.
  assert.ok(flood.written < 16 * 1024 ** 2, `${flood.written} bytes`);
});

test('a delegation that is garbage refuses its repository', async (t) => {
  const { notary, registry, proxy } = await startWorld(t);
  registry.put('team/app', good);
  notary.repository('team/app').addSigner('alice');
  notary.sign('team/app', '1.0', good, 'targets/releases');
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
  notary.sign('team/app', '2.0', good, 'targets/releases');
  notary.fault('team/app', 'targets/releases', loginPage);
  assert.equal((await proxy.pull('team/app:1.0')).reason, 'BAD_HASH');
  notary.behave();
  assert.equal((await proxy.pull('team/app:2.0')).status, 200);
});

test('a cold start on garbage is refused, and starts nothing', async (t) => {
  const { notary, registry, proxy, directory } = await startWorld(t);
  registry.put('team/app', good);
  notary.sign('team/app', '1.0', good);
  notary.fault('team/app', 'root', loginPage);
  assert.equal((await proxy.pull('team/app:1.0')).reason, 'MALFORMED');
  assert.deepEqual(storedRows(directory), [[], [], []]);
  notary.behave();
  assert.equal((await proxy.pull('team/app:1.0')).status, 200);
});

test('a repository that nobody can make a GUN of a notary of is asked for under its own name only', async (t) => {
  const { notary, proxy } = await startWorld(t);
  await proxy.pull('team/_trust/tuf:1.0').catch(() => undefined);
  await proxy.pull('team/a__trust/tuf:1.0');
  for (const url of asked(notary.requests))
    assert.match(url, /^GET \/v2\/reg\.test\/team\/a__trust\/tuf\/_trust\/tuf\/[a-z0-9.]+\.json$/);
});
