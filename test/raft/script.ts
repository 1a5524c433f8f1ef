/**
 * Runs a protocol script: lines that begin with `>` are commands, the lines below each are what it brought about.
 * Returns the script with those lines as they really are; comments and blank lines stay.
 *
 *     nodes 3 [learners 1] [spares 1] [KEY N]…  a group, with nodes that know nobody; KEY is an option of the core, such as appendBytesMax
 *     past 2 term 3 [vote 1] log 1 1 2  before `start`: what node 2 has on disk
 *     start
 *     timeout 1                         the timer of node 1 runs out
 *     tick 1 100                        100 ms pass and node 1 notices
 *     pass 100                          100 ms pass and nobody notices yet
 *     deliver [A>B] [KIND]              what matches, and what comes of it, until nothing matches
 *     once [A>B] [KIND]                 only what is on its way now
 *     drop [A>B] [KIND]                 loses what matches
 *     keep [A>B] [KIND]                 remembers copies of what matches; `replay` delivers them again
 *     cut 1 [2 3]          heal         separates node 1 from the others, or from nodes 2 and 3; mends all links
 *     propose 1 x [y…]     read 1       transfer 1 2
 *     snapshot 1 [2]                    node 1 takes a snapshot and keeps the last 2 entries before it
 *     change 1 voters 2 3 [learners 1]  node 1 begins to change the configuration
 *     disk 2 slow|fast                  slow: writes wait for `persist 2 [count]`
 *     crash 2              restart 2
 *     show                              one line for each node
 */
import type { Message, MessageKind, NodeId, Term } from "../../src/raft/mod.ts";
import { Cluster, type ClusterOptions, type MessageFilter, type Past, testLimits } from "./harness.ts";
import { formatEntries, formatEvent, formatMembership } from "./trace.ts";

/** The text of the script as it should be. */
export function runScript(text: string): string {
  const run = new ScriptRun();
  const lines = text.split("\n").filter((line) => !line.startsWith("  "));
  return lines.flatMap((line) => (line.startsWith("> ") ? [line, ...run.command(line.slice(2))] : [line])).join("\n");
}

class ScriptRun {
  private options: ClusterOptions | null = null;
  private readonly pasts: Record<NodeId, Past> = {};
  private started: Cluster | null = null;
  private kept: readonly Message[] = [];
  private trace: string[] = [];

  command(line: string): readonly string[] {
    this.trace = [];
    const [verb = "", ...words] = line.split(" ").filter((word) => word !== "");
    this.perform(verb, words, line);
    return this.trace.map((traced) => `  ${traced}`);
  }

  private perform(verb: string, words: readonly string[], line: string): void {
    const id = Number(words[0]);
    switch (verb) {
      case "nodes":
        this.options = groupOf(words);
        return;
      case "past":
        this.pasts[id] = pastOf(words.slice(1));
        return;
      case "start":
        if (this.options === null) throw new Error("`nodes` comes first");
        this.started = new Cluster({
          ...this.options,
          pasts: this.pasts,
          observe: (event) => this.say(formatEvent(event)),
        });
        return;
      case "timeout":
        this.cluster.timeout(id);
        return;
      case "tick":
        this.cluster.advance(Number(words[1]));
        this.cluster.tick(id);
        return;
      case "pass":
        this.cluster.advance(id);
        return;
      case "deliver":
        this.cluster.deliver(filterOf(words));
        return;
      case "once":
        this.cluster.deliverOnce(filterOf(words));
        return;
      case "drop":
        this.cluster.take(filterOf(words));
        return;
      case "keep": {
        const { cluster } = this;
        const { pool } = cluster;
        this.kept = cluster.take(filterOf(words));
        cluster.pool = pool;
        return;
      }
      case "replay":
        for (const message of this.kept) this.cluster.step(message);
        return;
      case "cut":
        if (words.length === 1) this.cluster.isolate(id);
        else this.cluster.partition([id], words.slice(1).map(Number));
        return;
      case "heal":
        this.cluster.heal();
        return;
      case "propose":
        for (const text of words.slice(1)) this.propose(id, text);
        return;
      case "read":
        this.cluster.read(id);
        return;
      case "transfer": {
        const started = this.cluster.transfer(id, Number(words[1]));
        if (!started.ok) this.say(`refused: ${started.reason}`);
        return;
      }
      case "change": {
        const at = words.includes("learners") ? words.indexOf("learners") : words.length;
        const target = { voters: words.slice(2, at).map(Number), learners: words.slice(at + 1).map(Number) };
        const change = this.cluster.change(id, target);
        if (!change.ok) this.say(`refused: ${[change.reason, ...change.nodes].join(" ")}`);
        return;
      }
      case "disk":
        this.cluster.node(id).autoDisk = words[1] === "fast";
        if (words[1] === "fast") this.cluster.node(id).complete(this.cluster.node(id).writes.length);
        return;
      case "persist":
        this.cluster.node(id).complete(Number(words[1] ?? 1));
        return;
      case "crash":
        this.cluster.crash(id);
        return;
      case "restart":
        this.cluster.restart(id);
        return;
      case "snapshot":
        this.cluster.node(id).takeSnapshot(Number(words[1] ?? 0));
        return;
      case "show":
        for (const node of this.cluster.ids) this.show(node);
        return;
      default:
        throw new Error(`cannot understand: ${line}`);
    }
  }

