/**
 * Which data directory speaks for a member (rule P13). A node that comes back on an empty, swapped or foreign directory has
 * forgotten its votes and what it acknowledged: counted again, it could give a second majority what the first one
 * promised. So the configuration binds voters to directories, and whoever speaks from another one is not heard.
 *
 * What has been promised is judged by the configuration that acts, committed or not: that can only be too strict, and a
 * node that was started again knows of nothing else. What comes from a leader is judged by what is committed alone: a
 * binding that was never committed may be overwritten by the log of a leader whom it contradicts. And only what is
 * committed, and so true for ever, is told to whom it concerns.
 */
import { directoryOf, votersOf } from "./membership.ts";
import type { DirectoryRefused, Message } from "./message.ts";
import { tally } from "./quorum.ts";
import type { RaftState } from "./state.ts";

/** Whether the message comes from a directory that its sender does not count on. Tells the sender, if that is for ever. */
export function refuseDirectory(state: RaftState, message: Message): boolean {
  const { from, directory } = message;
  if (message.kind === "DirectoryRefused" || state.directoryOf(from) === directory) return false;
  const committed = directoryOf(state.committedMembership, from);
  const isForEver = committed !== 0 && committed !== directory;
  if (!isForEver && (speaksAsLeader(message) || state.directoryOf(from) === 0)) return false;
  if (isForEver) state.send({ kind: "DirectoryRefused", ...state.envelope(from), refused: directory });
  const progress = state.role.kind === "leader" ? state.role.progress.get(from) : undefined;
  if (progress !== undefined) progress.isRefused = true;
  return true;
}

/** Whether it says what a leader says, and asks and promises nothing. */
function speaksAsLeader({ kind }: Message): boolean {
  switch (kind) {
    case "AppendEntries":
    case "InstallSnapshot":
    case "Heartbeat":
    case "ReadIndexResponse":
    case "TimeoutNow":
    case "Removed":
      return true;
    default:
      return false;
  }
}

/** Somebody says that this node is bound to another directory. What is about an earlier directory of its own is old. */
export function noteRefusal(state: RaftState, { from, refused }: DirectoryRefused): void {
  if (refused === state.options.directory) state.refusedBy.set(from, true);
}

/**
 * Whether this node's directory is refused for good: its own log says so, or anybody does and its log does not know better.
 * If that binds it to the very directory it is on, somebody must be mistaken, perhaps a node on the directory of
 * an earlier cluster: then a majority has to say so.
 */
export function isRefused(state: RaftState): boolean {
  const { id, options, membership, refusedBy } = state;
  const committed = directoryOf(state.committedMembership, id);
  if (committed !== 0 && committed !== options.directory) return true;
  if (refusedBy.size === 0) return false;
  const isHere = options.directory !== 0 && state.directoryOf(id) === options.directory;
  return !isHere || (votersOf(membership).length > 0 && tally(membership, refusedBy) === "won");
}
