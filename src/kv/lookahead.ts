/**
 * Looks at what the next commands of an entry will need of the memory, many at a time: one alone waits for its key, then
 * for what the table says of it, then for its newest version, which together take longer than all the rest. Changes nothing.
 */
import { CommandCursor } from "../wire/mod.ts";
import { batchKeysMax, KeyBatch } from "./key_batch.ts";
import type { KeySpace } from "./key_space.ts";
import { noRow } from "./rows.ts";

/** Fewer commands are not worth it. Bytes. */
const commandsBytesMin = 1024;

/** For whole commands that are about to be applied to `keys`; null for few of them. */
export function lookaheadOf(commands: Uint8Array, keys: KeySpace): Lookahead | null {
  return commands.length < commandsBytesMin ? null : new Lookahead(commands, keys);
}

class Lookahead {
  private readonly ahead: CommandCursor;
  private readonly batch = new KeyBatch();
  private left = 0;

  constructor(
    commands: Uint8Array,
    private readonly keys: KeySpace,
  ) {
    this.ahead = new CommandCursor(commands);
  }

  /** To be called before each command. */
  step(): void {
    if (this.left-- > 0) return;
    this.left = batchKeysMax - 1;
    this.look();
  }

  private look(): void {
    const { ahead, batch, keys } = this;
    batch.count = 0;
    while (batch.count < batchKeysMax && ahead.next()) batch.add(ahead);
    keys.table.lookAt(ahead.commands, batch);
    const { rows } = keys.versions;
    const { found, count } = batch;
    for (let i = 0; i < count; i++) found[i] = rows.key(found[i] ?? noRow);
  }
}
