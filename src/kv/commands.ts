/**
 * What each command does: the revision rules, and nothing else. A command that changes at least one key raises the
 * revision by exactly one, and all keys that it changes share it; any other leaves everything as it is.
 */
import { unreachable } from "../lib/assert.ts";
import type { CommandCursor, CommandResult } from "../wire/mod.ts";
import { createdRecord, overwrittenRecord } from "./key_record.ts";
import type { KeySpace } from "./key_space.ts";

/** A result that is filled in again for each command. */
export type ResultDraft = { -readonly [Name in keyof CommandResult]: CommandResult[Name] };

/** Carries out the command that `command` shows, and fills in all of `result`. */
export function applyCommand(keys: KeySpace, command: CommandCursor, result: ResultDraft): void {
  switch (command.kind) {
    case "put":
      put(keys, command, result);
      break;
    case "delete":
      deleteKey(keys, command, result);
      break;
    case "deleteRange":
      deleteRange(keys, command, result);
      break;
    default:
      unreachable(command.kind);
  }
  result.revision = keys.revision;
}

function put(keys: KeySpace, command: CommandCursor, result: ResultDraft): void {
  const key = command.keyText();
  const previous = keys.get(key);
  const modRevision = previous === null ? 0 : previous.modRevision;
  if (command.ifRevision !== null && command.ifRevision !== modRevision) return failed(result, modRevision);
  const revision = ++keys.revision;
  const value = command.copyValue();
  if (previous === null) keys.create(key, createdRecord({ key: command.keyView(), value, revision }));
  else keys.overwrite(key, { previous, next: overwrittenRecord(previous, { value, revision }) });
  result.status = "ok";
  result.modRevision = revision;
  result.changed = 1;
}

function deleteKey(keys: KeySpace, command: CommandCursor, result: ResultDraft): void {
  const key = command.keyText();
  const previous = keys.get(key);
  const modRevision = previous === null ? 0 : previous.modRevision;
  if (command.ifRevision !== null && command.ifRevision !== modRevision) return failed(result, modRevision);
  if (previous !== null) {
    keys.revision++;
    keys.delete(key);
  }
  result.status = "ok";
  result.modRevision = 0;
  result.changed = previous === null ? 0 : 1;
}

function deleteRange(keys: KeySpace, command: CommandCursor, result: ResultDraft): void {
  const doomed: string[] = [];
  keys.scan({ start: command.keyText(), end: command.endText() }, (key) => {
    doomed.push(key);
    return true;
  });
  if (doomed.length > 0) keys.revision++;
  for (const key of doomed) keys.delete(key);
  result.status = "ok";
  result.modRevision = 0;
  result.changed = doomed.length;
}

function failed(result: ResultDraft, modRevision: number): void {
  result.status = "preconditionFailed";
  result.modRevision = modRevision;
  result.changed = 0;
}
