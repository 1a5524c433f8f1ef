/** Keys that lie in the same bytes and are looked for together, so that the memory is waited for once and not for each. */

/** Few enough that what one needs is at hand still when all of them have been looked for. */
export const batchKeysMax = 32;

export class KeyBatch {
  count = 0;
  /** Where each lies: from the first up to the second, without it. */
  readonly starts = new Int32Array(batchKeysMax);
  readonly ends = new Int32Array(batchKeysMax);
  /** For who looks for them. */
  readonly hashes = new Int32Array(batchKeysMax);
  /** What was found for each. */
  readonly found = new Int32Array(batchKeysMax);

  /** Takes in the key of the command or query that `cursor` shows. */
  add({ keyStart, keyEnd }: { readonly keyStart: number; readonly keyEnd: number }): void {
    this.starts[this.count] = keyStart;
    this.ends[this.count++] = keyEnd;
  }
}
