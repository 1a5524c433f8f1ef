/** How fast one store applies and answers, without Raft, disk or network: `bun bench/store_apply.ts [keys]`. */
import { entryChecksum } from "../src/lib/checksum.ts";
import { ByteWriter } from "../src/lib/byte_writer.ts";
import { seededRandom } from "../src/lib/random.ts";
import { Store } from "../src/kv/mod.ts";
import type { Entry } from "../src/raft/mod.ts";
import {
  defaultCommandLimits,
  payloadVersion,
  validateCommands,
  writeCompact,
  writeGet,
  writePut,
} from "../src/wire/mod.ts";

const keyCount = Number(process.argv[2] ?? 10_000);
const valueBytes = 256;
const commandsPerEntry = 200;
const overwrites = 1_000_000;
const gets = 1_000_000;

const random = seededRandom(1);
const keys = Array.from({ length: keyCount }, (_, i) =>
  new TextEncoder().encode(`bench/key-${String(i).padStart(8, "0")}`),
);
const key = (i: number): Uint8Array => keys[i] ?? new Uint8Array(1);

/** An entry with one put for each of `indexes`. */
function entryOf(index: number, indexes: readonly number[]): Entry {
  const writer = new ByteWriter(64 * 1024);
  writer.u8(payloadVersion);
  const value = new Uint8Array(valueBytes).fill(index & 0xff);
  for (const i of indexes) writePut(writer, { key: key(i), value, ifRevision: null });
  const entry = { index, term: 1, kind: "commands", payload: writer.take() } as const;
  return { ...entry, checksum: entryChecksum(entry) };
}

function measure(name: string, count: number, run: () => void): void {
  const start = performance.now();
  run();
  const ms = performance.now() - start;
  const rate = (count / ms / 1000).toFixed(2);
  console.log(`${name.padEnd(32)} ${rate.padStart(6)} M/s ${((ms * 1e6) / count).toFixed(0).padStart(6)} ns each`);
}

const store = new Store();
const results = new ByteWriter(64 * 1024);

function applyAll(entries: readonly Entry[]): void {
  for (const entry of entries) {
    results.reset();
    store.apply(entry, results);
  }
}

const creating: Entry[] = [];
for (let i = 0; i < keyCount; i += commandsPerEntry) {
  creating.push(
    entryOf(
      creating.length + 1,
      Array.from({ length: commandsPerEntry }, (_, j) => i + j),
    ),
  );
}
/** The same payloads again and again under rising indexes, as many puts as there are keys. */
const payloads = Array.from({ length: keyCount / commandsPerEntry }, (_, i) =>
  entryOf(
    i,
    Array.from({ length: commandsPerEntry }, () => random.integer(0, keyCount - 1)),
  ),
);

/** What a leader would propose. */
function maybeCompact(): void {
  const revision = store.compactionDue;
  if (revision === null) return;
  const writer = new ByteWriter();
  writer.u8(payloadVersion);
  writeCompact(writer, revision);
  const entry = { index: store.appliedIndex + 1, term: 1, kind: "commands", payload: writer.take() } as const;
  applyAll([{ ...entry, checksum: entryChecksum(entry) }]);
}

/** Overwrites keys, and calls `afterEach` behind each entry. */
function overwriteAll(afterEach: () => void): void {
  for (let done = 0; done < overwrites; done += commandsPerEntry) {
    const entry = payloads[(done / commandsPerEntry) % payloads.length];
    if (entry !== undefined) applyAll([{ ...entry, index: store.appliedIndex + 1 }]);
    maybeCompact();
    afterEach();
  }
}

measure(`create ${keyCount} keys`, keyCount, () => applyAll(creating));
for (const round of [1, 2, 3]) {
  measure(`overwrite ${valueBytes} B, round ${round}`, overwrites, () => overwriteAll(() => undefined));
}
for (const round of [1, 2, 3]) {
  const image = store.image();
  measure(`the same, image open, round ${round}`, overwrites, () => overwriteAll(() => undefined));
  image.close();
}
/** Each entry is followed by a slice, and each image by the next: far more than a snapshot now and then. */
let image = store.image();
let images = 0;
const sliceBytes = 16 * 1024;
measure("the same, with slices of 16 KiB", overwrites, () =>
  overwriteAll(() => {
    if (image.next(sliceBytes) !== null) return;
    image = store.image();
    images++;
  }),
);
image.close();
console.log(`${images} images were read meanwhile`);

function readImage(take: (slice: Uint8Array) => void): void {
  const whole = store.image();
  for (let slice = whole.next(256 * 1024); slice !== null; slice = whole.next(256 * 1024)) take(slice);
}

measure("image, each key", store.keyCount, () => readImage(() => undefined));
const slices: Uint8Array[] = [];
readImage((slice) => slices.push(slice.slice()));
measure("restore, each key", store.keyCount, () => {
  const sink = new Store().restore(store.appliedIndex);
  for (const slice of slices) sink.push(slice);
  sink.finish();
});

const writer = new ByteWriter();
const requests = Array.from({ length: gets / commandsPerEntry }, () => {
  for (let i = 0; i < commandsPerEntry; i++) writeGet(writer, key(random.integer(0, keyCount - 1)));
  return writer.take();
});
for (const round of [1, 2]) {
  measure(`get ${valueBytes} B, round ${round}`, gets, () => {
    for (const request of requests) {
      results.reset();
      store.read(request, results, { clock: null, answersBytesMax: Infinity });
    }
  });
}

const commands = (payloads[0]?.payload ?? new Uint8Array()).subarray(1);
measure("validate puts", 2000 * commandsPerEntry, () => {
  for (let i = 0; i < 2000; i++) validateCommands(commands, defaultCommandLimits);
});

console.log(`state hash ${store.stateHash()}, revision ${store.revision}, ${store.keyCount} keys`);
if (store.stateHash() !== store.recomputeStateHash()) throw new Error("the state hash does not match the records");
