/** Keys that are visited next: what a visit needs of each is looked at for all of them together, so that the memory is waited for once. */
import { batchKeysMax } from "./key_batch.ts";

/** What is left in the arrays is seldom read; but what nobody left anywhere, the compiler need not look at. */
export class KeysAhead {
  count = 0;
  readonly numbers = new Int32Array(batchKeysMax);
  /** The length of each. */
  readonly lengths = new Int32Array(batchKeysMax);
  /** The version of each that is shown. */
  readonly rows = new Int32Array(batchKeysMax);
  /** Something of what each of these says. */
  readonly seen = new Int32Array(batchKeysMax);
}
