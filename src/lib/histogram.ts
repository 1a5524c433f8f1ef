/** Counts durations in buckets that grow with them: any percentile to within 1.6 %, in constant memory, however many there are. */
import { assert } from "./assert.ts";

/** Below it every microsecond has a bucket of its own; above it every power of two has half as many. */
const exactBelow = 128;
const bucketsPerDoubling = exactBelow / 2;
const doublings = 24;
const bucketCount = exactBelow + doublings * bucketsPerDoubling;
/** About 35 minutes. Longer durations count as this one. Microseconds. */
const longest = exactBelow * 2 ** doublings - 1;

export class Histogram {
  private readonly counts = new Float64Array(bucketCount);
  private total = 0;
  private greatest = 0;

  /** How many durations were recorded. */
  get count(): number {
    return this.total;
  }

  /** The longest duration, exactly. Microseconds; 0 if there is none. */
  get max(): number {
    return this.greatest;
  }

  /** Records `times` durations of `micros` microseconds each. */
  record(micros: number, times = 1): void {
    const value = Math.min(longest, Math.max(0, Math.round(micros)));
    const bucket = bucketOf(value);
    this.counts[bucket] = (this.counts[bucket] ?? 0) + times;
    this.total += times;
    if (value > this.greatest) this.greatest = value;
  }

  /** The duration that a `share` (from 0 to 1) of all do not exceed, rounded up. Microseconds; 0 if there is none. */
  percentile(share: number): number {
    assert(share >= 0 && share <= 1, "a share is from 0 to 1");
    const wanted = Math.max(1, Math.ceil(share * this.total));
    let seen = 0;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      seen += this.counts[bucket] ?? 0;
      if (seen >= wanted) return Math.min(this.greatest, lowestOf(bucket + 1) - 1);
    }
    return this.greatest;
  }

  /** How many durations did not exceed `micros`, as far as the buckets tell. */
  countUpTo(micros: number): number {
    const end = bucketOf(Math.min(longest, Math.round(micros)));
    let count = 0;
    for (let bucket = 0; bucket <= end; bucket++) count += this.counts[bucket] ?? 0;
    return count;
  }

  reset(): void {
    this.counts.fill(0);
    this.total = 0;
    this.greatest = 0;
  }
}

function bucketOf(micros: number): number {
  if (micros < exactBelow) return micros;
  const doubling = 31 - Math.clz32(micros) - 7; // exactBelow is 2^7
  return exactBelow + doubling * bucketsPerDoubling + (micros >>> (doubling + 1)) - bucketsPerDoubling;
}

/** The shortest duration of a bucket. Microseconds. */
function lowestOf(bucket: number): number {
  if (bucket < exactBelow) return bucket;
  const doubling = Math.floor((bucket - exactBelow) / bucketsPerDoubling);
  const place = (bucket - exactBelow) % bucketsPerDoubling;
  return (bucketsPerDoubling + place) * 2 ** (doubling + 1);
}
