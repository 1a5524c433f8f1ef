/** The files by which processes find each other, and what is made of damaged ones. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readClusterFile, writeClusterFile, type ClusterFile } from "../../src/local/cluster_file.ts";
import { Layout } from "../../src/local/layout.ts";
import { readNodeFile, removeNodeFile, writeNodeFile } from "../../src/local/node_file.ts";
import { finishRequest, pendingRequests, postRequest, requestIsPending } from "../../src/local/requests.ts";
import { parseServers } from "../../src/local/server_list.ts";
import { replaceFile } from "../../src/local/state_file.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";

const servers = parseServers("1,127.0.0.1:4001;2,127.0.0.1:4002");

test("node.json says who serves a directory, until it is removed", async () => {
  await inTempDirectory((directory) => {
    const file = { pid: 4711, id: 2, service: "127.0.0.1:5002", replicate: "127.0.0.1:4002", startedAt: "2030-01-01" };
    expect(readNodeFile(directory)).toBe(null);
    writeNodeFile(directory, file);
    expect(readNodeFile(directory)).toEqual(file);
    expect(readdirSync(directory)).toEqual(["node.json"]);
    removeNodeFile(directory);
    removeNodeFile(directory);
    expect(readNodeFile(directory)).toBe(null);
  });
});

test("a node.json that is damaged or says nonsense says nothing", async () => {
  await inTempDirectory((directory) => {
    const good = { pid: 1, id: 1, service: "h:1", replicate: "h:2", started_at: "x" };
    for (const bad of [
      { pid: -1 },
      { pid: "1" },
      { id: 1.5 },
      { service: 5001 },
      { replicate: null },
      { started_at: 0 },
    ]) {
      writeFileSync(join(directory, "node.json"), JSON.stringify({ ...good, ...bad }));
      expect(readNodeFile(directory)).toBe(null);
    }
    for (const text of ["", "{", "[]", "null", "\u0000"]) {
      writeFileSync(join(directory, "node.json"), text);
      expect(readNodeFile(directory)).toBe(null);
    }
    writeFileSync(join(directory, "node.json"), JSON.stringify(good));
    expect(readNodeFile(directory)?.pid).toBe(1);
  });
});

test("cluster.json reads back as it was written", async () => {
  await inTempDirectory((directory) => {
    const layout = new Layout(directory);
    expect(readClusterFile(layout)).toBe(null);
    for (const mode of ["foreground", "background", "down"] as const) {
      const file: ClusterFile = { mode, servers, transport: "udp", startedAt: "2030-01-01T00:00:00.000Z" };
      writeClusterFile(layout, file);
      expect(readClusterFile(layout)).toEqual(file);
    }
    writeFileSync(layout.clusterFile, JSON.stringify({ mode: "sideways", servers: "1,h:1", started_at: "x" }));
    expect(readClusterFile(layout)).toBe(null);
  });
});

test("a file is replaced whole, and nothing else is left behind when that fails", async () => {
  await inTempDirectory((directory) => {
    const path = join(directory, "file");
    replaceFile(path, "old");
    replaceFile(path, "new");
    expect(readFileSync(path, "utf8")).toBe("new");
    mkdirSync(join(directory, "occupied", "inside"), { recursive: true });
    expect(() => {
      replaceFile(join(directory, "occupied"), "text");
    }).toThrow();
    expect(readdirSync(directory).sort()).toEqual(["file", "occupied"]);
  });
});

test("a request is pending until it is finished; strange files are none", async () => {
  await inTempDirectory((directory) => {
    const layout = new Layout(directory);
    expect(pendingRequests(layout)).toEqual([]);
    postRequest(layout, { kind: "restart", id: 2 });
    postRequest(layout, { kind: "stop" });
    for (const name of ["restart-0", "restart-x", "stop-1", ".swp"])
      writeFileSync(join(layout.requestDirectory, name), "");
    expect(pendingRequests(layout)).toEqual([{ kind: "restart", id: 2 }, { kind: "stop" }]);
    finishRequest(layout, { kind: "restart", id: 2 });
    expect(requestIsPending(layout, { kind: "restart", id: 2 })).toBe(false);
    expect(requestIsPending(layout, { kind: "stop" })).toBe(true);
  });
});

test("deleting a cluster deletes what is its own, and nothing else", async () => {
  await inTempDirectory((directory) => {
    const layout = new Layout(join(directory, "demo"));
    for (const id of [1, 2]) {
      mkdirSync(layout.nodeDirectory(id), { recursive: true });
      writeFileSync(layout.nodeLog(id), "");
    }
    writeClusterFile(layout, { mode: "down", servers, transport: "tcp", startedAt: "x" });
    postRequest(layout, { kind: "stop" });
    for (const name of ["n01", "n1.log.old", "notes"]) writeFileSync(join(layout.directory, name), "");
    expect([layout.nodeIds(), layout.logIds()]).toEqual([
      [1, 2],
      [1, 2],
    ]);
    layout.removeAll();
    expect(readdirSync(layout.directory).sort()).toEqual(["n01", "n1.log.old", "notes"]);
    const empty = new Layout(join(directory, "other"));
    mkdirSync(empty.nodeDirectory(1), { recursive: true });
    empty.removeAll();
    expect(existsSync(empty.directory)).toBe(false);
    empty.removeAll();
  });
});
