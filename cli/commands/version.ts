/** `proa version`. */
import { command } from "../command.ts";
import { productVersion } from "../version.ts";

export const version = command({
  path: ["version"],
  summary: "Print the version of proa and of the runtime inside it",
  args: {},
  options: {},
  examples: [
    { command: "proa version", does: "for a bug report" },
    { command: "proa version --json", does: "for a script" },
  ],
  run: async (_input, { runtime, output }) => {
    const facts = {
      version: productVersion,
      runtime: runtime.name,
      runtime_version: runtime.version,
      platform: `${process.platform}-${process.arch}`,
    };
    output.result(
      facts,
      () => `proa ${facts.version} (${facts.runtime} ${facts.runtime_version}, ${facts.platform})\n`,
    );
  },
});
