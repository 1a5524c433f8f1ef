/** Keys and values of every kind, through the executable and back. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { proaBinary } from "../helpers/binary.ts";
import { withCluster } from "./cluster.ts";

proaBinary();
const mebibyte = 1024 * 1024;

test("a value of one mebibyte comes back as it was, and one byte more is refused with the limit", async () => {
  await withCluster(async (cluster) => {
    const value = Uint8Array.from({ length: mebibyte }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
    const file = join(cluster.directory, "value");
    writeFileSync(file, value);
    const put = await cluster.proa(["kv", "put", "big", `@${file}`]);
    expect(put.stderr).toBe("");
    expect(put.status).toBe(0);
    const response = await fetch(`http://${cluster.endpoint(2)}/v1/kv/big`);
    expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(value));
    const get = await cluster.proa(["kv", "get", "big", "--json"]);
    const { value_b64 } = JSON.parse(get.stdout) as { value_b64: string };
    expect(sha256(Buffer.from(value_b64, "base64"))).toBe(sha256(value));

    writeFileSync(file, new Uint8Array(mebibyte + 1));
    const over = await cluster.proa(["kv", "put", "big", `@${file}`]);
    expect(over.status).toBe(3);
    expect(over.stderr).toContain("1048576");
    const overHttp = await fetch(`http://${cluster.endpoint(1)}/v1/kv/big`, {
      method: "PUT",
      body: new Uint8Array(mebibyte + 1),
    });
    expect(overHttp.status).toBe(413);
    expect(await overHttp.json()).toMatchObject({
      error: { code: "TOO_LARGE", exit: 3, applied: "no", message: expect.stringContaining("1048576") },
    });
  });
}, 60_000);

test("keys of any bytes are kept apart and sorted by their bytes", async () => {
  await withCluster(async (cluster) => {
    const texts = [
      "a/b",
      "a b",
      "a",
      "~",
      "é",
      "😀",
      "\uffee",
      ".",
      "..",
      "a/../b",
      "a//b",
      "%41",
      "?x=1",
      "#",
      "+",
      "\\",
    ];
    const keys = [
      ...texts.map((text) => Buffer.from(text)),
      Buffer.from([0]),
      Buffer.from([0x61, 0]),
      Buffer.from([0xff]),
      Buffer.from([0xc3, 0x28]),
    ];
    for (const key of keys) {
      const put = await fetch(`http://${cluster.endpoint(1)}/v1/kv?key=${percentEncoded(key)}`, {
        method: "PUT",
        body: key,
      });
      expect(put.status).toBe(200);
    }
    for (const text of texts) {
      const get = await cluster.proa(["kv", "get", "--", text]);
      expect([get.status, get.stdout]).toEqual([0, text]);
    }
    const ls = await cluster.proa(["kv", "ls", "--json"]);
    const { kvs } = JSON.parse(ls.stdout) as { kvs: { key?: string; key_b64?: string }[] };
    const listed = kvs.map(({ key, key_b64 }) =>
      key === undefined ? Buffer.from(key_b64 ?? "", "base64") : Buffer.from(key),
    );
    const sorted = [...keys].sort((a, b) => Buffer.compare(a, b));
    expect(listed.map((key) => key.toString("hex"))).toEqual(sorted.map((key) => key.toString("hex")));
  });
}, 60_000);

test("conditions, deletes and their exit codes", async () => {
  await withCluster(async (cluster) => {
    const proa = cluster.proa.bind(cluster);
    expect(await proa(["kv", "put", "a", "1", "--if-absent"])).toMatchObject({ status: 0, stdout: "ok rev=2\n" });
    expect((await proa(["kv", "put", "a", "2", "--if-absent"])).status).toBe(6);
    const conflict = await proa(["kv", "put", "a", "2", "--if-rev", "7", "--json"]);
    expect(conflict.status).toBe(6);
    expect((JSON.parse(conflict.stderr) as { error: { revision: number } }).error.revision).toBe(2);
    expect(await proa(["kv", "put", "a", "2", "--if-rev", "2"])).toMatchObject({ status: 0, stdout: "ok rev=3\n" });
    expect(await proa(["kv", "put", "b", "-"], { stdin: "from stdin\n" })).toMatchObject({ status: 0 });
    expect((await proa(["kv", "get", "b"])).stdout).toBe("from stdin\n");
    expect(await proa(["kv", "put", "c", "--", "-5"])).toMatchObject({ status: 0 });
    expect((await proa(["kv", "get", "c"])).stdout).toBe("-5");
    expect((await proa(["kv", "del", "a"])).status).toBe(0);
    expect((await proa(["kv", "get", "a"])).status).toBe(5);
    expect((await proa(["kv", "del", "a"])).status).toBe(5);
    expect((await proa(["kv", "ls"])).stdout).toBe("b\nc\n");
  });
}, 60_000);

function percentEncoded(key: Uint8Array): string {
  return [...key].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
