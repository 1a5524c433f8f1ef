/** Draws the plan of a seed: each seed mixes its own faults, sizes and limits, so that together they go where no single mix would. */
import type { Random } from "../lib/random.ts";
import { defaultLimits, type NodeLimits } from "../node/mod.ts";
import { defaultDatagramLimits } from "../transport/mod.ts";
import { between, happens, pick, streamOf } from "./chance.ts";
import { type DatagramPlan, driftMax, type FaultName, faultNames, type Plan, type Wishes } from "./plan.ts";

/** The plan of `seed`. What is wished for replaces what would be drawn, and changes nothing else. */
export function drawPlan(seed: number, wishes: Wishes): Plan {
  const random = streamOf(seed, "plan");
  const isLate = happens(streamOf(seed, "late"), lateShare);
  const drawnLimits = drawLimits(random, {
    snapshots: streamOf(seed, "snapshots"),
    company: streamOf(seed, "company"),
    news: streamOf(seed, "news"),
    rounds: streamOf(seed, "rounds"),
  });
  const limits = isLate ? { ...drawnLimits, ...drawLateLimits(streamOf(seed, "late limits")) } : drawnLimits;
  const { electionTimeoutMs } = limits;
  const drawn = {
    nodes: pick(random, [1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7]),
    clients: random.integer(1, 6),
    faultsMs: electionTimeoutMs * between(random, 5, 22),
    keyCount: random.integer(1, 6),
    delayMs: electionTimeoutMs * pick(random, [0.002, 0.01, 0.03]),
    writeMs: electionTimeoutMs * pick(random, [0, 0.003, 0.02, 0.06]),
    turnMs: electionTimeoutMs * pick(random, [0, 0, 0.005, 0.03]),
    pauseMs: electionTimeoutMs * pick(random, [0.05, 0.15, 0.3]),
    patienceMs: electionTimeoutMs * pick(random, [1, 4, 10]),
    valueBytesMax: pick(random, [4, 40, 400]),
    readWeight: pick(random, [0.2, 1, 4]),
    leaseShare: pick(streamOf(seed, "leases"), [0, 0, 0.3, 0.8]),
    transactionShare: pick(streamOf(seed, "transactions"), [0, 0, 0.2, 0.5]),
    hangingShare: pick(streamOf(seed, "leases of keys"), [0, 0, 0.2, 0.6]),
    historians: pick(streamOf(seed, "historians"), [0, 0, 1, 2]),
  };
  const faults = drawFaults(seed, wishes.faults ?? (isLate ? lateFaults : null));
  return {
    ...drawn,
    seed,
    leasesHold: drawn.leaseShare > 0 && happens(streamOf(seed, "clocks"), 0.7),
    ...drawMachines(seed, { wanted: wishes.nodes ?? null, drawn: drawn.nodes, changes: faults.has("members") }),
    clients: wishes.clients ?? drawn.clients,
    keys: ["a", "b", "c", "d", "e", "f"].slice(0, drawn.keyCount),
    faultsMs: wishes.faultsMs ?? drawn.faultsMs,
    powerCutAtWrite: wishes.powerCutAtWrite ?? null,
    faults,
    limits,
    datagrams: drawDatagrams(seed, electionTimeoutMs),
  };
}

/** The most machines of a run. */
const machinesMax = 7;

/** How many machines there are in the beginning, and how many may join them. Where they change there must be room for it. */
function drawMachines(
  seed: number,
  { wanted, drawn, changes }: { readonly wanted: number | null; readonly drawn: number; readonly changes: boolean },
): Pick<Plan, "nodes" | "joiners"> {
  if (!changes) return { nodes: wanted ?? drawn, joiners: 0 };
  const random = streamOf(seed, "machines");
  const nodes = wanted ?? pick(random, [1, 2, 3, 3, 3, 4, 5]);
  return { nodes, joiners: nodes < machinesMax ? random.integer(1, machinesMax - nodes) : 0 };
}

/** How many runs change their members: so much depends on it that it is not left to the mix. */
const changesShare = 0.4;

/** How many runs have a network that is late and repeats itself, and no other faults: what was overtaken has to arrive there. */
const lateShare = 0.15;
const lateFaults: readonly FaultName[] = ["duplicates", "replays", "stragglers", "shuffles"];

/** Snapshots that are often needed and whole in one message: of many pieces hardly any would arrive in order. */
function drawLateLimits(random: Random): Partial<NodeLimits> {
  const { appendBytesMax, snapshotSliceBytes, chunkBytesMax } = defaultLimits;
  return {
    snapshotEntries: pick(random, [2, 5, 10, 30]),
    trailingEntries: random.integer(1, 3),
    appendBytesMax,
    snapshotSliceBytes,
    chunkBytesMax,
  };
}

/** Each fault has a stream of its own, so that it is as strong without the others as with them. */
function drawFaults(seed: number, chosen: readonly FaultName[] | null): ReadonlyMap<FaultName, number> {
  const chance = pick(streamOf(seed, "mix"), [0, 0.05, 0.05, 0.1, 0.1, 0.15, 0.25, 0.5]);
  const faults = new Map<FaultName, number>();
  for (const name of faultNames) {
    const random = streamOf(seed, `strength of ${name}`);
    const strength = between(random, 0.05, 1);
    const isDrawn = happens(random, name === "members" ? changesShare : chance);
    if (chosen === null ? isDrawn : chosen.includes(name)) faults.set(name, strength);
  }
  return faults;
}

