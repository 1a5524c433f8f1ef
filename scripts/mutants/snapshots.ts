/** Bugs in what snapshots stand for, how they travel, and what they leave of the log. */
import { mutant, type Mutant } from "./mutant.ts";

export const snapshotsMutants: readonly Mutant[] = [
  mutant(
    "log compacted before the snapshot is durable",
    {
      file: "src/node/snapshotter.ts",
      find: "writer.commit(); // and only then may anything be compacted (rule S1)",
      replace: "Object.assign(this, { late: writer });",
    },
    {
      file: "src/node/snapshotter.ts",
      find: "    this.tidy(raft);\n    if (this.taking",
      replace:
        "    this.tidy(raft);\n    const { late } = this as { late?: SnapshotWriter };\n    late?.commit();\n    Object.assign(this, { late: undefined });\n    if (this.taking",
    },
  ),
  mutant("old snapshot removed before the new one is recorded", {
    file: "src/node/snapshotter.ts",
    find: "this.recording.push({ seq, name });",
    replace: "this.ports.store.removeAllBut([name]);",
  }),
  mutant(
    "snapshot says that it holds what is committed",
    {
      file: "src/node/snapshotter.ts",
      find: "const index = machine.appliedIndex;",
      replace: "const index = log.commitIndex;",
    },
    {
      file: "src/raft/snapshots.ts",
      find: 'assert(snapshot.index <= log.appliedIndex && log.matches(snapshot), "a snapshot is of what is applied (rule S1)");',
      replace: "",
    },
  ),
  mutant("start from a snapshot applies the trailing entries again", {
    file: "src/raft/log.ts",
    find: "this.handedOutIndex = restored.snapshot.index;",
    replace: "this.handedOutIndex = restored.compacted.index;",
  }),
  mutant("installed snapshot leaves the old log on disk", {
    file: "src/raft/log.ts",
    find: "      this.truncateFrom = this.compactedWritten + 1;\n    this.start",
    replace: "      this.truncateFrom = null;\n    this.start",
  }),
  mutant(
    "snapshot drops a matching tail",
    {
      file: "src/raft/snapshots.ts",
      find: "if (log.matches(snapshot)) commitUpTo(state, snapshot.index);",
      replace: "",
    },
    {
      file: "src/raft/snapshots.ts",
      find: "return snapshot.index > log.commitIndex && !log.matches(snapshot);",
      replace: "return snapshot.index > log.commitIndex;",
    },
    {
      file: "src/raft/log.ts",
      find: 'assert(!this.matches(snapshot), "a log that leads to the snapshot keeps what follows it");',
      replace: "",
    },
  ),
  mutant("snapshot of somebody else's past is installed", {
    file: "src/node/snapshotter.ts",
    find: "if (isLast && !raft.canInstall(snapshot)) {",
    replace: "if (isLast && !raft.canInstall(snapshot) && raft.view.term < 0) {",
  }),
  mutant("leader never leaves the snapshot state", {
    file: "src/raft/progress.ts",
    find: "if (this.matchIndex + 1 < firstIndex) return news;",
    replace: "if (this.matchIndex + 1 < firstIndex + Infinity) return news;",
  }),
  mutant("who waits for an entry in a snapshot waits for ever", {
    file: "src/node/group.ts",
    find: "this.waiters.onSkipped(this.machine.appliedIndex);",
    replace: "this.raft.view.log.hasPendingWrites;",
  }),
];
