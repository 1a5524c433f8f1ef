/** Bugs in what makes a request take effect at most once. */
import { mutant, type Mutant } from "./mutant.ts";

export const sessionsMutants: readonly Mutant[] = [
  mutant("a repeated request is carried out again", {
    file: "src/kv/commands.ts",
    find: "const remembered = state.sessions.find(once);",
    replace: 'const remembered: ReturnType<typeof state.sessions.find> = { kind: "new" };',
  }),
  mutant("requests are told apart by their numbers alone", {
    file: "src/kv/sessions.ts",
    find: "return `${born}-${session}`;",
    replace: "return `${born}-${session.slice(0, 0)}`;",
  }),
  mutant(
    "sessions are not in the snapshot",
    {
      file: "src/kv/image.ts",
      find: "listed(answersSection, sessions.items(), writeAnswer)",
      replace: "listed(answersSection, sessions.items().slice(0, 0), writeAnswer)",
    },
    {
      file: "src/kv/image.ts",
      find: "this.stateHash = state.hash();",
      replace: "this.stateHash = state.keys.stateHash().digest();",
    },
    {
      file: "src/kv/restoration.ts",
      find: "if (stateHash !== this.state.hash()) throw",
      replace: "if (stateHash !== this.state.keys.stateHash().digest()) throw",
    },
  ),
];
