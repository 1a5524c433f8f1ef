/** What somebody can do who sees everything between the nodes and sends to their replicate ports: nothing but be counted. */
import { assert } from "../../src/lib/assert.ts";
import { seededRandom, type Random } from "../../src/lib/random.ts";
import { flipped, noise, truncated } from "../transport/attacker.ts";
import type { BrokenWorld } from "./broken_world.ts";
import type { Recorder, Recording } from "./recorder.ts";

/** How much a stranger sends of each kind. */
const datagrams = 3000;
const connections = 30;

/** Old packets come again, to nodes that have been started again and under another leader than the one they speak of. */
export async function replayed(world: BrokenWorld): Promise<void> {
  const { cluster } = world;
  const recorder = recorderOf(world);
  await world.serves(5, 20_000);
  const { leader, others } = await world.roles();
  await world.runs("leader", "transfer", "--to", `${others[0]}`);
  await cluster.kill(leader);
  await world.serves(5, 20_000);
  cluster.start(leader);
  await cluster.caughtUp();
  const old = chosen(world, recorder.recordings);
  await world.changesNothing(async () => {
    for (const { to, chunks } of old) await recorder.send(to, joined(chunks));
  });
}

/** Random bytes, and what was recorded with its end cut off or one bit changed. */
export async function garbage(world: BrokenWorld): Promise<void> {
  const recorder = recorderOf(world);
  const random = seededRandom(6);
  await world.serves(5, 20_000);
  const old = chosen(world, recorder.recordings);
  const makers: readonly ((bytes: Uint8Array, random: Random) => Uint8Array)[] = [
    truncated,
    flipped,
    (_, random) => noise(random),
  ];
  await world.changesNothing(async () => {
    for (const make of makers) {
      for (const { to, chunks } of old) await recorder.send(to, make(joined(chunks), random));
    }
  });
}

function recorderOf({ recorder }: BrokenWorld): Recorder {
  assert(recorder !== null, "nobody records");
  return recorder;
}

/** Some of what was recorded, from all of the time. */
function chosen(world: BrokenWorld, recordings: readonly Recording[]): readonly Recording[] {
  const whole = recordings.filter(({ chunks }) => chunks.length > 0);
  const every = Math.ceil(whole.length / (world.kind === "udp" ? datagrams : connections));
  return whole.filter((_, at) => at % every === 0);
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(chunks));
}
