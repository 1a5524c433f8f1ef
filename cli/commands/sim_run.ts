/** What `proa sim` does: runs seeds here or in processes of their own, and tells what failed and how to repeat it. */
import type { Context } from "../context.ts";
import { out, type OutputMode } from "../output.ts";
import { RunEnd } from "../run_end.ts";
import type { SeedRange } from "./sim.ts";
import { runInProcesses } from "./sim_jobs.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { type FaultName, faultNames, type RunResult, runSeed, shrink, type Wishes } from "../../src/sim/mod.ts";

export interface SimRequest {
  readonly seed: number | undefined;
  readonly seeds: SeedRange | undefined;
  readonly jobs: number;
  readonly nodes: number | undefined;
  readonly clients: number | undefined;
  /** Milliseconds. */
  readonly duration: number | undefined;
  readonly faults: readonly string[] | undefined;
  readonly powerCutAtWrite: number | undefined;
  readonly first: boolean;
  readonly trace: boolean;
  readonly shrink: boolean;
}

/** What `--json` prints. */
export interface SimSummary {
  readonly seeds: number;
  /** By their seeds. */
  readonly failures: readonly SimFailure[];
  /** The command of a smaller run that fails like the first of them; only with `--shrink`, and where one failed. */
  readonly smaller?: string;
  readonly virtual_hours: number;
  readonly events: number;
  readonly wall_s: number;
}

export interface SimFailure {
  readonly seed: number;
  readonly invariant: string;
  readonly message: string;
  /** The command that repeats it. */
  readonly replay: string;
}

/** How many lines of a trace are printed unless all are asked for. */
const traceLines = 60;
/** How often progress is told, and when for the first time. Milliseconds. */
const progressMs = 5000;
const firstProgressMs = 1000;

export async function simulate(request: SimRequest, context: Context): Promise<void> {
  const { output } = context;
  const wishes = wishesOf(request);
  const range = rangeOf(request, output.mode);
  const startedAt = performance.now();
  const end = new RunEnd(context);
  const setting = { request, wishes, end };
  const runs = request.jobs === 1 ? runHere(range, setting) : runInProcesses(range, setting, context);
  const total = { seeds: 0, failures: new Array<SimFailure>(), virtual_hours: 0, events: 0 };
  let toldAt = startedAt + firstProgressMs - progressMs;
  for await (const part of runs) {
    total.seeds += part.seeds;
    total.failures.push(...part.failures);
    total.virtual_hours += part.virtual_hours;
    total.events += part.events;
    for (const failure of part.failures) output.note(`seed ${failure.seed} failed: ${failure.message}`);
    if (performance.now() - toldAt < progressMs) continue;
    toldAt = performance.now();
    output.note(`${total.seeds} of ${range.last - range.first + 1} seeds, ${total.failures.length} failed`);
  }
  total.failures.sort((a, b) => a.seed - b.seed);
  const [first] = total.failures;
  const example = first === undefined || end.isSignalled ? null : exampleOf(first, { request, wishes, context });
  const smaller = request.shrink && example !== null ? { smaller: replayCommand(example.seed, example.wishes) } : {};
  const summary: SimSummary = { ...total, ...smaller, wall_s: (performance.now() - startedAt) / 1000 };
  if (output.mode === "table" && !end.isSignalled) explain(example, request, wishes);
  output.result(summary, () => summaryText(summary));
  end.exitIfSignalled();
  if (summary.failures.length > 0) throw failed(summary);
}

/** What is the same for all runs of a command. */
export interface SimSetting {
  readonly request: SimRequest;
  readonly wishes: Wishes;
  /** No further run begins once it has come. */
  readonly end: RunEnd;
}

/** Some runs that are over. */
export type SimPart = Omit<SimSummary, "wall_s" | "smaller">;

/** A run that fails, and what was fixed for it. */
interface Example {
  readonly seed: number;
  readonly wishes: Wishes;
}

async function* runHere(range: SeedRange, { request, wishes, end }: SimSetting): AsyncIterable<SimPart> {
  for (let seed = range.first; seed <= range.last && !end.hasCome(); seed++) {
    const result = runSeed(seed, wishes);
    yield {
      seeds: 1,
      failures: failureOf(result, wishes),
      virtual_hours: result.virtualMs / 3_600_000,
      events: result.events,
    };
    if (request.first && result.failure !== null) return;
    await new Promise((resolve) => setImmediate(resolve)); // a run hears no signal
  }
}

/** The first failure, or the smaller run that was found for it. */
function exampleOf(
  { seed }: SimFailure,
  { request, wishes, context }: { request: SimRequest; wishes: Wishes; context: Context },
): Example {
  if (!request.shrink) return { seed, wishes };
  context.output.note(`looking for a smaller run than that of seed ${seed}`);
  const small = shrink(runSeed(seed, wishes));
  return { seed: small.result.plan.seed, wishes: small.wishes };
}

