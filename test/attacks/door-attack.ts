import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { Reason } from '../../src/policy/reason.ts';
import { exchange } from '../proxy/door.ts';
import { asked } from '../proxy/evidence.ts';
import { at } from '../world/http.ts';
import type { World, WorldOptions } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import type { Scene } from './attack.ts';
import { begin, good } from './attack.ts';
import { floorsOf } from './floors.ts';

// Attacks that are in the bytes of the request: the trust data is honest, and so is the registry. What is sent is sent
// as it stands, on a connection of its own, because every client library would tidy it up.

/** `turned away`: an OCI error before anybody is asked, with one of these statuses. `served`: the signed bytes, whatever
 * else the request says. `refused`: judged, and refused for this reason, before the registry is asked. */
export type Outcome =
  | { readonly kind: 'turned away'; readonly statuses: readonly number[] }
  | { readonly kind: 'served' }
  | { readonly kind: 'refused'; readonly reason: Reason };

export interface DoorAttack {
  /** The catalogue's. */
  readonly id: string;
  readonly title: string;
  /** Raw requests. `team/…` of the scene has 1.0, signed, and 9.9, which is not. */
  readonly send: (scene: Scene) => readonly string[];
  readonly comesTo: Outcome;
  readonly world?: WorldOptions;
}

export function turnedAway(...statuses: readonly number[]): Outcome {
  return { kind: 'turned away', statuses };
}

export const served: Outcome = { kind: 'served' };

export function refused(reason: Reason): Outcome {
  return { kind: 'refused', reason };
}

/** A head with Host and Connection: close, and these header lines. */
export function requestTo(target: string, headers: readonly string[] = [], method = 'GET'): string {
  const lines = ['Host: gate.example', 'Connection: close', ...headers];
  return `${method} ${target} HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** A case of raw requests that are turned away, with 400 if no other status is given. */
export function requests(
  id: string,
  title: string,
  make: (name: string) => readonly string[],
  ...statuses: readonly number[]
): DoorAttack {
  const comesTo = turnedAway(...(statuses.length === 0 ? [400] : statuses));
  return { id, title, send: ({ name }) => make(name), comesTo };
}

/** Makes one test of each case, cold (nobody ever asked for the repository) and warm: `H-01 cold: …`. */
export function doorAttacks(subject: string, cases: readonly DoorAttack[]): void {
  test(subject, async (t) => {
    const shared = await startWorld(t);
    for (const [index, attack] of cases.entries()) {
      for (const situation of ['warm', 'cold'] as const) {
        await t.test(`${attack.id} ${situation}: ${attack.title}`, async (own: TestContext) => {
          const world = attack.world === undefined ? shared : await startWorld(own, attack.world);
          const scene = begin(world, `team/${attack.id.toLowerCase()}-${index}-${situation}`, situation);
          scene.repository.publish();
          if (situation === 'warm') await assertControl(scene);
          for (const request of attack.send(scene)) await play(scene, request, attack.comesTo);
          await assertControl(scene);
        });
      }
    }
  });
}

async function play(scene: Scene, request: string, comesTo: Outcome): Promise<void> {
  const { world } = scene;
  const before = floorsOf(scene);
  const already = { registry: world.registry.requests.length, notary: world.notary.requests.length };
  const text = await exchange(portOf(world), request);
  await world.proxy.settled();
  const what = `${JSON.stringify(request.slice(0, 300))}: ${text.slice(0, 300)}`;
  const answer = readAnswer(text, request.startsWith('HEAD '), what);
  const registry = asked(world.registry.requests.slice(already.registry));
  const notary = asked(world.notary.requests.slice(already.notary));

  switch (comesTo.kind) {
    case 'turned away':
      assert.ok(comesTo.statuses.includes(answer.status), what);
      assertError(answer, what);
      assert.equal(at(answer.json, 'errors', 0, 'detail'), undefined, what);
      assert.deepEqual([registry, notary], [[], []], what);
      assert.deepEqual(floorsOf(scene), before, what);
      return;
    case 'refused':
      assert.equal(answer.status, 403, what);
      assertError(answer, what);
      assert.ok(
        text.startsWith(`HTTP/1.1 403 content trust: ${comesTo.reason}: `) ||
          text.includes(`: ${comesTo.reason}: `),
        what,
      );
      assert.deepEqual(registry, [], what);
      return;
    case 'served':
      assert.equal(answer.status, 200, what);
      assert.deepEqual(answer.body, request.startsWith('HEAD ') ? Buffer.alloc(0) : good.bytes, what);
      assert.equal(answer.headers.get('docker-content-digest'), good.digest, what);
      assert.equal(answer.headers.get('content-type'), good.mediaType, what);
      // The digest is what is fetched; the tag is only looked at, for drift.
      for (const line of registry) {
        const due = `^(?:(?:GET|HEAD) /v2/${scene.name}/manifests/${good.digest}|HEAD /v2/${scene.name}/manifests/1\\.0)$`;
        assert.match(line, new RegExp(due), what);
      }
      for (const line of notary)
        assert.ok(line.startsWith(`GET /v2/${scene.gun}/_trust/tuf/`), `${what} ${line}`);
  }
}

function assertError(answer: RawAnswer, what: string): void {
  assert.equal(answer.headers.get('content-type'), 'application/json', what);
  for (const field of [
    'docker-content-digest',
    'etag',
    'location',
    'tufgate-trust',
    'server',
    'x-powered-by',
  ])
    assert.equal(answer.headers.get(field), undefined, `${what}: ${field}`);
  if (answer.body.length === 0) return;
  assert.deepEqual(Object.keys(answer.json as object), ['errors'], what);
  assert.equal((at(answer.json, 'errors') as readonly unknown[]).length, 1, what);
  assert.match(String(at(answer.json, 'errors', 0, 'code')), /^[A-Z_]+$/, what);
}

async function assertControl({ world, name }: Scene): Promise<void> {
  const control = await world.proxy.pull(`${name}:1.0`, { headers: { 'user-agent': 'control' } });
  assert.equal(control.status, 200, control.statusMessage);
  assert.deepEqual(control.body, good.bytes);
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  readonly json: unknown;
}

/** Takes all that came on a connection; gives the one answer that it has to be. */
export function readAnswer(text: string, isHead: boolean, what: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const status = Number(/^HTTP\/1\.1 ([1-5][0-9]{2}) [\x20-\x7e]*$/.exec(first)?.[1]);
  assert.ok(end > 0 && status > 0, what);
  const headers = new Map(
    lines.map((line) => {
      const [, name = '', value = ''] = /^([A-Za-z-]+): ([\t\x20-\x7e]*)$/.exec(line) ?? [];
      assert.notEqual(name, '', `${what}: ${line}`);
      return [name.toLowerCase(), value];
    }),
  );
  const body = Buffer.from(text.slice(end + 4), 'latin1');
  assert.equal(body.length, isHead ? 0 : Number(headers.get('content-length')), what);
  return { status, headers, body, json: body.length > 0 ? JSON.parse(body.toString()) : undefined };
}

export function portOf({ proxy }: World): number {
  return Number(new URL(proxy.url).port);
}
