/** Writes what happens in a group in a terse notation: `n1@2 → n2 AppendEntries 4@1 + 5..6@2, commit 4`. Formats, nothing else. */
import { unreachable } from "../../src/lib/assert.ts";
import { membershipCodec } from "../../src/wire/mod.ts";
import type { Entry, EntryId, Index, Membership, Message, NodeId, Persist, SoftState } from "../../src/raft/mod.ts";

/** What can be seen of a group from outside. */
export type Event =
  | { readonly kind: "sent"; readonly message: Message }
  | { readonly kind: "lost"; readonly message: Message }
  | { readonly kind: "role"; readonly id: NodeId; readonly softState: SoftState }
  | { readonly kind: "write"; readonly id: NodeId; readonly write: Persist }
  | { readonly kind: "durable"; readonly id: NodeId; readonly seq: number }
  | { readonly kind: "install"; readonly id: NodeId; readonly snapshot: EntryId }
  | { readonly kind: "commit"; readonly id: NodeId; readonly index: Index }
  | { readonly kind: "read"; readonly id: NodeId; readonly token: number; readonly index: Index | null };

/** One line for one event. */
export function formatEvent(event: Event): string {
  switch (event.kind) {
    case "sent":
      return formatMessage(event.message);
    case "lost":
      return `lost: ${formatMessage(event.message)}`;
    case "role": {
      const { role, term, leader } = event.softState;
      const whose = role === "follower" && leader !== null ? ` of n${leader}` : "";
      return `n${event.id} is ${role}${whose} in term ${term}`;
    }
    case "write":
      return `n${event.id} writes #${event.write.seq}: ${formatWrite(event.write)}`;
    case "durable":
      return `n${event.id} has #${event.seq} on disk`;
    case "install":
      return `n${event.id} installs ${id(event.snapshot)}`;
    case "commit":
      return `n${event.id} commits ${event.index}`;
    case "read":
      return event.index === null
        ? `n${event.id} gives up read ${event.token}`
        : `n${event.id} may answer read ${event.token} at ${event.index}`;
    default:
      return unreachable(event);
  }
}

/** Sender at its term, receiver, and what the message says. */
export function formatMessage(message: Message): string {
  return `n${message.from}@${message.term} → n${message.to} ${message.kind}${detail(message)}`;
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
      return ` ${id(message.previous)} + ${formatEntries(message.entries)}, commit ${message.commitIndex}`;
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
      return ` #${message.request}${message.lease ? " with a lease" : ""}`;
    case "ReadIndexResponse":
      return ` #${message.request} at ${message.index}${message.lease ? " by lease" : ""}`;
    case "TimeoutNow":
    case "Removed":
      return "";
    case "DirectoryRefused":
      return ` ${message.refused}`;
    default:
      return unreachable(message);
  }
}

function formatWrite({ hardState, truncateFrom, compaction, entries }: Persist): string {
  const parts: string[] = [];
  if (hardState !== null)
    parts.push(`term ${hardState.term} vote ${hardState.vote === null ? "-" : `n${hardState.vote}`}`);
  if (truncateFrom !== null) parts.push(`cut ${truncateFrom}`);
  if (compaction !== null) parts.push(`compact ${id(compaction.compacted)} snapshot ${id(compaction.snapshot)}`);
  if (entries.length > 0) parts.push(formatEntries(entries));
  for (const entry of entries) if (entry.kind === "membership") parts.push(formatMembershipOf(entry));
  return parts.length === 0 ? "barrier" : parts.join(", ");
}

function formatMembershipOf({ index, payload }: Entry): string {
  return `from ${index} on ${formatMembership(membershipCodec.decode(payload))}`;
}

/** Who decides, both halves while there are two, and who learns: `{1 2 3}&{3 4} learns {5}`. */
export function formatMembership({ voters, outgoing, learners, learnersNext }: Membership): string {
  const set = (ids: readonly NodeId[]): string => `{${ids.join(" ")}}`;
  const deciding = outgoing.length === 0 ? set(voters) : `${set(voters)}&${set(outgoing)}`;
  const next = learnersNext.length === 0 ? "" : ` then ${set(learnersNext)}`;
  return learners.length === 0 && next === "" ? deciding : `${deciding} learns ${set(learners)}${next}`;
}

/** Runs of one term together, as `5..7@2`; `-` for nothing. */
export function formatEntries(entries: readonly EntryId[]): string {
  const runs: { first: Index; last: Index; term: number }[] = [];
  for (const { index, term } of entries) {
    const run = runs.at(-1);
    if (run?.term === term) run.last = index;
    else runs.push({ first: index, last: index, term });
  }
  return runs.length === 0
    ? "-"
    : runs.map(({ first, last, term }) => `${first === last ? first : `${first}..${last}`}@${term}`).join(" ");
}

function id({ index, term }: EntryId): string {
  return `${index}@${term}`;
}
