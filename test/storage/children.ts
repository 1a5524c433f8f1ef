/** Runs {@link file://./store_child.ts} and listens to it. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { runFile } from "../helpers/runtime.ts";

export interface Child {
  /** Resolves with all lines so far once one starts with `text`; rejects if the process ends first. */
  until(text: string): Promise<readonly string[]>;
  /** Resolves with all lines once the process has ended. */
  ended(): Promise<readonly string[]>;
  kill(): void;
}

/** `around` is a command that runs another one, put before ours. */
export function runChild(mode: "hold" | "fill", directory: string, around: readonly string[] = []): Child {
  const script = fileURLToPath(new URL("store_child.ts", import.meta.url));
  const [command, ...options] = [...around, ...runFile, script, mode, directory];
  const child = spawn(command, options, { stdio: ["pipe", "pipe", "inherit"] });
  const lines: string[] = [];
  const ended = new Promise<readonly string[]>((resolve) => child.on("close", () => resolve(lines)));
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => lines.push(line));
  return {
    ended: () => ended,
    kill: () => child.kill("SIGKILL"),
    until: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (lines.some((line) => line.startsWith(text))) resolve(lines);
        };
        reader.on("line", look);
        void ended.then(() => reject(new Error(`the child ended before "${text}": ${lines.join(" | ")}`)));
        look();
      }),
  };
}
