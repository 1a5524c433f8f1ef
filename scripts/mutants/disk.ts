/** Bugs in what is written and what a completion of the disk means, and damage that is not noticed. */
import { mutant, type Mutant } from "./mutant.ts";

export const diskMutants: readonly Mutant[] = [
  mutant("term persisted after its entries", {
    file: "src/raft/raft.ts",
    find: "const hardState = dirty ?",
    replace: "const hardState = dirty && entries.length === 0 ?",
  }),
  mutant("late disk completion after truncation counted", {
    file: "src/raft/log.ts",
    find: "write.lastIndex = Math.min(write.lastIndex, index - 1);",
    replace: "write.lastIndex = write.lastIndex + 0;",
  }),
  mutant("frames are not checked", {
    file: "src/wire/frame.ts",
    find: "if (crc32(frame.subarray(offsets.magic, checksum)) !== u32At(frame, checksum)) {",
    replace: "if (crc32(frame.subarray(offsets.magic, checksum)) === -1) {",
  }),
  mutant("payloads are not checked", {
    file: "src/wire/entry_codec.ts",
    find: "if (entryChecksum(entry) !== entry.checksum) throw new CorruptError(`entry ${index} does not match its checksum`);",
    replace: "if (entryChecksum(entry) === -1) throw new CorruptError(`entry ${index} does not match its checksum`);",
  }),
];
