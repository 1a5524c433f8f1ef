/** Saved snapshots on their way to clients: few at a time, encoded only as fast as they are taken, and given up when they are not. */
import { ProaError } from "../lib/errors.ts";
import type { Clock, NodeService, OpenImage } from "../node/mod.ts";
import { SavedSnapshotEncoder } from "../storage/saved_snapshot.ts";
import { groupZero } from "./exchange.ts";
import { refusalError } from "./http_errors.ts";
import type { ServiceLimits } from "./limits.ts";

export interface SnapshotStreamsOptions {
  readonly node: NodeService;
  readonly clock: Clock;
  readonly limits: ServiceLimits;
}

export class SnapshotStreams {
  private readonly streams = new Set<SnapshotStream>();
  private stopped = false;

  constructor(private readonly options: SnapshotStreamsOptions) {}

  /** A snapshot of what the node has applied now. Throws OVERLOADED, STOPPING or NO_LEADER. */
  open(): SnapshotStream {
    const { node, limits } = this.options;
    if (this.stopped) throw refusalError("read", { reason: "stopping", leader: null }, node);
    if (this.streams.size >= limits.snapshotsMax) {
      throw new ProaError(
        "OVERLOADED",
        `Cannot save a snapshot: ${limits.snapshotsMax} of them leave this node already`,
        { hint: "ask another node, or wait until they are done" },
      );
    }
    const image = node.openImage(groupZero);
    if (image === null) {
      throw new ProaError("NO_LEADER", "Cannot save a snapshot: this node knows nothing of its cluster yet", {
        hint: "ask another node, or wait: proa wait ready",
      });
    }
    const stream = new SnapshotStream(image, this.options, () => this.streams.delete(stream));
    this.streams.add(stream);
    return stream;
  }

  /** Breaks off all that are under way. */
  stop(): void {
    this.stopped = true;
    for (const stream of [...this.streams]) stream.close();
  }
}

/** One snapshot. Whoever opened it closes it, or reads its stream, which does. */
export class SnapshotStream {
  /** What a client may call the file. */
  readonly fileName: string;
  private readonly encoder: SavedSnapshotEncoder;
  /** Encoded, and not handed out yet. */
  private encoded: Uint8Array<ArrayBuffer>[] = [];
  private ended = false;
  private closed = false;
  private cancelPatience: () => void = () => undefined;
  private breakOff: () => void = () => undefined;

  constructor(
    private readonly image: OpenImage,
    private readonly options: SnapshotStreamsOptions,
    private readonly onClose: () => void,
  ) {
    const { cluster, cluster_id: clusterId, node_id: nodeId, version } = options.node.status(groupZero);
    const { meta, revision, keys } = image;
    this.fileName = `${cluster}-${revision}.snapshot`;
    const savedAt = new Date().toISOString();
    this.encoder = new SavedSnapshotEncoder(
      { clusterId, cluster, nodeId, revision, keys, savedAt, version },
      meta,
      (bytes) => this.encoded.push(new Uint8Array(bytes)), // a copy: the encoder goes on in the same buffer
    );
  }

  /** Pulled by whoever reads. A slice a turn of the event loop, since a fast reader would let nothing else run. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream(
      {
        start: (controller) => {
          this.breakOff = () => {
            controller.error(new ProaError("STOPPING", "Cannot go on with the snapshot: it was broken off"));
          };
          this.waitForReader();
        },
        pull: async (controller) => {
          this.cancelPatience();
          await this.nextTurn();
          if (this.closed) return;
          this.encodeSlice();
          for (const bytes of this.encoded) controller.enqueue(bytes);
          this.encoded = [];
          if (this.ended) {
            this.finish();
            controller.close();
          } else this.waitForReader();
        },
        cancel: () => {
          this.finish();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Gives it up; a stream of it breaks, so that nobody takes it for whole. */
  close(): void {
    if (this.closed) return;
    this.finish();
    this.breakOff();
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.cancelPatience();
    this.image.image.close();
    this.onClose();
  }

  /** Encodes until there is something to hand out, or the end. */
  private encodeSlice(): void {
    while (this.encoded.length === 0 && !this.ended) {
      const slice = this.image.image.next(this.options.limits.snapshotSliceBytes);
      if (slice === null) {
        this.encoder.finish();
        this.ended = true;
      } else this.encoder.append(slice);
    }
  }

  private waitForReader(): void {
    const { clock, limits } = this.options;
    this.cancelPatience = clock.at(clock.now() + limits.snapshotPauseMsMax, () => {
      this.close();
    });
  }

  private nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      this.options.clock.defer(resolve);
    });
  }
}
