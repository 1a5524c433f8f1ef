/** Which numbers of a rising sequence have come: the newest few thousand one by one, and none before them. Fixed memory. */
import { assert } from "../lib/assert.ts";

/** How far behind the highest number one may come and still count as new. */
const windowSize = 4096;

export class NumberWindow {
  private readonly bits = new Uint32Array(windowSize / 32);
  /** The highest number that has come; 0 before the first. */
  highest = 0;

  /** Takes in `number`, above 0. False when it has come before, or may have: then it does not count. */
  add(number: number): boolean {
    assert(number > 0, "numbers begin at 1");
    if (number > this.highest) {
      this.forget(this.highest + 1, number);
      this.highest = number;
    } else if (this.isSettled(number)) {
      return false;
    }
    const slot = number % windowSize;
    this.bits[slot >>> 5] = (this.bits[slot >>> 5] ?? 0) | (1 << (slot & 31));
    return true;
  }

  /** Whether {@link add} would not take `number`, because it has come or may have. */
  isSettled(number: number): boolean {
    return number <= this.highest && (this.highest - number >= windowSize || this.bit(number));
  }

  has(number: number): boolean {
    return number > 0 && number <= this.highest && this.highest - number < windowSize && this.bit(number);
  }

  /** How many numbers next below `number` have come without one that has not; `most` at most, which is less than are remembered. */
  runBelow(number: number, most: number): number {
    let run = 0;
    while (run < most) {
      const slot = (number - 1 - run) % windowSize;
      if (slot < 0) break; // below the first
      const inWord = (slot & 31) + 1; // this slot and those of its word that are before it
      const word = (this.bits[slot >>> 5] ?? 0) << (32 - inWord);
      const set = Math.clz32(~word); // of those, from this slot down
      run += set;
      if (set < inWord) break;
    }
    return Math.min(run, most);
  }

  private bit(number: number): boolean {
    const slot = number % windowSize;
    return ((this.bits[slot >>> 5] ?? 0) & (1 << (slot & 31))) !== 0;
  }

  /** Clears the slots of the numbers from `from` to `to`, which older ones have used. */
  private forget(from: number, to: number): void {
    if (to - from >= windowSize) {
      this.bits.fill(0);
      return;
    }
    for (let number = from; number <= to; number++) {
      const slot = number % windowSize;
      this.bits[slot >>> 5] = (this.bits[slot >>> 5] ?? 0) & ~(1 << (slot & 31));
    }
  }
}
