import type { TestContext } from 'node:test';
import { buildImage } from '../../src/demo/image.ts';
import type { HttpAnswer } from '../world/http.ts';
import { LyingRegistry } from '../world/lying-registry.ts';
import type { World } from '../world/world.ts';
import { startWorld } from '../world/world.ts';
import { withRegistry } from './evidence.ts';

export const image = buildImage('image');

export interface TwoRegistries extends World {
  readonly hub: LyingRegistry;
  readonly get: (target: string, host?: string) => Promise<HttpAnswer>;
}

/** Starts a world with `reg.test` and two more registries, all under `allow`. */
export async function startTwo(t: TestContext, defaultRegistry?: string): Promise<TwoRegistries> {
  const hub = await LyingRegistry.start();
  t.after(() => hub.close());
  const world = await startWorld(t, {
    config: ({ default_registry: _default, ...tree }) => ({
      ...tree,
      ...(defaultRegistry !== undefined && { default_registry: defaultRegistry }),
      registries: {
        ...withRegistry(tree, { hosts: ['reg.test', 'gate.test:5443'] }).registries,
        'docker.io': {
          upstream: hub.url,
          auth: 'anonymous',
          hosts: ['registry-1.docker.io', 'index.docker.io'],
          aliases: ['hub'],
        },
        'ported.test:5000': { upstream: hub.url, auth: 'anonymous', aliases: ['ported'] },
      },
      rules: ['reg.test', 'docker.io', 'ported.test:5000'].map((name) => ({
        match: `${name}/**`,
        mode: 'allow',
      })),
    }),
  });
  world.registry.put('team/app', image, '1.0');
  for (const name of ['library/app', 'team/app']) hub.put(name, image, '1.0');
  const get = (target: string, host = 'gate.example'): Promise<HttpAnswer> =>
    world.proxy.request(target, { headers: { host } });
  return { ...world, hub, get };
}
