/** Receives request bodies within limits of size, time and memory. */
import { ProaError } from "../lib/errors.ts";
import type { Clock } from "../node/mod.ts";
import type { ServiceLimits } from "./limits.ts";

export interface BodyRequest {
  /** "Cannot <do>: <what>" begins every complaint. */
  readonly action: string;
  readonly what: string;
  readonly bytesMax: number;
  /** When the body must be here, on the clock of the receiver. */
  readonly deadline: number;
}

export class BodyReceiver {
  private readonly clock: Clock;
  private readonly limits: ServiceLimits;
  /** What bodies that are being received may grow to, together. */
  private reservedBytes = 0;

  constructor(clock: Clock, limits: ServiceLimits) {
    this.clock = clock;
    this.limits = limits;
  }

  /** The whole body, which the caller owns. Throws TOO_LARGE, OVERLOADED, or INVALID_REQUEST where it does not arrive. */
  async receive(request: Request, wanted: BodyRequest): Promise<Uint8Array> {
    const declared = request.headers.get("content-length");
    const bytes = declared === null ? wanted.bytesMax : Number(declared);
    if (bytes > wanted.bytesMax) throw tooLarge(wanted, `${bytes} bytes`);
    if (request.body === null || bytes === 0) return new Uint8Array(0);
    if (this.reservedBytes + bytes > this.limits.receivingBytesMax) throw overloaded(wanted);
    this.reservedBytes += bytes;
    try {
      return await this.beforeDeadline(
        declared === null ? readStream(request.body, wanted) : readDeclared(request),
        wanted,
      );
    } finally {
      this.reservedBytes -= bytes;
    }
  }

  private beforeDeadline(body: Promise<Uint8Array>, wanted: BodyRequest): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const cancel = this.clock.at(wanted.deadline, () => {
        reject(new ProaError("INVALID_REQUEST", `Cannot ${wanted.action}: ${wanted.what} did not arrive in time`));
      });
      body.then(resolve, (error: unknown) => {
        reject(error instanceof ProaError ? error : brokenOff(wanted, error));
      });
      body.finally(cancel).catch(() => undefined);
    });
  }
}

async function readDeclared(request: Request): Promise<Uint8Array> {
  return new Uint8Array(await request.arrayBuffer());
}

async function readStream(stream: ReadableStream<Uint8Array>, wanted: BodyRequest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > wanted.bytesMax) throw tooLarge(wanted, `more than ${wanted.bytesMax} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks, length));
}

function tooLarge(wanted: BodyRequest, size: string): ProaError {
  return new ProaError(
    "TOO_LARGE",
    `Cannot ${wanted.action}: ${wanted.what} has ${size}, the limit is ${wanted.bytesMax}`,
  );
}

function overloaded(wanted: BodyRequest): ProaError {
  return new ProaError("OVERLOADED", `Cannot ${wanted.action}: too many request bodies are being received`, {
    hint: "nothing was changed: try again with fewer requests at once",
  });
}

/** The client went away or broke the rules of HTTP: no runtime has an error of its own for it. */
function brokenOff(wanted: BodyRequest, cause: unknown): ProaError {
  return new ProaError("INVALID_REQUEST", `Cannot ${wanted.action}: ${wanted.what} broke off`, { cause });
}
