/** The error object of the service port (docs/http.md), read from bytes that nobody has checked. */
import { exitOfCode, ProaError } from "../lib/errors.ts";
import type { Applied, ErrorCode } from "../lib/errors.ts";
import { isRecord, parseJson } from "./json.ts";

/** The error that `body` holds, for an answer with `status`; null where it holds none. */
export function parseServerError(body: Uint8Array, status: number): ProaError | null {
  const parsed = parseJson(body);
  const error = isRecord(parsed) ? parsed["error"] : null;
  if (!isRecord(error) || typeof error["message"] !== "string") return null;
  const { code, message, hint, applied, tried, revision } = error;
  return new ProaError(knownCode(code, status), message, {
    ...(typeof hint === "string" ? { hint } : {}),
    ...(isApplied(applied) ? { applied } : {}),
    ...(Array.isArray(tried) ? { tried: tried.map(String) } : {}),
    ...(typeof revision === "number" ? { revision } : {}),
  });
}

function isApplied(value: unknown): value is Applied {
  return value === "no" || value === "unknown" || value === "yes";
}

/** A code that only a newer server knows becomes the nearest one that has the right exit status. */
function knownCode(code: unknown, status: number): ErrorCode {
  if (typeof code === "string" && isErrorCode(code)) return code;
  if (status === 504) return "OUTCOME_UNKNOWN";
  if (status === 503) return "NO_LEADER";
  if (status === 401 || status === 403) return "UNAUTHORIZED";
  return status < 500 ? "INVALID_REQUEST" : "INTERNAL";
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(exitOfCode, code);
}
