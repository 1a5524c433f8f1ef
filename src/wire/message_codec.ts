/**
 * Messages as a kind number and a positional array of their own fields: what stands in which place.
 * Refuses fields that do not fit the kind; knows nothing of frames, addresses and checksums.
 */
import { unreachable } from "../lib/assert.ts";
import { CorruptError, UnknownVersionError } from "../lib/errors.ts";
import type {
  AppendEntries,
  AppendEntriesResponse,
  DirectoryNumber,
  EntryId,
  GroupId,
  Message,
  MessageKind,
  NodeId,
  Term,
} from "../raft/mod.ts";
import { fieldsOfChunk, readChunk } from "./chunk_codec.ts";
import { readEntries, type EntryBytes } from "./entry_codec.ts";
import type { Field, FieldReader } from "./msgpack.ts";

/** From whom to whom a message goes, in which group: what the header of the frame says. */
export interface Route {
  readonly group: GroupId;
  readonly from: NodeId;
  readonly to: NodeId;
}

const numbers: Readonly<Record<MessageKind, number>> = {
  RequestPreVote: 1,
  RequestPreVoteResponse: 2,
  RequestVote: 3,
  RequestVoteResponse: 4,
  AppendEntries: 5,
  AppendEntriesResponse: 6,
  Heartbeat: 7,
  HeartbeatResponse: 8,
  ReadIndex: 9,
  ReadIndexResponse: 10,
  TimeoutNow: 11,
  InstallSnapshot: 12,
  InstallSnapshotResponse: 13,
  Removed: 14,
  DirectoryRefused: 15,
};

const lastKind = Math.max(...Object.values(numbers));

/** The number of a kind on the wire. Numbers are never given to another kind. */
export function kindNumber(kind: MessageKind): number {
  return numbers[kind];
}

/** The fields of `message` in their order: term and directory, then those of its kind. Route and entries travel elsewhere in the frame. */
export function fieldsOf(message: Message): readonly Field[] {
  return [message.term, message.directory, ...ownFieldsOf(message)];
}

function ownFieldsOf(message: Message): readonly Field[] {
  switch (message.kind) {
    case "RequestPreVote":
      return [message.lastLog.index, message.lastLog.term];
    case "RequestPreVoteResponse":
      return [message.granted, message.campaignTerm];
    case "RequestVote":
      return [message.lastLog.index, message.lastLog.term, message.transfer];
    case "RequestVoteResponse":
      return [message.granted];
    case "AppendEntries":
      return [message.previous.index, message.previous.term, message.commitIndex, message.session];
    case "AppendEntriesResponse":
      return [message.session, message.boot, ...fieldsOfOutcome(message.outcome)];
    case "InstallSnapshot":
      return [...fieldsOfChunk(message)];
    case "InstallSnapshotResponse":
      return [message.session, message.boot, message.index, ...fieldsOfReceived(message.received)];
    case "Heartbeat":
      return [message.commitIndex, message.round, message.session];
    case "HeartbeatResponse":
      return [message.round, message.session, message.boot];
    case "ReadIndex":
      return [message.request, message.boot, message.lease];
    case "ReadIndexResponse":
      return [message.request, message.boot, message.index, message.lease];
    case "TimeoutNow":
    case "Removed":
      return [];
    case "DirectoryRefused":
      return [message.refused];
    default:
      return unreachable(message);
  }
}

/**
 * The message of kind number `kind` that `fields` and `entries` tell of. Payloads are views of `entries`.
 * Throws {@link CorruptError} on no kind, on fields or entries too few, too many or out of range (rule L14), and
 * {@link UnknownVersionError} on what a newer program may say (rule X4).
 */
export function messageOf(kind: number, route: Route, fields: FieldReader, entries: EntryBytes): Message {
  if (kind > lastKind) throw new UnknownVersionError("a kind of message that only a newer proa knows");
  const isAppend = kind === numbers.AppendEntries;
  if (!isAppend && entries.table.length > 0) throw new CorruptError("entries in a message that has none");
  if (!isAppend && kind !== numbers.InstallSnapshot && entries.payloads.length > 0) {
    throw new CorruptError("payloads in a message that has none");
  }
  const message = readMessage(kind, { ...route, term: fields.integer(), directory: fields.integer() }, fields, entries);
  fields.end();
  return message;
}

type Envelope = Route & { readonly term: Term; readonly directory: DirectoryNumber };

