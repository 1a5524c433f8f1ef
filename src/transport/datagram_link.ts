/**
 * Everything between us and one peer: the greeting that makes two lives known to each other, and then frames both ways.
 * Pure: datagrams, frames and time go in, datagrams and frames come out; whoever owns it has the socket and the timer.
 *
 * The greeting: each side sends a hello with a random challenge, and answers the other's challenge with an offer of a
 * token. An offer counts only with the right answer, a datagram only with the token of the session. So neither can be
 * taken from a recording, and nobody who cannot see the datagrams can make one.
 */
import { ByteWriter } from "../lib/byte_writer.ts";
import type { NodeId } from "../raft/mod.ts";
import { Assembly } from "./assembly.ts";
import {
  datagramHeadBytes,
  type DatagramHead,
  datagramPrefix,
  numberBehind,
  type Seal,
  writeDatagramHead,
} from "./datagram.ts";
import { safeDatagramBytes, type LinkLimits } from "./datagram_limits.ts";
import { readGreeting, readSections, writeAck, writeBye, writeHello } from "./datagram_sections.ts";
import type { Ack, Hello, Section } from "./datagram_sections.ts";
import { Greeter, type Greeting } from "./greeter.ts";
import type { OutPiece } from "./lane.ts";
import { Outbox } from "./outbox.ts";
import { Sessions, type Session } from "./sessions.ts";
import type { TransportCounters } from "./transport.ts";

export interface LinkOptions {
  readonly self: NodeId;
  readonly peer: NodeId;
  readonly clusterId: Uint8Array;
  /** The random number of this life of ours. */
  readonly boot: number;
  readonly seal: Seal;
  /** The largest datagram to this peer. */
  readonly datagramBytes: number;
  readonly limits: LinkLimits;
  readonly counters: TransportCounters;
  /** A random integer above 0 and below 2^53 that nobody can guess. */
  readonly randomNumber: () => number;
  readonly onFrame: (frame: Uint8Array) => void;
  readonly onConnected: (isConnected: boolean) => void;
  /** No datagram of that size gets through: smaller ones are sent from now on. Bytes. */
  readonly onHole: (sizes: { readonly before: number; readonly now: number }) => void;
}

/** What the peer knows us by. */
interface Outgoing {
  readonly peerBoot: number;
  readonly token: number;
  /** What datagrams to it begin with. */
  readonly prefix: Uint8Array;
  readonly outbox: Outbox;
}

/** So many datagrams of no session are unsealed between two flushes: a peer that calls is among them, or calls again. */
const strangersMax = 500;

export class DatagramLink {
  private readonly sessions: Sessions;
  private outgoing: Outgoing | null = null;
  private lastNumber = 0;
  /** Ours, which the peer has to answer; a new one once it has. */
  private challenge: number;
  private readonly greeter: Greeter;
  /** Leave with the next datagrams, one each. */
  private greetings: Greeting[] = [];
  /** When an acknowledgement must leave. */
  private ackAt = Infinity;
  private heardAt = -Infinity;
  private pingAt = Infinity;
  /** The largest that is sent now. */
  private datagramBytes: number;
  private saysBye = false;
  /** Datagrams of no session since the last {@link flush}. */
  private strangersSeen = 0;
  private readonly writer = new ByteWriter(2048);
  /** What datagrams to somebody begin with by whom we are not known. */
  private readonly strangerPrefix: Uint8Array;

  /** It begins to call at `now`. */
  constructor(
    private readonly options: LinkOptions,
    now: number,
  ) {
    const { randomNumber, limits, counters, onFrame, self, peer } = options;
    const newAssembly = (): Assembly => new Assembly(limits, onFrame, () => counters.framesUnfinished++);
    const prefixOf = (boot: number, token: number): Uint8Array =>
      datagramPrefix({ from: peer, to: self, boot, token }, options);
    this.sessions = new Sessions({ randomNumber, newAssembly, prefixOf });
    this.strangerPrefix = this.prefixOf(0);
    this.challenge = randomNumber();
    this.greeter = new Greeter(limits, randomNumber, now);
    this.datagramBytes = options.datagramBytes;
  }

  get connected(): boolean {
    return this.outgoing !== null;
  }

  /** Bytes kept of frames that are not complete. */
  get keptBytes(): number {
    return this.sessions.current?.assembly.bytes ?? 0;
  }

  /** Takes a frame for the next {@link flush}; false when the peer is not there, or too much waits. */
  post(frame: Uint8Array, isOrdered: boolean, now: number): boolean {
    return this.outgoing?.outbox.post(frame, isOrdered, now) ?? false;
  }

  /**
   * The datagram in which `frame` leaves now; null where it has to be posted, because others are before it, or it does not
   * fit. A message that comes alone takes this way, which is short: who waits for one waits for what is done before it leaves.
   */
  express(frame: Uint8Array, isOrdered: boolean, now: number): Uint8Array | null {
    const { outgoing, writer } = this;
    if (outgoing?.outbox.mayExpress(frame.length, isOrdered, now) !== true) return null;
    const head = this.begin();
    this.acknowledge();
    return this.seal(head, outgoing.outbox.express(frame, isOrdered, { writer, now }), now);
  }

