/**
 * `npm start` and `npm test` on a machine that has Node.js and npm (or Bun) and nothing else: installs what the
 * lockfile says, then hands over to Bun. Imports only what Node.js brings along, because it runs before the install.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** The npm package gives the executable this name on every platform. */
const bun = join(root, "node_modules", "bun", "bin", "bun.exe");
const binary = join(root, "dist", process.platform === "win32" ? "proa.exe" : "proa");
const [verb, ...rest] = process.argv.slice(2);
const startedBy = ancestors();

switch (verb) {
  case "install":
    install();
    break;
  case "start":
    install();
    run(bun, ["scripts/build.ts"]);
    handOver(binary, ["demo", ...rest]);
    break;
  case "test":
    install();
    run(bun, ["scripts/build.ts"]);
    // Most of the time goes into waiting for processes, so files run side by side; and a busy machine is no failure.
    handOver(bun, ["test", "--parallel", "--timeout=60000", ...rest]);
    break;
  default:
    fail(`Cannot run ${verb ?? "nothing"}: the verbs are install, start and test`);
}

/** Installs unless everything is there already, so that a second start costs nothing and works without a network. */
function install() {
  if (!isInstalled()) {
    console.error("proa: installing the packages of package-lock.json");
    if (process.versions.bun !== undefined) run(process.execPath, ["install", "--frozen-lockfile"]);
    else npm(["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"]);
  }
  if (bunRuns()) return;
  // The package puts the executable in place by a script of its own, which npm skips where scripts are switched off.
  run(process.execPath, [join("node_modules", "bun", "install.js")]);
  if (!bunRuns()) fail(`Cannot run ${bun}: the npm package "bun" brings no executable for this machine`);
}

/** Whether every package that the lockfile names for all platforms is there in its version. */
function isInstalled() {
  const { packages } = readJson("package-lock.json");
  return Object.entries(packages).every(
    ([path, { version, optional }]) =>
      path === "" || optional === true || readJson(join(path, "package.json"))?.version === version,
  );
}

function bunRuns() {
  return spawnSync(bun, ["--version"], { stdio: "ignore" }).status === 0;
}

/** The npm that started us, else the one in PATH (a `.cmd` file on Windows, which only a shell can start). */
function npm(args) {
  const started = process.env.npm_execpath;
  if (started?.endsWith(".js")) run(process.execPath, [started, ...args]);
  else run("npm", args, { shell: process.platform === "win32" });
}

/** Runs a step to its end; a failing step ends everything with its status. */
function run(command, args, options = {}) {
  // Steps write to stderr: what comes out of stdout belongs to the program that the user asked for.
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], ...options });
  if (error !== undefined) fail(`Cannot run ${command}: ${error.message}`);
  if (signal !== null) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}

/**
 * Runs the last step with our terminal, tells it the signals that it does not hear by itself, and ends as it ends.
 * A terminal sends Ctrl-C to the child as well as to us, so there it must not arrive a second time; sent to us alone
 * (by a supervisor, a script) it is passed on, once.
 */
function handOver(command, args) {
  let child = null;
  let told = false;
  const tell = (name) => {
    if (!told) child.kill(name);
    told = true;
  };
  // Before there is a child: a signal that arrives while it starts is for it, too.
  process.on("SIGTERM", tell);
  for (const name of ["SIGINT", "SIGHUP"]) {
    process.on(name, () => {
      if (!process.stdin.isTTY && !process.stdout.isTTY) tell(name);
    });
  }
  child = spawn(command, args, { cwd: root, stdio: "inherit" });
  if (startedBy !== null) setInterval(() => ancestors() === startedBy || tell("SIGTERM"), 250).unref();
  child.on("error", (error) => fail(`Cannot run ${command}: ${error.message}`));
  child.on("exit", (status, signal) => {
    if (signal === null) process.exit(status ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/**
 * What changes when the npm that started us is killed, alone or with the shell that it puts between itself and us:
 * neither tells us, and the child would run on for ever. Null where npm did not start us.
 */
function ancestors() {
  if (process.env.npm_lifecycle_event === undefined) return null;
  const parent = process.ppid;
  try {
    if (!readFileSync(`/proc/${parent}/cmdline`, "latin1").includes("\0-c\0")) return `${parent}`;
    const fields = readFileSync(`/proc/${parent}/stat`, "latin1").split(") ").at(-1).split(" ");
    return `${parent} ${fields[1]}`; // of the shell: its parent, npm
  } catch {
    return `${parent}`; // no /proc: there the shell becomes us, and npm is the parent
  }
}

/** The parsed file, or undefined where there is none. */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function fail(message) {
  console.error(`proa: error: ${message}`);
  process.exit(1);
}