/** The literals below are evaluated from top to bottom, so the fields stand in the order of {@link fieldsOf}. */
function readMessage(kind: number, envelope: Envelope, fields: FieldReader, entries: EntryBytes): Message {
  switch (kind) {
    case numbers.RequestPreVote:
      return { kind: "RequestPreVote", ...envelope, lastLog: readEntryId(fields) };
    case numbers.RequestPreVoteResponse:
      return { kind: "RequestPreVoteResponse", ...envelope, granted: fields.flag(), campaignTerm: fields.integer() };
    case numbers.RequestVote:
      return { kind: "RequestVote", ...envelope, lastLog: readEntryId(fields), transfer: fields.flag() };
    case numbers.RequestVoteResponse:
      return { kind: "RequestVoteResponse", ...envelope, granted: fields.flag() };
    case numbers.AppendEntries:
      return readAppendEntries(envelope, fields, entries);
    case numbers.AppendEntriesResponse:
      return readAppendEntriesResponse(envelope, fields);
    case numbers.Heartbeat:
      return {
        kind: "Heartbeat",
        ...envelope,
        commitIndex: fields.integer(),
        round: fields.integer(),
        session: fields.integer(),
      };
    case numbers.HeartbeatResponse:
      return {
        kind: "HeartbeatResponse",
        ...envelope,
        round: fields.integer(),
        session: fields.integer(),
        boot: fields.integer(),
      };
    case numbers.ReadIndex:
      return {
        kind: "ReadIndex",
        ...envelope,
        request: fields.integer(),
        boot: fields.integer(),
        lease: fields.flag(),
      };
    case numbers.ReadIndexResponse:
      return {
        kind: "ReadIndexResponse",
        ...envelope,
        request: fields.integer(),
        boot: fields.integer(),
        index: fields.integer(),
        lease: fields.flag(),
      };
    case numbers.TimeoutNow:
      return { kind: "TimeoutNow", ...envelope };
    case numbers.InstallSnapshot:
      return { kind: "InstallSnapshot", ...envelope, ...readChunk(fields, entries.payloads) };
    case numbers.InstallSnapshotResponse:
      return {
        kind: "InstallSnapshotResponse",
        ...envelope,
        session: fields.integer(),
        boot: fields.integer(),
        index: fields.integer(),
        received: fields.flag() ? fields.integer() : null,
      };
    case numbers.Removed:
      return { kind: "Removed", ...envelope };
    case numbers.DirectoryRefused:
      return { kind: "DirectoryRefused", ...envelope, refused: fields.integer() };
    default:
      throw new CorruptError("unknown kind of message");
  }
}

function readAppendEntries(envelope: Envelope, fields: FieldReader, bytes: EntryBytes): AppendEntries {
  const previous = readEntryId(fields);
  const { entries, unreadable } = readEntries(bytes, { previous, termMax: envelope.term });
  return {
    kind: "AppendEntries",
    ...envelope,
    previous,
    entries,
    commitIndex: fields.integer(),
    session: fields.integer(),
    ...(unreadable === null ? {} : { unreadable }),
  };
}

function readAppendEntriesResponse(envelope: Envelope, fields: FieldReader): AppendEntriesResponse {
  return {
    kind: "AppendEntriesResponse",
    ...envelope,
    session: fields.integer(),
    boot: fields.integer(),
    outcome: readOutcome(fields),
  };
}

function fieldsOfOutcome(outcome: AppendEntriesResponse["outcome"]): readonly Field[] {
  switch (outcome.kind) {
    case "accepted":
      return [outcomes.accepted, outcome.matchIndex];
    case "rejected":
      return [outcomes.rejected, outcome.previousIndex, outcome.hint.index, outcome.hint.term];
    case "unreadable":
      return [outcomes.unreadable, outcome.matchIndex];
    default:
      return unreachable(outcome);
  }
}

const outcomes = { accepted: 1, rejected: 2, unreadable: 3 } as const;

function readOutcome(fields: FieldReader): AppendEntriesResponse["outcome"] {
  switch (fields.integer()) {
    case outcomes.accepted:
      return { kind: "accepted", matchIndex: fields.integer() };
    case outcomes.rejected:
      return { kind: "rejected", previousIndex: fields.integer(), hint: readEntryId(fields) };
    case outcomes.unreadable:
      return { kind: "unreadable", matchIndex: fields.integer() };
    default:
      throw new CorruptError("unknown outcome of an append");
  }
}

function fieldsOfReceived(received: number | null): readonly Field[] {
  return received === null ? [false] : [true, received];
}

function readEntryId(fields: FieldReader): EntryId {
  return { index: fields.integer(), term: fields.integer() };
}
