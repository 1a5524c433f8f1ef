/** `proa log show` and `proa log verify` on directories that no node uses. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { openDataDirectory } from "../../src/storage/mod.ts";
import { payloadVersion, writeDelete, writeDeleteRange, writePut } from "../../src/wire/mod.ts";
import { openSqlite } from "../helpers/runtime.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { testIdentity } from "../storage/identities.ts";
import { runSql } from "../storage/sqlite_world.ts";
import { entryOf, group, threeVoters, Writer } from "../storage/writes.ts";
import { jsonError, jsonObject, proa } from "./proa.ts";

const utf8 = new TextEncoder();

function payload(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(payloadVersion);
  write(writer);
  return writer.take();
}

/** A directory with three entries of commands. */
function written(root: string): string {
  const directory = join(root, "n1");
  const { storage } = openDataDirectory({ runtime: { openSqlite }, directory, expected: testIdentity });
  storage.load(group, threeVoters);
  const writer = new Writer(storage);
  const payloads = [
    payload((to) => {
      writePut(to, { key: utf8.encode("a\n"), value: utf8.encode("hello"), ifRevision: 0 });
      writePut(to, { key: Uint8Array.of(0xff), value: utf8.encode(""), ifRevision: 7 });
    }),
    payload((to) => writeDelete(to, { key: utf8.encode("a"), ifRevision: null })),
    payload((to) => writeDeleteRange(to, { start: utf8.encode("a"), end: utf8.encode("c") })),
  ];
  const entries = payloads.map((bytes, at) => entryOf({ index: at + 1, term: 3, payload: bytes }));
  writer.write({ hardState: { term: 4, vote: 2 }, entries });
  storage.close();
  return directory;
}

test(
  "log show prints entries with their commands, for people and for scripts",
  () =>
    inTempDirectory(async (root) => {
      const directory = written(root);
      const table = await proa(["log", "show", directory]);
      expect([table.status, table.stderr]).toEqual([0, ""]);
      expect(table.stdout.split("\n").map((line) => line.trim().replace(/ {2,}/g, " | "))).toEqual([
        "INDEX | TERM | KIND | BYTES | CONTENT",
        "1 | 3 | commands | 33 | put a\\x0a (5 B) if absent, put \\xff (0 B) if at 7",
        "2 | 3 | commands | 10 | delete a",
        "3 | 3 | commands | 13 | delete a..c",
        "",
      ]);
      const lines = await proa(["log", "show", directory, "--from", "1", "--limit", "1", "-o", "jsonl"]);
      expect(lines.stdout.trim().split("\n").map(jsonObject)).toEqual([
        {
          index: 1,
          term: 3,
          kind: "commands",
          bytes: 33,
          commands: [
            { command: "put", key: "a\n", if_rev: 0, value_bytes: 5 },
            { command: "put", key_b64: "/w==", if_rev: 7, value_bytes: 0 },
          ],
        },
      ]);
      const json = jsonObject((await proa(["log", "show", directory, "--from", "2", "--to", "2", "--json"])).stdout);
      expect(json).toMatchObject({
        first_index: 1,
        last_index: 3,
        term: 4,
        vote: 2,
        more: false,
        entries: [{ index: 2, commands: [{ command: "delete", key: "a" }] }],
      });
    }),
  30_000,
);

test(
  "log show goes on behind damage, and log verify names it with exit 7",
  () =>
    inTempDirectory(async (root) => {
      const directory = written(root);
      const whole = await proa(["log", "verify", directory]);
      expect([whole.status, whole.stdout, whole.stderr]).toEqual([
        0,
        "group 0: 3 entries whole, 1..3, 56 bytes, term 4\n",
        "ok\n",
      ]);
      runSql(directory, "UPDATE entries SET term = 2 WHERE idx = 2");
      const shown = await proa(["log", "show", directory]);
      expect(shown.status).toBe(0);
      expect(shown.stdout).toMatch(/2 +damaged +checksum mismatch\n +3 +3 +commands/);
      const verified = await proa(["log", "verify", directory, "--json"]);
      expect(verified.status).toBe(7);
      expect(jsonObject(verified.stdout)).toMatchObject({
        ok: false,
        groups: [{ entries: 2, last_index: 3 }],
        problems: ["group 0: entry 2: checksum mismatch"],
      });
      expect(jsonError(verified.stderr)).toMatchObject({ code: "CHECK_FAILED", exit: 7 });
      const missing = await proa(["log", "verify", root]);
      expect([missing.status, missing.stdout]).toEqual([5, ""]);
    }),
  30_000,
);
