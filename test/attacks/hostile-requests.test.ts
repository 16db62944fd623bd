import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import { parseTrustPath } from '../../src/demo/notary-server.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import { parseEndpoint, printEndpoint } from '../../src/oci/endpoint.ts';
import { known, digest as absent } from '../proxy/wire.ts';
import { LyingRegistry } from '../world/lying-registry.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { bodyShapes } from './hostile-bodies.ts';
import { headShapes } from './hostile-heads.ts';
import type { Gates, Place } from './plain-requests.ts';
import { RequestTap } from './request-tap.ts';
import type { TappedRequest } from './request-tap.ts';
import { Seeded } from './seeded.ts';

// Two thousand requests of hostile shape, on raw sockets, against one proxy with two registries. HOSTILE_SEED=<number>
// makes the same requests again.

const count = 2000;
const atOnce = 16;
const seed = Number(process.env['HOSTILE_SEED'] ?? randomInt(2 ** 32));

const good = buildImage('good');
const evil = buildImage('evil', { annotations: { canary: 'unsigned-manifest' } });
const vault = buildImage('vault', { annotations: { canary: 'vault-manifest' } });

const one: Place = {
  name: 'reg.test',
  alias: 'first',
  host: 'one.example',
  repositories: ['team/app', 'team/tool'],
};
const two: Place = {
  name: 'two.test',
  alias: 'second',
  host: 'two.example',
  repositories: ['other/app', 'other/tool'],
};
const gates: Gates = {
  places: [one, two],
  digests: [good.digest, evil.digest, vault.digest, absent],
  blobs: [digestOf(good.config), digestOf(evil.config), absent],
};

interface Siege extends World {
  readonly taps: { readonly one: RequestTap; readonly two: RequestTap; readonly notary: RequestTap };
}

async function startSiege(t: TestContext): Promise<Siege> {
  const [tapOne, tapTwo, tapNotary] = [
    await RequestTap.start(t),
    await RequestTap.start(t),
    await RequestTap.start(t),
  ];
  const second = await LyingRegistry.start();
  t.after(() => second.close());
  const world = await startWorld(t, {
    config: (tree) => {
      const [rule] = tree['rules'] as readonly Record<string, unknown>[];
      const door = ({ host, alias }: Place, tap: RequestTap, push: string): object => ({
        upstream: tap.url,
        auth: 'anonymous',
        hosts: [host],
        aliases: [alias],
        push,
      });
      return {
        ...tree,
        registries: { [one.name]: door(one, tapOne, 'deny'), [two.name]: door(two, tapTwo, 'allow') },
        notaries: { main: { url: tapNotary.url, auth: 'anonymous' } },
        rules: [
          rule,
          {
            ...structuredClone(rule),
            match: `${two.name}/**`,
            gun: 'reg.test/two/{repository}',
            check_every: '1h',
          },
        ],
      };
    },
  });
  tapOne.upstream = world.registry.url;
  tapTwo.upstream = second.url;
  tapNotary.upstream = world.notary.url;
  for (const [registry, place, prefix] of [
    [world.registry, one, ''],
    [second, two, 'two/'],
  ] as const) {
    const [signed = '', unsigned = ''] = place.repositories;
    for (const [name, image] of [
      [signed, good],
      ['vault/secret', vault],
    ] as const) {
      world.notary.sign(`${prefix}${name}`, '1.0', image);
      registry.put(name, image);
    }
    for (const name of [signed, unsigned]) for (const tag of ['1.0', 'evil']) registry.put(name, evil, tag);
  }
  return { ...world, taps: { one: tapOne, two: tapTwo, notary: tapNotary } };
}

/** Sends bytes in pieces; gives all that comes back until the connection ends. */
async function strike(port: number, pieces: readonly Buffer[]): Promise<string> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  // What counts is what arrived before the end, be it a FIN or a reset.
  socket.on('error', () => socket.destroy());
  let answer = '';
  socket.on('data', (bytes: Buffer) => (answer += bytes.toString('latin1')));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await nextTurn();
  }
  // A server that waits for more than was sent: no more comes.
  socket.setTimeout(200, () => socket.end());
  await closed;
  return answer;
}

/** The last request on each connection: where it is answered, everything before it was read to its end. */
const last = 'GET /last HTTP/1.1\r\nHost: gate.example\r\nConnection: close\r\n\r\n';

async function assertUp({ proxy }: Siege): Promise<void> {
  for (const [image, headers] of [
    ['team/app:1.0', { host: one.host }],
    ['second/other/app:1.0', { host: 'gate.example' }],
  ] as const) {
    const control = await proxy.pull(image, { headers });
    assert.equal(control.status, 200, image);
    assert.deepEqual(control.body, good.bytes);
  }
}

