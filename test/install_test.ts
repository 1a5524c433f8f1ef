/** install.sh on releases of a few bytes, with other machines played by small programs in PATH; and once on a real one. */
import { describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { run, type Finished } from "./helpers/run.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const script = join(root, "install.sh");

/** A proa that only knows its version. */
const fakeProa = (version: string): string => `#!/bin/sh\n[ "$1" = version ] && echo "proa ${version}"\n`;

/** A busy machine starts the dozens of programs of one test slowly. */
const timeoutMs = 30_000;

const has = (program: string): boolean => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

/** Directories of one test, with spaces in their names, removed at its end. */
class Scene {
  readonly home = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "proa install ")));
  readonly release = this.folder("a release");
  readonly fakes = this.folder("fake programs");
  readonly temporary = this.folder("temporary files");
  readonly dir = join(this.home, "new folder", "bin");
  readonly proa = join(this.dir, "proa");

  folder(name: string): string {
    const path = join(this.home, name);
    fs.mkdirSync(path, { recursive: true });
    return path;
  }

  /** Adds files to the release, gzipped where their name says so, and lists them in SHA256SUMS. */
  publish(files: Readonly<Record<string, string>>): void {
    for (const [name, content] of Object.entries(files)) {
      const bytes = name.endsWith(".gz") ? gzipSync(content) : Buffer.from(content);
      fs.writeFileSync(join(this.release, name), bytes);
      const sum = createHash("sha256").update(bytes).digest("hex");
      fs.appendFileSync(join(this.release, "SHA256SUMS"), `${sum}  ${name}\n`);
    }
  }

  /** Puts a program before the others of its name: it prints `output` and ends with `status`. */
  fake(name: string, output: string, status = 0): void {
    const text = `#!/bin/sh\ncat <<'EOF'\n${output}\nEOF\nexit ${status}\n`;
    fs.writeFileSync(join(this.fakes, name), text, { mode: 0o755 });
  }

  /** Plays a Linux machine, so that the tests mean the same on every one. */
  playLinux(machine = "x86_64", libc: "glibc" | "musl" = "glibc"): void {
    this.playSystem("Linux", machine);
    this.fake("getconf", libc === "glibc" ? "glibc 2.36" : "", libc === "glibc" ? 0 : 1);
    this.fake("ldd", libc === "musl" ? "musl libc (x86_64)\nVersion 1.2.5" : "ldd (GNU libc) 2.36");
  }

  playSystem(system: string, machine: string): void {
    const text = `#!/bin/sh\ncase $1 in -s) echo ${system} ;; -m) echo ${machine} ;; esac\n`;
    fs.writeFileSync(join(this.fakes, "uname"), text, { mode: 0o755 });
  }

  /** Runs the installer from the release into the directory of the scene. */
  install(...options: string[]): Promise<Finished> {
    return this.installer(["--from", this.release, "--dir", this.dir, ...options]);
  }

  installer(options: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
    const PATH = `${this.fakes}:${process.env["PATH"] ?? ""}`;
    const all = { ...process.env, PATH, HOME: this.home, TMPDIR: this.temporary, ...env };
    return run("sh", [script, ...options], { cwd: this.home, env: all });
  }

  /** What lies where the installer may write. */
  written(): readonly string[] {
    const inside = (path: string): string[] => (fs.existsSync(path) ? fs.readdirSync(path) : []);
    return [...inside(this.dir), ...inside(this.temporary)];
  }
}

async function inScene(body: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = new Scene();
  try {
    scene.playLinux();
    scene.publish({ "proa-1.2.0-linux-x64.gz": fakeProa("1.2.0"), "proa-1.2.0-linux-x64-musl.gz": fakeProa("musl") });
    await body(scene);
  } finally {
    fs.rmSync(scene.home, { recursive: true });
  }
}

function testScene(name: string, body: (scene: Scene) => Promise<void>): void {
  test(name, () => inScene(body), timeoutMs);
}

/** A test that needs a program: skipped, and saying why, where it is not installed. */
function testWith(program: string, name: string, body: (scene: Scene) => Promise<void>): void {
  const missing = !has(program);
  test.skipIf(missing)(`${name}${missing ? " (not installed here)" : ""}`, () => inScene(body), timeoutMs);
}

/** Checks that the installer refused: with this status and reason, a hint, and nothing on stdout. */
function expectRefusal(finished: Finished, status: number, reason: string): void {
  expect(finished.stderr).toContain(`install.sh: error: ${reason}`);
  expect(finished.stderr).toContain("\nhint: ");
  expect(finished.stdout).toBe("");
  expect(finished.status).toBe(status);
}

