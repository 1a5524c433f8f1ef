/** Which nodes a start runs, by what is on disk. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeClusterFile } from "../../src/local/cluster_file.ts";
import { Layout } from "../../src/local/layout.ts";
import { planCluster } from "../../src/local/plan.ts";
import { parseServers } from "../../src/local/server_list.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";

test("without data there are three nodes, or as many as are asked for", async () => {
  await inTempDirectory(async (directory) => {
    const layout = new Layout(join(directory, "none"));
    const usual = await planCluster(layout, null);
    expect([usual.fresh, usual.servers.map(({ id }) => id)]).toEqual([true, [1, 2, 3]]);
    expect((await planCluster(layout, 5)).servers).toHaveLength(5);
  });
});

test("data decides how many nodes there are, wherever they listened", async () => {
  await inTempDirectory(async (directory) => {
    const layout = layoutWithData(directory, [1, 2]);
    const plan = await planCluster(layout, null);
    expect([plan.fresh, plan.servers.map(({ id }) => id)]).toEqual([false, [1, 2]]);
    expect((await planCluster(layout, 2)).fresh).toBe(false);
    expect(await refusal(layout, 3)).toContain(`Cannot start 3 nodes: ${directory} holds a cluster of 2`);
  });
});

test("a cluster of which one node has lost its data is not continued", async () => {
  await inTempDirectory(async (directory) => {
    const layout = layoutWithData(directory, [1, 2]);
    layout.removeData(2);
    expect(await refusal(layout, null)).toContain("node 2 has lost its data");
    layout.removeData(1);
    expect((await planCluster(layout, null)).fresh).toBe(true);
  });
});

test("node directories that no local cluster made are left alone", async () => {
  await inTempDirectory(async (directory) => {
    const layout = new Layout(directory);
    addData(layout, 1);
    expect(await refusal(layout, null)).toContain("it holds nodes of another one");
  });
});

/** Why a plan is refused; empty when it is not. */
async function refusal(layout: Layout, nodes: number | null): Promise<string> {
  return planCluster(layout, nodes).then(
    () => "",
    (error: unknown) => String(error),
  );
}

function layoutWithData(directory: string, ids: readonly number[]): Layout {
  const layout = new Layout(directory);
  const servers = parseServers(ids.map((id) => `${id},127.0.0.1:${7000 + id}`).join(";"));
  writeClusterFile(layout, { mode: "down", servers, transport: "tcp", startedAt: "x" });
  for (const id of ids) addData(layout, id);
  return layout;
}

function addData(layout: Layout, id: number): void {
  mkdirSync(layout.nodeDirectory(id), { recursive: true });
  writeFileSync(join(layout.nodeDirectory(id), "identity.json"), "{}");
}
