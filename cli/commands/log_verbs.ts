/** What `proa log` prints. Reads whatever can be read. */
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import type { Context } from "../context.ts";
import { jsonLine, out } from "../output.ts";
import { CorruptError, ProaError } from "../../src/lib/errors.ts";
import type { Entry, Index, Membership } from "../../src/raft/mod.ts";
import { checkDirectory, inspectDirectory, type InspectedEntry, type StoredLog } from "../../src/storage/mod.ts";
import { decodeMembership } from "../../src/wire/mod.ts";
import { commandsIn } from "./log_commands.ts";

export interface ShowRequest {
  readonly directory: string;
  readonly from: Index | undefined;
  readonly to: Index | undefined;
  readonly limit: number | undefined;
}

/** The only group that there is. */
const group = 0;

/** Prints entries as they are read. */
export function showLog(request: ShowRequest, { runtime, output }: Context): void {
  const directory = resolve(request.directory);
  inspectDirectory({ runtime, directory, scratch: tmpdir() }, (log) => {
    const { first, last } = log.bounds(group);
    const from = Math.max(first, request.from ?? first);
    const end = Math.min(last, request.to ?? last);
    const to = Math.min(end, from + (request.limit ?? Infinity) - 1);
    const places = log.entries(group, { from, to });
    if (output.mode === "json") {
      const facts = { directory, group, first_index: first, last_index: last, ...stateFacts(log) };
      out(jsonLine({ ...facts, entries: [...places].map(jsonOf), more: to < end }));
      return;
    }
    if (output.mode === "table") out(lineOf(last, ["INDEX", "TERM", "KIND", "BYTES", "CONTENT"]));
    for (const place of places) out(output.mode === "jsonl" ? jsonLine(jsonOf(place)) : lineOf(last, cellsOf(place)));
    if (to < end) output.note(`${end - to} more entries, to ${end}: go on with --from ${to + 1}`);
  });
}

/** Prints what is wrong with a directory, or that nothing is. */
export function verifyLog({ directory: typed }: { readonly directory: string }, { runtime, output }: Context): void {
  const directory = resolve(typed);
  const { groups, snapshots, problems } = checkDirectory({ runtime, directory, scratch: tmpdir() }, payloadProblem);
  const facts = groups.map((checked) => ({
    group: checked.group,
    term: checked.term,
    vote: checked.vote,
    first_index: checked.firstIndex,
    last_index: checked.lastIndex,
    entries: checked.entries,
    bytes: checked.bytes,
  }));
  output.result({ directory, ok: problems.length === 0, groups: facts, snapshots, problems }, () => {
    const lines = groups.map(
      ({ group, firstIndex, lastIndex, entries, bytes, term }) =>
        `group ${group}: ${entries} entries whole, ${firstIndex}..${lastIndex}, ${bytes} bytes, term ${term ?? "unknown"}`,
    );
    if (snapshots > 0) lines.push(`snapshots: ${snapshots}`);
    lines.push(...problems.map((problem) => `wrong: ${problem}`));
    return lines.map((line) => `${line}\n`).join("");
  });
  if (problems.length === 0) return output.note("ok");
  throw new ProaError("CHECK_FAILED", `Cannot trust ${directory}: ${problems[0] ?? ""}${others(problems.length - 1)}`, {
    hint: "keep the directory for inspection, and replace the node by one with a new id and an empty directory",
  });
}

function others(count: number): string {
  return count === 0 ? "" : `, and ${count} more`;
}

function stateFacts(log: StoredLog): Record<string, unknown> {
  try {
    const state = log.state(group);
    if (state === null) return { state_problem: "missing" };
    const { hardState, boot, membership } = state;
    return { term: hardState.term, vote: hardState.vote, boot, members: membersJson(membership) };
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    return { state_problem: error.message };
  }
}

function jsonOf(place: InspectedEntry): Record<string, unknown> {
  if (place.entry === null) return { index: place.index, problem: place.problem };
  const { index, term, kind, payload } = place.entry;
  return { index, term, kind, bytes: payload.length, ...contentOf(place.entry) };
}

function contentOf(entry: Entry): Record<string, unknown> {
  try {
    switch (entry.kind) {
      case "noop":
        return {};
      case "commands":
        return { commands: commandsIn(entry).map(({ facts }) => facts) };
      case "membership":
        return { members: membersJson(decodeMembership(entry.payload)) };
    }
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    return { problem: error.message };
  }
}

/** What is wrong with what an entry carries, or null. */
function payloadProblem(entry: Entry): string | null {
  const { problem } = contentOf(entry);
  return typeof problem === "string" ? problem : null;
}

function membersJson({ voters, outgoing, learners }: Membership): Record<string, unknown> {
  return { voters, outgoing, learners };
}

function cellsOf(place: InspectedEntry): readonly string[] {
  if (place.entry === null) return [String(place.index), "", "damaged", "", place.problem];
  const { index, term, kind, payload } = place.entry;
  return [String(index), String(term), kind, String(payload.length), textOf(place.entry)];
}

/** More commands than this are counted and not named. */
const commandsShown = 4;

function textOf(entry: Entry): string {
  const { problem, members } = contentOf(entry);
  if (typeof problem === "string") return `damaged: ${problem}`;
  if (members !== undefined) return JSON.stringify(members);
  if (entry.kind === "noop") return "";
  const commands = commandsIn(entry);
  const names = commands.slice(0, commandsShown).map(({ text }) => text);
  const more = commands.length - names.length;
  return names.join(", ") + (more > 0 ? `, and ${more} more commands` : "");
}

/** Lines as wide as the greatest index needs, so that they can be printed before all are read. */
function lineOf(last: Index, [index = "", term = "", kind = "", bytes = "", content = ""]: readonly string[]): string {
  const width = Math.max(5, String(last).length);
  return (
    `${index.padStart(width)}  ${term.padStart(6)}  ${kind.padEnd(10)}  ${bytes.padStart(8)}  ${content}`.trimEnd() +
    "\n"
  );
}
