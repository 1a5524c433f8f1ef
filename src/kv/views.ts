/**
 * The open views of a key space. Each is shown what changes, before it does; and what nobody needs any more stays until the
 * views have visited it, and no longer: a view of many keys is open for seconds, in which most of them may be overwritten.
 */
import type { History } from "./history.ts";
import { HistoryView } from "./history_view.ts";
import type { KeyTable } from "./key_table.ts";
import { KeyView } from "./key_view.ts";
import type { OrderedKeys } from "./ordered_keys.ts";
import { type KeyNumber, type Row, noRow } from "./rows.ts";
import type { Versions } from "./versions.ts";
import type { ViewPorts } from "./view_ports.ts";

export class Views {
  private keyViews: readonly KeyView[] = [];
  private historyViews: readonly HistoryView[] = [];
  /** Versions that only views need. */
  private readonly forgotten = new Set<Row>();
  /** Keys that only views need. */
  private readonly gone = new Set<KeyNumber>();

  private readonly ports: ViewPorts;

  constructor(
    private readonly table: KeyTable,
    private readonly versions: Versions,
  ) {
    this.ports = {
      table,
      versions,
      onVisited: (row) => {
        this.reconsider(row);
      },
      onClose: (view) => {
        this.onClose(view);
      },
    };
  }

  private get areOpen(): boolean {
    return this.keyViews.length + this.historyViews.length > 0;
  }

  /** Of the keys in `order`, which is not changed any more, as they are now, at `revision`. */
  openKeys(order: OrderedKeys<KeyNumber>, revision: number): KeyView {
    const view = new KeyView({ order, revision }, this.ports);
    this.keyViews = [...this.keyViews, view];
    return view;
  }

  openHistory(history: History): HistoryView {
    const view = new HistoryView(history.copy(), this.ports);
    this.historyViews = [...this.historyViews, view];
    return view;
  }

  /** To be called before the newest version of a key is replaced or removed. */
  keep(row: Row): void {
    for (const view of this.keyViews) view.keep(row);
  }

  /** To be called before `previous` is cut off from `change`, which replaced it. */
  keepReplaced(change: Row, previous: Row): void {
    for (const view of this.historyViews) view.keep(change, previous);
  }

  /** Nobody but views needs the version `row`. */
  forget(row: Row): void {
    if (this.isNeeded(row)) this.forgotten.add(row);
    else this.versions.drop(row);
  }

  /** Nobody but views needs `key`, of which there is no version. */
  forgetKey(key: KeyNumber): void {
    if (this.areOpen) this.gone.add(key);
    else this.table.delete(key);
  }

  private isNeeded(row: Row): boolean {
    for (const view of this.keyViews) if (view.holds(row)) return true;
    for (const view of this.historyViews) if (view.holds(row)) return true;
    return false;
  }

  /** A view needs `row` no more. */
  private reconsider(row: Row): void {
    if (!this.forgotten.has(row) || this.isNeeded(row)) return;
    this.forgotten.delete(row);
    this.versions.drop(row);
  }

  /** A view may be closed before it has visited all. */
  private onClose(closed: object): void {
    this.keyViews = this.keyViews.filter((view) => view !== closed);
    this.historyViews = this.historyViews.filter((view) => view !== closed);
    for (const row of this.forgotten) this.reconsider(row);
    if (this.areOpen) return;
    for (const key of this.gone) if (this.table.newest(key) === noRow) this.table.delete(key);
    this.gone.clear();
  }
}