describe("install.sh installs", () => {
  testScene("into a new directory, and leaves nothing else behind", async (scene) => {
    const finished = await scene.install();
    expect(finished.stdout).toBe(`installed proa 1.2.0 as ${scene.proa}\n`);
    expect(finished.status).toBe(0);
    expect(fs.readFileSync(scene.proa, "utf8")).toBe(fakeProa("1.2.0"));
    expect(fs.statSync(scene.proa).mode & 0o777).toBe(0o755);
    expect(scene.written()).toEqual(["proa"]);
  });

  testScene("over a proa that is running, which runs on", async (scene) => {
    fs.mkdirSync(scene.dir, { recursive: true });
    fs.copyFileSync(process.execPath, scene.proa);
    const old = spawn(scene.proa, ["-e", "console.log('up'); setInterval(() => {}, 1000)"], { stdio: "pipe" });
    try {
      await once(old.stdout, "data");
      // This is what an installer that writes into the file would meet.
      if (process.platform === "linux") expect(() => fs.openSync(scene.proa, "r+")).toThrow("ETXTBSY");
      expect((await scene.install()).status).toBe(0);
      expect(fs.readFileSync(scene.proa, "utf8")).toBe(fakeProa("1.2.0"));
      expect(old.exitCode).toBe(null);
      expect(process.kill(old.pid ?? 0, 0)).toBe(true);
    } finally {
      old.kill("SIGKILL");
      await once(old, "exit");
    }
  });

  testScene("the version that is asked for, where there are several", async (scene) => {
    scene.publish({ "proa-1.3.0-rc.1-linux-x64.gz": fakeProa("1.3.0-rc.1") });
    expectRefusal(await scene.install(), 1, `Cannot choose: ${scene.release} has several versions`);
    const finished = await scene.install("--version", "v1.3.0-rc.1");
    expect(finished.stdout).toContain("installed proa 1.3.0-rc.1 as");
    expectRefusal(
      await scene.install("--version", "2.0.0"),
      1,
      "Cannot install proa 2.0.0 for linux-x64: SHA256SUMS of",
    );
  });

  testScene("one file of a release, compressed or not, from its path or address", async (scene) => {
    scene.publish({ "proa-1.2.0-plain": fakeProa("plain") });
    const places = [
      join(scene.release, "proa-1.2.0-plain"),
      join("a release", "proa-1.2.0-plain"),
      join(scene.release, "proa-1.2.0-linux-x64.gz"),
      pathToFileURL(join(scene.release, "proa-1.2.0-linux-x64-musl.gz")).href,
      pathToFileURL(scene.release).href,
      `${scene.release}/`,
    ];
    const versions: string[] = [];
    for (const place of places) {
      const { stdout } = await scene.installer([`--from=${place}`, `--dir=${scene.dir}`]);
      versions.push(stdout.split(" ")[2] ?? "");
    }
    expect(versions).toEqual(["plain", "plain", "1.2.0", "musl", "1.2.0", "1.2.0"]);
  });

  testScene("the release that lies beside it, without --from", async (scene) => {
    fs.copyFileSync(script, join(scene.release, "install.sh"));
    const beside = await run("sh", [join(scene.release, "install.sh"), "--dry-run"], { cwd: scene.home });
    expect(beside.stdout).toContain(`from ${scene.release} as`);
    const source = scene.folder("sources");
    fs.copyFileSync(script, join(source, "install.sh"));
    expectRefusal(
      await run("sh", ["install.sh", "--dir=x"], { cwd: source }),
      2,
      "there is no release beside this script",
    );
    fs.cpSync(scene.release, join(source, "dist", "release"), { recursive: true });
    const built = await run("sh", ["install.sh", "--dry-run"], { cwd: source });
    expect(built.stdout).toContain("from ./dist/release as");
  });

  testScene("to ~/.local/bin, and for root to /usr/local/bin", async (scene) => {
    const from = ["--from", scene.release, "--dry-run"];
    scene.fake("id", "1000");
    expect((await scene.installer(from)).stdout).toContain(` as ${scene.home}/.local/bin/proa\n`);
    scene.fake("id", "0");
    expect((await scene.installer(from)).stdout).toContain(" as /usr/local/bin/proa\n");
    expect((await scene.installer([...from, "--dir=relative/"])).stdout).toContain(` as ${scene.home}/relative/proa\n`);
  });

  testScene("and tells what keeps the command from being found", async (scene) => {
    expect((await scene.install()).stderr).toContain(`note: ${scene.dir} is not in PATH`);
    const PATH = `${scene.dir}:${scene.fakes}:${process.env["PATH"] ?? ""}`;
    const options = ["--from", scene.release, "--dir", scene.dir];
    expect((await scene.installer(options, { PATH })).stderr).toBe("");
    scene.fake("proa", "another");
    const shadowed = await scene.installer(options, { PATH: `${scene.fakes}:${PATH}` });
    expect(shadowed.stderr).toContain(`starts ${scene.fakes}/proa, which comes first in PATH`);
  });
});

