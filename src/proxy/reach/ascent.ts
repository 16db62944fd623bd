import { setImmediate } from 'node:timers/promises';
import type { Digest } from '../../oci/reference.ts';
import type { Reach, Roots, Standing } from '../../policy/standing.ts';
import type { ContentGraph, ContentKind, Parent } from '../../trust/state/content-graph.ts';

/** How many manifests stand above a layer at most: an image, an index, one around it, and one around that. */
export const deepest = 4;
/** Above most content stand few manifests; above a layer of a popular base image, those of every image built on it. */
const few = 64;
/** How many manifests one question may look at on its way up. */
const mostSteps = 5_000;
const stepsAtOnce = 32;

/** What a digest is asked for as: what was signed as a layer is not to be run as a manifest. */
export type As = 'manifest' | 'blob';

type Found = Extract<Reach, { kind: 'stands' }>;

/** By the descriptor of a layer nothing becomes a manifest; a manifest may be fetched as the blob that it also is. */
const isMeantAs =
  (as: As) =>
  ({ kind }: Parent): boolean =>
    as === 'blob' || kind !== 'blob';
/** How many more may stand above what is directly above it. */
const levelsAbove: Record<As, number> = { blob: deepest - 1, manifest: deepest - 2 };

/** A manifest on the way up. */
interface Step {
  readonly digest: Digest;
  /** As what an index has to name it, to lead on to what stands below it. */
  readonly named: readonly ContentKind[];
  /** How many more may stand above it. */
  readonly levels: number;
}

/** One walk up what is recorded, from a digest to the roots of a repository. */
export class Ascent {
  readonly #graph: ContentGraph;
  readonly #roots: Roots;
  #left = mostSteps;
  /** Whether more stands above than was looked at. */
  #isCut = false;

  constructor(graph: ContentGraph, roots: Roots) {
    this.#graph = graph;
    this.#roots = roots;
  }

  /** Takes a digest; gives what it stands on. Throws StateError. */
  async from(digest: Digest, as: As): Promise<Reach> {
    const found = await this.below(digest, as);
    if (found !== undefined) return found;
    // Anyone may push an artifact, and say in it what he likes: of sizes too.
    const parents = (await this.#above(digest, true)).filter(isMeantAs(as));
    const own = as === 'manifest' ? [{ digest, named: [], levels: 0 }] : [];
    const about = await this.#up([...parents.map((parent) => stepTo(parent, levelsAbove[as])), ...own], true);
    if (about !== undefined) return { kind: 'stands', standing: about, size: undefined };
    if (!this.#isCut) return { kind: 'nowhere' };
    return { kind: 'unknown', finding: `more than ${mostSteps} manifests stand above it` };
  }

  /**
   * Takes a digest; gives the root that it is, or stands below by what indexes and images name. Directly below a root,
   * that is one look-up. Throws StateError.
   */
  async below(digest: Digest, as: As): Promise<Found | undefined> {
    const root = await this.#roots.standing(digest);
    if (root !== undefined) return { kind: 'stands', standing: root, size: undefined };
    const parents = (await this.#above(digest, false)).filter(isMeantAs(as));
    const standings = new Map<number, Standing>();
    for (const [size, named] of Map.groupBy(parents, (parent) => parent.size)) {
      const steps = named.map((parent) => stepTo(parent, levelsAbove[as]));
      const standing = await this.#up(steps, false);
      if (standing !== undefined) standings.set(size, standing);
    }
    const [found, another] = standings;
    if (found === undefined) return undefined;
    // Where two descriptors disagree, the digest alone can tell which of them is right.
    return { kind: 'stands', standing: found[1], size: another === undefined ? found[0] : undefined };
  }

  /** Walks up level by level; with `bySubject`, also from an artifact to what it says it is about. */
  async #up(start: readonly Step[], bySubject: boolean): Promise<Standing | undefined> {
    const seen = new Set<string>();
    for (let level = start; level.length > 0;) {
      for (const { digest } of level) {
        const standing = await this.#roots.standing(digest);
        if (standing !== undefined) return standing;
      }
      const above: Step[] = [];
      for (const { digest, named, levels } of level) {
        const met = `${digest} ${named.join(' ')} ${levels}`;
        if (seen.has(met)) continue;
        seen.add(met);
        if (!(await this.#mayStep())) return undefined;
        const parents = levels === 0 ? [] : await this.#above(digest, bySubject);
        for (const parent of parents) if (named.includes(parent.kind)) above.push(stepTo(parent, levels - 1));
        const subject = bySubject ? await this.#subjectOf(digest) : undefined;
        if (subject !== undefined) above.push({ digest: subject, named: anyName, levels: deepest - 2 });
      }
      level = above;
    }
    return undefined;
  }

  async #mayStep(): Promise<boolean> {
    this.#left -= 1;
    this.#isCut ||= this.#left < 0;
    if (this.#left % stepsAtOnce === 0) await setImmediate(); // others have their turn
    return !this.#isCut;
  }

  /** Where there are many, those of this repository by what its indexes name; `bySubject`, others too. */
  async #above(digest: Digest, bySubject: boolean): Promise<readonly Parent[]> {
    const near = await this.#graph.above(digest, few);
    if (near.isWhole) return near.parents;
    const { parents, isWhole } = bySubject
      ? await this.#graph.above(digest, mostSteps)
      : await this.#graph.above(digest, mostSteps, await this.#roots.digests());
    this.#isCut ||= bySubject && !isWhole;
    return parents;
  }

  /** An artifact has the standing of what it says it is about; an image that says so has none by it. */
  async #subjectOf(digest: Digest): Promise<Digest | undefined> {
    const content = await this.#graph.of(digest);
    return content?.isArtifact === true && content.kind === 'manifest' ? content.subject : undefined;
  }
}

const anyName: readonly ContentKind[] = ['manifest', 'index'];

/** What has a manifest below it is an index, and leads on where it is named as one; what has a blob may be either. */
function stepTo({ digest, kind }: Parent, levels: number): Step {
  return { digest, named: kind === 'blob' ? anyName : ['index'], levels };
}
