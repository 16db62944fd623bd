import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { explain } from '../../src/cli/explain.ts';
import { startWorld } from '../world/world.ts';
import { begin } from './attack.ts';
import { matters } from './explanations.ts';

// What an engineer reads when a pull fails, all of it side by side in explanations.txt: each thing that can be the matter
// has a sentence of its own, with the two numbers or the key ids, and says what to do. `UPDATE=1` writes the file anew,
// to be read and committed.

const golden = new URL('./explanations.txt', import.meta.url);

test('explain tells everything that can be the matter apart, as it is written down', async (t) => {
  const world = await startWorld(t, {
    config: (tree) => ({
      ...tree,
      rules: [
        ...(tree['rules'] as readonly { match: string }[]).map((rule) => ({
          ...rule,
          match: 'reg.test/team/**',
        })),
        { match: 'reg.test/closed/**', mode: 'deny' },
      ],
    }),
  });
  // Each `explain` is a process of its own, but here.
  process.stderr.setMaxListeners(matters.length + 10);
  const told: string[] = [];
  const verdicts = new Map<string, string>();
  for (const [at, matter] of matters.entries()) {
    const scene = begin(world, `team/app-${at}`, 'warm');
    await matter.before?.(scene);
    scene.repository.publish();
    assert.equal((await world.proxy.pull(`${scene.name}:1.0`)).status, 200, matter.title);
    await matter.happens(scene);
    let text = '';
    const image = matter.image?.(scene) ?? `${scene.name}:1.0`;
    const write = (part: string): void => void (text += part);
    const status = await explain(`reg.test/${image}`, world.proxy.configPath, { json: false, write });
    world.notary.behave();
    const plain = anonymous(text, at, new URL(world.notary.url).host);
    told.push(`# ${matter.title} (exit status ${status})\n${plain}`);
    const verdict = /^ {2}verdict .*$/m.exec(plain)?.[0] ?? '';
    assert.ok(!verdicts.has(verdict) || at === 1, `${matter.title} reads like ${verdicts.get(verdict)}`);
    verdicts.set(verdict, matter.title);
  }
  const found = told.join('\n');
  if (process.env['UPDATE'] !== undefined) writeFileSync(golden, found);
  assert.deepEqual(found.split('\n'), readFileSync(golden, 'utf8').split('\n'));
});

/** What differs from run to run, by what it is. */
function anonymous(text: string, at: number, notary: string): string {
  return (
    text
      .replaceAll(`app-${at}`, 'app')
      .replaceAll(notary, 'notary.test:4443')
      // The last digits of a time are left out where they are zeros, and a file is then so much shorter.
      .replaceAll(
        /has (\d+) bytes, and (\d+) are/g,
        (_, has, are) => `has <n>+${Number(has) - Number(are)} bytes, and <n> are`,
      )
      .replaceAll(/at character [1-9]\d*/g, 'at character <n>')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
      .replaceAll(/\b[0-9a-f]{64,128}\b/g, '<hex>')
      .replaceAll(/\([0-9a-f]{12}(?:, [0-9a-f]{12})*\)/g, '(<key ids>)')
      .replaceAll(/\b[0-9a-f]{20,64}\.\.\.[0-9a-f]{2,40}\b/g, '<hex>')
      .replaceAll(/[0-9a-f]*\.\.\.[0-9a-f]*/g, '...')
  );
}