  /** When {@link flush} must be called, at the latest. */
  deadline(now: number): number {
    const { outgoing } = this;
    if (this.strangersSeen > 0 || outgoing?.outbox.seesHole === true) return now;
    const isQuiet = outgoing === null || outgoing.outbox.isQuiet;
    const outbox = isQuiet ? Infinity : Math.min(outgoing.outbox.readyAt(now), outgoing.outbox.deadline);
    const assembly = this.sessions.current?.assembly.deadline ?? Infinity;
    return Math.min(this.greeter.deadline, this.ackAt, this.pingAt, assembly, outbox);
  }

  /**
   * Whether a datagram for us is worth to be unsealed, as far as its head tells; what is not is counted. Unsealing costs
   * more than all else, and neither what is replayed by the thousand nor strangers may keep a node from its work.
   */
  expects({ boot, token, number }: DatagramHead, now: number): boolean {
    const { counters, limits } = this.options;
    const { current, offer } = this.sessions;
    if (current !== null && current.boot === boot && current.token === token) {
      if (!current.come.isSettled(number)) return true;
      counters.datagramsRepeated++;
      this.ackAt = Math.min(this.ackAt, now + limits.ackDelayMs); // our acknowledgement may have been lost
      return false;
    }
    if (token === offer || this.strangersSeen++ < strangersMax) return true;
    counters.datagramsStale++;
    return false;
  }

  /** The head of a datagram of the life that we listen to, which all of them have; null of any other, which has to be read. */
  headOf(datagram: Uint8Array): DatagramHead | null {
    const { current } = this.sessions;
    if (current === null) return null;
    const number = numberBehind(current.prefix, datagram);
    if (number === 0) return null;
    return { from: this.options.peer, to: this.options.self, boot: current.boot, token: current.token, number };
  }

  /** Takes in a datagram that {@link expects} has let through and whose body, unsealed, is `body`. Throws a `CorruptError`. */
  receive(head: DatagramHead, body: Uint8Array, now: number): void {
    const session = this.sessions.find(head.boot, head.token);
    if (session === null) {
      this.receiveStranger(head, readGreeting(body), now);
    } else if (session.come.add(head.number)) {
      this.heardAt = now;
      if (this.outgoing !== null) this.pingAt = now + this.options.limits.pingMs;
      if (!this.hasMetCaller) this.greeter.ask(now);
      let ack: Ack | null = null;
      for (const section of readSections(body)) {
        if (section.kind === "ack") ack = section;
        else this.take(section, session, now);
      }
      if (ack !== null) this.outgoing?.outbox.onAck(ack, now); // last: a frame is what somebody waits for
    }
  }

  /** What should leave now. */
  flush(now: number): readonly Uint8Array[] {
    const datagrams: Uint8Array[] = [];
    this.strangersSeen = 0;
    this.sessions.current?.assembly.sweep(now);
    this.maybePing(now);
    if (this.outgoing?.outbox.seesHole === true) this.shrink(now);
    this.outgoing?.outbox.findLost(now);
    this.greetings = this.greeter.take(now, { hasMet: this.hasMetCaller, offer: this.sessions.offer });
    for (let datagram = this.compose(now); datagram !== null; datagram = this.compose(now)) datagrams.push(datagram);
    return datagrams;
  }

  /** The last datagrams: tells the peer that we go. */
  bye(now: number): readonly Uint8Array[] {
    if (this.outgoing === null) return [];
    this.saysBye = true;
    const last = this.compose(now);
    this.disconnect(now);
    return last === null ? [] : [last];
  }

  /** Whether what we send goes to the life that we hear, if we hear any. */
  private get hasMetCaller(): boolean {
    const { current } = this.sessions;
    return this.outgoing !== null && (current === null || current.boot === this.outgoing.peerBoot);
  }

  /** Whoever has no token of ours may greet and nothing else; what else the datagram holds is not looked at. */
  private receiveStranger(head: DatagramHead, hello: Hello | null, now: number): void {
    const { counters } = this.options;
    if (hello === null) {
      counters.datagramsStale++;
      return this.greeter.ask(now); // perhaps we were started again and it has not noticed: a question makes it greet
    }
    counters.greetingsReceived++;
    if (hello.answer === this.challenge) this.takeHello(hello, head.boot, this.sessions.offer, now);
    else if (hello.isQuestion) this.greeter.answerStranger(hello.challenge);
  }

  private take(section: Exclude<Section, Ack>, session: Session, now: number): void {
    const { ackDelayMs } = this.options.limits;
    switch (section.kind) {
      case "hello":
        return this.takeHello(section, session.boot, session.token, now);
      case "piece":
        // A piece of a large frame is acknowledged before the frame keeps us busy; others may travel with their answer.
        this.ackAt = Math.min(this.ackAt, section.fragmentBytes < section.frameBytes ? now : now + ackDelayMs);
        return session.assembly.take(section, now);
      case "floor":
        return session.assembly.raiseFloor(section.number, now);
      case "bye":
        this.sessions.end();
        return this.disconnect(now);
    }
  }

