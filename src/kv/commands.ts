/**
 * What each command does: the revision rules, and nothing else. A command that changes at least one key raises the
 * revision by exactly one, and all keys that it changes share it; any other leaves everything as it is.
 */
import { assert, unreachable } from "../lib/assert.ts";
import { ByteWriter } from "../lib/byte_writer.ts";
import type { Index } from "../raft/mod.ts";
import {
  CommandCursor,
  type CommandResult,
  type KeyRange,
  decodeCompact,
  decodeLease,
  decodeOnce,
  decodeSettings,
  grantedBody,
  missingBody,
  rangeAnswerBytesMax,
  writeResult,
} from "../wire/mod.ts";
import type { KeySpace } from "./key_space.ts";
import { applyLease } from "./lease_commands.ts";
import { type Row, noRow } from "./rows.ts";
import type { StoreState } from "./store_state.ts";
import { applyTxn } from "./txn.ts";

/** A result that is filled in again for each command. */
export type ResultDraft = { -readonly [Name in keyof CommandResult]: CommandResult[Name] };

/** The most that the answers inside a transaction take: as much as a page of a range. Bytes. */
const txnAnswerBytesMax = rangeAnswerBytesMax;

/** Where a command is carried out. */
export interface Circumstances {
  /** Of its entry. */
  readonly index: Index;
  /** What the answers inside of a transaction may take; nothing else depends on it. Bytes. */
  readonly answerBytesMax: number;
}

/** Carries out the command that `command` shows, and fills in all of `result`. */
export function applyCommand(state: StoreState, command: CommandCursor, result: ResultDraft, at: Circumstances): void {
  const { keys } = state;
  result.body = undefined;
  switch (command.kind) {
    case "put":
    case "delete":
      applyToKey(keys, command, result);
      break;
    case "deleteRange":
      finish(result, deleteRange(keys, command.rangeView()));
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
      const outcome = applyTxn(keys, command.body(), Math.min(at.answerBytesMax, txnAnswerBytesMax));
      finish(result, outcome.changed);
      result.status = outcome.status;
      result.body = outcome.body;
      break;
    }
    case "lease": {
      const outcome = applyLease(keys, decodeLease(command.body()));
      finish(result, outcome.changed);
      result.status = outcome.status;
      result.body = outcome.body;
      break;
    }
    case "once":
      applyOnce(state, command.body(), result, at.index);
      break;
    case "query":
      assert(false, "a query stands inside a transaction");
    default:
      unreachable(command.kind);
  }
  keys.leases.endDeserted();
  result.revision = keys.revision;
}

/** Carries out commands that have not been carried out under this id; else answers with what they answered then. */
function applyOnce(state: StoreState, body: Uint8Array, result: ResultDraft, index: Index): void {
  const once = decodeOnce(body);
  finish(result, 0);
  if (once.born >= index) {
    result.status = "requestUnborn";
    return;
  }
  const remembered = state.sessions.find(once);
  switch (remembered.kind) {
    case "answered":
      result.body = remembered.answer;
      return;
    case "expired":
      result.status = "requestExpired";
      return;
    case "new": {
      const { settings } = state;
      result.body = runAll(state, once.commands, index);
      state.sessions.save(once, result.body, {
        answersMax: settings.request_answers,
        bytesMax: settings.request_bytes,
      });
      return;
    }
    default:
      unreachable(remembered);
  }
}

/** The results of `commands`, the same on every node: they are kept. */
function runAll(state: StoreState, commands: Uint8Array, index: Index): Uint8Array {
  const results = new ByteWriter();
  const result: ResultDraft = { status: "ok", revision: 0, modRevision: 0, changed: 0, body: undefined };
  for (const command = new CommandCursor(commands); command.next();) {
    applyCommand(state, command, result, { index, answerBytesMax: txnAnswerBytesMax - results.length });
    writeResult(results, result);
  }
  return results.take();
}

/** A result of a command that is not about one key. */
function finish(result: ResultDraft, changed: number): void {
  result.status = "ok";
  result.modRevision = 0;
  result.changed = changed;
}

function applyToKey(keys: KeySpace, command: CommandCursor, result: ResultDraft): void {
  const previous = keys.find(command.commands, command.keyStart, command.keyEnd);
  const modRevision = keys.versions.rows.modRevision(previous); // 0 where there is none
  if (command.ifRevision !== null && command.ifRevision !== modRevision) {
    result.status = "preconditionFailed";
    result.modRevision = modRevision;
    result.changed = 0;
    return;
  }
  result.status = "ok";
  result.modRevision = 0;
  result.changed = 1;
  if (command.kind === "put") put(keys, previous, command, result);
  else if (previous !== noRow) keys.delete(previous, ++keys.revision);
  else result.changed = 0;
}

/** Puts where `previous` is, or nothing; unless its lease is missing, or there is no room for one. */
function put(keys: KeySpace, previous: Row, command: CommandCursor, result: ResultDraft): void {
  let { lease } = command;
  if (lease > 0 && keys.leases.get(lease) === null) {
    result.status = "leaseNotFound";
    result.changed = 0;
    result.body = missingBody(lease);
    return;
  }
  if (command.ttlMs > 0) {
    const granted = keys.leases.grant({ id: 0, ttlMs: command.ttlMs, bound: true });
    if (typeof granted === "string") {
      result.status = granted;
      result.changed = 0;
      return;
    }
    lease = granted.id;
    result.body = grantedBody(granted);
  }
  const revision = ++keys.revision;
  const state = { value: command.valueIn(keys.scratch), revision, lease };
  if (previous === noRow) keys.create(command.keyView(), state);
  else keys.overwrite(previous, state);
  result.modRevision = revision;
}

/** Deletes all keys of a range in one revision, and returns how many they were. */
function deleteRange(keys: KeySpace, range: KeyRange): number {
  const doomed = keys.rowsIn(range);
  if (doomed.length > 0) keys.revision++;
  for (const row of doomed) keys.delete(row, keys.revision);
  return doomed.length;
}
