/** Configuration files: what is wrong is said at once and with its line, and each source wins over the next. */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "bun:test";
import { readConfig } from "../../cli/config/config_file.ts";
import { settingNames, settingOf } from "../../cli/config/node_settings.ts";
import { resolveNode, sourcedSettings, valuesOf } from "../../cli/config/resolve.ts";
import { jsonSchema } from "../../cli/config/schema.ts";
import { linesOfKeys } from "../../cli/config/toml_lines.ts";
import { inTempDirectory } from "../helpers/temp_directory.ts";
import { proa } from "./proa.ts";

/** Runs `use` with the path of a file that holds `text`. */
async function withFile(text: string, use: (path: string) => void | Promise<void>): Promise<void> {
  await inTempDirectory(async (directory) => {
    const path = join(directory, "node.toml");
    writeFileSync(path, text);
    await use(path);
  });
}

/** For a process on a busy machine. Milliseconds. */
const patienceMs = 20_000;

const good = `id = 1
servers = [
  "1,127.0.0.1:4001", # not a key = [
  "2,127.0.0.1:4002",
]
data = "data"

[timing]
heartbeat = "50ms"
`;

describe("a configuration file", () => {
  test("says all that is wrong with it at once, each mistake with its key and line", () =>
    withFile(
      `id = "one"
servers = [
  "1,127.0.0.1:4001", # "[
  "2,127.0.0.1",
]
heartbeat = "50ms"
data = """
log_level = [
"""
[timing]
election_timeout = 600
heartbet = "1s"
[logs]
level = "loud"
`,
      (path) => {
        const reading = readConfig(path);
        expect(reading.ok ? [] : reading.mistakes).toEqual([
          { line: 1, key: "id", message: "expected an integer" },
          {
            line: 2,
            key: "servers",
            message:
              'Cannot read the server list: element 2 ("2,127.0.0.1") has the address "127.0.0.1", which is not host:port',
          },
          { line: 6, key: "heartbeat", message: "unknown key; did you mean timing.heartbeat?" },
          { line: 11, key: "timing.election_timeout", message: "expected a string, in quotes" },
          { line: 12, key: "timing.heartbet", message: "unknown key; did you mean timing.heartbeat?" },
          { line: 13, key: "logs", message: "unknown key" },
        ]);
      },
    ));

  const wrong: readonly (readonly [text: string, line: number, mistake: RegExp])[] = [
    ["id = 1\nid = 2\n", 2, /not TOML/],
    ["id = 1\n\n[timing\n", 3, /not TOML/],
    ["log_level = 'loud'\n", 1, /expected one of debug, info, warn, error/],
    ["timing = 5\n", 1, /expected a table/],
    ["[timing]\n\nheartbeat = '5 parsecs'\n", 3, /expected a duration such as 150ms, 2s or 5m/],
    ["cluster = 'a b'\n", 1, /expected 1 to 63 letters/],
    ["id = 0\n", 1, /expected an integer from 1 to/],
    ["id = 1.5\n", 1, /expected an integer/],
    ["[tming]\n", 1, /did you mean timing\?/],
    ["constructor = 1\n", 1, /./],
  ];
  for (const [text, line, mistake] of wrong) {
    test(`is refused: ${JSON.stringify(text)}`, () =>
      withFile(text, (path) => {
        const reading = readConfig(path);
        const mistakes = reading.ok ? [] : reading.mistakes;
        expect(mistakes.map((found) => found.line)).toEqual([line]);
        expect(mistakes[0]?.message ?? "").toMatch(mistake);
      }));
  }

  test("names paths from where it stands itself", () =>
    withFile(good, (path) => {
      const reading = readConfig(path);
      expect(reading.ok && reading.file.values.get("data")).toEqual({ text: join(dirname(path), "data"), line: 6 });
    }));
});

