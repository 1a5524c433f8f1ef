/**
 * A program that must not run longer than it may, whatever becomes of us. It runs in a process group of its own, and beside
 * it a small shell script that we tell again and again for how long it still may: that kills the group when the time is over
 * or we are gone, also when we are killed, or stopped and cannot even notice.
 */
import { spawn } from "node:child_process";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { Writable } from "node:stream";
import { errorCode } from "./descriptors.ts";
import { assert } from "../src/lib/assert.ts";
import { ProaError } from "../src/lib/errors.ts";

export interface GuardedProgram {
  readonly program: string;
  readonly programArguments: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Until when it may run unless it is told otherwise, on the clock of `performance.now()`. */
  readonly until: number;
}

/** Begins with the program only when it is told to: if we are gone before, it never does. */
const gateScript = `
read -r go <&3 || exit 125
exec 3<&-
exec "$@"
`;

/** Each line says for how many seconds more the group may run; the end of the lines, that nobody looks after it any more. */
const guardScript = `
while read -r seconds; do
  [ -z "$timer" ] || kill "$timer"
  [ "$seconds" != done ] || exit 0
  (sleep "$seconds"; kill -s KILL -- "-$1") & timer=$!
done
[ -z "$timer" ] || kill "$timer"
kill -s KILL -- "-$1"
`;

/** The script begins to count later than it was told to: so much of the time is for it. */
const guardShare = 0.95;

export class GuardedChild {
  /** Resolves to the exit status: 128 + N where signal N ended it. */
  readonly ended: Promise<number>;
  private readonly pid: number;
  private readonly guard: ChildProcess;
  private killTimer: NodeJS.Timeout | null = null;
  private hasEnded = false;

  private constructor(child: ChildProcess, guard: ChildProcess) {
    assert(child.pid !== undefined, "a started process has an id");
    this.pid = child.pid;
    this.guard = guard;
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        if (this.killTimer !== null) {
          clearTimeout(this.killTimer);
          this.signal("SIGKILL"); // what it has started may not go on without it
        }
        this.hasEnded = true;
        guard.stdin?.end("done\n");
        resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
      });
    });
  }

  /** Its status is 127 where there is no such program, and 126 where it cannot be run. Throws LOCAL_RESOURCE without a shell. */
  static async start({ program, programArguments, env, until }: GuardedProgram): Promise<GuardedChild> {
    const child = await startShell(["-c", gateScript, "proa", program, ...programArguments], {
      env,
      stdio: ["inherit", "inherit", "inherit", "pipe"],
    });
    try {
      const guard = await startShell(["-c", guardScript, "proa-guard", String(child.pid)], {
        stdio: ["pipe", "ignore", "ignore"],
      });
      const guarded = new GuardedChild(child, guard);
      await guarded.mayRunUntil(until); // if we were stopped before that has left, nobody would end the program
      gateOf(child).end("go\n");
      return guarded;
    } catch (error) {
      gateOf(child).end();
      throw error;
    }
  }

  /** On the clock of `performance.now()`. Resolves once that is on its way. */
  mayRunUntil(time: number): Promise<void> {
    return new Promise((resolve) => {
      const { stdin } = this.guard;
      if (this.hasEnded || stdin === null) return resolve();
      const seconds = (guardShare * Math.max(0, time - performance.now())) / 1000;
      stdin.write(`${seconds.toFixed(3)}\n`, () => {
        resolve();
      });
    });
  }

  /** Sends a signal to all of the group, as far as it is still there. */
  signal(signal: NodeJS.Signals): void {
    if (this.hasEnded) return; // its number may be somebody else's
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if (errorCode(error) !== "ESRCH") throw error;
    }
  }

  /** Asks the group to end, and makes it at `killAt`. */
  end({ killAt }: { readonly killAt: number }): void {
    this.signal("SIGTERM");
    this.killTimer = setTimeout(
      () => {
        this.signal("SIGKILL");
      },
      Math.max(0, killAt - performance.now()),
    );
  }
}

/** In a process group of its own. */
async function startShell(args: readonly string[], options: SpawnOptions): Promise<ChildProcess> {
  const child = spawn("/bin/sh", args, { ...options, detached: true });
  try {
    await once(child, "spawn");
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    throw new ProaError("LOCAL_RESOURCE", `Cannot run /bin/sh: ${code}`, { hint: "proa lock starts programs by it" });
  }
  child.stdin?.on("error", () => undefined); // it is gone: so is what it was for
  return child;
}

function gateOf(child: ChildProcess): Writable {
  const gate = child.stdio[3];
  assert(gate instanceof Writable, "the gate is a pipe");
  gate.on("error", () => undefined); // the shell was killed
  return gate;
}
