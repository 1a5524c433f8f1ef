/** `proa sim` as a process, on the sources as they are and on a copy with a planted bug: what it prints, and its exit statuses. */
import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { mutants } from "../../scripts/mutants/list.ts";
import { withMutant } from "../../scripts/mutants/plant.ts";
import { cleanEnvironment, jsonError, jsonObject, proa, proaCommand } from "../cli/proa.ts";
import { until } from "../helpers/until.ts";
import { type Finished, run } from "../helpers/run.ts";

/** The end of `proa sim` with `args` where the leader counts nobody but itself. */
function simulateBug(args: readonly string[]): Promise<Finished> {
  const mutant = mutants.find(({ name }) => name === "acknowledge before quorum");
  if (mutant === undefined) throw new Error("the list of mutants has lost the simplest one");
  return withMutant(mutant, (directory) => {
    const [program, ...words] = proaCommand;
    const entry = join(directory, "cli", basename(words.at(-1) ?? ""));
    return run(program, [...words.slice(0, -1), entry, "sim", ...args], { env: cleanEnvironment });
  });
}

/** The processes that `pid` has started; where the system does not tell, as many as there should be. */
function childrenOf(pid: number): readonly string[] {
  const list = `/proc/${pid}/task/${pid}/children`;
  return existsSync(list) ? (readFileSync(list, "utf8").match(/\d+/g) ?? []) : ["", ""];
}

describe("runs that hold", () => {
  test("a summary, and nothing else", async () => {
    const { status, stdout, stderr } = await proa(["sim", "--seeds", "1..2", "--nodes", "3", "--duration", "300ms"]);
    expect([status, stderr.replace(/^1 of 2 seeds, 0 failed\n/, "")]).toEqual([0, ""]); // it is told where it takes long
    expect(stdout).toMatch(/^2 seeds, 0 failed: 0\.\d+ virtual hours, \d+ events, \d+\.\d s\n$/);
  });

  for (const jobs of [1, 2]) {
    test(`an interrupt ends it with what it has run, and 130 (--jobs ${jobs})`, async () => {
      const [program, ...before] = proaCommand;
      const child = spawn(program, [...before, "sim", "--seeds", "1..1000000", "--jobs", String(jobs)], {
        env: cleanEnvironment,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let printed = "";
      child.stdout.setEncoding("utf8").on("data", (piece: string) => (printed += piece));
      const exit = once(child, "exit");
      const closed = once(child, "close");
      if (jobs === 1)
        await once(child.stderr, "data"); // it is under way
      else await until("two processes run", () => Promise.resolve(childrenOf(child.pid ?? 0).length === 2));
      process.kill(child.pid ?? 0, "SIGINT"); // Deno forgets the exit status of a child that it kills itself
      expect(await exit).toEqual([130, null]);
      await closed;
      expect(printed).toMatch(/^\d+ seeds, 0 failed: /);
    }, 60_000);
  }

  test("--trace tells the story of the run of --seed", async () => {
    const args = ["sim", "--seed", "9", "--nodes", "1", "--clients", "1", "--faults", "none", "--duration", "50ms"];
    const { status, stdout } = await proa([...args, "--trace"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^seed 9: 1 nodes, 1 clients, /);
    expect(stdout).toContain("n1 starts, boot 1");
    expect(stdout).toContain("n1 leader in term 1");
  });
});

describe("a run that fails", () => {
  test("its rule, the end of its trace, a smaller run, and commands that repeat them", async () => {
    const { status, stdout, stderr } = await simulateBug(["--seeds", "1..3", "--shrink"]);
    expect(status).toBe(7);
    expect(stderr).toMatch(/^seed 1 failed: \d+@\d+ is committed and on \d of \d disks \(I7\)$/m);
    expect(stderr).toContain("hint: repeat one with proa sim --seed 1 --trace");
    expect(stdout).toMatch(/^failed: .*\(I7\)$/m);
    expect(stdout).toMatch(/^proa sim --seed 1 {3}# I7$/m);
    const smaller = /^smaller: proa (sim .*)$/m.exec(stdout)?.[1];
    expect(smaller).toContain("--faults none");
    const repeated = await simulateBug(String(smaller).split(" ").slice(1));
    expect(repeated.status).toBe(7);
    expect(repeated.stdout).toMatch(/\(I7\)/);
  });

  test("in JSON, from several processes, in the order of the seeds", async () => {
    const { status, stdout, stderr } = await simulateBug(["--seeds", "1..202", "--jobs", "2", "--first", "--json"]);
    expect(status).toBe(7);
    const { failures, seeds } = jsonObject(stdout);
    expect(failures).toMatchObject([
      { seed: 1, invariant: "I7", replay: "proa sim --seed 1" },
      { seed: 201, invariant: "I7", replay: "proa sim --seed 201" },
    ]);
    expect(seeds).toBe(2);
    expect(jsonError(stderr)).toMatchObject({ code: "CHECK_FAILED", exit: 7 });
  });
});

describe("usage", () => {
  const wrong: Readonly<Record<string, readonly [readonly string[], string]>> = {
    "a fault that does not exist": [["--faults", "loss,rain"], 'Cannot simulate "rain": there is no such fault'],
    "a seed and seeds": [["--seed", "1", "--seeds", "1..2"], "--seed and --seeds exclude each other"],
    "a falling range": [["--seeds", "5..1"], "expected a range that rises, such as 1..1000"],
    "a trace of many processes": [["--jobs", "2", "--trace"], "--trace needs --seed or a single job"],
    "a trace in JSON": [["--seed", "1", "--trace", "-o", "json"], "--trace prints lines for people"],
  };
  for (const [name, [args, message]] of Object.entries(wrong)) {
    test(name, async () => {
      const { status, stdout, stderr } = await proa(["sim", ...args]);
      expect([status, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(message);
    });
  }
});
