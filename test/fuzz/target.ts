import fc from 'fast-check';

/** Something that reads what strangers write, and what must hold for whatever they write. */
export interface FuzzTarget {
  readonly name: string;
  /** Throws, with seed and counterexample, if it does not hold; gives how often it was tried. */
  readonly run: (parameters: {
    readonly seed: number;
    readonly runs?: number;
    readonly milliseconds?: number;
  }) => number;
}

/** Takes what is tried and what must hold for it. */
export function fuzzTarget<Value>(
  name: string,
  tried: fc.Arbitrary<Value>,
  holds: (value: Value) => void,
): FuzzTarget {
  return {
    name,
    run: ({ seed, runs = Number.MAX_SAFE_INTEGER, milliseconds }) => {
      let count = 0;
      const property = fc.property(tried, (value) => {
        count += 1;
        holds(value);
      });
      fc.assert(property, {
        seed,
        numRuns: runs,
        ...(milliseconds !== undefined && { interruptAfterTimeLimit: milliseconds }),
      });
      return count;
    },
  };
}

/** Text with some pieces put in, cut out or said twice. */
export function damaged(text: fc.Arbitrary<string>, pieces: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: 'binary', maxLength: 2 }));
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat({ max: 8 }),
    again: fc.nat({ max: 1 }),
    piece,
  });
  return fc.tuple(text, fc.array(edit, { maxLength: 4 })).map(([whole, edits]) =>
    edits.reduce((before, { at, cut, again, piece: put }) => {
      const place = Math.floor(at * (before.length + 1));
      return before.slice(0, place) + put + before.slice(again === 1 ? place - cut : place + cut);
    }, whole),
  );
}
