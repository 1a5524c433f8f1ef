/** Writes of the HTTP routes: one command, under the id that `Idempotency-Key` names, if it does (docs/http.md). */
import { ByteWriter } from "../lib/byte_writer.ts";
import { ByteReader } from "../lib/byte_reader.ts";
import { ProaError } from "../lib/errors.ts";
import { type CommandResult, type RequestId, onceProblem, parseRequestId, readResult, writeOnce } from "../wire/mod.ts";
import { type Exchange, submit } from "./exchange.ts";

/** Sends one command; the result is the caller's. Rejects as `submit` does, and with REQUEST_EXPIRED. */
export async function submitCommand(exchange: Exchange, command: Uint8Array): Promise<CommandResult> {
  const id = requestIdOf(exchange.request.headers);
  if (id === null) return await send(exchange, command);
  const writer = new ByteWriter(command.length + 128);
  writeOnce(writer, { ...id, commands: command });
  const { status, body } = await send(exchange, writer.peek()).catch((error: unknown) => {
    throw withRepetition(error);
  });
  const problem = onceProblem(status);
  if (problem !== null) throw problem;
  return ownResult(new ByteReader(body ?? new Uint8Array(0)));
}

function send(exchange: Exchange, body: Uint8Array): Promise<CommandResult> {
  return submit(exchange, { kind: "write", consistency: "linearizable", count: 1, body }, ownResult);
}

function ownResult(reader: ByteReader): CommandResult {
  const result = readResult(reader);
  return result.body === undefined ? result : { ...result, body: result.body.slice() };
}

/** The id of the request; null without one. Throws INVALID_REQUEST. */
export function requestIdOf(headers: Headers): RequestId | null {
  const text = headers.get("idempotency-key");
  if (text === null) return null;
  const id = parseRequestId(text);
  if (id !== null) return id;
  throw new ProaError(
    "INVALID_REQUEST",
    `Cannot take the Idempotency-Key ${JSON.stringify(text.slice(0, 100))}: it is not INDEX-NAME or INDEX-NAME.NUMBER`,
    { hint: "INDEX is the X-Proa-Applied of any answer, NAME is yours: 1 to 64 letters, digits or underscores" },
  );
}

/** What is unknown can be asked again. */
function withRepetition(error: unknown): unknown {
  if (!(error instanceof ProaError) || error.code !== "OUTCOME_UNKNOWN") return error;
  const { code, message, tried } = error;
  return new ProaError(code, message, {
    hint: "send it again with the same Idempotency-Key: it takes effect at most once",
    tried,
    cause: error,
  });
}