test("a flag wins over a variable, a variable over the file, the file over the default", () =>
  withFile(good, (path) => {
    const reading = readConfig(path);
    if (!reading.ok) throw new Error("a good file was refused");
    const sources = { typed: { id: 7 }, env: { PROA_ID: "8", PROA_CLUSTER: "sea" }, file: reading.file };
    const settled = sourcedSettings(sources);
    expect([...settled].map(([name, { source }]) => `${name} ${source.replace(path, "file")}`)).toEqual([
      "id --id",
      "servers file:2",
      "data file:6",
      "cluster PROA_CLUSTER",
      "electionTimeout default",
      "heartbeat file:9",
      "snapshotEntries default",
      "snapshotSize default",
      "transport default",
      "logLevel default",
    ]);
    const values = valuesOf(settled);
    expect({ id: values.id, cluster: values.cluster, heartbeat: values.heartbeat }).toEqual({
      id: 7,
      cluster: "sea",
      heartbeat: 50,
    });
    expect(() => resolveNode({ ...sources, env: { PROA_HEARTBEAT: "500ms" } })).toThrow("three heartbeats");
    expect(() => resolveNode({ ...sources, env: { PROA_HEARTBEAT: "soon" } })).toThrow("PROA_HEARTBEAT=soon");
    expect(() => resolveNode({ ...sources, file: null })).toThrow("without --servers");
  }));

test("keys are found on their lines, whatever stands in the values between them", () => {
  const lines = linesOfKeys(
    [
      'a = "x # ["',
      "b.c = [ # [",
      '  "]", """',
      "d = 1",
      '"""',
      "]",
      "[ e . f ]",
      "'g h' = {",
      "i = 1 }",
      "j = 1",
    ].join("\n"),
  );
  expect(Object.fromEntries(lines)).toEqual({ a: 1, b: 2, "b.c": 2, e: 7, "e.f": 7, "e.f.g h": 8, "e.f.j": 10 });
});

test(
  "the example is a good file with every setting in it, and the schema knows them all",
  async () => {
    const example = await proa(["config", "example"]);
    expect(example.status).toBe(0);
    const whole = example.stdout.replaceAll(/^# (?=[a-z_]+ = )/gm, "");
    await withFile(whole, (path) => {
      const reading = readConfig(path);
      expect(reading.ok && [...reading.file.values.keys()].sort()).toEqual([...settingNames].sort());
    });
    const schema = JSON.stringify(jsonSchema());
    for (const name of settingNames) expect(schema).toContain(`"${settingOf(name).key.split(".").at(-1) ?? ""}"`);
  },
  patienceMs,
);

describe("proa config", () => {
  test(
    "check names the line of what does not fit, and exits with 2",
    () =>
      withFile(`${good}election_timeout = "60ms"\n`, async (path) => {
        const { status, stdout, stderr } = await proa(["config", "check", path]);
        expect(status).toBe(2);
        expect(stdout).toMatch(/node\.toml:10: timing\.election_timeout: Cannot use this election timeout/);
        expect(stderr).toMatch(/it has a mistake/);
      }),
    patienceMs,
  );

  test(
    "print writes a file that says the same again, and where everything comes from",
    () =>
      withFile(good, async (path) => {
        const [json, printed] = await Promise.all([
          proa(["config", "print", "--config", path, "--json"]),
          proa(["config", "print", "--config", path]),
        ]);
        expect(json.stdout).toMatch(/"timing.heartbeat":\{"value":"50ms","source":".*node.toml:\d+"\}/);
        await withFile(printed.stdout, (copy) => {
          expect(heldBy(copy)).toEqual(heldBy(path));
        });
      }),
    patienceMs,
  );

  test(
    "a node with a bad file does not start, and says why",
    () =>
      withFile("id = 0\nport = 1\n", async (path) => {
        const [{ status, stderr }, missing] = await Promise.all([
          proa(["node", "start", "--config", path]),
          proa(["node", "start", "--config", `${path}.not`]),
        ]);
        expect(status).toBe(2);
        expect(stderr).toMatch(/line 1: id: expected an integer from 1 to \d+; line 2: port: unknown key/);
        expect(missing.status).toBe(2);
        expect(missing.stderr).toMatch(/there is no such file/);
      }),
    patienceMs,
  );
});

/** What holds with the file at `path` and nothing else. */
function heldBy(path: string): unknown {
  const reading = readConfig(path);
  if (!reading.ok) throw new Error(`${path} was refused`);
  return valuesOf(sourcedSettings({ typed: {}, env: {}, file: reading.file }));
}