/** Exactly what the fault "drift" makes of two clocks at its worst. */
const clockRatioMax = (1 + driftMax) / (1 - driftMax);

/** How many runs carry their messages in datagrams. */
const datagramsShare = 0.2;

/** Datagrams that hold few messages, or a piece of one; and times in proportion to those of elections. */
function drawDatagrams(seed: number, electionTimeoutMs: number): DatagramPlan | null {
  const random = streamOf(seed, "datagrams");
  if (!happens(random, datagramsShare)) return null;
  const times = {
    assemblyMs: 8,
    gapMs: 1.5,
    bulkLifeMs: 4,
    urgentLifeMs: 1.5,
    resendMinMs: 0.1,
    resendMaxMs: 1,
    ackDelayMs: 0.02,
    helloMs: 0.3,
    helloGapMs: 0.02,
    pingMs: 1.5,
    silenceMs: 4.5,
  };
  const scaled = Object.fromEntries(Object.entries(times).map(([name, share]) => [name, share * electionTimeoutMs]));
  return {
    path: {
      datagramBytes: pick(random, [512, 600, 1200]),
      windowBytesMax: pick(random, [8_000, 50_000, 300_000]),
    },
    limits: {
      ...defaultDatagramLimits,
      ...scaled,
      windowBytesMin: pick(random, [4_000, 8_000]),
      urgentBytesMax: 4_000,
    },
  };
}

/** Limits so small that each of them is met. */
function drawLimits(
  random: Random,
  {
    snapshots,
    company,
    news,
    rounds,
  }: { readonly snapshots: Random; readonly company: Random; readonly news: Random; readonly rounds: Random },
): NodeLimits {
  const electionTimeoutMs = random.integer(80, 250);
  const chance = pick(random, [0, 0.3, 0.6, 1]);
  const small = (least: number, most: number, usual: number): number =>
    happens(random, chance) ? random.integer(least, most) : usual;
  const payloadBytesMax = small(16, 300, defaultLimits.payloadBytesMax);
  return {
    electionTimeoutMs,
    heartbeatMs: electionTimeoutMs / between(random, 3, 8),
    commitNewsMs: pick(news, [0, 0, 2, 5, 20]),
    readRoundMs: pick(rounds, [0, 2, 5, 20]),
    readCompanyMin: pick(rounds, [1, 2, 8]),
    readCompanyMs: pick(rounds, [0, 2, 10]),
    clockRatioMax,
    leaseMarginMs: 1,
    payloadBytesMax,
    ...drawCompany(company),
    appendBytesMax: small(1, 500, defaultLimits.appendBytesMax),
    inflightMessagesMax: small(1, 4, defaultLimits.inflightMessagesMax),
    inflightBytesMax: small(1, 500, defaultLimits.inflightBytesMax),
    uncommittedBytesMax: payloadBytesMax + small(0, 500, defaultLimits.uncommittedBytesMax),
    tailBytesMax: small(0, 500, defaultLimits.tailBytesMax),
    waitingBytesMax: small(500, 2000, defaultLimits.waitingBytesMax),
    waitGoalMs: defaultLimits.waitGoalMs,
    waitingWritesMax: small(1, 50, defaultLimits.waitingWritesMax),
    waitingReadBytesMax: small(100, 2000, defaultLimits.waitingReadBytesMax),
    waitingReadsMax: small(1, 8, defaultLimits.waitingReadsMax),
    applyBytesMax: small(1, 300, defaultLimits.applyBytesMax),
    answerBytesMax: small(1, 500, defaultLimits.answerBytesMax),
    ...drawSnapshots(snapshots),
  };
}

/** Mostly every batch leaves at once, so that much is under way; else few commands wait for company, as they do by default. */
function drawCompany(random: Random): Pick<NodeLimits, "uncommittedProposalsMax" | "batchBytesMin" | "writeCompanyMs"> {
  const uncommittedProposalsMax = random.integer(1, 3);
  if (!happens(random, 0.3)) return { uncommittedProposalsMax, batchBytesMin: 0, writeCompanyMs: 0 };
  return { uncommittedProposalsMax, batchBytesMin: random.integer(50, 1000), writeCompanyMs: random.integer(0, 20) };
}

/** Snapshots so often, and in such small pieces, that everything happens in the middle of one. */
function drawSnapshots(random: Random): SnapshotLimits {
  const snapshotEntries = pick(random, [2, 5, 10, 30, 100, defaultLimits.snapshotEntries]);
  return {
    snapshotEntries,
    snapshotBytes: pick(random, [100, 1000, 5000, defaultLimits.snapshotBytes]),
    trailingEntries: pick(random, [1, 3, 10, 50]),
    trailingBytes: pick(random, [1, 300, defaultLimits.trailingBytes]),
    // Each snapshot is longer than the last: the smallest slices of the most snapshots would be millions of turns.
    snapshotSliceBytes: pick(random, [snapshotEntries < 10 ? 300 : 50, 300, defaultLimits.snapshotSliceBytes]),
    chunkBytesMax: pick(random, [50, 100, 300, defaultLimits.chunkBytesMax]),
    inflightChunksMax: random.integer(1, 8),
  };
}

type SnapshotLimits = Pick<
  NodeLimits,
  | "snapshotEntries"
  | "snapshotBytes"
  | "trailingEntries"
  | "trailingBytes"
  | "snapshotSliceBytes"
  | "chunkBytesMax"
  | "inflightChunksMax"
>;
