/** `proa config`: the settings of a node as a file. */
import { command, option, required } from "../command.ts";
import { nodeSettingFlags } from "../config/node_settings.ts";
import { text } from "../parsers.ts";

const check = command({
  path: ["config", "check"],
  summary: "Say everything that is wrong with a configuration file",
  description: "One line for each mistake, with the line of the file. Exits with 2 when there is one.",
  args: { file: required(text, "a TOML file") },
  options: {},
  examples: [
    { command: "proa config check node.toml", does: "before a node is started with it" },
    { command: "proa config check node.toml --json", does: "for an editor or a script" },
  ],
  run: async ({ args }, context) => {
    const { checkConfig } = await import("./config_verbs.ts");
    checkConfig(args.file, context);
  },
});

const print = command({
  path: ["config", "print"],
  summary: "Show what a node would be started with, and where each setting comes from",
  description:
    "Takes the flags of proa node start, looks at the same variables and the same file, and starts nothing. What it prints is a configuration file itself.",
  args: {},
  options: {
    ...nodeSettingFlags,
    config: option("file", text, "a TOML file", { defaultText: "$PROA_CONFIG" }),
  },
  examples: [
    { command: "proa config print --config node.toml", does: "the file, completed by variables and defaults" },
    { command: "proa config print --id 1 --heartbeat 50ms > node.toml", does: "turn flags into a file" },
  ],
  run: async ({ options }, context) => {
    const { printConfig } = await import("./config_verbs.ts");
    printConfig(options, context);
  },
});

const schema = command({
  path: ["config", "schema"],
  summary: "Print the JSON Schema of configuration files",
  args: {},
  options: {},
  examples: [{ command: "proa config schema > proa.schema.json", does: "for an editor that completes TOML" }],
  run: async (_input, context) => {
    const { printSchema } = await import("./config_verbs.ts");
    printSchema(context);
  },
});

const example = command({
  path: ["config", "example"],
  summary: "Print a configuration file with every setting",
  args: {},
  options: {},
  examples: [{ command: "proa config example > node.toml", does: "a file to begin with" }],
  run: async (_input, context) => {
    const { printExample } = await import("./config_verbs.ts");
    printExample(context);
  },
});

export const configCommands = [check, print, schema, example] as const;
