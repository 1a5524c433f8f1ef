/**
 * The answers to requests that have a name, so that one that arrives again is answered and not carried out again (rule C1).
 * They are forgotten in the order in which they came, by count and bytes alone, so that all nodes forget the same. What
 * was forgotten is refused: a session that began no later than one that is gone, and is not known, may have been there.
 */
import { crc32 } from "../lib/checksum.ts";
import { RingQueue } from "../lib/ring_queue.ts";
import { keyBytes } from "../wire/mod.ts";
import type { RequestId } from "../wire/mod.ts";
import { StateHash, hashOfNumbers } from "./state_hash.ts";

export type Remembered =
  | { readonly kind: "answered"; readonly answer: Uint8Array }
  /** It never took effect here, and may now. */
  | { readonly kind: "new" }
  /** It may have taken effect, and its answer is forgotten. */
  | { readonly kind: "expired" };

export interface SessionLimits {
  /** How many answers are kept. */
  readonly answersMax: number;
  /** How much memory they may take. Bytes. */
  readonly bytesMax: number;
}

interface Session {
  readonly name: string;
  readonly checksum: number;
  readonly born: number;
  /** Every request up to this number whose answer is not there is expired. */
  forgotten: number;
  readonly answers: Map<number, Uint8Array>;
}

/** An answer in the order in which it was saved. */
interface Saved {
  readonly session: Session;
  readonly seq: number;
  readonly answer: Uint8Array;
}

/** An answer with all that an image says of it. */
export interface SessionItem extends RequestId {
  readonly forgotten: number;
  readonly answer: Uint8Array;
}

/** What an answer takes in memory besides its bytes. */
const answerOverheadBytes = 200;

export class Sessions {
  /** Those that have an answer. */
  private readonly sessions = new Map<string, Session>();
  private readonly queue = new RingQueue<Saved>();
  private readonly hash = new StateHash();
  private bytes = 0;
  /** A session that is not known and was born before this index is expired. */
  private bornMin = 0;
  /** How many answers were ever saved. */
  private savedCount = 0;

  get floor(): number {
    return this.bornMin;
  }

  get saved(): number {
    return this.savedCount;
  }

  find(id: RequestId): Remembered {
    const session = this.sessions.get(nameOf(id));
    if (session === undefined) return id.born < this.bornMin ? { kind: "expired" } : { kind: "new" };
    const answer = session.answers.get(id.seq);
    if (answer !== undefined) return { kind: "answered", answer };
    return id.seq <= session.forgotten ? { kind: "expired" } : { kind: "new" };
  }

  /** Keeps the answer to a request that is new, and forgets the oldest beyond `limits`. Takes over `answer`. */
  save(id: RequestId, answer: Uint8Array, limits: SessionLimits): void {
    this.add({ ...id, answer, forgotten: 0 });
    while (this.queue.length > limits.answersMax || (this.bytes > limits.bytesMax && this.queue.length > 1))
      this.forget();
  }

  private add({ answer, forgotten, ...id }: SessionItem): void {
    const name = nameOf(id);
    let session = this.sessions.get(name);
    if (session === undefined) {
      session = { name, checksum: crc32(keyBytes(name)), born: id.born, forgotten, answers: new Map() };
      this.sessions.set(name, session);
      this.hash.add(hashOfNumbers([session.checksum, forgotten]));
    }
    session.answers.set(id.seq, answer);
    const saved = { session, seq: id.seq, answer };
    this.hash.add(hashOf(saved));
    this.bytes += bytesOf(saved);
    this.queue.push(saved);
    this.savedCount++;
  }

  private forget(): void {
    const saved = this.queue.shift();
    if (saved === undefined) return;
    const { session, seq } = saved;
    session.answers.delete(seq);
    this.hash.subtract(hashOf(saved));
    this.bytes -= bytesOf(saved);
    this.hash.subtract(hashOfNumbers([session.checksum, session.forgotten]));
    session.forgotten = Math.max(session.forgotten, seq);
    if (session.answers.size > 0) {
      this.hash.add(hashOfNumbers([session.checksum, session.forgotten]));
      return;
    }
    this.sessions.delete(session.name);
    this.bornMin = Math.max(this.bornMin, session.born + 1);
  }

  /** All answers as they are now, in their order, whatever changes later. */
  items(): readonly SessionItem[] {
    return Array.from({ length: this.queue.length }, (_, at) => {
      const { session, seq, answer } = this.queue.at(at);
      const { born, forgotten, name } = session;
      return { born, session: name.slice(name.indexOf("-") + 1), seq, forgotten, answer };
    });
  }

  /** Takes in the items of an image; {@link restoreCounts} ends it. */
  restore(item: SessionItem): void {
    this.add(item);
  }

  restoreCounts(counts: { readonly floor: number; readonly saved: number }): void {
    this.bornMin = counts.floor;
    this.savedCount = counts.saved;
  }

  /** Everything that decides what will be answered and forgotten, as numbers for a hash. */
  hashNumbers(): readonly number[] {
    return [...this.hash.numbers(), this.bornMin, this.savedCount];
  }
}

function nameOf({ born, session }: RequestId): string {
  return `${born}-${session}`;
}

function hashOf({ session, seq, answer }: Saved): ReturnType<typeof hashOfNumbers> {
  return hashOfNumbers([session.checksum, seq, crc32(answer)]);
}

function bytesOf({ session, answer }: Saved): number {
  return answerOverheadBytes + session.name.length + answer.length;
}
