/** Keeping a lease alive, on a clock that a test moves: when renewals are sent, and when the lease counts as lost. */
import { expect, test } from "bun:test";
import { KeepAlive } from "../../src/client/keep_alive.ts";
import { Tenure } from "../../src/client/tenure.ts";
import { ProaError } from "../../src/lib/errors.ts";
import { VirtualClock } from "../helpers/virtual_clock.ts";

/** A lease of 12 seconds on a clock that begins at 0, and what became of it. */
class World {
  readonly clock = new VirtualClock();
  readonly log: string[] = [];
  readonly keepAlive: KeepAlive;
  private readonly answers: { readonly confirm: () => void; readonly refuse: (error: Error) => void }[] = [];

  constructor() {
    this.keepAlive = new KeepAlive({
      tenure: new Tenure({ ttlMs: 12_000, sentAt: 0 }),
      timers: this.clock,
      renew: (timeoutMs) => {
        this.log.push(`${this.clock.now()} renew within ${timeoutMs}`);
        const { promise, resolve, reject } = Promise.withResolvers<undefined>();
        this.answers.push({
          confirm: () => {
            resolve(undefined);
          },
          refuse: reject,
        });
        return promise;
      },
      onRenewed: () => {
        this.log.push(`${this.clock.now()} renewed`);
      },
      onLost: (reason) => {
        this.log.push(`${this.clock.now()} lost: ${reason}`);
      },
    });
  }

  pass(milliseconds: number): void {
    this.clock.advance(milliseconds, () => undefined);
  }

  /** Answers the oldest renewal that is not answered, and lets the news arrive. */
  async answer(error: Error | null = null): Promise<void> {
    const oldest = this.answers.shift();
    if (error === null) oldest?.confirm();
    else oldest?.refuse(error);
    await new Promise((resolve) => setImmediate(resolve));
  }

  take(): readonly string[] {
    return this.log.splice(0);
  }
}

test("a renewal is sent after a third of the time, and counts from when it was sent", async () => {
  const world = new World();
  world.pass(4000);
  expect(world.take()).toEqual(["4000 renew within 4400"]);
  world.pass(1000);
  await world.answer();
  expect(world.take()).toEqual(["5000 renewed"]);
  world.pass(2999);
  expect(world.take()).toEqual([]);
  world.pass(1);
  expect(world.take()).toEqual(["8000 renew within 4400"]);
});

test("without an answer it is lost at seven tenths, and what is answered later changes nothing", async () => {
  const world = new World();
  world.pass(8399);
  expect(world.take()).toEqual(["4000 renew within 4400"]);
  world.pass(1);
  expect(world.take()).toEqual(["8400 lost: no renewal of its lease was confirmed for 8400 ms"]);
  await world.answer();
  world.pass(100_000);
  expect(world.take()).toEqual([]);
});

test("what was refused is tried again until it is lost; a lease that is over is lost at once", async () => {
  const world = new World();
  world.pass(4000);
  await world.answer(new ProaError("NO_LEADER", "Cannot renew: nobody leads"));
  world.pass(600);
  expect(world.take()).toEqual(["4000 renew within 4400", "4600 renew within 3800"]);
  await world.answer(new ProaError("LEASE_NOT_FOUND", "Cannot renew: there is no such lease"));
  expect(world.take()).toEqual(["4600 lost: its lease is over"]);
  world.pass(100_000);
  expect(world.take()).toEqual([]);
});

test("an answer that waited until it was too late does not bring it back", async () => {
  const world = new World();
  world.pass(4000);
  world.take();
  const late = world.clock.now.bind(world.clock);
  world.clock.now = () => late() + 20_000; // as after the process was stopped, before any timer has fired
  await world.answer();
  expect(world.take()).toEqual(["24000 lost: no renewal of its lease was confirmed for 20000 ms"]);
});

test("one that was stopped says nothing any more", async () => {
  const world = new World();
  world.pass(4000);
  world.take();
  world.keepAlive.stop();
  await world.answer();
  world.pass(100_000);
  expect(world.take()).toEqual([]);
});
