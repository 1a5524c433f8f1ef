/** What `proa lock` does: the lock, then the program, and whichever of them ends first ends the other. */
import { hostname } from "node:os";
import type { Context } from "../context.ts";
import { GuardedChild } from "../guarded_child.ts";
import { libraryClient } from "../library.ts";
import { exitOfSignal } from "../stop_signals.ts";
import type { Lock } from "../../src/client/lock.ts";
import { ProaError } from "../../src/lib/errors.ts";

export interface LockRequest {
  readonly name: string;
  readonly cmd: readonly string[];
  readonly ttl: number;
  readonly holders: number | undefined;
}

const forwarded = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Ends the process with the status of the program. */
export async function runLocked(request: LockRequest, context: Context): Promise<void> {
  const { name, cmd, ttl: ttlMs, holders } = request;
  const [program, ...programArguments] = cmd;
  if (program === undefined) {
    throw new ProaError("USAGE", "Cannot run proa lock: the program is missing", {
      hint: `behind the name and --, as in proa lock ${name} -- ./backup.sh`,
    });
  }
  const signals = new Signals();
  using client = libraryClient(context);
  let child: GuardedChild | null = null;
  const lock = await client
    .lock(name, {
      ttlMs,
      holders,
      timeoutMs: context.globals.timeoutMs ?? undefined,
      signal: signals.stop.signal,
      value: JSON.stringify({ host: hostname(), pid: process.pid }),
      onRenewed: ({ heldUntil }) => void child?.mayRunUntil(heldUntil),
    })
    .catch((error: unknown) => {
      signals.exitIfStopped();
      throw error;
    });
  context.output.trace(`holds ${name}, token ${String(lock.token)}, key ${lock.key}`);
  const env = { ...process.env, PROA_LOCK_NAME: name, PROA_LOCK_KEY: lock.key, PROA_LOCK_TOKEN: String(lock.token) };
  try {
    child = await GuardedChild.start({ program, programArguments, env, until: lock.heldUntil });
  } catch (error) {
    await release(lock, context);
    throw error;
  }
  process.exitCode = await supervise(lock, { child, signals }, context);
  process.exit();
}

/** The status to exit with. Throws LOCK_LOST. */
async function supervise(
  lock: Lock,
  { child, signals }: { readonly child: GuardedChild; readonly signals: Signals },
  context: Context,
): Promise<number> {
  signals.handTo((signal) => {
    child.signal(signal);
  });
  const onLost = (): void => {
    child.end({ killAt: lock.heldUntil });
  };
  if (lock.lost.aborted) onLost();
  else lock.lost.addEventListener("abort", onLost);
  const status = await child.ended;
  lock.check(); // it may have ended because it may not run any more
  await release(lock, context);
  return status;
}

async function release(lock: Lock, context: Context): Promise<void> {
  try {
    await lock.release();
  } catch (error) {
    if (!(error instanceof ProaError)) throw error;
    context.output.note(`the lock ${lock.name} goes with its lease, for it could not be released: ${error.message}`);
  }
}

/** Signals end the waiting; once a program runs, they are its own affair. */
class Signals {
  readonly stop = new AbortController();
  private signal: (typeof forwarded)[number] | null = null;
  private hand: ((signal: (typeof forwarded)[number]) => void) | null = null;

  constructor() {
    for (const signal of forwarded) {
      process.on(signal, () => {
        if (this.hand !== null) return this.hand(signal);
        this.signal ??= signal;
        this.stop.abort(new Error(signal));
      });
    }
  }

  handTo(hand: (signal: (typeof forwarded)[number]) => void): void {
    this.hand = hand;
    if (this.signal !== null) hand(this.signal); // it came while the program was being started
  }

  exitIfStopped(): void {
    if (this.signal === null) return;
    process.exit(this.signal === "SIGHUP" ? 129 : exitOfSignal[this.signal]);
  }
}
