/** The signals that ask a long-running command to end in order. What ending means is the command's affair. */

/** The exit status of a process that a signal ended, by the custom of shells. */
export const exitOfSignal = { SIGINT: 130, SIGTERM: 143 } as const;

export type StopSignal = keyof typeof exitOfSignal;

export class StopSignals {
  /** Resolves with the first signal that counts. A second one ends the process at once. */
  readonly first: Promise<StopSignal>;

  /** `counts` says whether a signal is meant for us now. */
  constructor(counts: (signal: StopSignal) => boolean = () => true) {
    this.first = new Promise((resolve) => {
      let asked = false;
      const listen = (signal: StopSignal): void => {
        process.on(signal, () => {
          if (!counts(signal)) return;
          if (asked) process.exit(exitOfSignal[signal]);
          asked = true;
          resolve(signal);
        });
      };
      listen("SIGINT");
      listen("SIGTERM");
    });
  }
}
