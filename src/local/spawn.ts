/** Starts a node as a process of its own, with its log in a file. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { once } from "node:events";
import { assert } from "../lib/assert.ts";

export interface SpawnOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Where its stdout and stderr are appended. */
  readonly log: string;
  /** Whether the node is told of our end: its stdin is a pipe that closes with us, however we die. */
  readonly attached: boolean;
}

/** A node that this process has started. */
export interface NodeChild {
  readonly pid: number;
  /** How it ended; null while it runs. */
  readonly end: ProcessEnd | null;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/**
 * Starts the process in a session of its own, so that neither Ctrl-C nor the end of a terminal reaches it. Rejects when
 * it cannot be started.
 */
export async function spawnNode({ command, log, attached }: SpawnOptions): Promise<NodeChild> {
  const [program, ...programArguments] = command;
  assert(program !== undefined, "a command has a program");
  const output = openSync(log, "a", 0o600);
  try {
    const child = spawn(program, programArguments, {
      detached: true,
      stdio: [attached ? "pipe" : "ignore", output, output],
      env: nodeEnvironment(),
    });
    let end: ProcessEnd | null = null;
    child.once("exit", (code, signal) => {
      end = { code, signal };
    });
    await once(child, "spawn");
    const { pid } = child;
    assert(pid !== undefined, "a started process has an id");
    child.unref();
    child.stdin?.on("error", () => undefined); // it closed its end: it is about to go
    return {
      pid,
      get end() {
        return end;
      },
    };
  } finally {
    closeSync(output);
  }
}

/** Ours, without what a user has set for commands: a node is told everything in its arguments. */
function nodeEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PROA_")));
}