describe("install.sh recognises", () => {
  const machines: readonly (readonly [system: string, machine: string, libc: "glibc" | "musl", platform: string])[] = [
    ["Linux", "x86_64", "glibc", "linux-x64"],
    ["Linux", "aarch64", "glibc", "linux-arm64"],
    ["Linux", "x86_64", "musl", "linux-x64-musl"],
    ["Darwin", "arm64", "musl", "darwin-arm64"],
    ["Darwin", "x86_64", "musl", "darwin-x64"],
  ];
  for (const [system, machine, libc, platform] of machines) {
    testScene(`${platform} by ${system} on ${machine}${system === "Linux" ? ` with ${libc}` : ""}`, async (scene) => {
      scene.playLinux(machine, libc);
      scene.playSystem(system, machine);
      scene.fake("sysctl", "0");
      fs.writeFileSync(join(scene.release, "SHA256SUMS"), machines.map((it) => `0  proa-1.0.0-${it[3]}.gz\n`).join(""));
      expect((await scene.install("--dry-run")).stdout).toContain(`proa-1.0.0-${platform}.gz from`);
    });
  }

  testScene("an Apple processor behind a translated shell", async (scene) => {
    scene.playSystem("Darwin", "x86_64");
    scene.fake("sysctl", "1");
    scene.publish({ "proa-1.2.0-darwin-arm64.gz": "" });
    expect((await scene.install("--dry-run")).stdout).toContain("proa-1.2.0-darwin-arm64.gz from");
  });

  testScene("systems and processors that proa is not made for", async (scene) => {
    scene.playSystem("SunOS", "x86_64");
    expectRefusal(await scene.install(), 1, "Cannot install on SunOS");
    scene.playSystem("MINGW64_NT-10.0", "x86_64");
    expectRefusal(await scene.install(), 1, "Cannot install on Windows");
    scene.playSystem("Linux", "riscv64");
    expectRefusal(await scene.install(), 1, "Cannot install on riscv64");
    scene.playLinux("aarch64");
    expectRefusal(await scene.install(), 1, "Cannot install proa for linux-arm64: SHA256SUMS of");
    expect(scene.written()).toEqual([]);
  });
});

