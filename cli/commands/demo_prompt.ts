/** The prompt of a demo on a terminal: each line is a command line of proa, run as a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { errorReport } from "../error_report.ts";
import { err, out } from "../output.ts";
import { splitWords } from "../words.ts";
import { assert } from "../../src/lib/assert.ts";

export interface PromptOptions {
  /** The program that runs a command line. */
  readonly self: readonly string[];
  /** The environment of commands, which names the cluster. */
  readonly env: NodeJS.ProcessEnv;
  /** The cluster's directory. */
  readonly directory: string;
}

/** How the user left: `end` for `quit` and Ctrl-D, `interrupt` for Ctrl-C. */
export type Farewell = "end" | "interrupt";

type TypedLine = { readonly kind: "typed"; readonly text: string } | { readonly kind: Farewell };

const promptText = "proa> ";

/** How long after the end of a command the signal may arrive that ended it. Milliseconds. */
const lateSignalMs = 300;

/** The verbs of `proa demo` that may be typed without that word. */
const shorthands = ["status", "env", "logs", "kill", "restart"];

const helpText = `Type a command without the word proa: kv put a 1, kv get a, cluster status, leader transfer
kill N|leader, restart N, status, logs [N]   act on the nodes of this demo
help [command]                               everything proa can do
quit                                         stop the nodes; the data is kept
`;

/** Reads lines until the user leaves. A command that is interrupted or crashes takes nothing with it. */
export class Prompt {
  private readonly options: PromptOptions;
  /** What reads the line that is being typed; null while a command has the terminal. */
  private lines: Interface | null = null;
  private promptedAt = 0;
  private history: string[] = [];
  /** Lines that were typed and not obeyed yet. */
  private readonly typed: TypedLine[] = [];
  /** What was typed of the next line. */
  private begun = "";

  constructor(options: PromptOptions) {
    this.options = options;
  }

  /** Resolves when the user leaves. */
  async run(): Promise<Farewell> {
    for (;;) {
      const line = await this.readLine();
      if (line.kind !== "typed") return line.kind;
      const words = this.wordsOf(line.text);
      const [first] = words;
      if (first === "quit" || first === "exit") return "end";
      if (first === "help" && words.length === 1) out(helpText);
      else if (first !== undefined) await this.runCommand(words);
    }
  }

  /**
   * Whether a SIGINT that comes now was meant for a command: one that runs, or has just ended by it, since nobody
   * promises in which order we hear of both. While a line is typed, Ctrl-C is a key and no signal.
   */
  get interruptsCommand(): boolean {
    return this.lines === null || performance.now() < this.promptedAt + lateSignalMs;
  }

  /** Prints a line without tearing what is being typed. */
  tell(text: string): void {
    err(this.lines === null ? `${text}\n` : `\r\u001b[K${text}\n`);
    this.lines?.prompt(true);
  }

  private async readLine(): Promise<TypedLine> {
    while (this.typed.length === 0) this.typed.push(...(await this.readLines()));
    return this.typed.shift() ?? { kind: "end" };
  }

  /** What is typed, until a line is complete; several when they were pasted. */
  private readLines(): Promise<readonly TypedLine[]> {
    const { history } = this;
    const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: promptText, history });
    this.lines = lines;
    this.promptedAt = performance.now();
    const typed: TypedLine[] = [];
    return new Promise((resolve) => {
      const finish = (): void => {
        this.begun = lines.line;
        this.lines = null;
        lines.off("close", end).close(); // gives the terminal back
        resolve(typed);
      };
      const take = (line: TypedLine): void => {
        typed.push(line);
        if (typed.length === 1) setImmediate(finish); // after the other lines of what was pasted
      };
      const end = (): void => {
        take({ kind: "end" }); // Ctrl-D, or the end of the terminal
      };
      lines.on("close", end);
      lines.on("line", (text) => {
        take({ kind: "typed", text });
      });
      lines.on("SIGINT", () => {
        take({ kind: "interrupt" });
      });
      lines.on("history", (lines: string[]) => {
        this.history = [...lines];
      });
      lines.prompt();
      lines.write(this.begun);
    });
  }

  private wordsOf(line: string): readonly string[] {
    try {
      const words = splitWords(line);
      return words[0] === "proa" ? words.slice(1) : words;
    } catch (error) {
      err(errorReport(error, false).text);
      return [];
    }
  }

  private async runCommand(words: readonly string[]): Promise<void> {
    const { self, env, directory } = this.options;
    const [program, ...programArguments] = [...self, ...withCluster(words, directory)];
    assert(program !== undefined, "there is a program to run");
    const child = spawn(program, programArguments, { stdio: "inherit", env });
    await once(child, "exit");
  }
}

/** `kill 1` as `demo kill --dir DIRECTORY 1`: what acts on a demo acts on this one. */
function withCluster(words: readonly string[], directory: string): readonly string[] {
  const [first = "", second = "", ...others] = words;
  if (shorthands.includes(first)) return ["demo", first, "--dir", directory, ...words.slice(1)];
  if (first === "demo" && second !== "") return ["demo", second, "--dir", directory, ...others];
  return words;
}
