/** Whole batches of commands: their check where they enter, and the payload of an entry, which apply reads. */
import { unreachable } from "../lib/assert.ts";
import { CorruptError } from "../lib/errors.ts";
import { CommandCursor } from "./command_codec.ts";
import type { BatchCheck, CommandLimits, Refused } from "./limits.ts";
import { boundProblem, keyProblem, refused, valueProblem } from "./limits.ts";
import { decodeLease, leaseProblem, ttlProblem } from "./lease_codec.ts";
import { decodeOnce } from "./once_codec.ts";
import { decodeQuery, queryProblem } from "./query_codec.ts";
import { decodeCompact, decodeSettings, settingsProblem } from "./settings_codec.ts";
import { decodeTxn, txnProblem } from "./txn_codec.ts";

/** The first byte of the payload of every `commands` entry. */
export const payloadVersion = 1;

/**
 * Checks commands where they enter, before anything is written: format, limits, and that there is one (rule X4).
 * What passes here will be applied.
 */
export function validateCommands(commands: Uint8Array, limits: CommandLimits): BatchCheck {
  const cursor = new CommandCursor(commands);
  let count = 0;
  try {
    for (; cursor.next(); count++) {
      checkBody(cursor);
      const problem = commandProblem(cursor, limits);
      if (problem !== null) return problem;
    }
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error;
    return refused("INVALID_REQUEST", `Cannot read command ${count + 1} of the request: ${error.message}`);
  }
  if (count === 0) return refused("INVALID_REQUEST", "Cannot write: the request holds no command");
  return { ok: true, count };
}

function commandProblem(cursor: CommandCursor, limits: CommandLimits): Refused | null {
  switch (cursor.kind) {
    case "put":
      return (
        keyProblem("put", cursor.keyLength) ??
        valueProblem("put", cursor.restLength, limits) ??
        (cursor.ttlMs === 0 ? null : ttlProblem("put", cursor.ttlMs))
      );
    case "delete":
      return keyProblem("delete", cursor.keyLength);
    case "deleteRange":
      return boundProblem("delete", "start", cursor.keyLength) ?? boundProblem("delete", "end", cursor.restLength);
    case "set":
      return settingsProblem(decodeSettings(cursor.body()));
    case "txn":
      return txnProblem(decodeTxn(cursor.body()), (operation) => commandProblem(operation, limits));
    case "once":
      return onceBatchProblem(decodeOnce(cursor.body()).commands, limits);
    case "query":
      return queryProblem(decodeQuery(cursor.body()));
    case "lease":
      return leaseProblem(decodeLease(cursor.body()));
    case "compact":
      return refused("INVALID_REQUEST", "Cannot compact: the leader does it, by the settings of the history");
    default:
      return unreachable(cursor.kind);
  }
}

/** What is wrong with the commands of a request with an id. */
function onceBatchProblem(commands: Uint8Array, limits: CommandLimits): Refused | null {
  const check = validateCommands(commands, limits);
  return check.ok ? null : check;
}

/**
 * A cursor over the commands of an entry's payload, all of which are whole: apply, which cannot go back, reads on
 * without meeting an error halfway. Throws {@link CorruptError} otherwise.
 */
export function payloadCursor(payload: Uint8Array): CommandCursor {
  if (payload[0] !== payloadVersion) throw new CorruptError(`payload version ${payload[0]}, which is not known`);
  const commands = payload.subarray(1);
  const check = new CommandCursor(commands);
  while (check.next()) checkBody(check);
  return new CommandCursor(commands);
}

/** Why a payload cannot be applied by this program, in words: a newer one has made it (rule X4). Null if it can. */
export function payloadProblem(payload: Uint8Array): string | null {
  try {
    payloadCursor(payload);
    return null;
  } catch (error) {
    if (error instanceof CorruptError) return error.message;
    throw error;
  }
}

/** Throws {@link CorruptError} when the body of the command is not what its codec wrote. */
function checkBody(cursor: CommandCursor): void {
  switch (cursor.kind) {
    case "put":
    case "delete":
    case "deleteRange":
      return; // the cursor has read all of it
    case "compact":
      decodeCompact(cursor.body());
      return;
    case "set":
      decodeSettings(cursor.body());
      return;
    case "txn":
      decodeTxn(cursor.body());
      return;
    case "once":
      for (const nested = new CommandCursor(decodeOnce(cursor.body()).commands); nested.next();) {
        if (nested.kind === "once") throw new CorruptError("a request with an id inside of another");
        checkBody(nested);
      }
      return;
    case "lease":
      decodeLease(cursor.body());
      return;
    case "query":
      throw new CorruptError("a query outside of a transaction");
    default:
      unreachable(cursor.kind);
  }
}