  /** From somebody who sees what we send. `offer` is the token by which we know, or will know, the life `boot`. */
  private takeHello(hello: Hello, boot: number, offer: number, now: number): void {
    let isNew = false;
    if (hello.answer === this.challenge) {
      this.challenge = this.options.randomNumber();
      isNew = this.connect(boot, hello.offer, now);
      this.greeter.onAnswered();
    }
    if (hello.isQuestion || isNew) this.greeter.answerKnown(hello.challenge, offer); // so that it meets us, too
  }

  /** False when we are connected so already. */
  private connect(peerBoot: number, token: number, now: number): boolean {
    if (this.outgoing?.token === token && this.outgoing.peerBoot === peerBoot) return false;
    const { seal, limits, counters } = this.options;
    const { datagramBytes } = this;
    const bodyBytesMax = datagramBytes - datagramHeadBytes - seal.tagBytes;
    const wasConnected = this.outgoing !== null;
    this.outgoing?.outbox.clear();
    const outbox = new Outbox({ limits, datagramBytes, bodyBytesMax, counters });
    this.outgoing = { peerBoot, token, prefix: this.prefixOf(token), outbox };
    this.pingAt = now + limits.pingMs;
    this.heardAt = now;
    counters.connectionsOpened++;
    if (!wasConnected) this.options.onConnected(true);
    return true;
  }

  private disconnect(now: number): void {
    if (this.outgoing === null) return;
    this.outgoing.outbox.clear();
    this.outgoing = null;
    this.challenge = this.options.randomNumber(); // a late answer would bring back a session in which our numbers are used up
    this.pingAt = Infinity;
    this.greeter.ask(now);
    this.options.onConnected(false);
  }

  /** Begins anew with datagrams that pass everywhere: what was cut into larger pieces is dropped, and Raft sends it again. */
  private shrink(now: number): void {
    this.options.onHole({ before: this.datagramBytes, now: safeDatagramBytes });
    this.datagramBytes = safeDatagramBytes;
    this.disconnect(now);
  }

  /** Asks a peer that has been silent for long whether it is there; gives it up when it stays silent. */
  private maybePing(now: number): void {
    const { pingMs, silenceMs } = this.options.limits;
    if (now < this.pingAt) return;
    if (now >= this.heardAt + silenceMs) return this.disconnect(now);
    this.pingAt = now + pingMs / 4;
    this.greeter.ping(now);
  }

  /** The next datagram that should leave now; null when there is none. */
  private compose(now: number): Uint8Array | null {
    const { datagramBytes, outgoing, writer, saysBye } = this;
    const greeting = this.greetings.shift();
    const isAcking = now >= this.ackAt;
    const isFilling = outgoing !== null && outgoing.outbox.readyAt(now) <= now;
    if (greeting === undefined && !isAcking && !isFilling && !saysBye) return null;
    const head = this.begin();
    const end = datagramBytes - this.options.seal.tagBytes;
    if (greeting !== undefined) writeHello(writer, { challenge: this.challenge, ...greeting });
    this.acknowledge();
    const pieces = outgoing === null ? [] : outgoing.outbox.fill(writer, end, now);
    if (saysBye && writer.length < end) writeBye(writer);
    this.saysBye = false;
    if (writer.length === datagramHeadBytes) return null;
    return this.seal(head, pieces, now);
  }

  /** Begins the next datagram in {@link writer}. */
  private begin(): DatagramHead {
    const { self: from, peer: to, boot } = this.options;
    const { outgoing, writer } = this;
    const number = ++this.lastNumber;
    writer.reset();
    writeDatagramHead(writer, outgoing?.prefix ?? this.strangerPrefix, number);
    return { from, to, boot, token: outgoing?.token ?? 0, number };
  }

  /** The datagram in {@link writer}, which holds `pieces` and now leaves. */
  private seal(head: DatagramHead, pieces: readonly OutPiece[], now: number): Uint8Array {
    const { seal, counters } = this.options;
    const datagram = seal.close(this.writer, head);
    counters.datagramsSent++;
    if (pieces.length > 0)
      this.outgoing?.outbox.onSent({ number: head.number, datagramBytes: datagram.length, pieces }, now);
    return datagram;
  }

  /** What datagrams begin with to a peer that knows us by `token`; 0 if it does not. */
  private prefixOf(token: number): Uint8Array {
    const { self: from, peer: to, boot } = this.options;
    return datagramPrefix({ from, to, boot, token }, this.options);
  }

  /** An acknowledgement travels with everything that leaves. */
  private acknowledge(): void {
    const { current } = this.sessions;
    if (this.ackAt < Infinity && current !== null) writeAck(this.writer, current.come);
    this.ackAt = Infinity;
  }
}
