/** Damages bytes in every way a disk, a network or an attacker would, for codecs to show that they only ever refuse. */
import { CorruptError, ProaError } from "../../src/lib/errors.ts";
import type { Random } from "../../src/lib/random.ts";

/** Every truncation of `whole`, `count` random bit flips and overwritten bytes of it, and `count` random strings. */
export function* damaged(whole: Uint8Array, random: Random, count: number): Generator<Uint8Array> {
  for (let length = 0; length < whole.length; length++) yield whole.slice(0, length);
  yield new Uint8Array([...whole, 0]);
  for (let i = 0; i < count; i++) {
    const flipped = whole.slice();
    for (let flips = random.integer(1, 4); flips > 0; flips--) {
      const at = random.integer(0, whole.length - 1);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random.integer(0, 7));
    }
    yield flipped;
    const overwritten = whole.slice();
    const from = random.integer(0, whole.length - 1);
    overwritten.fill(0xff, from, from + random.integer(1, 8)); // giant lengths
    yield overwritten;
    yield Uint8Array.from(
      { length: random.integer(0, 80) },
      () => random.integer(0, 255) & (i % 2 === 0 ? 0x07 : 0xff),
    );
  }
}

/** Whether `decode` takes its bytes, also as an error for the user; false if it throws {@link CorruptError}. Anything else it throws is a failure. */
export function accepts(decode: () => void): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    if (error instanceof CorruptError) return false;
    if (error instanceof ProaError) return true;
    throw error;
  }
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
