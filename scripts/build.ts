/**
 * Compiles the executable `dist/proa` for this machine, and with the argument `module` the one file `dist/proa.mjs` for
 * Deno, unless it is there and nothing that went into it has changed.
 * Safe to call from many processes at once: one builds, the others wait and use what it built.
 */
import { Database } from "bun:sqlite";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
/** How long to wait for another process that is building: a build takes about two seconds. */
const lockTimeoutMs = 120_000;

/** The version in package.json, without a revision. */
export const packageVersion = readPackageVersion();

/** The path of an executable that is built from the sources as they are now. */
export function buildBinary(): string {
  const outfile = join(dist, process.platform === "win32" ? "proa.exe" : "proa");
  return buildOnce({ outfile, stampFile: join(dist, "proa.inputs"), make: () => compile({ target: null, outfile }) });
}

/** The path of the one file that Deno runs, built from the sources as they are now. */
export function buildModule(): string {
  const outfile = join(dist, "proa.mjs");
  return buildOnce({ outfile, stampFile: `${outfile}.inputs`, make: () => bundle(outfile) });
}

interface Product {
  readonly outfile: string;
  /** Names the inputs that `outfile` was built from. */
  readonly stampFile: string;
  readonly make: () => void;
}

function buildOnce({ outfile, stampFile, make }: Product): string {
  const wanted = fingerprint();
  const isFresh = (): boolean =>
    existsSync(outfile) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === wanted;
  if (isFresh()) return outfile;
  withBuildLock(() => {
    if (isFresh()) return; // the holder of the lock before us built it
    rmSync(stampFile, { force: true });
    make();
    writeFileSync(stampFile, wanted);
    console.error(`built ${relative(root, outfile)}`);
  });
  return outfile;
}

/**
 * Compiles for `target` (a name of Bun such as `bun-linux-arm64`; null is this machine) and moves the result to
 * `outfile`, so that whoever looks there sees the old file or the new one. Stops the process where the compiler fails.
 */
export function compile(options: { readonly target: string | null; readonly outfile: string }): void {
  // The source map beside it is left behind: the executable carries it.
  runBuilder(options.outfile, (built) => compilerArguments(options.target, built));
}

/** Puts all sources into one file that Deno runs, and that says so to a shell. */
function bundle(outfile: string): void {
  const shebang = "--banner=#!/usr/bin/env -S deno run --allow-all";
  runBuilder(outfile, (built) => [
    "build",
    "cli/deno.ts",
    "--target=node", // what Bun calls a program that imports node:* and knows nothing of Bun
    "--format=esm",
    "--minify-syntax",
    "--minify-whitespace",
    shebang,
    versionDefinition(),
    `--outfile=${built}`,
  ]);
  chmodSync(outfile, 0o755);
}

/** Runs the compiler of Bun, and moves what it made to `outfile`. */
function runBuilder(outfile: string, argumentsFor: (built: string) => readonly string[]): void {
  const temporary = join(dirname(outfile), `.build-${process.pid}`);
  const built = join(temporary, `proa${/\.(?:exe|mjs)$/.exec(outfile)?.[0] ?? ""}`);
  mkdirSync(temporary, { recursive: true });
  try {
    const { status, stdout, stderr } = spawnSync(process.execPath, argumentsFor(built), {
      cwd: root,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`Cannot build ${outfile}: ${stdout}${stderr}`);
    renameSync(built, outfile);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function compilerArguments(target: string | null, outfile: string): string[] {
  return [
    "build",
    "cli/bun.ts",
    "src/storage_thread.ts",
    "--compile",
    "--minify",
    "--bytecode",
    "--format=esm", // bytecode with a top-level await needs it
    "--splitting", // else every command loads, at its start, the built-in modules of all the others
    "--sourcemap=linked",
    "--no-compile-autoload-dotenv", // else the executable obeys files that lie where it is started
    "--no-compile-autoload-bunfig",
    versionDefinition(),
    ...(target === null ? [] : [`--target=${target}`]),
    `--outfile=${outfile}`,
  ];
}

function versionDefinition(): string {
  return `--define=PROA_VERSION=${JSON.stringify(buildVersion())}`;
}

/** The version with the revision that it was built from, such as `0.1.0+3f2a9c1b7d5e.dirty`; without one outside of git. */
function buildVersion(): string {
  if (!existsSync(join(root, ".git"))) return packageVersion;
  const git = ["--no-optional-locks", "describe", "--always", "--dirty=.dirty", "--abbrev=12", "--exclude=*"];
  const { status, stdout } = spawnSync("git", git, { cwd: root, encoding: "utf8" });
  return status === 0 ? `${packageVersion}+${stdout.trim()}` : packageVersion;
}

/** A hash of all that decides what the compiler makes: names and contents, never dates, which a checkout does not keep. */
function fingerprint(): string {
  const hash = createHash("sha256");
  const files = ["package.json", "package-lock.json", "tsconfig.json", join("scripts", "build.ts")];
  for (const folder of ["src", "cli"]) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (name.endsWith(".ts")) files.push(join(folder, name));
    }
  }
  for (const file of files.sort()) {
    const content = readFileSync(join(root, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.update(`${Bun.version}\0${buildVersion()}`).digest("hex");
}

/** Runs `action` while no other process does; the operating system frees the lock of a process that was killed. */
function withBuildLock(action: () => void): void {
  mkdirSync(dist, { recursive: true });
  const lock = new Database(join(dist, ".build-lock"));
  try {
    lock.run(`PRAGMA busy_timeout = ${lockTimeoutMs}`);
    lock.run("BEGIN EXCLUSIVE");
    action();
  } finally {
    lock.close();
  }
}

function readPackageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  if (typeof parsed === "object" && parsed !== null && "version" in parsed && typeof parsed.version === "string") {
    return parsed.version;
  }
  throw new Error("Cannot read package.json: it names no version");
}

if (import.meta.main) {
  try {
    const [what, ...more] = process.argv.slice(2);
    if (more.length > 0 || (what !== undefined && what !== "module"))
      throw new Error("Cannot build: the only argument is module");
    if (what === "module") buildModule();
    else buildBinary();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
