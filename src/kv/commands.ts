/**
 * What each command does: the revision rules, and nothing else. A command that changes at least one key raises the
 * revision by exactly one, and all keys that it changes share it; any other leaves everything as it is.
 */
import type { CommandCursor, CommandResult } from "../wire/mod.ts";
import type { KeyRecord } from "./key_record.ts";
import { createdRecord, overwrittenRecord } from "./key_record.ts";
import type { KeySpace } from "./key_space.ts";

/** A result that is filled in again for each command. */
export type ResultDraft = { -readonly [Name in keyof CommandResult]: CommandResult[Name] };

/** Carries out the command that `command` shows, and fills in all of `result`. */
export function applyCommand(keys: KeySpace, command: CommandCursor, result: ResultDraft): void {
  if (command.kind === "deleteRange") deleteRange(keys, command, result);
  else applyToKey(keys, command, result);
  result.revision = keys.revision;
}

function applyToKey(keys: KeySpace, command: CommandCursor, result: ResultDraft): void {
  const key = command.keyText();
  const previous = keys.get(key);
  const modRevision = previous === null ? 0 : previous.modRevision;
  if (command.ifRevision !== null && command.ifRevision !== modRevision) {
    result.status = "preconditionFailed";
    result.modRevision = modRevision;
    result.changed = 0;
    return;
  }
  const changes = command.kind === "put" || previous !== null;
  if (changes) keys.revision++;
  if (command.kind === "put") put(keys, { key, previous }, command);
  else if (previous !== null) keys.delete(key);
  result.status = "ok";
  result.modRevision = command.kind === "put" ? keys.revision : 0;
  result.changed = changes ? 1 : 0;
}

/** Puts at the revision that the store already has. */
function put(keys: KeySpace, target: { key: string; previous: KeyRecord | null }, command: CommandCursor): void {
  const { key, previous } = target;
  const { revision } = keys;
  const value = command.copyValue();
  if (previous === null) keys.create(key, createdRecord({ key: command.keyView(), value, revision }));
  else keys.overwrite(key, { previous, next: overwrittenRecord(previous, { value, revision }) });
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
