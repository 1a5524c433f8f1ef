/** Judges a data directory by every rule that a node relies on when it starts (rules P3, P11 and P12). Changes nothing and stops at nothing. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CorruptError, ProaError } from "../lib/errors.ts";
import type { Entry, GroupId, Index, Membership, Term } from "../raft/mod.ts";
import { encodeIdentity, identityFile, readIdentity } from "./identity.ts";
import { inspectDirectory, type InspectedLocation, type StoredLog } from "./inspection.ts";
import { databaseFile } from "./sqlite_database.ts";
import { openSnapshotFiles } from "./snapshot_files.ts";
import { damagedWalFrame } from "./wal_scan.ts";

/** What is whole in one group. */
export interface CheckedGroup {
  readonly group: GroupId;
  readonly term: Term | null;
  readonly vote: number | null;
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly entries: number;
  readonly bytes: number;
}

export interface LogReport {
  readonly groups: readonly CheckedGroup[];
  readonly snapshots: number;
  /** One line for each thing that is wrong; empty when a node may start on it. */
  readonly problems: readonly string[];
}

/** More problems than this say no more than that there are many. */
const problemsMax = 100;

/** Where snapshots lie in a data directory. */
const snapshotDirectory = "snapshots";

/**
 * Reads all of the directory. `payloadProblem` says what is wrong with what an entry carries, or null. Throws as
 * {@link inspectDirectory}.
 */
export function checkDirectory(
  location: InspectedLocation,
  payloadProblem: (entry: Entry) => string | null,
): LogReport {
  const { directory } = location;
  const problems: string[] = [];
  const frame = damagedWalFrame(join(directory, `${databaseFile}-wal`));
  if (frame !== null) {
    problems.push(
      `${databaseFile}-wal: frame ${frame} is damaged, and what follows it was acknowledged: it is not looked at below`,
    );
  }
  const groups = inspectDirectory(location, (log) => {
    problems.push(...log.damages(), ...identityProblems(directory, log));
    return log.groups.map((group) => checkGroup(log, group, { problems, payloadProblem }));
  });
  const snapshots = checkSnapshots(directory, problems);
  const more = problems.length - problemsMax;
  if (more > 0) problems.splice(problemsMax, more, `and ${more} more`);
  return { groups, snapshots, problems };
}

function identityProblems(directory: string, log: StoredLog): readonly string[] {
  try {
    const identity = readIdentity(directory);
    if (identity === null) return [`${identityFile} is missing`];
    return log.owner === encodeIdentity(identity) ? [] : [`${databaseFile} was written for ${log.owner ?? "nobody"}`];
  } catch (error) {
    if (!(error instanceof ProaError)) throw error;
    return [error.message];
  }
}

function checkGroup(
  log: StoredLog,
  group: GroupId,
  {
    problems,
    payloadProblem,
  }: { readonly problems: string[]; readonly payloadProblem: (entry: Entry) => string | null },
): CheckedGroup {
  const complain = (problem: string): number => problems.push(`group ${group}: ${problem}`);
  const state = stateOf(log, group, complain);
  const { first, last } = log.bounds(group);
  const found = { entries: 0, bytes: 0 };
  let previousTerm = state?.compacted.term ?? 0;
  for (const place of log.entries(group, { from: first, to: last })) {
    if (place.entry === null) {
      complain(`entry ${place.index}: ${place.problem}`);
      continue;
    }
    const { index, term, payload } = place.entry;
    found.entries++;
    found.bytes += payload.length;
    if (term < previousTerm) complain(`entry ${index}: term ${term} follows term ${previousTerm}`);
    if (state !== null && term > state.hardState.term)
      complain(`entry ${index}: term ${term} is above the stored term ${state.hardState.term}`);
    previousTerm = Math.max(previousTerm, term);
    const problem = payloadProblem(place.entry);
    if (problem !== null) complain(`entry ${index}: ${problem}`);
  }
  const { term, vote } = state?.hardState ?? { term: null, vote: null };
  return { group, term, vote, firstIndex: first, lastIndex: last, ...found };
}

function stateOf(log: StoredLog, group: GroupId, complain: (problem: string) => void): ReturnType<StoredLog["state"]> {
  try {
    const state = log.state(group);
    if (state === null) complain("its state is missing: term, vote and members");
    else if (state.hardState.vote !== null && !mayVoteFor(state.membership, state.hardState.vote)) {
      complain(`it voted for node ${state.hardState.vote}, which it has never heard of`);
    }
    return state;
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    complain(error.message.replace(/^state of group \d+: /, "its state: "));
    return null;
  }
}

/** A node without members is still joining, and members may have changed since the vote. */
function mayVoteFor({ voters, outgoing, learners, retired }: Membership, id: number): boolean {
  return voters.length === 0 || [voters, outgoing, learners, retired].some((ids) => ids.includes(id));
}

/** How many snapshots there are. */
function checkSnapshots(directory: string, problems: string[]): number {
  const path = join(directory, snapshotDirectory);
  if (!existsSync(path)) return 0;
  const store = openSnapshotFiles(path);
  const names = store.list();
  for (const name of names) {
    try {
      store.verify(name);
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      problems.push(error.message);
    }
  }
  return names.length;
}
