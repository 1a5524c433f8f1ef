/** `proa snapshot` where nodes break off, hang or lie, and where files are in the way. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { newMembership } from "../../src/raft/mod.ts";
import { SavedSnapshotEncoder } from "../../src/storage/mod.ts";
import { nodeHeaders } from "../client/foreign_server.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { jsonError, jsonObject, proa } from "./proa.ts";

/** The bytes of a saved snapshot, whose image is none. */
function savedBytes(): Uint8Array {
  const parts: Uint8Array[] = [];
  const facts = {
    clusterId: "0".repeat(32),
    cluster: "old",
    nodeId: 2,
    revision: 41,
    keys: 7,
    savedAt: "2026-01-02T03:04:05.678Z",
    version: "0.1.0",
  };
  const meta = { group: 0, index: 17, term: 2, membership: newMembership({ voters: [1] }) };
  const encoder = new SavedSnapshotEncoder(facts, meta, (bytes) => parts.push(bytes.slice()));
  encoder.append(new Uint8Array(5000));
  encoder.finish();
  return new Uint8Array(Buffer.concat(parts));
}

/** Runs `use` with the endpoint of a node that sends `bytes` as its snapshot, and then does what `end` says. */
async function withNode(
  bytes: Uint8Array,
  end: "end" | "cut" | "hang",
  use: (endpoint: string) => Promise<void>,
): Promise<void> {
  const server = createServer((_, response) => {
    response.writeHead(200, nodeHeaders);
    response.write(bytes, () => {
      if (end === "end") response.end();
      else if (end === "cut") response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test("a file is written as a whole, and replaces what was there, also through a link", () =>
  inTempDirectory((directory) =>
    withNode(savedBytes(), "end", async (endpoint) => {
      const [file, link] = [join(directory, "file"), join(directory, "link")];
      writeFileSync(file, "before");
      symlinkSync(file, link);
      const saved = await proa(["snapshot", "save", link, "-e", endpoint]);
      expect(saved).toEqual({
        status: 0,
        stdout: `saved revision 41, 7 keys, 5000 bytes to ${link}\n`,
        stderr: "",
      });
      expect(Buffer.compare(readFileSync(file), savedBytes())).toBe(0);
      expect(readdirSync(directory).sort()).toEqual(["file", "link"]);
      const info = jsonObject((await proa(["snapshot", "info", file, "--json"])).stdout);
      expect([info["revision"], info["index"], info["keys"], info["bytes"], info["ok"]]).toEqual([
        41,
        17,
        7,
        5000,
        true,
      ]);
      // The checksums fit, and still it is no image of a store.
      const where = ["--id", "1", "--servers", "1,127.0.0.1:4001", "--data", join(directory, "n1")];
      const restored = await proa(["snapshot", "restore", file, ...where]);
      expect([restored.status, restored.stderr.includes("not an image of a store")]).toEqual([9, true]);
      expect(existsSync(join(directory, "n1"))).toBe(false);
    }),
  ));

test("what is cut off, damaged or late is not taken for a snapshot, and what was there stays", () =>
  inTempDirectory(async (directory) => {
    const file = join(directory, "file");
    writeFileSync(file, "before");
    const whole = savedBytes();
    const damaged = whole.slice();
    damaged[3000] = 1;
    const cases = [
      [whole.subarray(0, 3000), "cut", "connection"],
      [whole.subarray(0, 3000), "end", "does not match its digest"],
      [damaged, "end", "does not match its digest"],
      [whole.subarray(0, 3000), "hang", "it sent nothing for 2000 ms"],
    ] as const;
    for (const [bytes, end, says] of cases) {
      const hurry = end === "hang" ? ["--timeout", "2s"] : [];
      await withNode(bytes, end, async (endpoint) => {
        const saved = await proa(["snapshot", "save", file, "-e", endpoint, "--json", ...hurry]);
        const error = jsonError(saved.stderr);
        expect([end, saved.status, error["code"], error["applied"]]).toEqual([end, 3, "UNREACHABLE", "no"]);
        expect(String(error["message"])).toContain(says);
        expect(readFileSync(file, "utf8")).toBe("before");
        expect(readdirSync(directory)).toEqual(["file"]);
      });
    }
    await withNode(whole.subarray(0, 3000), "end", async (endpoint) => {
      expect((await proa(["snapshot", "save", "-", "-e", endpoint])).status).toBe(3);
    });
  }));

test("what is no file is not written to, and what is none not read", () =>
  inTempDirectory(async (directory) => {
    mkdirSync(join(directory, "folder"));
    const calls: readonly (readonly [args: readonly string[], status: number, says: string])[] = [
      [["save", join(directory, "folder")], 2, "no file"],
      [["save", join(directory, "missing", "file")], 9, "ENOENT"],
      [["save", join(directory, "file"), "-e", "127.0.0.1:1", "--timeout", "1s"], 3, "no endpoint answers"],
      [["info", join(directory, "missing")], 2, "no such file"],
      [["info", join(directory, "folder")], 2, "it is no file"],
      [["restore", join(directory, "missing")], 2, "--id"],
      [
        ["restore", join(directory, "missing"), "--id", "2", "--servers", "1,a:1", "--data", "x"],
        2,
        "does not name it",
      ],
      [
        ["restore", "missing", "--id", "1", "--servers", "1,a:1;2,b:1", "--members", "1", "--data", "x"],
        2,
        "2 is in neither",
      ],
    ];
    for (const [args, status, says] of calls) {
      const done = await proa(["snapshot", ...args]);
      expect([args, done.status, done.stderr.includes(says) ? says : done.stderr]).toEqual([args, status, says]);
    }
    expect(readdirSync(directory)).toEqual(["folder"]);
  }));
