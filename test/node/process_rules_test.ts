/** One real node by itself, with peers and a clock that the test plays: how it comes through a pause, and how it ends. */
import { expect, test } from "bun:test";
import { ByteWriter } from "../../src/lib/byte_writer.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { Store } from "../../src/kv/mod.ts";
import { defaultLimits, Node } from "../../src/node/mod.ts";
import { type Heartbeat, type Message, newMembership } from "../../src/raft/mod.ts";
import { MemorySnapshots, MemoryStorage } from "../../src/storage/mod.ts";
import { newTransportCounters, type Transport } from "../../src/transport/mod.ts";
import { writePut } from "../../src/wire/mod.ts";
import { VirtualClock } from "../helpers/virtual_clock.ts";

/** A node in a group of `voters`, what it sent, and how messages reach it. */
function nodeAlone(voters: readonly number[], store = new Store()) {
  const clock = new VirtualClock();
  const sent: Message[] = [];
  const transport: Transport = {
    onMessage: () => undefined,
    counters: newTransportCounters(),
    send: (messages) => void sent.push(...messages),
    connected: () => true,
    close: () => undefined,
  };
  const node = new Node(
    {
      id: 1,
      cluster: "test",
      clusterId: "0123456789abcdef0123456789abcdef",
      directoryNumber: 1,
      version: "0.0.0",
      pid: 1,
      servers: [],
      bootstrap: newMembership({ voters }),
      limits: defaultLimits,
      transportKind: "none",
      clusterKey: null,
    },
    {
      storage: new MemoryStorage({ autoComplete: true }),
      snapshots: new MemorySnapshots(),
      transport,
      clock,
      random: seededRandom(1),
      logger: silentLogger,
      newMachine: () => store,
    },
  );
  const settle = (): void => {
    while (clock.runDeferred());
  };
  settle();
  return { node, clock, sent, settle, receive: (message: Message) => transport.onMessage(message) };
}

function heartbeat(round: number): Heartbeat {
  return { kind: "Heartbeat", group: 0, directory: 0, from: 2, to: 1, term: 1, commitIndex: 0, round, session: 1 };
}

test("X2 after a pause of ten timeouts a follower reads what waited before it looks at its timer", () => {
  const { node, clock, sent, settle, receive } = nodeAlone([1, 2, 3]);
  receive(heartbeat(1));
  settle();
  expect(node.view(0).leader).toBe(2);
  sent.length = 0;
  // The process sleeps: time passes, its timers are long due, and the leader's heartbeats wait at its socket.
  clock.advance(10 * defaultLimits.electionTimeoutMs, () => undefined);
  for (let round = 2; round <= 100; round++) receive(heartbeat(round));
  settle();
  expect([node.view(0).role, node.view(0).leader, node.view(0).term]).toEqual(["follower", 2, 1]);
  expect(new Set(sent.map(({ kind }) => kind))).toEqual(new Set(["HeartbeatResponse"]));
});

test("X2 after a pause without news it campaigns once, not once for every timeout that it missed", () => {
  const { node, clock, sent, settle, receive } = nodeAlone([1, 2, 3]);
  receive(heartbeat(1));
  settle();
  sent.length = 0;
  clock.advance(10 * defaultLimits.electionTimeoutMs, () => undefined);
  settle();
  expect(node.view(0).role).toBe("preCandidate");
  expect(sent.map(({ kind, to }) => `${kind} ${to}`)).toEqual(["RequestPreVote 2", "RequestPreVote 3"]);
});

test("X5 what goes wrong in the middle of a turn is caught by nobody", () => {
  class BrokenStore extends Store {
    override apply(): void {
      throw new TypeError("a bug in apply");
    }
  }
  const { node, clock, settle } = nodeAlone([1], new BrokenStore());
  const writer = new ByteWriter();
  writePut(writer, { key: new Uint8Array([1]), value: new Uint8Array([2]), ifRevision: null });
  let outcome: string | null = null;
  expect(() => {
    clock.advance(3 * defaultLimits.electionTimeoutMs, settle);
    node.write(0, { commands: writer.take(), count: 1 }, ({ kind }) => (outcome = kind));
    settle();
  }).toThrow("a bug in apply");
  expect(outcome).toBe(null);
});
