/** `proa demo`: a cluster that lives as long as this process, with a prompt when somebody sits at a terminal. */
import { isatty } from "node:tty";
import type { Context } from "../context.ts";
import { exitOfSignal, StopSignals } from "../stop_signals.ts";
import { announce, clusterIn, demoCommand, startError } from "./demo_cluster.ts";
import { Prompt } from "./demo_prompt.ts";
import { fileOfRunning, orStop, startDeadline, startNodes, type Started, type StartOptions } from "./demo_start.ts";
import { ProaError } from "../../src/lib/errors.ts";
import type { LocalCluster } from "../../src/local/cluster.ts";
import { Owner } from "../../src/local/owner.ts";
import { formatHostPort } from "../../src/local/server_list.ts";

/** Long enough for a command to let go of the lock that only wants to know who has it. Milliseconds. */
const glanceMs = 300;

/** Runs until somebody ends it; then ends its nodes, and the process. */
export async function runForeground({ nodes, transport, dir }: StartOptions, context: Context): Promise<never> {
  const cluster = clusterIn(dir, context);
  const lock = await cluster.lock(performance.now() + glanceMs);
  if (lock === null || (await fileOfRunning(cluster)) !== null) throw alreadyRuns(cluster, context);
  let prompt: Prompt | null = null;
  const signals = new StopSignals((signal) => signal !== "SIGINT" || prompt?.interruptsCommand !== true);
  const signalled = signals.first.then((signal) => exitOfSignal[signal]);

  const deadline = startDeadline(context);
  const starting = startNodes(cluster, { nodes, transport, mode: "foreground", deadline }, context);
  const started = await orStop(cluster, starting, signalled);
  if (!started.ok) throw startError(cluster, started.failure, context);
  await announce(cluster, started, context);
  if (isatty(0) && isatty(1) && context.output.mode === "table") prompt = promptFor(cluster, started, context);
  const exit = await live(cluster, { started, prompt, signalled }, context);
  await cluster.stopAll();
  lock.release();
  process.exit(exit);
}

/** Looks after the nodes until somebody wants them to end; returns the exit status. */
async function live(
  cluster: LocalCluster,
  options: { readonly started: Started; readonly prompt: Prompt | null; readonly signalled: Promise<number> },
  { output }: Context,
): Promise<number> {
  const { started, prompt, signalled } = options;
  const tell = (text: string): void => {
    if (prompt === null) output.note(text);
    else prompt.tell(text);
  };
  const owner = new Owner(cluster, started.file, {
    onNodeEnded: (id) => {
      tell(`node ${String(id)} has ended`);
    },
    onNodeStarted: (id) => {
      tell(`node ${String(id)} is back`);
    },
    onStartFailed: ({ id, reason }) => {
      tell(`node ${String(id)} ${reason}`);
    },
  });
  const ends = [signalled, owner.run().then(() => 0)];
  if (prompt !== null) ends.push(prompt.run().then((farewell) => (farewell === "end" ? 0 : exitOfSignal.SIGINT)));
  const exit = await Promise.race(ends);
  owner.leave();
  return exit;
}

function promptFor({ layout }: LocalCluster, { file }: Started, { runtime, env }: Context): Prompt {
  const endpoints = file.servers.map(({ service }) => formatHostPort(service)).join(",");
  return new Prompt({ self: runtime.self, env: { ...env, PROA_ENDPOINTS: endpoints }, directory: layout.directory });
}

function alreadyRuns(cluster: LocalCluster, context: Context): ProaError {
  return new ProaError("LOCAL_RESOURCE", `Cannot start a demo in ${cluster.layout.directory}: one runs there already`, {
    hint: `look at it with: ${demoCommand(cluster, "status", context)}; or start another with --dir DIRECTORY`,
  });
}
