/** What a leader proposes of its own accord: the compaction that the settings of the cluster ask for. */
import type { StateMachine } from "../kv/mod.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { writeCompact } from "../wire/mod.ts";
import type { WriteOutcome } from "./outcomes.ts";
import type { WriteRequest } from "./service.ts";

/** Queues commands like those of a client. */
export type Propose = (request: WriteRequest, done: (outcome: WriteOutcome) => void) => void;

export class Housekeeping {
  private readonly machine: StateMachine;
  private readonly propose: Propose;
  /** Whether a compaction is under way. */
  private compacting = false;

  constructor(machine: StateMachine, propose: Propose) {
    this.machine = machine;
    this.propose = propose;
  }

  /** To be called by a leader that has committed in its term, after entries were applied. Costs next to nothing when there is nothing to do. */
  run(): void {
    if (this.compacting) return;
    const revision = this.machine.compactionDue;
    if (revision === null) return;
    this.compacting = true;
    const command = new ByteWriter(16);
    writeCompact(command, revision);
    this.propose({ commands: command.take(), count: 1 }, () => (this.compacting = false));
  }
}