describe("install.sh refuses and changes nothing when", () => {
  /** A scene in which an older proa is installed; after `body` it must still be there, alone. */
  function testUntouched(name: string, body: (scene: Scene) => Promise<void>): void {
    testScene(name, async (scene) => {
      fs.mkdirSync(scene.dir, { recursive: true });
      fs.writeFileSync(scene.proa, fakeProa("old"), { mode: 0o755 });
      const before = fs.statSync(scene.proa);
      await body(scene);
      expect(scene.written()).toEqual(["proa"]);
      expect(fs.statSync(scene.proa).ino).toBe(before.ino);
      expect(fs.readFileSync(scene.proa, "utf8")).toBe(fakeProa("old"));
    });
  }

  testUntouched("the file is not what SHA256SUMS says", async (scene) => {
    fs.appendFileSync(join(scene.release, "proa-1.2.0-linux-x64.gz"), "x");
    expectRefusal(await scene.install(), 1, `Cannot trust ${scene.release}/proa-1.2.0-linux-x64.gz`);
  });

  testUntouched("the file is missing", async (scene) => {
    fs.rmSync(join(scene.release, "proa-1.2.0-linux-x64.gz"));
    expectRefusal(await scene.install(), 1, "Cannot read");
  });

  testUntouched("there is no SHA256SUMS, or it does not list the file", async (scene) => {
    fs.writeFileSync(join(scene.release, "proa-other"), "");
    const other = ["--from", join(scene.release, "proa-other"), "--dir", scene.dir];
    expectRefusal(await scene.installer(other), 1, "Cannot install proa-other: SHA256SUMS of");
    fs.rmSync(join(scene.release, "SHA256SUMS"));
    expectRefusal(await scene.install(), 1, "Cannot verify anything from");
  });

  testUntouched("the program does not run on this machine", async (scene) => {
    fs.writeFileSync(join(scene.release, "SHA256SUMS"), "");
    scene.publish({ "proa-1.2.0-linux-x64.gz": "\x7fELF of another machine" });
    expectRefusal(await scene.install(), 1, "Cannot run proa-1.2.0-linux-x64.gz on this machine (linux-x64)");
  });

  testUntouched("the file is no gzip", async (scene) => {
    fs.writeFileSync(join(scene.release, "SHA256SUMS"), "");
    scene.publish({ "proa-1.2.0-linux-x64": "" });
    fs.renameSync(join(scene.release, "proa-1.2.0-linux-x64"), join(scene.release, "proa-1.2.0-linux-x64.gz"));
    const sums = join(scene.release, "SHA256SUMS");
    fs.writeFileSync(sums, fs.readFileSync(sums, "utf8").replace("x64\n", "x64.gz\n"));
    const finished = await scene.install();
    expect(finished.stderr).toContain("error: Cannot unpack proa-1.2.0-linux-x64.gz");
    expect(finished.status).toBe(1);
  });

  testUntouched("it is only asked what it would do", async (scene) => {
    const finished = await scene.install("--dry-run");
    const place = `${scene.release} as ${scene.proa}`;
    expect(finished).toEqual({
      status: 0,
      stderr: "",
      stdout: `would install proa-1.2.0-linux-x64.gz from ${place}\n`,
    });
    const removal = await scene.install("--uninstall", "--dry-run");
    expect(removal.stdout).toBe(`would remove ${scene.proa}\n`);
  });

  testUntouched("it is called in a way that it does not know", async (scene) => {
    expectRefusal(await scene.install("--frobnicate"), 2, "unknown option --frobnicate");
    expectRefusal(await scene.install("proa"), 2, "unknown option proa");
    expectRefusal(await scene.install("--version"), 2, "--version needs a value");
    expectRefusal(await scene.install("--dir="), 2, "--dir needs a value");
    expectRefusal(
      await scene.install("--from", "ftp://example.org/proa"),
      2,
      "--from takes a path, https:// or file://",
    );
    expectRefusal(
      await scene.install("--from", "http://example.org/proa"),
      2,
      "--from takes a path, https:// or file://",
    );
    expectRefusal(await scene.install("--from", "nowhere"), 1, "Cannot read nowhere: no such file or directory");
  });

  testUntouched("half of it arrived", async (scene) => {
    const text = fs.readFileSync(script, "utf8");
    const lastLine = text.lastIndexOf("main");
    const options = ["-s", "--", "--from", scene.release, "--dir", scene.dir];
    for (let length = 1; length <= lastLine; length += 997) {
      const env = { ...process.env, TMPDIR: scene.temporary };
      const finished = await run("sh", options, { cwd: scene.home, env, stdin: text.slice(0, length) });
      expect(finished.stdout).toBe("");
    }
    expect(text.slice(lastLine)).toBe('main "$@"\n');
  });

  testScene("the target is a directory", async (scene) => {
    fs.mkdirSync(scene.proa, { recursive: true });
    expectRefusal(await scene.install(), 1, `Cannot install ${scene.proa}: it is a directory`);
    expect(scene.written()).toEqual(["proa"]);
  });
});

describe("install.sh uninstalls", () => {
  testScene("proa and nothing else", async (scene) => {
    await scene.install();
    fs.writeFileSync(join(scene.dir, "other"), "");
    const finished = await scene.install("--uninstall");
    expect(finished.stdout).toContain(`removed ${scene.proa} (data directories of nodes are untouched)\n`);
    expect(finished.status).toBe(0);
    expect(scene.written()).toEqual(["other"]);
    expectRefusal(await scene.install("--uninstall"), 1, `Cannot uninstall: there is no ${scene.proa}`);
  });
});

