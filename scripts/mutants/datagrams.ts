/** Bugs in how messages travel in datagrams. */
import { mutant, type Mutant } from "./mutant.ts";

export const datagramsMutants: readonly Mutant[] = [
  mutant("a late answer brings a session back", {
    file: "src/transport/datagram_link.ts",
    find: "    this.challenge = this.options.randomNumber(); // a late answer",
    replace: "    // a late answer",
  }),
  mutant("a fragment is put where the one before belongs", {
    file: "src/transport/assembly.ts",
    find: "piece.end), piece.which * piece.fragmentBytes);",
    replace: "piece.end), Math.max(0, piece.which - 1) * piece.fragmentBytes);",
  }),
  mutant("what was lost is not sent again", {
    file: "src/transport/datagram_link.ts",
    find: "this.outgoing?.outbox.findLost(now);",
    replace: "",
  }),
];
