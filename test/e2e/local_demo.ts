/** `proa demo` with a home of its own, for end-to-end tests: nothing of the user's is touched, and nothing is left. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { proaBinary } from "../helpers/binary.ts";
import { type Finished, run } from "../helpers/run.ts";
import { until } from "../helpers/until.ts";

/** What `demo status --json` says. */
export interface DemoStatus {
  readonly mode: string;
  readonly directory: string;
  readonly leader: number | null;
  readonly nodes: readonly {
    readonly id: number;
    readonly state: string;
    readonly pid: number | null;
    readonly role: string | null;
    readonly service: string;
    readonly data: string;
    readonly log: string;
  }[];
}

/** A demo in the foreground, as a process that a test can signal. */
export interface Foreground {
  readonly pid: number;
  /** Resolves when it has ended. */
  readonly ended: Promise<Finished>;
  readonly output: () => string;
}

export class LocalDemo {
  readonly home = mkdtempSync(join(tmpdir(), "proa-demo-"));

  /** Where the demo of this home lives. */
  get directory(): string {
    return join(this.home, "proa", "demo");
  }

  get environment(): Record<string, string | undefined> {
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith("PROA_"));
    return { ...Object.fromEntries(others), XDG_STATE_HOME: this.home };
  }

  /** The object that a command line prints with `--json`. */
  async json(line: string): Promise<Readonly<Record<string, unknown>>> {
    const { stdout, stderr } = await this.proa(`${line} --json`);
    return JSON.parse(stdout === "" ? stderr : stdout) as Readonly<Record<string, unknown>>;
  }

  /** Runs a command line, split at blanks. */
  proa(line: string): Promise<Finished> {
    return run(proaBinary(), line.split(" "), { env: this.environment });
  }

  async status(): Promise<DemoStatus> {
    const { stdout, stderr } = await this.proa("demo status --json");
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout) as DemoStatus;
  }

  /** The processes of the nodes that run. */
  async pids(): Promise<readonly number[]> {
    return (await this.status()).nodes.flatMap(({ pid }) => pid ?? []);
  }

  foreground(): Foreground {
    const child = spawn(proaBinary(), ["demo"], { stdio: ["ignore", "pipe", "pipe"], env: this.environment });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const { promise, resolve, reject } = Promise.withResolvers<Finished>();
    child.on("error", reject);
    child.on("close", (status) => {
      resolve({ status, stdout, stderr });
    });
    return { pid: child.pid ?? 0, ended: promise, output: () => stdout };
  }
}

/** A command line of proa at a terminal of its own, which util-linux' `script` makes. */
export class Terminal {
  /** Resolves with the exit status. */
  readonly ended: Promise<number | null>;
  output = "";
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;

  constructor(demo: LocalDemo, line: string) {
    const env = { ...demo.environment, TERM: "dumb" };
    this.child = spawn("script", ["-qec", `${proaBinary()} ${line}`, "/dev/null"], {
      stdio: ["pipe", "pipe", "ignore"],
      env,
    });
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    this.ended = new Promise((resolve) => this.child.once("close", resolve));
  }

  /** Types keys, and returns what is printed until all of `awaited` has appeared, in any order. */
  async type(keys: string, ...awaited: readonly string[]): Promise<string> {
    const from = this.output.length;
    this.child.stdin.write(keys);
    for (const text of awaited) await until(text, () => Promise.resolve(this.output.includes(text, from)));
    return this.output.slice(from);
  }
}

/** Runs `body` with a demo that is stopped and deleted afterwards. */
export async function withDemo(body: (demo: LocalDemo) => Promise<void>): Promise<void> {
  const demo = new LocalDemo();
  try {
    await body(demo);
  } finally {
    await demo.proa("demo down --wipe");
    rmSync(demo.home, { recursive: true, force: true });
  }
}
