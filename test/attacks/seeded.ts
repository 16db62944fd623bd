/** Chance that can be had again: mulberry32, from a seed of 32 bits. */
export class Seeded {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<Value>(values: readonly Value[]): Value {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new TypeError('nothing to pick from');
    return value;
  }

  shuffle<Value>(values: readonly Value[]): Value[] {
    const keyed = values.map((value) => ({ value, key: this.below(2 ** 30) }));
    return keyed.toSorted((a, b) => a.key - b.key).map(({ value }) => value);
  }

  /** Puts something into a text, behind its first `from` characters and within its first `to`. */
  insert(text: string, what: string, from = 0, to = text.length): string {
    const place = from + this.below(to - from);
    return text.slice(0, place) + what + text.slice(place);
  }

  /** Cuts bytes into pieces at up to `most` places. */
  split(bytes: Buffer, most: number): Buffer[] {
    const cuts = Array.from({ length: this.below(most + 1) }, () => this.below(bytes.length + 1));
    const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
    return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
  }
}
