/**
 * What each command does: the revision rules, and nothing else. A command that changes at least one key raises the
 * revision by exactly one, and all keys that it changes share it; any other leaves everything as it is.
 */
import { assert, unreachable } from "../lib/assert.ts";
import {
  type CommandCursor,
  type CommandResult,
  decodeCompact,
  decodeSettings,
  rangeAnswerBytesMax,
} from "../wire/mod.ts";
import type { KeyRecord } from "./key_record.ts";
import type { KeySpace } from "./key_space.ts";
import type { StoreState } from "./store_state.ts";
import { applyTxn } from "./txn.ts";

/** A result that is filled in again for each command. */
export type ResultDraft = { -readonly [Name in keyof CommandResult]: CommandResult[Name] };

/** The most that the answers inside a transaction take: as much as a page of a range. Bytes. */
const txnAnswerBytesMax = rangeAnswerBytesMax;

/**
 * Carries out the command that `command` shows, and fills in all of `result`. `answerBytesMax` is what the answers inside
 * of a transaction may take; nothing else depends on it.
 */
export function applyCommand(
  state: StoreState,
  command: CommandCursor,
  result: ResultDraft,
  answerBytesMax: number,
): void {
  const { keys } = state;
  result.body = undefined;
  switch (command.kind) {
    case "put":
    case "delete":
      applyToKey(keys, command, result);
      break;
    case "deleteRange":
      finish(result, deleteRange(keys, { start: command.keyText(), end: command.endText() }));
      break;
    case "compact":
      keys.compact(decodeCompact(command.body()));
      finish(result, 0);
      break;
    case "set":
      state.settings = { ...state.settings, ...decodeSettings(command.body()) };
      finish(result, 0);
      break;
    case "txn": {
      const { changed, body } = applyTxn(keys, command.body(), Math.min(answerBytesMax, txnAnswerBytesMax));
      finish(result, changed);
      result.body = body;
      break;
    }
    case "query":
      assert(false, "a query stands inside a transaction");
    default:
      unreachable(command.kind);
  }
  result.revision = keys.revision;
}

/** A result of a command that is not about one key. */
function finish(result: ResultDraft, changed: number): void {
  result.status = "ok";
  result.modRevision = 0;
  result.changed = changed;
}

function applyToKey(keys: KeySpace, command: CommandCursor, result: ResultDraft): void {
  const previous = keys.get(command.keyText());
  const modRevision = previous === null ? 0 : previous.modRevision;
  if (command.ifRevision !== null && command.ifRevision !== modRevision) {
    result.status = "preconditionFailed";
    result.modRevision = modRevision;
    result.changed = 0;
    return;
  }
  result.status = "ok";
  result.modRevision = 0;
  result.changed = 1;
  if (command.kind === "put") result.modRevision = put(keys, previous, command);
  else if (previous !== null) keys.delete(previous, ++keys.revision);
  else result.changed = 0;
}

/** Puts where `previous` is, or nothing; returns the new revision. */
function put(keys: KeySpace, previous: KeyRecord | null, command: CommandCursor): number {
  const revision = ++keys.revision;
  const state = { value: command.copyValue(), revision, lease: 0 };
  if (previous === null) keys.create({ text: command.keyText(), bytes: command.keyView() }, state);
  else keys.overwrite(previous, state);
  return revision;
}

/** Deletes all keys of a range in one revision, and returns how many they were. */
function deleteRange(keys: KeySpace, range: { readonly start: string; readonly end: string | null }): number {
  const doomed = keys.recordsIn(range);
  if (doomed.length > 0) keys.revision++;
  for (const record of doomed) keys.delete(record, keys.revision);
  return doomed.length;
}
