/**
 * When one peer is called and who is answered. An answer goes to the peer, whoever asked, so strangers are answered in
 * small numbers and change nothing else: neither what is remembered of a peer that has been met, nor whom it hears.
 */
import type { DatagramLimits } from "./datagram_limits.ts";
import type { Hello } from "./datagram_sections.ts";

/** A hello but for our challenge. */
export type Greeting = Pick<Hello, "isQuestion" | "answer" | "offer">;

/** Strangers that are answered at a time: enough for a peer to get through while others pretend to be it. */
const strangersMax = 32;

export class Greeter {
  private askAt: number;
  private askedAt = -Infinity;
  private sentAt = -Infinity;
  /** Whoever has seen what we sent, and waits for an answer. */
  private known: Omit<Greeting, "isQuestion"> | null = null;
  /** Challenges of whoever has not: a random choice of those that have come since we answered last. */
  private strangers: number[] = [];
  private strangersSeen = 0;

  /** It begins to call at `now`. */
  constructor(
    private readonly limits: Pick<DatagramLimits, "helloMs" | "helloGapMs">,
    private readonly randomNumber: () => number,
    now: number,
  ) {
    this.askAt = now;
  }

  /** When {@link take} has something to say. */
  get deadline(): number {
    if (this.known === null && this.strangers.length === 0) return this.askAt;
    return Math.min(this.askAt, this.sentAt + this.limits.helloGapMs);
  }

  /** Calls the peer as soon as the last call is old enough. */
  ask(now: number): void {
    this.askAt = Math.min(this.askAt, Math.max(now, this.askedAt + this.limits.helloMs));
  }

  /** Asks at once, since the peer has been silent. */
  ping(now: number): void {
    this.askAt = now;
  }

  /** The peer has answered. */
  onAnswered(): void {
    this.askAt = Infinity;
  }

  /** Answers somebody who has seen what we sent. */
  answerKnown(challenge: number, offer: number): void {
    this.known = { answer: challenge, offer };
  }

  /** Answers somebody who may have seen nothing; perhaps, when there are many. */
  answerStranger(challenge: number): void {
    this.strangersSeen++;
    if (this.strangers.length < strangersMax) this.strangers.push(challenge);
    else {
      const place = this.randomNumber() % this.strangersSeen;
      if (place < strangersMax) this.strangers[place] = challenge;
    }
  }

  /** What must be said now. `hasMet`: no answer of the peer is missing. `offer` is for strangers. */
  take(now: number, { hasMet, offer }: { readonly hasMet: boolean; readonly offer: number }): Greeting[] {
    if (now < this.deadline) return [];
    const isQuestion = !hasMet || now >= this.askAt;
    const greetings: Greeting[] = [];
    if (this.known !== null) greetings.push({ isQuestion, ...this.known });
    for (const answer of this.strangers) greetings.push({ isQuestion, answer, offer });
    if (greetings.length === 0) greetings.push({ isQuestion, answer: 0, offer });
    this.known = null;
    this.strangers = [];
    this.strangersSeen = 0;
    this.sentAt = now;
    if (isQuestion) this.askedAt = now;
    this.askAt = hasMet ? Infinity : now + this.limits.helloMs;
    return greetings;
  }
}
