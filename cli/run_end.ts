/** What ends a command that would go on: a signal, or `--timeout`. Ends nothing itself. */
import type { Context } from "./context.ts";
import { exitOfSignal, type StopSignal, StopSignals } from "./stop_signals.ts";
import { sleep } from "../src/client/http_client.ts";

export class RunEnd {
  private come = false;
  private signal: StopSignal | null = null;
  private readonly ended: Promise<null>;

  constructor({ globals, deadline }: Pick<Context, "globals" | "deadline">) {
    const signalled = new StopSignals().first.then((signal) => {
      this.signal = signal;
    });
    const timedOut = globals.timeoutMs === null ? [] : [sleep(deadline - performance.now())];
    this.ended = Promise.race([signalled, ...timedOut]).then(() => {
      this.come = true;
      return null;
    });
  }

  /** Whether the command is to come to an end. */
  hasCome(): boolean {
    return this.come;
  }

  /** Whether it was a signal that asked for the end. */
  get isSignalled(): boolean {
    return this.signal !== null;
  }

  /** What `work` resolves to; null when the end comes first. */
  before<T>(work: Promise<T>): Promise<T | null> {
    return Promise.race([work, this.ended]);
  }

  /** Ends the process as the signal asks, if there was one. */
  exitIfSignalled(): void {
    if (this.signal !== null) process.exit(exitOfSignal[this.signal]);
  }
}
