/** scripts/build.ts on a program of a few lines: when it compiles, what the executable knows, and what it must not obey. */
import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run, type Finished } from "./helpers/run.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const program = `
  declare const PROA_VERSION: string;
  console.log(JSON.stringify({ version: PROA_VERSION, probe: process.env["PROBE"] ?? null }));
  await Promise.resolve();
`;

/** What knows nothing of Bun. */
const portable = `
  import { hrtime } from "node:process";
  declare const PROA_VERSION: string;
  console.log(PROA_VERSION, typeof hrtime);
`;

/** A repository with nothing but a program and the build script; removed at the end. */
async function inSources(
  body: (home: string, build: (...args: string[]) => Promise<Finished>) => Promise<void>,
): Promise<void> {
  const home = fs.mkdtempSync(join(tmpdir(), "proa build "));
  try {
    for (const folder of ["scripts", "src", "cli"]) fs.mkdirSync(join(home, folder));
    fs.copyFileSync(join(root, "scripts", "build.ts"), join(home, "scripts", "build.ts"));
    fs.writeFileSync(join(home, "cli", "bun.ts"), program);
    fs.writeFileSync(join(home, "cli", "deno.ts"), portable);
    fs.writeFileSync(join(home, "src", "part.ts"), "");
    fs.writeFileSync(join(home, "src", "storage_thread.ts"), "");
    fs.writeFileSync(join(home, "package.json"), '{ "version": "9.8.7", "type": "module" }');
    fs.writeFileSync(join(home, "package-lock.json"), "{}");
    fs.writeFileSync(join(home, "tsconfig.json"), "{}");
    await body(home, (...args) => run(process.execPath, [join(home, "scripts", "build.ts"), ...args]));
  } finally {
    fs.rmSync(home, { recursive: true });
  }
}

const inodeOf = (home: string): number => fs.statSync(join(home, "dist", "proa")).ino;

describe("the build", () => {
  test(
    "compiles once, whoever asks, and again when a source changed",
    () =>
      inSources(async (home, build) => {
        const together: readonly Finished[] = await Promise.all([build(), build(), build()]);
        expect(together.map((finished) => finished.status)).toEqual([0, 0, 0]);
        expect(together.map((finished) => finished.stderr).sort()).toEqual(["", "", "built dist/proa\n"]);
        const first = inodeOf(home);
        await build();
        expect(inodeOf(home)).toBe(first);
        fs.writeFileSync(join(home, "src", "part.ts"), "// changed");
        await build();
        const second = inodeOf(home);
        expect(second).not.toBe(first);
        fs.rmSync(join(home, "src", "part.ts"));
        await build();
        expect(inodeOf(home)).not.toBe(second);
        expect(fs.readdirSync(join(home, "dist")).sort()).toEqual([".build-lock", "proa", "proa.inputs"]);
      }),
    60_000,
  );

  test(
    "fails with the compiler's words, leaves the old executable, and tries again",
    () =>
      inSources(async (home, build) => {
        await build();
        const before = inodeOf(home);
        fs.writeFileSync(join(home, "cli", "bun.ts"), 'import "./missing.ts";');
        for (let attempt = 0; attempt < 2; attempt++) {
          const failed = await build();
          expect(failed.status).toBe(1);
          expect(failed.stderr).toContain("Cannot build ");
          expect(failed.stderr).toContain("./missing.ts");
        }
        expect(inodeOf(home)).toBe(before);
        expect(fs.readdirSync(join(home, "dist")).sort()).toEqual([".build-lock", "proa"]);
      }),
    60_000,
  );
});

test(
  "the one file for Deno is built beside the executable, knows its version, and can be started by its name",
  () =>
    inSources(async (home, build) => {
      const together: readonly Finished[] = await Promise.all([build("module"), build("module"), build()]);
      expect(together.map((finished) => finished.status)).toEqual([0, 0, 0]);
      const said = together.map((finished) => finished.stderr).sort();
      expect(said).toEqual(["", "built dist/proa\n", "built dist/proa.mjs\n"]);
      const file = join(home, "dist", "proa.mjs");
      expect(fs.readFileSync(file, "utf8")).toMatch(/^#!\/usr\/bin\/env -S deno run --allow-all\n/);
      expect(fs.statSync(file).mode & 0o111).toBe(0o111);
      expect((await run(process.execPath, [file])).stdout).toBe("9.8.7 function\n");
      const wrong = await build("modules");
      expect([wrong.status, wrong.stderr]).toEqual([1, "Cannot build: the only argument is module\n"]);
      const names = [".build-lock", "proa", "proa.inputs", "proa.mjs", "proa.mjs.inputs"];
      expect(fs.readdirSync(join(home, "dist")).sort()).toEqual(names);
    }),
  60_000,
);

describe("the executable", () => {
  test(
    "knows its version, and the revision where there is one",
    () =>
      inSources(async (home, build) => {
        const version = async (): Promise<unknown> => {
          expect((await build()).status).toBe(0);
          const printed: unknown = JSON.parse((await run(join(home, "dist", "proa"), [])).stdout);
          return typeof printed === "object" && printed !== null && "version" in printed ? printed.version : printed;
        };
        expect(await version()).toBe("9.8.7");
        const git = (...args: string[]): Promise<Finished> =>
          run("git", ["-C", home, "-c", "user.name=x", "-c", "user.email=x@example.org", ...args]);
        await git("init", "--quiet");
        expect(await version()).toBe("9.8.7"); // nothing is committed yet
        await git("add", "cli", "src", "scripts");
        expect((await git("commit", "--quiet", "--message", "first")).status).toBe(0);
        const revision = (await git("rev-parse", "--short=12", "HEAD")).stdout.trim();
        expect(await version()).toBe(`9.8.7+${revision}`);
        fs.writeFileSync(join(home, "src", "part.ts"), "// changed");
        expect(await version()).toBe(`9.8.7+${revision}.dirty`);
      }),
    60_000,
  );

  test(
    "reads neither .env nor bunfig.toml of the directory that it is started in",
    () =>
      inSources(async (home, build) => {
        await build();
        const cwd = join(home, "elsewhere");
        fs.mkdirSync(cwd);
        fs.writeFileSync(join(cwd, ".env"), "PROBE=obeyed\n");
        fs.writeFileSync(join(cwd, "bunfig.toml"), 'preload = ["./hostile.ts"]\n');
        fs.writeFileSync(join(cwd, "hostile.ts"), 'process.env["PROBE"] = "obeyed"; console.log("obeyed");');
        const finished = await run(join(home, "dist", "proa"), [], { cwd, env: {} });
        expect(finished).toEqual({ status: 0, stderr: "", stdout: '{"version":"9.8.7","probe":null}\n' });
      }),
    60_000,
  );
});
