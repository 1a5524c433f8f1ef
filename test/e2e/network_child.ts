/**
 * A cluster on a network of its own, which is broken in one way after the other: says "ok" and which after each. As root,
 *
 *     bun test/e2e/network_child.ts [udp or tcp] [journey] [patient]
 *
 * with the protocol that the nodes speak (they hear nothing of the other), the name of a journey of network_scenarios.ts,
 * and `patient` to go through what takes long, too.
 */
import { fileURLToPath } from "node:url";
import { BrokenWorld } from "./broken_world.ts";
import { enterNamespaces } from "./namespaces.ts";
import { journeyOf } from "./network_scenarios.ts";

enterNamespaces(fileURLToPath(import.meta.url));
const [protocol, name = "three", patient] = process.argv.slice(2);
const kind = protocol === "tcp" ? "tcp" : "udp";
const journey = journeyOf(name, kind, patient === "patient");
const world = await BrokenWorld.start(kind, journey);
try {
  await world.serves();
  for (const scenario of journey.scenarios) {
    await scenario.run(world);
    await world.cluster.caughtUp();
    console.log(`ok: ${scenario.name}`);
  }
} catch (error) {
  for (const id of world.cluster.ids) console.error(`--- node ${id}\n${world.cluster.log(id).slice(-2000)}`);
  throw error;
} finally {
  await world.stop();
}
