/** Real nodes on a network that the kernel breaks: network namespaces, iptables and tc. Needs root on Linux. */
import { fileURLToPath } from "node:url";
import { expect, test } from "bun:test";
import { proaBinary } from "../helpers/binary.ts";
import { runFile } from "../helpers/runtime.ts";
import { obstacle, runInNamespaces } from "./namespaces.ts";
import { journeyNames, journeyOf } from "./network_scenarios.ts";

proaBinary();

const reason = obstacle();
const suffix = reason === null ? "" : ` (left out: ${reason})`;
const child = fileURLToPath(new URL("network_child.ts", import.meta.url));

for (const [kind, other, names] of [
  ["udp", "TCP", journeyNames],
  ["tcp", "UDP", ["three", "recorded"]],
] as const) {
  for (const name of names) {
    const { nodes, scenarios } = journeyOf(name, kind, false);
    test.skipIf(reason !== null)(
      `${nodes} nodes over ${kind}, without any ${other}: ${scenarios.map((scenario) => scenario.name).join("; ")}${suffix}`,
      async () => {
        const { status, stdout, stderr } = await runInNamespaces([...runFile, child, kind, name]);
        const went = stdout.trim().split("\n");
        expect([went, status === 0 ? "" : stderr]).toEqual([scenarios.map((scenario) => `ok: ${scenario.name}`), ""]);
      },
      180_000,
    );
  }
}
