/** Reading the end of a file that somebody else appends to. */
import { expect, test } from "bun:test";
import { appendFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LogFile } from "../../src/local/log_file.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";

test("the last lines, then those that are completed later, each once", async () => {
  await inTempDirectory((directory) => {
    const path = join(directory, "log");
    const log = new LogFile(path);
    expect([log.lastLines(3), log.newLines()]).toEqual([[], []]);
    writeFileSync(path, "a\nb\nc\nd\nunfin");
    expect(log.lastLines(2)).toEqual(["c", "d"]);
    expect(log.newLines()).toEqual([]);
    appendFileSync(path, "ished ü\n\nlast\n");
    expect(log.newLines()).toEqual(["unfinished ü", "", "last"]);
    expect(log.newLines()).toEqual([]);
    expect(log.lastLines(0)).toEqual([]);
  });
});

test("a file that was cut is read from its beginning", async () => {
  await inTempDirectory((directory) => {
    const path = join(directory, "log");
    writeFileSync(path, "one\ntwo\n");
    const log = new LogFile(path);
    log.skipToEnd();
    truncateSync(path, 0);
    appendFileSync(path, "new\n");
    expect(log.newLines()).toEqual(["new"]);
  });
});

test("of a large file only the end is read, and no broken line is shown", async () => {
  await inTempDirectory((directory) => {
    const path = join(directory, "log");
    const line = "x".repeat(99);
    writeFileSync(path, `${line}\n`.repeat(20_000));
    const lines = new LogFile(path).lastLines(1_000_000);
    expect(lines.length).toBeGreaterThan(1000);
    expect(lines.length).toBeLessThan(20_000);
    expect(new Set(lines)).toEqual(new Set([line]));
  });
});
