/** Messages and writes in a few words, for traces: `n1@2 → n2 AppendEntries 4@1 + 5..6@2, commit 4`. */
import type { EntryId, Index, Message, Persist, Term } from "../raft/mod.ts";

/** Sender at its term, receiver, and what the message says. */
export function describeMessage(message: Message): string {
  return `n${message.from}@${message.term} → n${message.to} ${message.kind}${detail(message)}`;
}

/** What a write changes on the disk. */
export function describeWrite({ hardState, truncateFrom, compaction, entries }: Persist): string {
  const parts: string[] = [];
  if (hardState !== null)
    parts.push(`term ${hardState.term} vote ${hardState.vote === null ? "-" : `n${hardState.vote}`}`);
  if (truncateFrom !== null) parts.push(`cut ${truncateFrom}`);
  if (compaction !== null) parts.push(`compact ${id(compaction.compacted)} snapshot ${id(compaction.snapshot)}`);
  if (entries.length > 0) parts.push(describeEntries(entries));
  return parts.length === 0 ? "barrier" : parts.join(", ");
}

function detail(message: Message): string {
  switch (message.kind) {
    case "RequestPreVote":
      return ` last ${id(message.lastLog)}`;
    case "RequestPreVoteResponse":
      return message.granted ? " granted" : ` refused for ${message.campaignTerm}`;
    case "RequestVote":
      return ` last ${id(message.lastLog)}${message.transfer ? " transfer" : ""}`;
    case "RequestVoteResponse":
      return message.granted ? " granted" : " refused";
    case "AppendEntries":
      return ` ${id(message.previous)} + ${describeEntries(message.entries)}, commit ${message.commitIndex}`;
    case "AppendEntriesResponse":
      return message.outcome.kind === "rejected"
        ? ` rejected ${message.outcome.previousIndex}, hint ${id(message.outcome.hint)}`
        : ` ${message.outcome.kind} ${message.outcome.matchIndex}`;
    case "InstallSnapshot": {
      const { snapshot, offset, chunk, bytes } = message;
      return ` ${id(snapshot)} ${offset}..${offset + chunk.length} of ${bytes}`;
    }
    case "InstallSnapshotResponse":
      return message.received === null
        ? ` ${message.index} from the beginning`
        : ` ${message.index} to ${message.received}`;
    case "Heartbeat":
      return ` round ${message.round}, commit ${message.commitIndex}`;
    case "HeartbeatResponse":
      return ` round ${message.round}`;
    case "ReadIndex":
      return ` #${message.request}`;
    case "ReadIndexResponse":
      return ` #${message.request} at ${message.index}`;
    default:
      return ""; // its kind says all that a trace needs
  }
}

/** Runs of one term together, as `5..7@2`; `-` for nothing. */
function describeEntries(entries: readonly EntryId[]): string {
  const runs: { first: Index; last: Index; readonly term: Term }[] = [];
  for (const { index, term } of entries) {
    const run = runs.at(-1);
    if (run?.term === term) run.last = index;
    else runs.push({ first: index, last: index, term });
  }
  const texts = runs.map(({ first, last, term }) => `${first === last ? first : `${first}..${last}`}@${term}`);
  return texts.length === 0 ? "-" : texts.join(" ");
}

function id({ index, term }: EntryId): string {
  return `${index}@${term}`;
}