/** The story of a run that failed; of a run that was to be traced, whatever its end. */
function explain(example: Example | null, { trace, seed }: SimRequest, wishes: Wishes): void {
  if (example !== null) printTrace(example.seed, example.wishes, trace ? Infinity : traceLines);
  else if (trace && seed !== undefined) printTrace(seed, wishes, Infinity);
}

/** Repeats a run and prints its story, or the end of it. */
function printTrace(seed: number, wishes: Wishes, linesMax: number): void {
  const lines: string[] = [];
  let omitted = 0;
  const { failure } = runSeed(seed, wishes, (line) => {
    lines.push(line);
    if (lines.length <= linesMax) return;
    lines.splice(1, 1); // the plan stays
    omitted++;
  });
  if (omitted > 0) lines.splice(1, 0, `… ${omitted} events; all of them: ${replayCommand(seed, wishes)} --trace`);
  out(`${lines.join("\n")}\n`);
  if (failure !== null) out(`${failure.stack}\nrepeat: ${replayCommand(seed, wishes)}\n`);
}

/** The failure of a run, if it failed. */
function failureOf({ failure, plan }: RunResult, wishes: Wishes): readonly SimFailure[] {
  if (failure === null) return [];
  const { invariant, message } = failure;
  return [{ seed: plan.seed, invariant, message, replay: replayCommand(plan.seed, wishes) }];
}

function replayCommand(seed: number, wishes: Wishes): string {
  return ["proa", "sim", "--seed", seed, ...optionsOf(wishes)].join(" ");
}

/** The options that stand for `wishes`. */
export function optionsOf({ nodes, clients, faultsMs, faults, powerCutAtWrite }: Wishes): readonly string[] {
  return [
    ...(nodes === undefined ? [] : ["--nodes", String(nodes)]),
    ...(clients === undefined ? [] : ["--clients", String(clients)]),
    ...(faultsMs === undefined ? [] : ["--duration", `${faultsMs}ms`]),
    ...(faults === undefined ? [] : ["--faults", faults.length === 0 ? "none" : faults.join(",")]),
    ...(powerCutAtWrite === undefined ? [] : ["--power-cut-at-write", String(powerCutAtWrite)]),
  ];
}

function wishesOf({ nodes, clients, duration, faults, powerCutAtWrite }: SimRequest): Wishes {
  return {
    ...(nodes === undefined ? {} : { nodes }),
    ...(clients === undefined ? {} : { clients }),
    ...(duration === undefined ? {} : { faultsMs: duration }),
    ...(faults === undefined ? {} : { faults: faults.map(faultNamed) }),
    ...(powerCutAtWrite === undefined ? {} : { powerCutAtWrite }),
  };
}

function faultNamed(word: string): FaultName {
  const name = faultNames.find((known) => known === word);
  if (name !== undefined) return name;
  throw new ProaError("USAGE", `Cannot simulate ${JSON.stringify(word)}: there is no such fault`, {
    hint: `the faults are ${faultNames.join(", ")}`,
  });
}

function rangeOf({ seed, seeds, trace, jobs }: SimRequest, mode: OutputMode): SeedRange {
  if (seed !== undefined && seeds !== undefined) throw conflict("--seed and --seeds exclude each other");
  if (trace && seed === undefined && jobs > 1) throw conflict("--trace needs --seed or a single job");
  if (trace && mode !== "table") throw conflict("--trace prints lines for people, not JSON");
  return seed === undefined ? (seeds ?? { first: 1, last: 100 }) : { first: seed, last: seed };
}

function conflict(reason: string): ProaError {
  return new ProaError("USAGE", `Cannot run proa sim: ${reason}`, { hint: "see proa help sim" });
}

function summaryText({ seeds, failures, smaller, virtual_hours, events, wall_s }: SimSummary): string {
  const replays = failures.map(({ replay, invariant }) => `${replay}   # ${invariant}\n`).join("");
  const shrunk = smaller === undefined ? "" : `smaller: ${smaller}\n`;
  return `${replays}${shrunk}${seeds} seeds, ${failures.length} failed: ${virtual_hours.toFixed(3)} virtual hours, ${events} events, ${wall_s.toFixed(1)} s\n`;
}

function failed({ failures, seeds }: SimSummary): ProaError {
  return new ProaError("CHECK_FAILED", `Cannot call the nodes correct: ${failures.length} of ${seeds} runs failed`, {
    hint: failures[0] === undefined ? "see proa help sim" : `repeat one with ${failures[0].replay} --trace`,
  });
}