const isAnswer = /^(?:HTTP\/1\.1 [1-5][0-9]{2} |$)/;
const secret = /vault-manifest|unsigned-manifest/;

test('two thousand requests of hostile shape leave the proxy up, and nothing that was not asked for is asked of anybody', async (t) => {
  t.diagnostic(`HOSTILE_SEED=${seed}`);
  const siege = await startSiege(t);
  const random = new Seeded(seed);
  const kinds = Object.entries({ ...headShapes, ...bodyShapes });
  const strikes = Array.from({ length: count }, (_, index) => {
    const [kind, shape] = known(kinds[index % kinds.length]);
    const bytes = Buffer.from(shape(random, gates) + last, 'latin1');
    return { kind, bytes, pieces: random.split(bytes, random.pick([0, 1, 5, 40])) };
  });
  const port = Number(new URL(siege.proxy.url).port);
  const fooled: string[] = [];
  const statuses = new Map<string, number>();
  await assertUp(siege);
  let next = 0;
  const attacker = async (): Promise<void> => {
    for (let mine = strikes[next++]; mine !== undefined; mine = strikes[next++]) {
      const answer = await strike(port, mine.pieces);
      if (!isAnswer.test(answer) || secret.test(answer))
        fooled.push(`${mine.kind}: ${shown(mine.bytes)} was answered with ${shown(Buffer.from(answer))}`);
      for (const [, status = ''] of answer.matchAll(/^HTTP\/1\.1 ([0-9]{3}) /gm))
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (next % 250 === 0) await assertUp(siege);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, attacker));
  assert.deepEqual(fooled, []);
  await assertUp(siege);

  for (const status of ['200', '400', '403', '404', '405', '431', '501'])
    assert.ok((statuses.get(status) ?? 0) >= 10, `${status}: ${statuses.get(status) ?? 0} answers`);
  assert.deepEqual(
    siege.proxy.logs.filter(({ level }) => level === 'error'),
    [],
  );
  assertAsked(siege);
});

function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1', 0, 400));
}

function assertAsked({ taps }: Siege): void {
  for (const [place, tap] of [
    [one, taps.one],
    [two, taps.two],
  ] as const) {
    assert.deepEqual(tap.faults, []);
    // Some ninety: what nobody signed is not asked for, be it a manifest or a blob.
    assert.ok(tap.requests.length >= 40, `${place.name} was asked ${tap.requests.length} times`);
    const stray = tap.requests.filter((request) => !isDue(request, place)).map(({ line }) => line);
    assert.deepEqual([...new Set(stray)], [], `asked of ${place.name}`);
    const fields = new Set(tap.requests.flatMap(({ headers }) => headers.map(([name]) => name)));
    assert.deepEqual(
      [...fields].filter((name) => !carried.has(name)),
      [],
    );
    const values = tap.requests.flatMap(({ headers }) => headers.map(([, value]) => value));
    assert.deepEqual(
      values.filter((value) => /vault|evil/.test(value)),
      [],
    );
  }
  assert.deepEqual(taps.notary.faults, []);
  const guns = new Set(taps.notary.requests.map(({ target }) => parseTrustPath(target)?.gun ?? target));
  assert.deepEqual(
    [...guns].toSorted(),
    ['team/app', 'team/tool', 'two/other/app', 'two/other/tool'].map((name) => `reg.test/${name}`),
  );
}

const carried = new Set([
  'accept',
  'accept-encoding',
  'connection',
  'content-length',
  'host',
  'if-none-match',
  'range',
  'transfer-encoding',
  'user-agent',
  'via',
]);

/** Says whether a request is one that the grammar prints, of this registry, and of a manifest by digest, never by tag:
 * beside a pull it is looked at (HEAD), and nothing follows from it. */
function isDue({ method, target }: TappedRequest, { repositories }: Place): boolean {
  const parsed = parseEndpoint(target);
  if (parsed === undefined || printEndpoint(parsed.endpoint) !== target) return false;
  const { endpoint } = parsed;
  if (endpoint.kind === 'base') return true;
  if (!repositories.includes(endpoint.repository)) return false;
  const isRead = method === 'GET' || method === 'HEAD';
  if (endpoint.kind !== 'manifest' || !isRead) return isRead || repositories === two.repositories;
  const { identifier } = endpoint;
  if (identifier.kind === 'tag') return method === 'HEAD' && identifier.tag === '1.0';
  // A digest that is not signed is read by us, to see whether it is an artifact about one that is.
  return gates.digests.includes(identifier.digest);
}