describe("install.sh downloads", () => {
  /** PATH with what a bare system has, and `programs` besides. */
  function barePath(scene: Scene, programs: readonly string[]): string {
    const bare = scene.folder(`bare ${programs.join(" ")}`);
    const basics = ["sh", "cat", "cut", "sed", "tr", "id", "mktemp", "mkdir", "mv", "rm", "chmod", "gzip"];
    for (const program of [...basics, ...programs]) {
      const path = spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).stdout.trim();
      fs.symlinkSync(path, join(bare, program));
    }
    return `${scene.fakes}:${bare}`;
  }

  for (const program of ["curl", "wget"]) {
    testWith(program, `with ${program}`, async (scene) => {
      const server = createServer((request, response) => {
        const path = join(scene.release, basename(request.url ?? ""));
        if (!fs.existsSync(path) || fs.statSync(path).isDirectory()) response.writeHead(404).end("no such file");
        else response.end(fs.readFileSync(path));
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      const base = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/v1.2.0`;
      try {
        const PATH = barePath(scene, [program, "sha256sum"]);
        const installFrom = (from: string) => scene.installer(["--from", from, "--dir", scene.dir], { PATH });
        const finished = await installFrom(`${base}/`);
        expect(finished.stdout).toContain(`downloading ${base}/proa-1.2.0-linux-x64.gz\ninstalled proa 1.2.0 as`);
        expect(scene.written()).toEqual(["proa"]);
        expect((await installFrom(`${base}/proa-1.2.0-linux-x64-musl.gz`)).stdout).toContain("installed proa musl as");
        fs.rmSync(join(scene.release, "proa-1.2.0-linux-x64.gz"));
        const missing = await installFrom(base);
        expect(missing.stderr).toContain(`error: Cannot download ${base}/proa-1.2.0-linux-x64.gz`);
        expect(missing.status).toBe(1);
        fs.rmSync(join(scene.release, "SHA256SUMS"));
        expect((await installFrom(base)).stderr).toContain("error: Cannot verify anything from");
        expect(scene.written()).toEqual(["proa"]);
      } finally {
        server.closeAllConnections();
        server.close();
      }
    });
  }

  for (const tool of ["sha256sum", "shasum", "openssl"]) {
    testWith(tool, `and verifies with ${tool}`, async (scene) => {
      const env = { PATH: barePath(scene, tool === "shasum" ? ["shasum", "perl"] : [tool]) };
      const options = ["--from", scene.release, "--dir", scene.dir];
      expect((await scene.installer(options, env)).stdout).toContain("installed proa 1.2.0 as");
    });
  }

  testScene("and refuses without a tool to download or to verify with", async (scene) => {
    const env = { PATH: barePath(scene, []) };
    const local = ["--from", scene.release, "--dir", scene.dir];
    expectRefusal(await scene.installer(local, env), 1, "Cannot verify");
    const remote = ["--from", "https://127.0.0.1:1/", "--dir", scene.dir];
    expectRefusal(await scene.installer(remote, env), 1, "Cannot download: there is neither curl nor wget");
    expect(scene.written()).toEqual([]);
  });
});

for (const shell of [["dash"], ["bash", "--posix"], ["busybox", "sh"], ["ksh"], ["zsh", "--emulate", "sh"]]) {
  const name = shell[0] ?? "";
  testWith(name, `install.sh runs in ${name}`, async (scene) => {
    const env = { ...process.env, PATH: `${scene.fakes}:${process.env["PATH"] ?? ""}` };
    const options = [...shell.slice(1), script, "--from", scene.release, "--dir", scene.dir];
    expect((await run(name, options, { env })).stdout).toBe(`installed proa 1.2.0 as ${scene.proa}\n`);
  });
}

testWith("shellcheck", "shellcheck finds nothing", async () => {
  expect(await run("shellcheck", [script])).toEqual({ status: 0, stdout: "", stderr: "" });
});

test("a release for this machine installs and runs", async () => {
  const home = fs.mkdtempSync(join(tmpdir(), "proa release "));
  try {
    const release = join(home, "release");
    const built = await run(process.execPath, [
      join(root, "scripts", "release.ts"),
      "--only",
      "host",
      "--out",
      release,
    ]);
    expect(built.stderr).toBe("");
    expect(fs.readdirSync(release).sort()).toEqual(
      ["LICENSE", "SHA256SUMS", "THIRD_PARTY_NOTICES", "install.sh", basename(built.stdout.trim())].sort(),
    );
    const installed = await run("sh", [join(release, "install.sh"), "--dir", join(home, "bin")]);
    expect(installed.stdout).toContain("installed proa ");
    const version = await run(join(home, "bin", "proa"), ["version"], { cwd: home });
    expect(version.stdout).toContain("proa ");
    expect(version.status).toBe(0);
  } finally {
    fs.rmSync(home, { recursive: true });
  }
}, 60_000);
