/** Draws of all kinds from seeded generators. Each part of a run has a stream of its own, so that one can change without the others. */
import { assert } from "../lib/assert.ts";
import { crc32 } from "../lib/checksum.ts";
import { type Random, seededRandom } from "../lib/random.ts";

const utf8 = new TextEncoder();

/** The stream `name` of the run with `seed`. */
export function streamOf(seed: number, name: string): Random {
  return seededRandom(crc32(utf8.encode(name), seed >>> 0));
}

/** True with `probability`; draws nothing where there is nothing to decide. */
export function happens(random: Random, probability: number): boolean {
  return probability > 0 && random.next() < probability;
}

/** A float in [min, max). */
export function between(random: Random, min: number, max: number): number {
  return min + random.next() * (max - min);
}

/** The wait until the next of many independent events that come every `meanMs` on average. */
export function waitMs(random: Random, meanMs: number): number {
  return -Math.log(1 - random.next()) * meanMs;
}

export function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[random.integer(0, values.length - 1)];
  assert(value !== undefined, "nothing to pick from");
  return value;
}

/** The same values in random order. */
export function shuffled<T>(random: Random, values: readonly T[]): readonly T[] {
  return sample(random, values, values.length);
}

/** `count` of the values, in random order. */
export function sample<T>(random: Random, values: readonly T[], count: number): readonly T[] {
  const rest = [...values];
  const taken: T[] = [];
  while (taken.length < count && rest.length > 0) taken.push(...rest.splice(random.integer(0, rest.length - 1), 1));
  return taken;
}
