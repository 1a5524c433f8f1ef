/** Majorities against an oracle that tries every set of nodes: all configurations of up to three and three voters. */
import { expect, test } from "bun:test";
import { quorumValue, tally } from "../../src/raft/quorum.ts";

const ids = [1, 2, 3, 4, 5, 6] as const;

/** Every subset of `of`, the empty one first. */
function subsets<T>(of: readonly T[]): readonly (readonly T[])[] {
  return of.reduce<readonly (readonly T[])[]>(
    (sets, member) => [...sets, ...sets.map((set) => [...set, member])],
    [[]],
  );
}

/** Every way to give each of `of` one of `values`. */
function assignments<T>(of: readonly number[], values: readonly T[]): readonly ReadonlyMap<number, T>[] {
  return of.reduce<readonly ReadonlyMap<number, T>[]>(
    (maps, id) => maps.flatMap((map) => values.map((value) => new Map([...map, [id, value]]))),
    [new Map()],
  );
}

/** Two halves of at most three voters each, of six nodes; the second may be empty. The first is 1 to its size, for names do not matter. */
const halves = [1, 2, 3].flatMap((size) =>
  subsets(ids)
    .filter((set) => set.length <= 3)
    .map((outgoing) => ({ voters: ids.slice(0, size), outgoing })),
);

/** The definition: `agree` has more than half of each half that has members. */
function decides(agree: ReadonlySet<number>, { voters, outgoing }: (typeof halves)[number]): boolean {
  return [voters, outgoing]
    .filter((half) => half.length > 0)
    .every((half) => 2 * half.filter((id) => agree.has(id)).length > half.length);
}

function everybody({ voters, outgoing }: (typeof halves)[number]): readonly number[] {
  return [...new Set([...voters, ...outgoing])];
}

test("M4 a value is agreed on by exactly the sets that decide", () => {
  for (const quorum of halves) {
    const voters = everybody(quorum);
    for (const values of assignments(voters, [0, 1, 2])) {
      const valueOf = (id: number): number => values.get(id) ?? -1;
      const oracle = [2, 1, 0].find((least) => decides(new Set(voters.filter((id) => valueOf(id) >= least)), quorum));
      if (quorumValue(quorum, valueOf) !== oracle) {
        throw new Error(`${JSON.stringify(quorum)} with ${JSON.stringify([...values])} must be ${oracle}`);
      }
    }
  }
});

test("M4 an election is won, lost or open as every way to end it says", () => {
  for (const quorum of halves) {
    const voters = everybody(quorum);
    for (const answers of assignments(voters, [true, false, null])) {
      const votes = new Map([...answers].flatMap(([id, vote]) => (vote === null ? [] : [[id, vote] as const])));
      const granted = voters.filter((id) => votes.get(id) === true);
      const open = voters.filter((id) => !votes.has(id));
      const oracle = decides(new Set(granted), quorum)
        ? "won"
        : decides(new Set([...granted, ...open]), quorum)
          ? "pending"
          : "lost";
      if (tally(quorum, votes) !== oracle) {
        throw new Error(`${JSON.stringify(quorum)} with ${JSON.stringify([...votes])} must be ${oracle}`);
      }
    }
  }
});

test("M4 two halves that decide always share a voter with each single half", () => {
  for (const quorum of halves) {
    for (const agree of subsets(everybody(quorum))) {
      if (!decides(new Set(agree), quorum)) continue;
      for (const half of [quorum.voters, quorum.outgoing]) {
        const rest = half.filter((id) => !agree.includes(id));
        expect(half.length === 0 || 2 * rest.length < half.length).toBe(true);
      }
    }
  }
});

test("M4 answers of strangers and learners count for nothing", () => {
  const quorum = { voters: [1, 2, 3], outgoing: [3, 4] };
  expect(tally(quorum, new Map([1, 3, 7, 8, 9].map((id) => [id, true])))).toBe("pending");
  expect(tally(quorum, new Map([7, 8, 9].map((id) => [id, false])))).toBe("pending");
  expect(tally(quorum, new Map([1, 3, 4].map((id) => [id, true])))).toBe("won");
});

test("M6 an empty set of voters decides nothing", () => {
  const nobody = { voters: [], outgoing: [] };
  expect(() => quorumValue(nobody, () => 1)).toThrow("no majority");
  expect(() => tally(nobody, new Map())).toThrow("no majority");
});