  private propose(id: NodeId, text: string): void {
    const proposal = this.cluster.propose(id, text);
    if (!proposal.ok) this.say(`refused: ${proposal.reason}`);
  }

  private show(id: NodeId): void {
    const node = this.cluster.node(id);
    if (!node.up) {
      this.say(`n${id} is down`);
      return;
    }
    const { view } = node.raft;
    const { firstIndex, lastIndex, commitIndex } = view.log;
    const log = Array.from({ length: lastIndex - firstIndex + 1 }, (_, position) => {
      const index = firstIndex + position;
      return { index, term: view.log.termAt(index) };
    });
    const { snapshot } = view;
    const restored = snapshot === null ? "" : `, snapshot ${formatEntries([snapshot])}`;
    this.say(
      `n${id} ${view.role.kind}, term ${view.term}${restored}, log ${formatEntries(log)}, commit ${commitIndex}`,
    );
    if (view.log.memberships.currentIndex > view.log.compacted.index)
      this.say(`   lives by ${formatMembership(view.membership)}`);
  }

  private say(line: string): void {
    this.trace.push(line);
  }

  private get cluster(): Cluster {
    if (this.started === null) throw new Error("`start` comes first");
    return this.started;
  }
}

function groupOf(words: readonly string[]): ClusterOptions {
  const values = new Map<string, number>();
  for (let i = 1; i < words.length; i += 2) values.set(words[i] ?? "", Number(words[i + 1]));
  const limits = { ...testLimits };
  for (const [name, value] of values) {
    if (name === "learners" || name === "spares") continue;
    if (!(name in limits)) throw new Error(`the core has no option ${name}`);
    Object.assign(limits, { [name]: value });
  }
  return { voters: Number(words[0]), learners: values.get("learners") ?? 0, spares: values.get("spares") ?? 0, limits };
}

function pastOf(words: readonly string[]): Past {
  const after = (name: string): number | undefined =>
    words.includes(name) ? Number(words[words.indexOf(name) + 1]) : undefined;
  const terms: readonly Term[] = words.includes("log") ? words.slice(words.indexOf("log") + 1).map(Number) : [];
  const term = after("term") ?? terms.at(-1) ?? 0;
  const vote = after("vote");
  return vote === undefined ? { terms, term } : { terms, term, vote };
}

const kinds: readonly MessageKind[] = [
  "RequestPreVote",
  "RequestPreVoteResponse",
  "RequestVote",
  "RequestVoteResponse",
  "AppendEntries",
  "AppendEntriesResponse",
  "InstallSnapshot",
  "InstallSnapshotResponse",
  "Heartbeat",
  "HeartbeatResponse",
  "ReadIndex",
  "ReadIndexResponse",
  "TimeoutNow",
  "Removed",
];

/** `1>2`, `1>`, `>2` and the name of a message, in any order. */
function filterOf(words: readonly string[]): MessageFilter {
  let filter: MessageFilter = {};
  for (const word of words) {
    const kind = kinds.find((name) => name === word);
    const [from = "", to] = word.split(">");
    if (kind !== undefined) filter = { ...filter, kind };
    else if (to === undefined) throw new Error(`cannot understand: ${word}`);
    else
      filter = { ...filter, ...(from === "" ? {} : { from: Number(from) }), ...(to === "" ? {} : { to: Number(to) }) };
  }
  return filter;
}
