/** Real nodes on a network that the kernel breaks: network namespaces, iptables and tc. Needs root on Linux. */
import { fileURLToPath } from "node:url";
import { expect, test } from "bun:test";
import { proaBinary } from "../helpers/binary.ts";
import { runFile } from "../helpers/runtime.ts";
import { obstacle, runInNamespaces } from "./namespaces.ts";
import { scenariosFor } from "./network_scenarios.ts";

proaBinary();

const reason = obstacle();
const suffix = reason === null ? "" : ` (left out: ${reason})`;
const child = fileURLToPath(new URL("network_child.ts", import.meta.url));

for (const [kind, other] of [
  ["udp", "TCP"],
  ["tcp", "UDP"],
] as const) {
  for (const nodes of kind === "udp" ? [3, 5] : [3]) {
    const scenarios = scenariosFor(kind, false).filter((scenario) => scenario.nodes === nodes);
    const name = `${nodes} nodes over ${kind}, without any ${other}, serve on a network that is broken in ${scenarios.length} ways`;
    test.skipIf(reason !== null)(
      `${name}${suffix}`,
      async () => {
        const { status, stdout, stderr } = await runInNamespaces([...runFile, child, kind, `${nodes}`]);
        const went = stdout.trim().split("\n");
        expect([went, status === 0 ? "" : stderr]).toEqual([scenarios.map((scenario) => `ok: ${scenario.name}`), ""]);
      },
      180_000,
    );
  }
}
