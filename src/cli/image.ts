import type { Config } from '../config/config.ts';
import type { ImageReference } from '../oci/reference.ts';
import { looksLikeRegistry, parseImageReference } from '../oci/reference.ts';

/**
 * Takes an image as it is written on the command line; gives it with the configured registry that its first segment
 * names (by name or alias), or the default registry. Undefined if it is none of a configured registry.
 */
export function imageIn({ registries, defaultRegistry }: Config, text: string): ImageReference | undefined {
  const bySegment = new Map(
    [...registries.values()].flatMap(({ name, aliases }) =>
      [name, ...aliases].map((segment) => [segment, name]),
    ),
  );
  const image = parseImageReference(text, {
    // A host that is not configured stays what it is, and is found missing below.
    named: (segment) => bySegment.get(segment) ?? (looksLikeRegistry(segment) ? segment : undefined),
    otherwise: defaultRegistry ?? 'docker.io',
  });
  return image !== undefined && registries.has(image.registry) ? image : undefined;
}

/** Says of a text that `imageIn` did not take what would have been one. */
export function notAnImage({ registries }: Config, text: string): string {
  return `${JSON.stringify(text)} is not an image of a configured registry (${[...registries.keys()].join(', ')})`;
}
