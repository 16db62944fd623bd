import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { ContentGraph, Edge, Parents } from '../../src/trust/state/content-graph.ts';
import { StateError } from '../../src/trust/trust-store.ts';
import { blobs, content, digestOf, digestsOf } from './state-facts.ts';

/** Opens the same graph each time: a second one of one place, or the first one again after it was closed. */
export type OpenGraph = () => ContentGraph;

/** Without the order, which means nothing. */
export function unordered({ parents, isWhole }: Parents): Parents {
  const key = (parent: object): string => JSON.stringify(parent);
  return { parents: parents.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)), isWhole };
}

/** What every ContentGraph has to keep. `place` makes an empty one for a test. */
export function describeContentGraph(name: string, place: (t: TestContext) => OpenGraph): void {
  const opened = (t: TestContext): ContentGraph => {
    const graph = place(t)();
    t.after(() => graph.close());
    return graph;
  };
  const image = content('image', blobs('config', 'layer'));
  const imageEdge: Edge = { child: image.digest, kind: 'manifest', size: 700 };
  const index = content('index', [imageEdge, { child: digestOf('nested'), kind: 'index', size: 500 }]);

  test(`${name}: of what was never recorded nothing is known, and all of it is unread`, async (t) => {
    const graph = opened(t);
    assert.equal(await graph.of(image.digest), undefined);
    assert.deepEqual(await graph.above(image.digest, 10), { parents: [], isWhole: true });
    assert.deepEqual(await graph.unread([image.digest, index.digest]), [image.digest, index.digest]);
    assert.deepEqual(await graph.unread([]), []);
  });

  test(`${name}: what was recorded is given whole, and found from each thing below it`, async (t) => {
    const graph = opened(t);
    const sbom = content('sbom', blobs('text'), { isArtifact: true, subject: index.digest });
    const empty = content('empty', []);
    for (const each of [index, image, sbom, empty]) await graph.record(each);
    for (const each of [index, image, sbom, empty]) {
      assert.deepEqual(await graph.of(each.digest), each);
      for (const { child, kind, size } of each.edges) {
        const parents = [{ digest: each.digest, kind, size }];
        assert.deepEqual(await graph.above(child, 1), { parents, isWhole: true });
      }
    }
    assert.equal(await graph.of(digestOf('nested')), undefined, 'named below something is not recorded');
    assert.deepEqual(await graph.above(index.digest, 1), { parents: [], isWhole: true }, 'a subject');
  });

  test(`${name}: the unread ones come in the order given, as often as given`, async (t) => {
    const open = place(t);
    const [graph, writer] = [open(), open()];
    t.after(() => Promise.all([graph.close(), writer.close()]));
    const [a, b, c] = [digestOf('a'), digestOf('b'), digestOf('c')];
    await writer.record(image);
    assert.deepEqual(await graph.unread([c, image.digest, a, b, image.digest, a]), [c, a, b, a]);
    await writer.record(content('a', []));
    assert.deepEqual(await graph.unread([c, image.digest, a, b]), [c, b]);
  });

  test(`${name}: of six thousand digests the unread ones are told`, async (t) => {
    const graph = opened(t);
    await graph.record(image);
    const digests = digestsOf('signed', 6000);
    assert.deepEqual(await graph.unread([...digests, image.digest]), digests);
  });

  test(`${name}: a second recording changes nothing, and the same edge counts once`, async (t) => {
    const graph = opened(t);
    const [edge] = blobs('layer');
    assert.ok(edge);
    const twice = content('twice', [edge, { ...edge, size: 5 }, edge, { ...edge, kind: 'manifest' }]);
    const once = { ...twice, edges: [edge, { ...edge, size: 5 }, { ...edge, kind: 'manifest' as const }] };
    for (const each of [twice, once, twice]) {
      await graph.record(each);
      assert.deepEqual(await graph.of(twice.digest), once);
    }
    const parents = once.edges.map(({ kind, size }) => ({ digest: twice.digest, kind, size }));
    const found = unordered(await graph.above(edge.child, 3));
    assert.deepEqual(found, unordered({ parents, isWhole: true }));
  });

  test(`${name}: something else of the same digest is damage, and changes nothing`, async (t) => {
    const open = place(t);
    const [graph, other] = [open(), open()];
    t.after(() => Promise.all([graph.close(), other.close()]));
    await graph.record(image);
    const others = [
      { ...image, edges: [] },
      { ...image, edges: blobs('layer', 'config') },
      { ...image, edges: [...image.edges, imageEdge] },
      { ...image, edges: image.edges.map((edge) => ({ ...edge, size: edge.size + 1 })) },
      { ...image, edges: image.edges.map((edge) => ({ ...edge, kind: 'manifest' as const })) },
      { ...image, kind: 'index' as const },
      { ...image, isArtifact: true },
      { ...image, subject: index.digest },
    ];
    for (const each of others) {
      await assert.rejects(graph.record(each), StateError);
      await assert.rejects(other.record(each), StateError);
    }
    assert.deepEqual(await other.of(image.digest), image);
    assert.deepEqual(await other.above(imageEdge.child, 1), { parents: [], isWhole: true });
  });

  test(`${name}: at most as many parents as asked for are given, and whether they are all`, async (t) => {
    const graph = opened(t);
    const parents = digestsOf('parent', 7).map((digest) => ({ digest, kind: 'blob' as const, size: 1000 }));
    for (const { digest } of parents) await graph.record({ ...content('', blobs('shared')), digest });
    const all = unordered({ parents, isWhole: true });
    assert.deepEqual(unordered(await graph.above(digestOf('shared'), 7)), all);
    assert.deepEqual(unordered(await graph.above(digestOf('shared'), 8)), all);
    const some = await graph.above(digestOf('shared'), 6);
    assert.equal(some.isWhole, false);
    assert.equal(new Set(some.parents.map(({ digest }) => digest)).size, 6);
    assert.deepEqual(await graph.above(digestOf('shared'), 0), { parents: [], isWhole: false });
  });

  test(`${name}: a size that is no safe integer from 0 on is refused, and nothing is recorded`, async (t) => {
    const graph = opened(t);
    for (const size of [-1, 1.5, Number.NaN, Infinity, 2 ** 53]) {
      const odd = content('odd', [...blobs('layer'), { child: digestOf('x'), kind: 'blob', size }]);
      await assert.rejects(graph.record(odd), RangeError);
    }
    assert.equal(await graph.of(digestOf('odd')), undefined);
    assert.deepEqual(await graph.above(digestOf('layer'), 1), { parents: [], isWhole: true });
    const largest = content('odd', [{ child: digestOf('x'), kind: 'blob', size: Number.MAX_SAFE_INTEGER }]);
    await graph.record(largest);
    assert.deepEqual(await graph.of(largest.digest), largest);
  });

  test(`${name}: two of one state see what the other records, also after they were opened again`, async (t) => {
    const open = place(t);
    const [one, two] = [open(), open()];
    assert.deepEqual(await two.unread([image.digest]), [image.digest]);
    await one.record(image);
    assert.deepEqual(await two.unread([image.digest]), []);
    await Promise.all([one.record(index), two.record(index), two.record(image)]);
    await Promise.all([one.close(), two.close()]);
    const again = open();
    t.after(() => again.close());
    assert.deepEqual(await again.unread([index.digest, image.digest]), []);
    assert.deepEqual(await again.of(index.digest), index);
    const parents = [{ digest: index.digest, kind: 'manifest', size: 700 }];
    assert.deepEqual(await again.above(image.digest, 1), { parents, isWhole: true });
  });

  test(`${name}: a closed graph gives a StateError, whatever it is asked`, async (t) => {
    const graph = place(t)();
    await graph.close();
    await assert.rejects(graph.record(image), StateError);
    await assert.rejects(graph.of(image.digest), StateError);
    await assert.rejects(graph.above(image.digest, 1), StateError);
    await assert.rejects(graph.unread([image.digest]), StateError);
  });
}
