/** Shares the seeds of `proa sim` among processes of this very program, each of which runs one piece after another. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Context } from "../context.ts";
import type { SeedRange } from "./sim.ts";
import { optionsOf, type SimPart, type SimSetting, type SimSummary } from "./sim_run.ts";
import { assert } from "../../src/lib/assert.ts";
import { ProaError } from "../../src/lib/errors.ts";

/** Seeds that one process runs before it tells what came of them. The first two hundred take twice the time: nothing is compiled yet. */
const pieceSeedsMin = 200;
const pieceSeedsMax = 1000;
/** Pieces of each process, if there are seeds enough: the last ones to end should not keep others waiting for long. */
const piecesEach = 8;

/** Runs the seeds of `range`; parts come in the order in which they are done. */
export async function* runInProcesses(range: SeedRange, setting: SimSetting, context: Context): AsyncIterable<SimPart> {
  let next = range.first;
  const fairShare = Math.ceil((range.last - range.first + 1) / (setting.request.jobs * piecesEach));
  const pieceSeeds = Math.min(pieceSeedsMax, Math.max(pieceSeedsMin, fairShare));
  const running = new Map<number, Promise<{ readonly first: number; readonly part: SimPart }>>();
  let isDone = false;
  for (;;) {
    while (running.size < setting.request.jobs && next <= range.last && !isDone && !setting.end.hasCome()) {
      const piece = { first: next, last: Math.min(range.last, next + pieceSeeds - 1) };
      next = piece.last + 1;
      running.set(
        piece.first,
        runPiece(piece, setting, context).then((part) => ({ first: piece.first, part })),
      );
    }
    if (running.size === 0) return;
    const { first, part } = await Promise.race(running.values());
    running.delete(first);
    isDone ||= setting.request.first && part.failures.length > 0;
    yield part;
  }
}

const nothing: SimPart = { seeds: 0, failures: [], virtual_hours: 0, events: 0 };

async function runPiece(
  { first, last }: SeedRange,
  { request, wishes, end }: SimSetting,
  { runtime }: Context,
): Promise<SimPart> {
  const [program, ...words] = runtime.self;
  assert(program !== undefined, "a command has a program");
  const options = [...optionsOf(wishes), ...(request.first ? ["--first"] : [])];
  const child = spawn(program, [...words, "sim", "--seeds", `${first}..${last}`, "--json", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // a terminal interrupts all of a group, and we pass the interrupt on
    windowsHide: true,
  });
  let printed = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => (printed += piece));
  child.stderr.setEncoding("utf8").on("data", (piece: string) => (complaint += piece));
  const closed = once(child, "close");
  if ((await end.before(closed)) === null) {
    child.kill("SIGINT"); // it ends with what it has run
    await closed;
    if (printed === "") return nothing; // it had not begun
  }
  return parsePart(printed, complaint);
}

/** The summary that a process printed. */
function parsePart(printed: string, complaint: string): SimPart {
  try {
    return JSON.parse(printed) as SimSummary;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ProaError("INTERNAL", "Cannot go on: a process of the simulator ended without a summary", {
      hint: complaint.trim(),
      cause: error,
    });
  }
}
