/** `proa lock` as a process before a real cluster: what its program gets and gives back, and holders that die, stop or are cut off. */
import { expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { proaBinary } from "../helpers/binary.ts";
import type { CuttingProxy } from "../helpers/cutting_proxy.ts";
import type { Finished } from "../helpers/run.ts";
import { assert } from "../../src/lib/assert.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { type RealCluster, withCluster } from "./cluster.ts";
import { until } from "../helpers/until.ts";
import { relaysBefore } from "./relays.ts";

const binary = proaBinary();

/** A program under a lock: prints its process id, its token and "on", and then does what `after` says. */
function program(after: string): readonly string[] {
  return ["--", "sh", "-c", `echo $$ $PROA_LOCK_TOKEN; ${after}`];
}

interface Begun {
  readonly pid: number;
  readonly token: number;
}

/** `proa lock` while it runs. */
class Locking {
  readonly ended: Promise<Finished>;
  /** The first line that its program printed. */
  readonly begun: Promise<Begun>;
  private readonly child: ChildProcess;

  constructor(endpoints: string, args: readonly string[]) {
    const env = { ...process.env, PROA_ENDPOINTS: endpoints };
    const child = spawn(binary, ["lock", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    let stdout = "";
    let stderr = "";
    const begun = Promise.withResolvers<Begun>();
    this.begun = begun.promise;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      const [, pid, token] = /^(\d+) (\d+)\n/.exec(stdout) ?? [];
      if (token !== undefined) begun.resolve({ pid: Number(pid), token: Number(token) });
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    this.ended = new Promise((resolve) => {
      child.on("exit", (status) => {
        resolve({ status, stdout, stderr });
      });
    });
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }
}

/** The processes of a group that have not ended: what is dead may still wait for somebody who asks how it ended. */
function runningIn(group: number): readonly string[] {
  const all = spawnSync("ps", ["-A", "-o", "pgid=,stat=,args="], { encoding: "utf8" }).stdout.split("\n");
  return all.filter((line) => new RegExp(`^ *${group} +[^Z ]`).test(line));
}

/** How many hold a lock or wait for it. */
async function queueLength(cluster: RealCluster, name: string): Promise<number> {
  const listed = await cluster.proa(["kv", "ls", `/proa/lock/${name}/`, "--json"]);
  assert(listed.status === 0, listed.stderr);
  const { kvs } = JSON.parse(listed.stdout) as { readonly kvs: readonly unknown[] };
  return kvs.length;
}

test(
  "a program has the lock, its token and all that a program has; its status is passed on, and the lock let go",
  () =>
    withCluster(async (cluster) => {
      const { endpoints } = cluster;
      const lock = (...args: readonly string[]): Locking => new Locking(endpoints, args);
      const piped = await cluster.proa(["lock", "a", "--", "sh", "-c", 'echo "$PROA_LOCK_NAME"; cat; exit 7'], {
        stdin: "from stdin",
      });
      expect(piped).toEqual({ status: 7, stdout: "a\nfrom stdin", stderr: "" });
      expect(await queueLength(cluster, "a")).toBe(0);
      const fenced = `"${binary}" kv txn --must -q -f - <<END
if create_revision $PROA_LOCK_KEY = $PROA_LOCK_TOKEN
then put state $PROA_LOCK_TOKEN
END`;
      expect((await cluster.proa(["lock", "fence/d", "--", "sh", "-c", fenced])).status).toBe(0);
      expect((await cluster.proa(["kv", "get", "state"])).stdout).toMatch(/^\d+$/);

      // Signals are the program's affair; once it has ended, whoever is next has the lock.
      const holder = lock("a", ...program('trap "exit 3" TERM; while :; do sleep 0.05; done'));
      const { token } = await holder.begun;
      const next = lock("a", ...program("kill -9 $$"));
      await until("two are in the queue", async () => (await queueLength(cluster, "a")) === 2);
      const late = await cluster.proa(["lock", "a", "--timeout", "1s", "--json", "--", "echo", "never"]);
      expect([late.status, late.stdout, JSON.parse(late.stderr).error.code]).toEqual([124, "", "WAIT_TIMEOUT"]);
      const waiting = lock("a", ...program("true"));
      await until("three are in the queue", async () => (await queueLength(cluster, "a")) === 3);
      waiting.signal("SIGTERM");
      expect(await waiting.ended).toMatchObject({ status: 143, stdout: "" });
      holder.signal("SIGTERM");
      expect((await holder.ended).status).toBe(3);
      expect((await next.begun).token).toBeGreaterThan(token);
      expect((await next.ended).status).toBe(137);
      await until("the queue is empty", async () => (await queueLength(cluster, "a")) === 0);

      for (const [args, message] of [
        [["lock", "a"], "Cannot run proa lock: the program is missing"],
        [["lock", "a", "--ttl", "900ms", "--", "true"], "Cannot grant a lease: the time to live is 900 ms"],
      ] as const) {
        const wrong = await cluster.proa(args);
        expect([wrong.status, wrong.stderr.includes(message)]).toEqual([2, true]);
      }
      expect((await cluster.proa(["lock", "a", "--", "/nonexistent/program"])).status).toBe(127);
      expect(await queueLength(cluster, "a")).toBe(0);
      const nobody = await cluster.proa(["lock", "a", "--timeout", "300ms", "--", "true"], {
        endpoints: "127.0.0.1:1",
      });
      expect(nobody.status).toBe(3);

      // A semaphore: the third waits until one of two is gone, whichever.
      const three = [lock("s", "-n", "2", ...program("exec sleep 600"))];
      for (let i = 1; i < 3; i++) {
        await until("one more is in the queue", async () => (await queueLength(cluster, "s")) === i);
        three.push(lock("s", "-n", "2", ...program("exec sleep 600")));
      }
      const [one, two, third] = three;
      const tokens = [await one?.begun, await two?.begun].map((begun) => begun?.token ?? 0);
      one?.signal("SIGINT");
      expect((await one?.ended)?.status).toBe(130);
      tokens.push((await third?.begun)?.token ?? 0);
      expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b));
      for (const locking of [two, third]) locking?.signal("SIGTERM");
      for (const locking of [two, third]) expect((await locking?.ended)?.status).toBe(143);
    }),
  60_000,
);

/** Ignores what asks it to end, and so does what it has started. */
const stubborn = program('trap "" TERM; sleep 600 & while :; do sleep 600; done');
/** Ends when it is asked to, and what it has started does not. */
const careless = program('(trap "" TERM; exec sleep 600) & wait');

/** What stands between somebody and the whole cluster, and can be cut. */
class Relays {
  private readonly proxies: CuttingProxy[] = [];

  static async before(cluster: RealCluster): Promise<Relays> {
    const relays = new Relays();
    relays.proxies.push(...(await relaysBefore(cluster, { random: seededRandom(1), cutRate: 0 })));
    return relays;
  }

  get endpoints(): string {
    return this.proxies.map(({ endpoint }) => endpoint).join(",");
  }

  fallSilent(): void {
    for (const proxy of this.proxies) proxy.fallSilent();
  }

  stop(): void {
    for (const proxy of this.proxies) proxy.stop();
  }
}

/** Somebody who has a lock, and what becomes of him. */
interface Holder {
  readonly name: string;
  readonly endpoints: string;
  readonly does: readonly string[];
  readonly harm: (it: Locking) => void;
  /** With which proa ends. */
  readonly status: number | null;
}

test(
  "a holder that dies, is stopped or is cut off leaves no program behind, and the next one has a higher token",
  () =>
    withCluster(async (cluster) => {
      const [first, second] = [await Relays.before(cluster), await Relays.before(cluster)];
      const holders: readonly Holder[] = [
        {
          name: "dies",
          endpoints: cluster.endpoints,
          does: stubborn,
          harm: (it) => it.signal("SIGKILL"),
          status: null,
        },
        { name: "stops", endpoints: cluster.endpoints, does: stubborn, harm: (it) => it.signal("SIGSTOP"), status: 4 },
        { name: "cut", endpoints: first.endpoints, does: stubborn, harm: () => first.fallSilent(), status: 4 },
        { name: "cut-2", endpoints: second.endpoints, does: careless, harm: () => second.fallSilent(), status: 4 },
      ];
      const succession = async ({ name, endpoints, does, harm, status }: Holder): Promise<void> => {
        const holder = new Locking(endpoints, [name, "--ttl", "6s", ...does]);
        const { pid, token } = await holder.begun;
        const next = new Locking(cluster.endpoints, [name, ...program("true")]);
        harm(holder);
        const begun = await next.begun;
        expect(begun.token).toBeGreaterThan(token);
        expect([name, ...runningIn(pid)]).toEqual([name]);
        expect((await next.ended).status).toBe(0);
        holder.signal("SIGCONT");
        const end = await holder.ended;
        expect(end.status).toBe(status);
        if (status === 4) expect(end.stderr).toContain(`Cannot hold the lock ${name} any longer: `);
      };
      try {
        await Promise.all(holders.map(succession));
      } finally {
        first.stop();
        second.stop();
      }
    }),
  60_000,
);
