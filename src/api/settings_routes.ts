/** `GET` and `PATCH /v1/settings`: what is agreed on for the whole cluster (docs/http.md). */
import { isRecord, parseJson } from "../client/json.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import { ProaError } from "../lib/errors.ts";
import {
  type Settings,
  readResult,
  readSettingsAnswer,
  settingNames,
  writeSet,
  writeSettingsQuery,
} from "../wire/mod.ts";
import { type Exchange, type Handler, submit } from "./exchange.ts";
import { jsonResponse } from "./responses.ts";
import { parseQuery } from "./target.ts";

const bodyBytesMax = 64 * 1024;

export const getSettings: Handler = async (exchange) => {
  parseQuery(exchange.target.query, []);
  return jsonResponse(exchange.context.node, { status: 200 }, await readSettings(exchange));
};

/** Answers with all settings as they are afterwards. */
export const patchSettings: Handler = async (exchange) => {
  const { context, request, deadline } = exchange;
  parseQuery(exchange.target.query, []);
  const wanted = { action: "change settings", what: "the body", bytesMax: bodyBytesMax, deadline };
  const settings = settingsOf(parseJson(await context.bodies.receive(request, wanted)));
  const writer = new ByteWriter();
  writeSet(writer, settings);
  await submit(exchange, { kind: "write", consistency: "linearizable", count: 1, body: writer.peek() }, readResult);
  return jsonResponse(context.node, { status: 200 }, await readSettings(exchange));
};

function readSettings(exchange: Exchange): Promise<Settings> {
  const writer = new ByteWriter(8);
  writeSettingsQuery(writer);
  const batch = { kind: "read", consistency: "linearizable", count: 1, body: writer.peek() } as const;
  return submit(exchange, batch, readSettingsAnswer);
}

function settingsOf(body: unknown): Partial<Settings> {
  if (!isRecord(body)) throw invalid("the body is not a JSON object");
  const settings: { -readonly [Name in keyof Settings]?: number } = {};
  for (const [key, value] of Object.entries(body)) {
    const name = settingNames.find((known) => known === key);
    if (name === undefined) throw invalid(`there is no setting ${JSON.stringify(key)}`);
    if (typeof value !== "number") throw invalid(`${name} is not a number`);
    settings[name] = value;
  }
  return settings;
}

function invalid(reason: string): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot change settings: ${reason}`, {
    hint: `the settings are ${settingNames.join(", ")}`,
  });
}
