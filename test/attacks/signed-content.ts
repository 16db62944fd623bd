import type { Image, ManifestBytes } from '../../src/demo/image.ts';
import { buildImage } from '../../src/demo/image.ts';
import { digestOf } from '../../src/demo/registry/content.ts';
import type { Fault } from '../world/fault.ts';
import type { Asked, Attack, Scene } from './attack.ts';
import { good } from './attack.ts';
import type { Expected } from './expected.ts';
import { refused, served } from './expected.ts';

// Manifests as no tool writes them, and cases in which one of them is signed as 2.0.

export const types = {
  image: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
} as const;

/** An image that no other case pulls, so that no cache has it. */
function fresh(text: string): Image {
  return buildImage(text, { annotations: { 'org.example.case': text } });
}

/** Takes the text of a manifest; gives it as it is, under the digest that it has. */
export function manifestOf(text: string | object, mediaType: string = types.image): ManifestBytes {
  const bytes = Buffer.from(typeof text === 'string' ? text : JSON.stringify(text));
  return { bytes, mediaType, digest: digestOf(bytes), length: bytes.length };
}

/** A manifest of exactly so many bytes. */
export function manifestOfSize(size: number): ManifestBytes {
  const start = `{"schemaVersion":2,"mediaType":"${types.image}","config":{},"layers":[],"annotations":{"filler":"`;
  return manifestOf(`${start}${'x'.repeat(size - start.length - 3)}"}}`);
}

export function descriptorOf(bytes: Buffer, mediaType: string): object {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** What a case may set beside the manifest that is signed. */
export type Signed = Pick<Attack, 'id' | 'title'> & Partial<Pick<Attack, 'ask' | 'also' | 'mend' | 'lie'>>;

/** A case in which `manifest` is signed as 2.0 and pulled, after something was done to it. */
export function signedAs2(manifest: ManifestBytes, expected: Expected, attack: Signed): Attack {
  return {
    warm: expected,
    cold: expected,
    prepare: ({ world, name, repository }: Scene) => {
      world.registry.repository(name).putManifest(manifest.bytes, manifest.mediaType);
      repository.sign('2.0', manifest, 'targets/releases');
    },
    ...attack,
    lie: async (scene) => (await attack.lie?.(scene)) ?? ':2.0',
  };
}

/** What the registry does with the signed manifest on its way, and what comes of it. */
export function onTheWay(id: string, title: string, fault: Fault, expected?: Expected): Attack {
  const manifest = fresh(`${id} ${title}`);
  return signedAs2(manifest, expected ?? served(manifest), {
    id,
    title,
    lie: ({ world, name }) => void world.registry.fault(name, `manifests/${manifest.digest}`, fault),
    mend: ({ world }) => world.registry.behave(),
  });
}

/** GET and HEAD with header fields of the client's choice. */
export function asking(...fields: readonly Record<string, string>[]): NonNullable<Attack['ask']> {
  return async ({ world, name }, image) => {
    const asked: Asked[] = [];
    for (const headers of fields) {
      for (const method of ['HEAD', 'GET'])
        asked.push({ method, answer: await world.proxy.pull(`${name}${image}`, { method, headers }) });
    }
    return asked;
  };
}

/** What nobody signed, under a name that something signed seems to vouch for. */
export function unsigned(
  id: string,
  title: string,
  image: string,
  put: (scene: Scene) => void,
  expected = refused('TAG_NOT_SIGNED'),
): Attack {
  return {
    id,
    title,
    warm: expected,
    cold: expected,
    lie: (scene) => {
      put(scene);
      return image;
    },
  };
}

/** Nobody signs 1.0 any more. */
export function withdraw({ repository }: Scene): void {
  repository.remove('1.0');
  repository.remove('1.0', 'targets/releases');
  repository.publish();
}

/** 1.0 is signed again. */
export function resign({ repository }: Scene): void {
  repository.sign('1.0', good, 'targets/releases');
  repository.publish();
}
