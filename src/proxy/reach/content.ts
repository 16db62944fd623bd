import type { ManifestFacts } from '../../oci/manifest.ts';
import type { Digest } from '../../oci/reference.ts';
import type { Content, Edge } from '../../trust/state/content-graph.ts';

/**
 * Takes a digest and the facts of the bytes that hash to it; gives what the graph records. A descriptor without a size
 * that can be leads nowhere, and neither do its `data` and `urls`.
 */
export function contentOf(
  digest: Digest,
  { kind, children, blobs, isArtifact, subject }: ManifestFacts,
): Content {
  const manifests = children.flatMap(({ digest: child, size, kind: said }): Edge[] =>
    size === undefined
      ? []
      : [{ child, size, kind: said === 'index' ? 'index' : said === 'image' ? 'manifest' : 'blob' }],
  );
  const others = blobs.flatMap(({ digest: child, size }): Edge[] =>
    size === undefined ? [] : [{ child, size, kind: 'blob' }],
  );
  return {
    digest,
    kind: kind === 'index' ? 'index' : 'manifest',
    isArtifact,
    subject,
    edges: [...manifests, ...others],
  };
}
