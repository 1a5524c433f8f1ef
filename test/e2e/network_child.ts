/**
 * Clusters on a network of their own, which is broken in one way after the other: says "ok" and which after each. Run in
 * the namespaces that namespaces.ts makes, with the protocol that the nodes speak (they hear nothing of the other), how
 * many nodes there are, and `patient` to go through what takes long, too.
 */
import { BrokenWorld } from "./broken_world.ts";
import { scenariosFor } from "./network_scenarios.ts";

const [protocol, nodes = "3", patient] = process.argv.slice(2);
const kind = protocol === "tcp" ? "tcp" : "udp";
const world = await BrokenWorld.start(Number(nodes), kind);
try {
  await world.serves();
  for (const scenario of scenariosFor(kind, patient === "patient")) {
    if (scenario.nodes !== world.cluster.ids.length) continue;
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
