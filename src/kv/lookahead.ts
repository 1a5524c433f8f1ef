/**
 * Looks at what the next commands of an entry will need of the memory, many at a time: one alone waits for its key, then
 * for what the table says of it, then for its newest version, which together take longer than all the rest. Changes nothing.
 */
import { CommandCursor } from "../wire/mod.ts";
import type { KeySpace } from "./key_space.ts";

/** How many commands are looked at together: few enough that what they need is at hand still when it is their turn. */
const lookedAt = 32;
/** Fewer commands are not worth it. Bytes. */
const commandsBytesMin = 1024;

/** For whole commands that are about to be applied to `keys`; null for few of them. */
export function lookaheadOf(commands: Uint8Array, keys: KeySpace): Lookahead | null {
  return commands.length < commandsBytesMin ? null : new Lookahead(commands, keys);
}

class Lookahead {
  private readonly ahead: CommandCursor;
  /** Where the keys of some commands begin and end; afterwards what was found there, which is of no use. */
  private readonly spans = new Int32Array(2 * lookedAt);
  private readonly newest = new Int32Array(lookedAt);
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
    this.left = lookedAt - 1;
    this.look();
  }

  private look(): void {
    const { ahead, spans, newest, keys } = this;
    let count = 0;
    for (; count < lookedAt && ahead.next(); count++) {
      spans[2 * count] = ahead.keyStart;
      spans[2 * count + 1] = ahead.keyEnd;
    }
    keys.table.fetch(ahead.commands, { spans, newest, count });
    const { rows } = keys.versions;
    for (let i = 0; i < count; i++) newest[i] = rows.key(newest[i] ?? 0);
  }
}
