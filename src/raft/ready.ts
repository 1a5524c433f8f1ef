/** What the core wants done after its inputs: data for the driver to carry out, with no effect of its own. */
import type { Message } from "./message.ts";
import type { Entry, EntryId, GroupId, HardState, Index, NodeId, Role, Term } from "./types.ts";

/** What must now happen. Everything in it is handed out exactly once. */
export interface Ready {
  /** Promise nothing about our disk: may leave at once. */
  readonly messages: readonly Message[];
  /** The next ordered write. */
  readonly persist: Persist | null;
  /** To apply, in index order, without gaps. */
  readonly committed: readonly Entry[];
  /** Reads that are decided: answer once applied ≥ index. */
  readonly reads: readonly ReadState[];
  /** Only when something in it changed. */
  readonly softState: SoftState | null;
}

/** One ordered write of one group. */
export interface Persist {
  readonly group: GroupId;
  /** Writes of a group are first in, first out; `persisted(seq)` confirms all up to `seq`. */
  readonly seq: number;
  readonly hardState: HardState | null;
  /** Drop the log from here before appending. */
  readonly truncateFrom: Index | null;
  /** Follow what is left of the log without a gap. */
  readonly entries: readonly Entry[];
  /** Promises that rest on these bytes and those before: votes, our own vote request, acknowledgements. Sent by the driver. */
  readonly thenSend: readonly Message[];
}

/** The fate of a read: answer it at `index`, or tell the caller that this node could not confirm a leader. */
export interface ReadState {
  readonly token: number;
  /** Null when the read was given up: the leader changed or was lost (rule R3). */
  readonly index: Index | null;
}

/** What others may want to know and no promise rests on. */
export interface SoftState {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | null;
}

/** The answer to a proposal: accepted says only that it is in this leader's log, not that it is committed. */
export type Proposal =
  | { readonly ok: true; readonly id: EntryId }
  | {
      readonly ok: false;
      readonly reason: "notLeader" | "transferring" | "overloaded";
      readonly leader: NodeId | null;
    };

/** The answer to a request to hand over leadership. */
export type TransferStart =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly reason: "notLeader" | "alreadyLeader" | "unknownNode" | "learner" | "transferring";
      readonly leader: NodeId | null;
    };
